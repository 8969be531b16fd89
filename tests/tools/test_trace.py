"""`penstock trace`: pipeline D-04, traces as people see them."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from penstock.server.trace_files import TraceFolder
from penstock.server.trace_model import TraceRecord
from penstock.tools.cli import main

SITE = '[[site]]\n[[site.trace]]\nat = "/"\nstatus = ["500-599"]\nslower_than = 1.0\n'
ONE, TWO = "4bf92f3577b34da6a3ce929d0e0e4736", "a0f92f3577b34da6a3ce929d0e0e4736"
HANDLER = {"stage": "EXECUTE", "is_post": False, "module": "function shop:pay", "hook": "pay"}


def step(stage: str, module: str, seconds: float, **more: Any) -> dict[str, Any]:
    return {"stage": stage, "is_post": False, "module": module, "hook": "", "at": 0.0, "seconds": seconds, **more}


def record(**changes: Any) -> dict[str, Any]:
    return {
        "version": 1,
        "trace_id": ONE,
        "time": "2026-11-20T16:04:12.123456+00:00",
        "error_id": "0c88b3b1a2f0",
        "outcome": "failed",
        "outcomes": ["failed", "slow"],
        "rule": {"at": "/", "status": ["500-599"], "slower_than": 1.0},
        "method": "GET",
        "host": "example.org",
        "path": "/pay",
        "led_to": "",
        "redispatches": [],
        "query": ["page", "token"],
        "http": "1.1",
        "client": "127.0.0.1",
        "headers": [["host", "example.org"], ["authorization", "[redacted]"]],
        "target": "function shop:pay",
        "status": 500,
        "status_set_by": HANDLER,
        "failed_at": HANDLER,
        "is_cut": False,
        "bytes_sent": 12,
        "response_headers": [["content-type", "text/plain"]],
        "seconds": 1.25,
        "waited": 0.0,
        "steps": [
            step("BEGIN", "Gate", 0.0005, hook="begin"),
            {**step("AUTHORIZE", "Gate", 0.25, how="awaited"), "is_post": True},
            step("EXECUTE", "function shop:pay", 0.999, how="parked", error=0, hook="pay"),
            step("END", "", 0.0001, hook="detour", status=500),
            step("END", "", 0.0001, hook="leave"),
        ],
        "steps_left_out": 0,
        "seconds_left_out": 0.0,
        "errors": [
            {
                "type": "ValueError",
                "message": "no money",
                "traceback": 'Traceback:\n  File "loop.py", line 3, in advance\n    x\n  File "shop.py", line 12, in pay\n    y\n'
                "ValueError: no money\n",
            }
        ],
        "errors_left_out": 0,
        **changes,
    }


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
    def test_the_tree_of_stages_with_the_slowest_and_the_failing(self, file: Path, folder: TraceFolder) -> None:
        folder.save(record())
        text = trace(file, ONE[:8]).output
        lines = [" ".join(line.split()) for line in text.splitlines()]
        assert lines[0] == "GET /pay -> 500 in 1.250 s"
        assert "  BEGIN " in text
        assert "Gate.begin 0.500 ms" in lines
        assert "AUTHORIZE, after 250.000 ms" in lines
        assert "Gate 250.000 ms awaited" in lines
        assert "function shop:pay.pay 999.000 ms parked <- slowest <- failed: ValueError" in lines
        assert "penstock.detour 0.100 ms <- status 500" in lines
        assert not any("penstock.leave" in line for line in lines)
        assert "in all 1.250 s" in lines

    def test_the_error_and_where_it_was_raised(self, file: Path, folder: TraceFolder) -> None:
        folder.save(record())
        lines = [" ".join(line.split()) for line in trace(file, "--last").output.splitlines()]
        assert "error ValueError: no money" in lines
        assert "failed at EXECUTE in function shop:pay.pay, raised in pay, shop.py:12" in lines
        assert "ValueError: no money" in lines
        assert "status 500, set by function shop:pay.pay at EXECUTE" in lines

    def test_secrets_are_told_to_be_missing(self, file: Path, folder: TraceFolder) -> None:
        folder.save(record())
        lines = [" ".join(line.split()) for line in trace(file, ONE).output.splitlines()]
        assert "query page, token (values are not kept)" in lines
        assert "request authorization: [redacted]" in lines

    def test_the_way_of_a_request_that_was_led_elsewhere(self, file: Path, folder: TraceFolder) -> None:
        folder.save(record(led_to="/c", redispatches=["/pay", "/b"]))
        assert "/pay -> /b -> /c" in trace(file, "--last").output
        folder.save(record(led_to="/c", time="2026-11-21T16:04:12+00:00"))
        assert "  /pay -> /c" in trace(file, "--last").output

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

    def test_one_with_nothing_in_it(self, file: Path, folder: TraceFolder) -> None:
        folder.save(record(steps=[], errors=[], failed_at=None, status_set_by=None, query=[], headers=[]))
        assert trace(file, "--last").exit_code == 0

    def test_steps_that_were_left_out_are_told(self, file: Path, folder: TraceFolder) -> None:
        folder.save(record(steps_left_out=12, seconds_left_out=0.5, is_cut=True))
        text = trace(file, "--last").output
        assert "12 steps in the middle are left out (500.000 ms)" in text
        assert "500, cut off" in text


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


def test_the_record_of_these_tests_is_one() -> None:
    msgspec.convert(record(), TraceRecord)
