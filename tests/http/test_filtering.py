"""Request filtering: one test for each row of the table, at the limit and beyond (pipeline L-01)."""

from typing import Any

import pytest

from penstock.http.filtering import RequestFiltering
from penstock.http.messages import RequestLine
from penstock.http.targets import read_target


def line(target: str, method: str = "GET") -> RequestLine:
    return read_target(method, target.encode(), "1.1")


def status(target: str, method: str = "GET", **rules: Any) -> int:
    refused = RequestFiltering(**rules).check(line(target, method))
    return 200 if refused is None else refused.status


def test_nothing_is_refused_by_default() -> None:
    target = "/" + "a" * 5000 + "/<>*%25&:%5C%3F/web.config/%C3%A9?" + "q" * 5000
    assert status(target, "BREW") == 200
    assert status(target, "BREW", path=0, url=0, query=0) == 200


class TestTable:
    def test_pipeline_l01_path_length(self) -> None:
        assert status("/" + "a" * 259, path=260) == 200
        assert status("/" + "a" * 260, path=260) == 414
        assert status("/" + "%C3%A9" * 259, path=260) == 200

    def test_pipeline_l01_url_length(self) -> None:
        assert status("/" + "%41" * 1365 + "?" + "q" * 100, url=4096) == 200
        assert status("/" + "%41" * 1365 + "a", url=4096) == 414

    def test_pipeline_l01_query_length(self) -> None:
        assert status("/?" + "q" * 2048, query=2048) == 200
        assert status("/?" + "q" * 2049, query=2048) == 414

    @pytest.mark.parametrize("character", ["%3C", "%3E", "*", "%25", "&", ":", "%5C", "%3F"])
    def test_pipeline_l01_characters(self, character: str) -> None:
        assert status(f"/a{character}b", characters="<>*%&:\\?") == 400
        assert status(f"/ab?{character}", characters="<>*%&:\\?") == 200

    def test_pipeline_l01_methods(self) -> None:
        refused = RequestFiltering(methods=["GET", "POST"]).check(line("/", "PUT"))
        assert refused is not None
        assert (refused.status, refused.headers) == (405, ((b"allow", b"GET, POST"),))
        assert status("/", "POST", methods=["GET", "POST"]) == 200
        assert status("/", "get", methods=["GET", "POST"]) == 405

    @pytest.mark.parametrize(
        "path",
        ["/a.bak", "/a.BAK", "/a.%62ak", "/a.bak/x", "/a.bak.", "/a.bak%20", "/a.bak;x=1", "/a.bak::$DATA", "/.bak"],
    )
    @pytest.mark.parametrize("extension", [".bak", "bak", "BAK"])
    def test_pipeline_l01_extensions(self, path: str, extension: str) -> None:
        assert status(path, extensions=[extension]) == 404

    @pytest.mark.parametrize("path", ["/a.bakx", "/abak", "/bak", "/a.bak.txt", "/a?x.bak"])
    def test_pipeline_l01_other_extensions(self, path: str) -> None:
        assert status(path, extensions=[".bak"]) == 200

    @pytest.mark.parametrize(
        "path", ["/bin", "/a/bin/b", "/BIN/", "/%62in/x", "/a/../bin", "/bin.", "/bin;x", "/bin%20/x", "//bin"]
    )
    def test_pipeline_l01_hidden_segments(self, path: str) -> None:
        assert status(path, hidden_segments=["bin"]) == 404

    @pytest.mark.parametrize("path", ["/binary", "/a.bin", "/cabin", "/?bin"])
    def test_pipeline_l01_other_segments(self, path: str) -> None:
        assert status(path, hidden_segments=["bin"]) == 200

    @pytest.mark.parametrize("path", ["/a~1", "/a%7e1", "/a/../~"])
    def test_pipeline_l01_sequences(self, path: str) -> None:
        assert status(path, sequences=["~"]) == 404
        assert status(path, sequences=["!"]) == 200

    def test_pipeline_l01_sequences_are_found_in_what_was_sent_too(self) -> None:
        assert status("/a/../b", sequences=[".."]) == 404
        assert status("/A%2Fb", sequences=["%2f"]) == 404
        assert status("/X-Internal/a", sequences=["x-internal"]) == 404

    def test_pipeline_l01_double_escaped(self) -> None:
        assert status("/a%2541", double_escaped=True) == 400
        assert status("/a%41", double_escaped=True) == 200
        assert status("/?a%2541", double_escaped=True) == 200

    def test_pipeline_l01_high_bit(self) -> None:
        assert status("/%7E", high_bit=True) == 200
        assert status("/%C2%80", high_bit=True) == 400
        assert status("/?%C2%80", high_bit=True) == 200


class TestAnswer:
    @pytest.mark.parametrize(
        ("rules", "key"),
        [
            ({"path": 3}, "path"),
            ({"url": 3}, "url"),
            ({"query": 3}, "query"),
            ({"characters": "b"}, "characters"),
            ({"methods": ["POST"]}, "methods"),
            ({"extensions": [".bak"]}, "extensions"),
            ({"hidden_segments": ["é%b.bak"]}, "hidden_segments"),
            ({"sequences": [".b"]}, "sequences"),
            ({"double_escaped": True}, "double_escaped"),
            ({"high_bit": True}, "high_bit"),
        ],
    )
    def test_it_names_the_rule(self, rules: dict[str, Any], key: str) -> None:
        refused = RequestFiltering(**rules).check(line("/%C3%A9%25b.bak?1234"))
        assert refused is not None
        assert refused.rule == f"pipeline L-01, filtering.{key}"

    def test_what_is_hidden_is_told_to_the_log_and_not_to_the_client(self) -> None:
        refused = RequestFiltering(hidden_segments=["bin"]).check(line("/bin"))
        assert refused is not None
        assert (refused.detail, str(refused)) == ("", "the segment 'bin' is hidden")

    def test_each_request_gets_an_error_of_its_own(self) -> None:
        rules = RequestFiltering(path=1)
        assert rules.check(line("/ab")) is not rules.check(line("/ab"))
