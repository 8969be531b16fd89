"""Traces as text for people (pipeline D-04)."""

from typing import Any

import msgspec
import pytest

from penstock.server.trace_model import TraceRecord
from penstock.tools.trace_text import duration, list_lines, trace_lines
from tests.tools.trace_records import ONE, TWO, record, step


def made(**changes: Any) -> TraceRecord:
    return msgspec.convert(record(**changes), TraceRecord)


def squeezed(trace: TraceRecord) -> list[str]:
    """Its lines, each with single blanks."""
    return [" ".join(line.split()) for line in trace_lines(trace)]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0.000 ms"), (0.0000005, "0.001 ms"), (0.9991, "999.100 ms"), (1.0, "1.000 s"), (110, "110.000 s")],
)
def test_durations_have_the_unit_that_suits_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


class TestList:
    def test_says_where_a_request_failed_or_who_refused_it(self) -> None:
        gate = {"stage": "AUTHORIZE", "is_post": False, "module": "Gate", "hook": "check"}
        ours = {"stage": "END", "is_post": False, "module": "", "hook": "detour"}
        lines = list_lines(
            [
                made(),
                made(trace_id=TWO, failed_at=None, status=403, status_set_by=gate),
                made(failed_at=None, status=500, status_set_by=ours),
                made(failed_at=None, status=200, status_set_by=gate),
            ]
        )
        title, *rows = [" ".join(line.split()) for line in lines]
        assert title == "time (UTC) id outcome status duration method path where"
        assert rows == [
            f"2026-11-20 16:04:12 {ONE[:12]} failed 500 1.250 s GET /pay EXECUTE function shop:pay",
            f"2026-11-20 16:04:12 {TWO[:12]} failed 403 1.250 s GET /pay AUTHORIZE Gate",
            f"2026-11-20 16:04:12 {ONE[:12]} failed 500 1.250 s GET /pay END penstock",
            f"2026-11-20 16:04:12 {ONE[:12]} failed 200 1.250 s GET /pay",
        ]

    def test_of_none_is_a_title(self) -> None:
        assert len(list(list_lines([]))) == 1


class TestFacts:
    def test_pipeline_d04_what_is_known_of_it(self) -> None:
        lines = squeezed(made())
        assert lines[0] == "GET /pay -> 500 in 1.250 s"
        assert "outcome failed, slow" in lines
        assert "came 2026-11-20 16:04:12.123456 UTC, from 127.0.0.1" in lines
        assert f"trace id {ONE}" in lines
        assert "error id 0c88b3b1a2f0, as the client was shown it" in lines
        assert "rule status 500-599 or slower than 1 s or aborted (/)" in lines
        assert "response content-type: text/plain" in lines

    def test_times_are_shown_in_utc(self) -> None:
        assert "came 2026-11-20 15:04:12.000000 UTC, from 127.0.0.1" in squeezed(made(time="2026-11-20T16:04:12+01:00"))

    def test_secrets_are_told_to_be_missing(self) -> None:
        lines = squeezed(made())
        assert "query page, token (values are not kept)" in lines
        assert "request authorization: [redacted]" in lines

    def test_the_way_of_a_request_that_was_led_elsewhere(self) -> None:
        assert "way /pay -> /b -> /c" in squeezed(made(led_to="/c", redispatches=["/pay", "/b"]))
        assert "way /pay -> /c" in squeezed(made(led_to="/c"))
        assert "way /pay -> /b -> /pay" in squeezed(made(redispatches=["/pay", "/b"]))
        assert not any(line.startswith("way ") for line in squeezed(made()))

    def test_the_error_and_where_it_was_raised(self) -> None:
        lines = squeezed(made())
        assert "error ValueError: no money" in lines
        assert "failed at EXECUTE in function shop:pay.pay, raised in pay, shop.py:12" in lines
        assert "ValueError: no money" in lines
        assert "status 500, set by function shop:pay.pay at EXECUTE" in lines

    def test_an_error_without_a_traceback_is_told_in_a_line(self) -> None:
        lines = squeezed(made(errors=[{"type": "ValueError", "message": "no money", "traceback": ""}]))
        assert lines[-1] == "ValueError: no money"
        assert "failed at EXECUTE in function shop:pay.pay" in lines

    def test_how_long_it_stood_in_the_queue(self) -> None:
        assert "waited 20.000 ms to get inside" in squeezed(made(waited=0.02))


class TestTree:
    def test_stages_with_the_slowest_and_the_failing(self) -> None:
        lines = squeezed(made())
        assert "Gate.begin 0.500 ms" in lines
        assert "AUTHORIZE, after 250.000 ms" in lines
        assert "Gate 250.000 ms awaited" in lines
        assert "function shop:pay.pay 999.000 ms parked <- slowest <- failed: ValueError" in lines
        assert "penstock.detour 0.100 ms <- status 500" in lines
        assert not any("penstock.leave" in line for line in lines)
        assert "in all 1.250 s" in lines

    def test_steps_of_our_own_are_shown_when_they_take_long(self) -> None:
        steps = [
            step("END", "", 0.1, hook="send"),
            step("END", "", 0.01, hook="leave"),
            step("END", "", 1.0, hook="over"),
        ]
        lines = squeezed(made(steps=steps))
        assert "penstock.send 100.000 ms" in lines
        assert not any("penstock.leave" in line for line in lines)

    def test_what_else_a_step_did(self) -> None:
        lines = squeezed(made(steps=[step("BEGIN", "Gate", 0.1, events=["completed the request"], error=12)]))
        assert "Gate 100.000 ms <- slowest <- failed: an error <- completed the request" in lines

    def test_steps_that_were_left_out_are_told(self) -> None:
        lines = squeezed(made(steps_left_out=12, seconds_left_out=0.5, is_cut=True))
        assert "12 steps in the middle are left out (500.000 ms)" in lines
        assert lines[0] == "GET /pay -> 500, cut off in 1.250 s"

    def test_one_with_nothing_in_it(self) -> None:
        empty = made(steps=[], errors=[], failed_at=None, status_set_by=None, query=[], headers=[])
        assert squeezed(empty)[-1] == "in all 0.000 ms"


def test_what_a_client_sent_cannot_write_to_the_terminal() -> None:
    nasty = "/\x1b[31m\x9b\n\u202e"
    trace = made(path=nasty, headers=[["x-a", nasty]], errors=[{"type": "E", "message": nasty, "traceback": nasty}])
    for text in ("\n".join(trace_lines(trace)), "\n".join(list_lines([trace]))):
        assert not set(text) & {"\x1b", "\x9b", "\u202e"}
        assert "/\\x1b[31m\\x9b\\n\\u202e" in text
