"""`penstock trace`: pipeline D-04, traces as people see them."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from penstock.server.trace_files import TraceFolder
from penstock.tools.cli import main
from tests.tools.trace_records import ONE, TWO, record

SITE = '[[site]]\n[[site.trace]]\nat = "/"\nstatus = ["500-599"]\nslower_than = 1.0\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "penstock.toml"
    path.write_text(SITE, "utf-8")
    return path


@pytest.fixture
def folder(file: Path) -> TraceFolder:
    return TraceFolder(file.parent / "traces")


def trace(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["trace", *(str(each) for each in arguments)])


class TestList:
    def test_newest_first_in_a_line_each(self, file: Path, folder: TraceFolder) -> None:
        folder.save(record())
        later = "2026-11-20T16:05:00.000000+00:00"
        folder.save(
            record(trace_id=TWO, time=later, path="/slow", status=200, seconds=2.0, outcome="slow", failed_at=None)
        )
        lines = trace(file).stdout.splitlines()
        assert [line.split() for line in lines] == [
            ["time", "(UTC)", "id", "outcome", "status", "duration", "method", "path", "where"],
            ["2026-11-20", "16:05:00", TWO[:12], "slow", "200", "2.000", "s", "GET", "/slow"],
            [
                "2026-11-20",
                "16:04:12",
                ONE[:12],
                "failed",
                "500",
                "1.250",
                "s",
                "GET",
                "/pay",
                "EXECUTE",
                *["function", "shop:pay"],
            ],
        ]

    def test_no_trace_yet(self, file: Path, folder: TraceFolder) -> None:
        result = trace(file)
        assert result.exit_code == 0
        assert result.output == f"no request has left a trace in {folder.path}\n"

    def test_a_bad_file_is_named_and_not_fatal(self, file: Path, folder: TraceFolder) -> None:
        good = folder.save(record())
        bad = good.with_name(f"20250101T000000.000000Z-{TWO}.json")
        bad.write_text("{", "utf-8")
        result = trace(file)
        assert result.exit_code == 0
        assert f"{bad.name} is no trace" in result.stderr
        assert len(result.stdout.splitlines()) == 2

    def test_json(self, file: Path, folder: TraceFolder) -> None:
        path = folder.save(record())
        (entry,) = json.loads(trace(file, "--json").stdout)
        assert entry["file"] == path.name
        assert (entry["trace_id"], entry["status"], entry["seconds"]) == (ONE, 500, 1.25)
        assert entry["failed_at"]["module"] == "function shop:pay"
        assert json.loads(trace(file, ONE, "--json").stdout)["steps"][2]["how"] == "parked"

    def test_what_a_client_sent_cannot_write_to_the_terminal(self, file: Path, folder: TraceFolder) -> None:
        nasty = "/\x1b[31m\x9b\n\u202e"
        folder.save(
            record(path=nasty, headers=[["x-a", nasty]], errors=[{"type": "E", "message": nasty, "traceback": nasty}])
        )
        for result in (trace(file), trace(file, ONE)):
            assert not set(result.output) & {"\x1b", "\x9b", "\u202e"}
            assert "/\\x1b[31m\\x9b\\n\\u202e" in result.output


class TestShow:
    def test_by_the_beginning_of_its_id_or_as_the_last(self, file: Path, folder: TraceFolder) -> None:
        folder.save(record(trace_id=TWO))
        folder.save(record(time="2026-11-21T16:04:12+00:00"))
        for words in ([ONE[:8]], [ONE.upper()], ["--last"]):
            text = trace(file, *words).output
            assert text.startswith("GET /pay -> 500 in 1.250 s\n")
            assert " ".join(text.split()).count(f"trace id {ONE}") == 1

    def test_pipeline_d06_by_the_error_id_that_the_client_was_shown(self, file: Path, folder: TraceFolder) -> None:
        folder.save(record())
        folder.save(record(error_id="", trace_id=TWO))
        assert " ".join(trace(file, "0c88b3b1a2f0").output.split()).count(f"trace id {ONE}") == 1

    def test_by_the_name_of_its_file(self, file: Path, folder: TraceFolder) -> None:
        path = folder.save(record())
        folder.save(record())
        assert "say the name of a file" in trace(file, ONE).output
        assert trace(file, path.name).exit_code == 0
        assert trace(file, path).exit_code == 0


class TestMistakes:
    def test_no_rule_asks_for_traces(self, tmp_path: Path) -> None:
        file = tmp_path / "penstock.toml"
        file.write_text("[[site]]\n", "utf-8")
        result = trace(file)
        assert result.exit_code == 2
        assert "no site has a [[site.trace]], so no request leaves a trace: add one" in result.output

    def test_an_id_that_nobody_has(self, file: Path, folder: TraceFolder) -> None:
        folder.save(record())
        result = trace(file, "ffff")
        assert result.exit_code == 2
        assert "has the id 'ffff'; without an id, all are listed" in result.output

    def test_the_last_of_none(self, file: Path) -> None:
        result = trace(file, "--last")
        assert result.exit_code == 2
        assert "No request has left a trace" in result.output

    @pytest.mark.parametrize("words", [("a.toml",), ("a.toml", "4bf9"), ("4bf9",)])
    def test_no_site_file(self, words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        result = trace(*words)
        assert result.exit_code == 2
        assert "There is no site file" in result.output

    def test_too_many_words(self, file: Path) -> None:
        result = trace(file, "one", "two")
        assert result.exit_code == 2
        assert "Say one site file and one id" in result.output
