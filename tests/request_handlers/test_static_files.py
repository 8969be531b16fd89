"""Static files, asked as a client asks: pipeline F-01 to F-08, bad-input rows 70 to 75."""

import asyncio
import gzip
import os
import re
from collections.abc import Callable, Sequence
from contextvars import copy_context
from pathlib import Path
from typing import Any, cast

import pytest

from penstock.errors import RequestRejected
from penstock.http.dates import format_http_date
from penstock.http.head import read_head
from penstock.http.messages import RequestHead, ResponseHead
from penstock.intake.runtime import Runtime
from penstock.intake.worker_request import WorkerRequest
from penstock.pipeline.context import Context
from penstock.pipeline.location import Location
from penstock.pipeline.module import Hooks, Module
from penstock.pipeline.plan import Plan, assemble
from penstock.pipeline.site import PipelineSite
from penstock.pipeline.stages import Stage
from penstock.pipeline.target import Target
from penstock.pipeline.task import begin
from penstock.request_handlers.file_finder import RECHECK
from penstock.request_handlers.static_files import StaticFiles

NOW = 1_800_000_000
MODIFIED = 1_700_000_000
HUNDRED = bytes(range(100))
LARGE = bytes(range(256)) * 400  # 102 400 bytes: more than is kept in memory
HTML = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


class Answer:
    """What a client got."""

    def __init__(self) -> None:
        self.status = 0
        self.fields: list[tuple[bytes, bytes]] = []
        self.body = b""
        self.effective_path = ""

    def __getitem__(self, name: str) -> str | None:
        values = [value.decode() for field, value in self.fields if field == name.encode()]
        return ", ".join(values) if values else None


class Limits:
    """No limits: what is hostile shall reach the handler."""

    request_line = header_section = 10_000_000
    headers = 1000


class RecordingWorkerRequest:
    """A worker request that keeps what is sent."""

    client = server = None
    scheme = "http"
    is_disconnected = False
    started = 0.0

    def __init__(self, head: RequestHead) -> None:
        self.head = head
        self.answer = Answer()
        self.has_sent_all = False

    def send(self, head: ResponseHead | None, body: bytes, more: bool) -> None:
        if head is not None:
            self.answer.status, self.answer.fields = head.status_code, list(head.raw_headers)
        self.answer.body += body
        self.has_sent_all = not more

    async def send_file(self, head: ResponseHead | None, descriptor: int, offset: int, count: int, more: bool) -> None:
        self.send(head, os.pread(descriptor, count, offset), more)

    def abort(self) -> None:
        self.has_sent_all = True


class Browser:
    """Asks a handler through a plan without modules, with clocks of its own."""

    def __init__(self, root: Path, **settings: Any) -> None:
        self.root = root
        self.seconds = 0.0
        self.now = float(NOW)
        self.files = StaticFiles(str(root), clock=lambda: self.seconds, time_of_day=lambda: self.now, **settings)

    def write(self, name: str, content: bytes | str, *, modified: float = MODIFIED) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        os.utime(path, ns=(int(modified * 1e9), int(modified * 1e9)))
        return path

    def ask(
        self,
        target: str,
        headers: dict[str, str] | Sequence[tuple[str, str]] = (),
        *,
        method: str = "GET",
        module: Module | None = None,
    ) -> Answer:
        pairs = headers.items() if isinstance(headers, dict) else headers
        fields = "".join([f"{name}: {value}\r\n" for name, value in pairs])
        raw = f"{method} {target} HTTP/1.1\r\nhost: example.org\r\n{fields}\r\n".encode("latin-1")
        try:
            worker_request = RecordingWorkerRequest(read_head(raw, Limits()))
        except RequestRejected as error:
            refused = Answer()
            refused.status = error.status
            return refused
        hooks = Hooks("module")
        if module is not None:
            module.attach(hooks)
        files = Target("files", "/", self.files, needs="read")
        plan = assemble([hooks], files, Location(), site=PipelineSite())
        return asyncio.run(_lead_through(plan, worker_request))


async def _lead_through(plan: Plan, worker_request: RecordingWorkerRequest) -> Answer:
    left = asyncio.get_running_loop().create_future()
    runtime = Runtime([], record=lambda *record: left.set_result(None))
    runtime.admission.inside = 1
    context = Context(cast("WorkerRequest", worker_request), runtime, plan, copy_context())
    begin(context)
    async with asyncio.timeout(10):
        await left
    answer = worker_request.answer
    answer.effective_path = context.effective_path
    return answer


MakeBrowser = Callable[..., Browser]


@pytest.fixture
def make_browser(tmp_path: Path) -> MakeBrowser:
    root = tmp_path / "public"
    root.mkdir()

    def make(**settings: Any) -> Browser:
        return Browser(root, **settings)

    return make


@pytest.fixture
def browser(make_browser: MakeBrowser) -> Browser:
    browser = make_browser()
    browser.write("hundred.bin", HUNDRED)
    browser.write("large.bin", LARGE)
    browser.write("empty.txt", b"")
    browser.write("app.js", "let x = 1")
    browser.write("folder/index.html", "<p>folder")
    browser.write("bare/data.txt", "data")
    return browser


class TestLookup:
    def test_pipeline_f01_a_file(self, browser: Browser) -> None:
        answer = browser.ask("/app.js")
        assert (answer.status, answer.body) == (200, b"let x = 1")
        assert answer["content-type"] == "text/javascript; charset=utf-8"
        assert answer.effective_path == "/app.js"

    @pytest.mark.parametrize("target", ["/missing", "/missing/", "/app.js/", "/app.js/x", "/bare/missing.txt"])
    def test_pipeline_f01_missing_is_404(self, browser: Browser, target: str) -> None:
        assert browser.ask(target).status == 404

    def test_pipeline_f01_a_name_ending_with_a_dot_is_404(self, browser: Browser) -> None:
        browser.write("odd.", "odd")
        assert browser.ask("/odd.").status == 404

    def test_pipeline_f01_hidden_is_404(self, browser: Browser) -> None:
        browser.write(".env", "secret")
        browser.write(".git/config", "secret")
        assert (browser.ask("/.env").status, browser.ask("/.git/config").status) == (404, 404)

    def test_rfc8615_well_known_is_served(self, browser: Browser) -> None:
        browser.write(".well-known/security.txt", "mail us")
        assert browser.ask("/.well-known/security.txt").body == b"mail us"

    def test_pipeline_f01_denied_is_403(self, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
        opened = os.open

        def deny(path: Any, *arguments: Any, **options: Any) -> int:
            if path == "app.js":
                raise PermissionError(13, "denied")
            return opened(path, *arguments, **options)

        monkeypatch.setattr(os, "open", deny)
        assert browser.ask("/app.js").status == 403

    def test_pipeline_f01_a_folder_without_slash_redirects_with_its_query(self, browser: Browser) -> None:
        answer = browser.ask("/folder?a=1&b=%20")
        assert (answer.status, answer["location"], answer.body) == (308, "/folder/?a=1&b=%20", b"")
        assert browser.ask("/folder")["location"] == "/folder/"

    def test_pipeline_f01_a_folder_without_document_is_403(self, browser: Browser) -> None:
        assert browser.ask("/bare/").status == 403

    def test_row_72_a_huge_folder_is_not_listed(self, browser: Browser) -> None:
        for number in range(3000):
            (browser.root / "bare" / str(number)).touch()
        assert browser.ask("/bare/").status == 403

    def test_names_in_other_scripts(self, browser: Browser) -> None:
        browser.write("grün ☃.txt", "snow")
        assert browser.ask("/gr%C3%BCn%20%E2%98%83.txt").body == b"snow"


class TestValidators:
    def test_pipeline_f02_last_modified_in_whole_seconds(self, browser: Browser) -> None:
        browser.write("half.txt", "x", modified=MODIFIED + 0.5)
        assert browser.ask("/half.txt")["last-modified"] == format_http_date(MODIFIED).decode()

    def test_pipeline_f02_a_time_to_come_is_now(self, browser: Browser) -> None:
        browser.write("future.txt", "x", modified=NOW + 1000)
        assert browser.ask("/future.txt")["last-modified"] == format_http_date(NOW).decode()

    def test_pipeline_f02_two_writes_within_a_second_have_two_tags(self, browser: Browser) -> None:
        browser.write("app.js", "one", modified=MODIFIED + 0.1)
        first = browser.ask("/app.js")["etag"]
        browser.write("app.js", "other", modified=MODIFIED + 0.1)
        browser.seconds += RECHECK
        second = browser.ask("/app.js")["etag"]
        browser.write("app.js", "third", modified=MODIFIED + 0.2)
        browser.seconds += RECHECK
        assert len({first, second, browser.ask("/app.js")["etag"]}) == 3

    def test_pipeline_f02_no_policy_that_was_not_asked_for(self, browser: Browser) -> None:
        answer = browser.ask("/app.js")
        assert (answer["cache-control"], answer["expires"]) == (None, None)
        assert answer["accept-ranges"] == "bytes"

    def test_pipeline_f02_cache_control_as_set(self, make_browser: MakeBrowser) -> None:
        browser = make_browser(cache_control="public, max-age=3600")
        browser.write("a.txt", "a")
        etag = browser.ask("/a.txt")["etag"]
        assert browser.ask("/a.txt")["cache-control"] == "public, max-age=3600"
        assert browser.ask("/a.txt", {"if-none-match": str(etag)})["cache-control"] == "public, max-age=3600"


NAMES_AND_CONTENTS = pytest.mark.parametrize(("name", "content"), [("hundred.bin", HUNDRED), ("large.bin", LARGE)])


class TestRanges:
    @pytest.mark.parametrize(
        ("field", "first", "last"),
        [("bytes=0-9", 0, 9), ("bytes=-5", 95, 99), ("bytes=90-", 90, 99), ("bytes=-1000", 0, 99)],
    )
    def test_pipeline_f03_one_range(self, browser: Browser, field: str, first: int, last: int) -> None:
        answer = browser.ask("/hundred.bin", {"range": field})
        assert (answer.status, answer.body) == (206, HUNDRED[first : last + 1])
        assert answer["content-range"] == f"bytes {first}-{last}/100"
        assert answer["etag"] == browser.ask("/hundred.bin")["etag"]
        assert answer["last-modified"] is not None
        assert answer["accept-ranges"] == "bytes"

    def test_pipeline_f03_one_range_of_a_large_file(self, browser: Browser) -> None:
        answer = browser.ask("/large.bin", {"range": "bytes=1000-100000"})
        assert (answer.status, answer.body) == (206, LARGE[1000:100001])
        assert (answer["content-range"], answer["content-length"]) == ("bytes 1000-100000/102400", "99001")

    @NAMES_AND_CONTENTS
    def test_pipeline_f03_several_ranges(self, browser: Browser, name: str, content: bytes) -> None:
        answer = browser.ask(f"/{name}", {"range": "bytes=-1, 0-1"})
        kind, _, boundary = str(answer["content-type"]).partition("; boundary=")
        assert (answer.status, kind, answer["content-range"]) == (206, "multipart/byteranges", None)
        assert answer["cache-control"] is None
        part = "--{}\r\ncontent-type: application/octet-stream\r\ncontent-range: bytes {}/{}\r\n\r\n"
        size = len(content)
        expected = [
            part.format(boundary, f"{size - 1}-{size - 1}", size).encode(),
            content[-1:],
            b"\r\n" + part.format(boundary, "0-1", size).encode(),
            content[:2],
            f"\r\n--{boundary}--\r\n".encode(),
        ]
        assert answer.body == b"".join(expected)
        assert answer["content-length"] in (None, str(len(answer.body)))

    def test_pipeline_f03_boundaries_are_random(self, browser: Browser) -> None:
        asked = [browser.ask("/hundred.bin", {"range": "bytes=0-1,5-6"})["content-type"] for _ in range(3)]
        assert len(set(asked)) == 3

    @pytest.mark.parametrize(
        ("target", "field", "size"),
        [("/hundred.bin", "bytes=100-", 100), ("/hundred.bin", "bytes=-0", 100), ("/empty.txt", "bytes=0-", 0)],
    )
    def test_pipeline_f03_unsatisfiable_is_416(self, browser: Browser, target: str, field: str, size: int) -> None:
        answer = browser.ask(target, {"range": field})
        assert (answer.status, answer["content-range"]) == (416, f"bytes */{size}")
        assert (answer["content-type"], answer.body) == (None, b"")

    @pytest.mark.parametrize("field", ["abc", "bytes=5-2", "lines=1-2", "bytes=" + "0-0," * 10_000, "bytes=--1"])
    def test_pipeline_f03_row_73_ignored(self, browser: Browser, field: str) -> None:
        answer = browser.ask("/hundred.bin", {"range": field})
        assert (answer.status, answer.body, answer["content-range"]) == (200, HUNDRED, None)

    def test_row_73_overlapping_ranges_are_sent_once(self, browser: Browser) -> None:
        answer = browser.ask("/hundred.bin", {"range": "bytes=" + ",".join(["0-"] * 16)})
        assert (answer.status, answer["content-range"], answer.body) == (206, "bytes 0-99/100", HUNDRED)

    def test_rfc9110_14_2_a_range_means_nothing_to_head(self, browser: Browser) -> None:
        answer = browser.ask("/hundred.bin", {"range": "bytes=0-9"}, method="HEAD")
        assert (answer.status, answer["content-range"]) == (200, None)

    @NAMES_AND_CONTENTS
    def test_pipeline_f04_if_range(self, browser: Browser, name: str, content: bytes) -> None:
        etag, modified = str(browser.ask(f"/{name}")["etag"]), format_http_date(MODIFIED).decode()
        expected = {etag: 206, modified: 206, f"W/{etag}": 200, '"x"': 200, "garbage": 200}
        expected[format_http_date(MODIFIED - 1).decode()] = 200
        for field, status in expected.items():
            answer = browser.ask(f"/{name}", {"range": "bytes=0-9", "if-range": field})
            assert (field, answer.status, len(answer.body)) == (field, status, 10 if status == 206 else len(content))

    def test_rfc9110_13_1_5_a_failed_if_range_hides_an_unsatisfiable_range(self, browser: Browser) -> None:
        assert browser.ask("/hundred.bin", {"range": "bytes=500-", "if-range": '"x"'}).status == 200


class TestConditions:
    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    @pytest.mark.parametrize("target", ["/app.js", "/large.bin"])
    def test_pipeline_f05_not_modified(self, browser: Browser, target: str, method: str) -> None:
        etag = str(browser.ask(target)["etag"])
        for field in (etag, f"W/{etag}", f'"x", {etag}', "*"):
            answer = browser.ask(target, {"if-none-match": field}, method=method)
            assert (answer.status, answer["etag"], answer.body) == (304, etag, b"")
            assert (answer["content-type"], answer["content-length"]) == (None, None)

    def test_pipeline_f05_if_match(self, browser: Browser) -> None:
        etag = str(browser.ask("/app.js")["etag"])
        assert browser.ask("/app.js", {"if-match": '"x"'}).status == 412
        assert browser.ask("/app.js", {"if-match": etag}).status == 200

    def test_pipeline_f05_dates(self, browser: Browser) -> None:
        before, exactly = format_http_date(MODIFIED - 1).decode(), format_http_date(MODIFIED).decode()
        assert browser.ask("/app.js", {"if-modified-since": exactly}).status == 304
        assert browser.ask("/app.js", {"if-modified-since": before}).status == 200
        assert browser.ask("/app.js", {"if-unmodified-since": before}).status == 412
        assert browser.ask("/app.js", {"if-unmodified-since": exactly}).status == 200

    def test_row_74_both_the_tag_decides(self, browser: Browser) -> None:
        exactly = format_http_date(MODIFIED).decode()
        answer = browser.ask("/app.js", {"if-none-match": '"x"', "if-modified-since": exactly})
        assert answer.status == 200

    @pytest.mark.parametrize(
        "value", ["", "garbage", '"', "Sat, 01 Jan 0000 00:00:00 GMT", "Sun, 99 Foo 9999 99:99:99 GMT", "\xff" * 5000]
    )
    def test_row_74_garbage_is_answered_in_full(self, browser: Browser, value: str) -> None:
        for name in ("if-none-match", "if-modified-since", "if-unmodified-since", "if-range"):
            assert browser.ask("/app.js", {name: value}).status == 200

    def test_rfc9110_5_3_several_lines_are_one_list(self, browser: Browser) -> None:
        etag = str(browser.ask("/app.js")["etag"])
        assert browser.ask("/app.js", [("if-none-match", '"x"'), ("if-none-match", etag)]).status == 304

    def test_conditions_come_before_ranges(self, browser: Browser) -> None:
        etag = str(browser.ask("/app.js")["etag"])
        assert browser.ask("/app.js", {"if-none-match": etag, "range": "bytes=0-1"}).status == 304
        assert browser.ask("/app.js", {"if-match": '"x"', "range": "bytes=0-1"}).status == 412


class TestMethods:
    @pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "TRACE"])
    def test_pipeline_f06_other_methods_are_405(self, browser: Browser, method: str) -> None:
        answer = browser.ask("/app.js", method=method)
        assert (answer.status, answer["allow"]) == (405, "GET, HEAD, OPTIONS")

    @pytest.mark.parametrize("target", ["/app.js", "/missing", "*"])
    def test_pipeline_f06_options(self, browser: Browser, target: str) -> None:
        answer = browser.ask(target, method="OPTIONS")
        assert (answer.status, answer["allow"], answer.body) == (204, "GET, HEAD, OPTIONS", b"")

    @pytest.mark.parametrize("target", ["/app.js", "/large.bin", "/folder/", "/empty.txt"])
    def test_pipeline_f06_head_has_the_headers_of_get(self, browser: Browser, target: str) -> None:
        assert browser.ask(target, method="HEAD").fields == browser.ask(target).fields


class TestDocuments:
    def test_pipeline_f07_the_document_answers_within_the_request(self, browser: Browser) -> None:
        answer = browser.ask("/folder/")
        assert (answer.status, answer.body) == (200, b"<p>folder")
        assert answer.effective_path == "/folder/index.html"

    def test_pipeline_f07_the_root(self, browser: Browser) -> None:
        assert browser.ask("/").status == 403
        browser.write("index.html", "<p>root")
        assert browser.ask("/").effective_path == "/index.html"

    def test_pipeline_f07_the_first_that_exists(self, make_browser: MakeBrowser) -> None:
        browser = make_browser(default_documents=["index.html", "index.htm", "default.html"])
        browser.write("default.html", "third")
        assert browser.ask("/").body == b"third"
        browser.write("index.htm", "second")
        browser.seconds += RECHECK
        assert browser.ask("/").body == b"second"
        browser.root.joinpath("index.htm").unlink()
        browser.seconds += RECHECK
        assert browser.ask("/").body == b"third"

    def test_pipeline_f07_a_document_is_as_conditional_as_its_file(self, browser: Browser) -> None:
        etag = browser.ask("/folder/index.html")["etag"]
        assert browser.ask("/folder/")["etag"] == etag
        assert browser.ask("/folder/", {"if-none-match": str(etag)}).status == 304

    def test_pipeline_f07_a_folder_is_no_document(self, browser: Browser) -> None:
        (browser.root / "bare/index.html").mkdir()
        assert browser.ask("/bare/").status == 403


class TestFallback:
    @pytest.fixture
    def browser(self, make_browser: MakeBrowser) -> Browser:
        browser = make_browser(fallback="app.html")
        browser.write("app.html", "<p>app")
        browser.write("bare/data.txt", "data")
        return browser

    @pytest.mark.parametrize("target", ["/", "/orders", "/orders/17", "/orders/", "/bare/", "/app.html/x"])
    def test_unknown_paths_are_answered_by_the_application(self, browser: Browser, target: str) -> None:
        for method in ("GET", "HEAD"):
            answer = browser.ask(target, HTML, method=method)
            assert (answer.status, answer.body) == (200, b"<p>app")
            assert answer.effective_path == "/app.html"
            assert answer["vary"] == "accept, accept-encoding"

    @pytest.mark.parametrize("accept", ["application/json", "*/*", "", "text/html;q=0"])
    def test_clients_that_do_not_accept_html_get_404(self, browser: Browser, accept: str) -> None:
        assert browser.ask("/orders", {"accept": accept}).status == 404
        assert browser.ask("/orders").status == 404

    @pytest.mark.parametrize("target", ["/missing.js", "/orders/photo.png", "/.env", "/a//b", "/NUL", "//evil/x"])
    def test_files_and_forbidden_names_are_404(self, browser: Browser, target: str) -> None:
        assert browser.ask(target, HTML).status == 404

    def test_other_methods_are_405(self, browser: Browser) -> None:
        assert browser.ask("/orders", HTML, method="POST").status == 405

    def test_files_win(self, browser: Browser) -> None:
        assert browser.ask("/bare/data.txt", HTML).body == b"data"

    def test_conditions_hold(self, browser: Browser) -> None:
        etag = str(browser.ask("/orders", HTML)["etag"])
        assert browser.ask("/orders", HTML | {"if-none-match": etag}).status == 304

    def test_a_missing_application_is_404(self, browser: Browser) -> None:
        browser.root.joinpath("app.html").unlink()
        assert browser.ask("/orders", HTML).status == 404


class TestPrecompressed:
    @pytest.fixture
    def browser(self, make_browser: MakeBrowser) -> Browser:
        browser = make_browser()
        browser.write("app.js", "plain")
        browser.write("app.js.gz", gzip.compress(b"plain"))
        browser.write("app.js.br", "brotli")
        browser.write("app.js.zst", "zstandard")
        browser.write("only.css", "css")
        browser.write("only.css.gz", "gzipped")
        browser.write("photo.png", "png")
        browser.write("photo.png.gz", "never")
        return browser

    @pytest.mark.parametrize(
        ("accepted", "coding", "body"),
        [
            ("gzip, deflate, br, zstd", "br", b"brotli"),
            ("gzip, zstd", "zstd", b"zstandard"),
            ("br;q=0.1, zstd;q=0.9", "zstd", b"zstandard"),
            ("gzip;q=0, br;q=0", None, b"plain"),
            ("identity", None, b"plain"),
            ("", None, b"plain"),
            ("*;q=0, gzip;q=0", None, b"plain"),
            ("deflate," * 10_000 + "br", None, b"plain"),
        ],
    )
    def test_row_74_row_75_negotiation(self, browser: Browser, accepted: str, coding: str | None, body: bytes) -> None:
        answer = browser.ask("/app.js", {"accept-encoding": accepted})
        assert (answer.status, answer["content-encoding"], answer.body) == (200, coding, body)
        assert answer["vary"] == "accept-encoding"
        assert answer["content-type"] == "text/javascript; charset=utf-8"

    def test_gzip_can_be_unpacked(self, browser: Browser) -> None:
        assert gzip.decompress(browser.ask("/app.js", {"accept-encoding": "gzip"}).body) == b"plain"

    def test_row_75_the_plain_file_varies_too(self, browser: Browser) -> None:
        assert browser.ask("/app.js")["vary"] == "accept-encoding"
        assert browser.ask("/app.js", {"if-none-match": "*"})["vary"] == "accept-encoding"

    def test_each_coding_has_a_tag_of_its_own(self, browser: Browser) -> None:
        codings = ["br", "zstd", "gzip", "identity"]
        tags = [str(browser.ask("/app.js", {"accept-encoding": coding})["etag"]) for coding in codings]
        assert len(set(tags)) == 4
        for coding, tag in zip(codings, tags, strict=True):
            assert browser.ask("/app.js", {"accept-encoding": coding, "if-none-match": tag}).status == 304
        assert browser.ask("/app.js", {"accept-encoding": "br", "if-none-match": tags[3]}).status == 200

    def test_ranges_are_those_of_the_coded_bytes(self, browser: Browser) -> None:
        answer = browser.ask("/app.js", {"accept-encoding": "br", "range": "bytes=0-2"})
        assert (answer.status, answer.body, answer["content-encoding"]) == (206, b"bro", "br")
        assert answer["content-range"] == "bytes 0-2/6"

    def test_only_what_is_there(self, browser: Browser) -> None:
        assert browser.ask("/only.css", {"accept-encoding": "br, gzip;q=0.5"}).body == b"gzipped"

    def test_what_is_compressed_in_itself_has_no_siblings(self, browser: Browser) -> None:
        answer = browser.ask("/photo.png", {"accept-encoding": "gzip"})
        assert (answer.body, answer["vary"]) == (b"png", None)

    def test_a_sibling_alone_is_no_file(self, browser: Browser) -> None:
        browser.root.joinpath("only.css").unlink()
        assert browser.ask("/only.css", {"accept-encoding": "gzip"}).status == 404

    def test_a_sibling_asked_for_by_name_is_a_file_of_its_own(self, browser: Browser) -> None:
        answer = browser.ask("/app.js.gz", {"accept-encoding": "gzip"})
        assert (answer["content-type"], answer["content-encoding"]) == ("application/gzip", None)

    def test_siblings_may_come_and_go(self, browser: Browser) -> None:
        assert browser.ask("/only.css", {"accept-encoding": "br"}).body == b"css"
        browser.write("only.css.br", "brotli")
        browser.seconds += RECHECK
        assert browser.ask("/only.css", {"accept-encoding": "br"}).body == b"brotli"
        browser.root.joinpath("only.css.br").unlink()
        browser.seconds += RECHECK
        assert browser.ask("/only.css", {"accept-encoding": "br"}).body == b"css"

    def test_large_files_have_siblings_too(self, browser: Browser) -> None:
        browser.write("large.js", LARGE)
        browser.write("large.js.br", LARGE[::-1])
        browser.write("large.js.gz", "small")
        assert browser.ask("/large.js", {"accept-encoding": "br"}).body == LARGE[::-1]
        assert browser.ask("/large.js", {"accept-encoding": "gzip"}).body == b"small"
        assert browser.ask("/large.js").body == LARGE

    def test_switched_off(self, make_browser: MakeBrowser) -> None:
        browser = make_browser(precompressed=[])
        browser.write("app.js", "plain")
        browser.write("app.js.br", "brotli")
        answer = browser.ask("/app.js", {"accept-encoding": "br"})
        assert (answer.body, answer["vary"]) == (b"plain", None)

    def test_order_of_preference(self, make_browser: MakeBrowser) -> None:
        browser = make_browser(precompressed=["gz", "br"])
        browser.write("app.js", "plain")
        browser.write("app.js.br", "brotli")
        browser.write("app.js.gz", "gzipped")
        assert browser.ask("/app.js", {"accept-encoding": "br, gzip"}).body == b"gzipped"

    @pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
    def test_row_72_a_sibling_that_is_no_file_is_none(self, browser: Browser, make: Callable[[Path], None]) -> None:
        make(browser.root / "only.css.br")
        assert browser.ask("/only.css", {"accept-encoding": "br"}).body == b"css"


class TestCache:
    def test_a_change_shows_after_the_documented_time(self, browser: Browser) -> None:
        assert RECHECK <= 1
        assert browser.ask("/app.js").body == b"let x = 1"
        browser.write("app.js", "let x = 22")
        assert browser.ask("/app.js").body == b"let x = 1"
        browser.seconds += RECHECK
        assert browser.ask("/app.js").body == b"let x = 22"

    def test_a_file_that_is_gone_is_gone_after_the_documented_time(self, browser: Browser) -> None:
        assert browser.ask("/app.js").status == 200
        browser.root.joinpath("app.js").unlink()
        browser.seconds += RECHECK
        assert browser.ask("/app.js").status == 404
        browser.write("app.js", "back")
        assert browser.ask("/app.js").body == b"back"

    def test_a_fresh_file_is_read_again_although_it_looks_the_same(self, browser: Browser) -> None:
        browser.write("app.js", "one", modified=NOW)
        assert browser.ask("/app.js").body == b"one"
        browser.write("app.js", "two", modified=NOW)
        browser.seconds += RECHECK
        assert browser.ask("/app.js").body == b"two"

    def test_a_file_that_did_not_change_is_not_read_again(
        self, browser: Browser, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        browser.ask("/app.js")
        monkeypatch.setattr(os, "read", None)
        browser.seconds += RECHECK
        assert browser.ask("/app.js").body == b"let x = 1"

    def test_within_the_time_the_disk_is_not_asked(self, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
        browser.ask("/app.js")
        monkeypatch.setattr(os, "open", None)
        assert browser.ask("/app.js").body == b"let x = 1"

    def test_a_large_file_is_always_the_one_on_the_disk(self, browser: Browser) -> None:
        before = browser.ask("/large.bin")
        browser.write("large.bin", LARGE[::-1] + b"more", modified=MODIFIED + 1)
        after = browser.ask("/large.bin")
        assert after.body == LARGE[::-1] + b"more"
        assert after["content-length"] == "102404"
        assert after["etag"] != before["etag"]
        browser.write("large.bin", "short")
        assert browser.ask("/large.bin").body == b"short"
        browser.root.joinpath("large.bin").unlink()
        assert browser.ask("/large.bin").status == 404

    def test_without_memory_files_are_served_all_the_same(self, make_browser: MakeBrowser) -> None:
        browser = make_browser(cache_size=0)
        browser.write("a.txt", "one")
        assert browser.ask("/a.txt").body == b"one"
        browser.write("a.txt", "other")
        assert browser.ask("/a.txt").body == b"other"

    def test_no_descriptor_is_left_open(self, browser: Browser) -> None:
        before = len(os.listdir("/proc/self/fd"))
        asked: list[dict[str, str]] = [
            {},
            {"range": "bytes=0-1"},
            {"range": "bytes=0-1,5-6"},
            {"range": "bytes=200000-"},
            {"if-match": '"x"'},
            {"if-none-match": "*"},
        ]
        for headers in asked:
            for target in ("/large.bin", "/hundred.bin", "/folder", "/folder/", "/bare/", "/missing"):
                browser.ask(target, headers)
        assert len(os.listdir("/proc/self/fd")) == before

    def test_what_is_kept_is_not_what_modules_change(self, browser: Browser) -> None:
        browser.ask("/app.js").fields.clear()
        assert browser.ask("/app.js")["etag"] is not None


class EarlyFields:
    """A module that sets fields before the handler runs."""

    def attach(self, hooks: Hooks) -> None:
        hooks.on(Stage.BEGIN, self.begin)

    def begin(self, context: Context) -> None:
        headers = context.response.headers
        headers["x-greeting"] = "hello"
        headers["content-type"] = "text/plain"
        headers["vary"] = "origin"


class TestModules:
    def test_other_fields_stay_and_the_same_are_replaced(self, browser: Browser) -> None:
        answer = browser.ask("/app.js", module=EarlyFields())
        assert (answer["x-greeting"], answer["vary"]) == ("hello", "origin, accept-encoding")
        assert answer["content-type"] == "text/javascript; charset=utf-8"


OUTSIDE = [
    "/../secret.txt",
    "/..%2fsecret.txt",
    "/%2e%2e/secret.txt",
    "/%2e%2e%2fsecret.txt",
    "/..%5csecret.txt",
    "/..\\secret.txt",
    "/%252e%252e/secret.txt",
    "/....//secret.txt",
    "/folder../secret.txt",
    "/folder/..%2f..%2fsecret.txt",
    "/%c0%ae%c0%ae/secret.txt",
    "//etc/passwd",
    "/%2fetc/passwd",
    "/folder/C:%5cx",
    "/C:/x",
    "/%5c%5chost%5cshare",
    "/app.js%00.txt",
    "/app.js%20",
    "/app.js::$DATA",
    "/folder/NUL.txt",
    "/..%2f..%2fetc/passwd",
    "/publicx/secret.txt",
]


class TestRoot:
    @pytest.mark.parametrize("target", OUTSIDE)
    def test_pipeline_f08_row_70_row_71_no_way_out(self, browser: Browser, target: str) -> None:
        (browser.root.parent / "secret.txt").write_text("secret")
        (browser.root.parent / "publicx").mkdir()
        (browser.root.parent / "publicx/secret.txt").write_text("secret")
        answer = browser.ask(target)
        assert answer.status in (400, 404)
        assert b"secret" not in answer.body

    @pytest.mark.parametrize(
        "target", ["//evil.example/%2e%2e", "//folder", "/%2ffolder", "/%5cfolder", "/\\folder", "//evil.example/"]
    )
    def test_row_70_no_redirect_to_another_host(self, browser: Browser, target: str) -> None:
        (browser.root / "evil.example").mkdir()
        answer = browser.ask(target)
        assert (answer.status in (400, 403, 404), answer["location"]) == (True, None)

    def test_row_70_a_redirect_is_a_path_with_one_slash(self, browser: Browser) -> None:
        for name in ("evil.example", "a b", "q?x", "ü", "%41", "#h"):
            (browser.root / name).mkdir()
        for target in ("/evil.example", "/x/../evil.example", "/a%20b", "/q%3fx", "/%c3%bc", "/%2541", "/%23h"):
            location = browser.ask(target)["location"]
            assert location is not None
            assert re.fullmatch(r"/[^/\\?# ]+/", location)
            assert browser.ask(location).status == 403

    def test_row_72_a_link_out_of_the_root_is_404(self, browser: Browser) -> None:
        (browser.root.parent / "secret.txt").write_text("secret")
        (browser.root / "link.txt").symlink_to("../secret.txt")
        (browser.root / "up").symlink_to("..")
        for target in ("/link.txt", "/up/secret.txt", "/up/", "/up"):
            assert browser.ask(target).status == 404

    def test_row_72_a_link_that_is_put_in_place_of_a_file_is_noticed(self, browser: Browser) -> None:
        (browser.root.parent / "secret.txt").write_text("secret")
        assert browser.ask("/app.js").status == 200
        (browser.root / "app.js").unlink()
        (browser.root / "app.js").symlink_to("../secret.txt")
        browser.seconds += RECHECK
        assert browser.ask("/app.js").status == 404

    def test_row_72_links_are_followed_when_allowed(self, make_browser: MakeBrowser) -> None:
        browser = make_browser(follow_symlinks=True)
        (browser.root.parent / "other.txt").write_text("other")
        (browser.root / "link.txt").symlink_to("../other.txt")
        assert browser.ask("/link.txt").body == b"other"

    def test_row_72_fifos_and_devices_are_404(self, browser: Browser) -> None:
        os.mkfifo(browser.root / "fifo")
        (browser.root / "zero").symlink_to("/dev/zero")
        assert (browser.ask("/fifo").status, browser.ask("/zero").status) == (404, 404)
