"""This file is the test of the calls by HTTP: what is answered, and what is refused in which words."""

import asyncio
import json
from typing import Any

import pytest
from msgspec.structs import replace

from penstock.errors import ConfigurationError, Problem, StartupError
from penstock.settings import LimitSettings
from penstock.supervisor.control_api import MOST_BYTES, control_site
from penstock.supervisor.control_calls import CALLS
from penstock.supervisor.control_model import ControlRefused
from penstock.testing import Client
from tests.supervisor.control_subject import Subject


def asked(call: str, body: object = b"", *, subject: Subject | None = None) -> tuple[int, str, Any]:
    """Status, media type and content of the answer to "POST /v1/reload" with a body."""
    method, _, target = call.partition(" ")
    content = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def ask() -> tuple[int, str, Any]:
        async with Client([control_site(subject or Subject())], limits=LimitSettings()) as client:
            answer = await client.request(method, target, body=content)
        kind = answer.headers.get("content-type") or ""
        return answer.status, kind, answer.json() if "json" in kind else answer.text

    return asyncio.run(ask())


def refused(call: str, body: object = b"", *, subject: Subject | None = None) -> tuple[int, str]:
    """Status and detail of a refusal, which is a problem as RFC 9457 has it."""
    status, kind, problem = asked(call, body, subject=subject)
    assert kind == "application/problem+json"
    assert (problem["type"], problem["status"]) == ("about:blank", status)
    return status, problem["detail"]


@pytest.mark.parametrize("call", [call for call in CALLS if call.name != "scale_pool"], ids=lambda call: call.name)
def test_every_call_can_be_made_without_a_body(call: Any) -> None:
    path = call.path.format(pool="default", worker="1")
    status, kind, _ = asked(f"{call.method} {path}")
    assert status == call.status
    assert kind == ("text/plain; charset=utf-8" if call.answer is str else "application/json")


def test_the_document_names_every_call() -> None:
    status, _, document = asked("GET /v1/openapi.json")
    assert status == 200
    assert {call.path for call in CALLS} <= set(document["paths"])


def test_what_is_asked_for_with_a_body() -> None:
    subject = Subject()
    assert asked("POST /v1/reload", {"wait": False}, subject=subject)[0] == 202
    assert asked("POST /v1/pools/default/scale", {"workers": 1024}, subject=subject)[2]["workers"] == 1024
    assert asked("POST /v1/recycle", {"reason": "leaks"}, subject=subject)[0] == 200
    assert subject.calls == [("reload", False), ("scale", "default", 1024), ("recycle", None, None, "leaks", True)]


def test_seconds_have_no_noise_behind_them() -> None:
    subject = Subject()
    subject.workers = [replace(subject.workers[0], uptime=18.026000000005297, lag=0.0000004)]
    (worker,) = asked("GET /v1/workers", subject=subject)[2]["workers"]
    assert (worker["uptime"], worker["lag"], worker["rss"]) == (18.026, 0.0, 52_428_800)


def test_nothing_of_an_answer_may_be_kept() -> None:
    async def ask() -> str | None:
        async with Client([control_site(Subject())], limits=LimitSettings()) as client:
            return (await client.get("/v1/status")).headers.get("cache-control")

    assert asyncio.run(ask()) == "no-store"


class TestRefusals:
    @pytest.mark.parametrize(
        ("call", "body", "status", "told"),
        [
            ("GET /v1/pools/report", b"", 404, 'there is no pool "report"; did you mean "reports"?'),
            ("GET /v1/pools/x%1b", b"", 404, 'there is no pool "x\\x1b"; there are: default, reports'),
            ("GET /v1/stacks/4702", b"", 404, 'there is no worker "4702"; did you mean 2, whose process id is 4702?'),
            ("GET /v1/stacks/11", b"", 404, 'there is no worker "11"; there are: 1, 2, 3'),
            ("GET /v1/requests?pool=x", b"", 404, 'there is no pool "x"; there are: default, reports'),
            ("GET /v1/requests?pol=x", b"", 400, "/v1/requests knows no 'pol' in the query: it takes pool"),
            ("GET /v1/status?x=1", b"", 400, "/v1/status knows no 'x' in the query: it takes none"),
            ("GET /v1/nothing", b"", 404, "there is no such call: all of them are in /v1/openapi.json"),
            ("GET /", b"", 404, "there is no such call: all of them are in /v1/openapi.json"),
            ("GET /v1/reload", b"", 405, "this path answers to POST, OPTIONS"),
            ("POST /v1/status", b"", 405, "this path answers to GET, HEAD, OPTIONS"),
            ("POST /v1/pools/default/scale", {"workers": 0}, 400, "Expected `int` >= 1"),
            ("POST /v1/pools/default/scale", {"workers": -3}, 400, "Expected `int` >= 1"),
            ("POST /v1/pools/default/scale", {"workers": 10**30}, 400, "/v1/pools/{pool}/scale takes"),
            ("POST /v1/pools/default/scale", {"workers": 1025}, 400, "Expected `int` <= 1024"),
            ("POST /v1/pools/default/scale", {"workers": "2"}, 400, "Expected `int`, got `str` - at `$.workers`"),
            ("POST /v1/pools/default/scale", {}, 400, "missing required field `workers`; it may have: workers"),
            ("POST /v1/pools/default/scale", b"", 400, "missing required field `workers`"),
            ("POST /v1/pools/nix/scale", {"workers": 2}, 404, 'there is no pool "nix"'),
            ("POST /v1/recycle", {"reason": "x" * 201}, 400, "Expected `str` of length <= 200"),
            ("POST /v1/reload", {"wiat": True}, 400, "unknown field `wiat`; it may have: wait"),
            ("POST /v1/stop", {"now": True}, 400, "unknown field `now`; it takes none"),
            ("POST /v1/reload", [], 400, "Expected `object`, got `array`"),
            ("POST /v1/reload", b"{wait", 400, "the body is not JSON"),
            ("POST /v1/reload", b"\xff\xfe", 400, "the body is not JSON"),
            ("POST /v1/reload", b'{"wait": true} ]', 400, "the body is not JSON"),
            ("POST /v1/reload", b"[" * 8000, 400, "the body is not"),
            ("POST /v1/reload", b" " * (MOST_BYTES + 1), 413, str(MOST_BYTES)),
        ],
    )
    def test_bad_input_is_told_what_would_be_right(self, call: str, body: object, status: int, told: str) -> None:
        subject = Subject()
        was, detail = refused(call, body, subject=subject)
        assert was == status
        assert told in detail
        assert subject.calls == [], "nothing was done"

    def test_a_long_name_is_cut(self) -> None:
        _, detail = refused(f"GET /v1/pools/{'x' * 3000}")
        assert len(detail) < 300

    def test_mistakes_of_the_site_file_are_all_told(self) -> None:
        subject = Subject()
        subject.failure = ConfigurationError([Problem("no such key", "penstock.toml:3"), Problem("is missing")])
        status, _, problem = asked("POST /v1/reload", subject=subject)
        assert status == 422
        assert problem["problems"] == [
            {"where": "penstock.toml:3", "text": "no such key"},
            {"where": "", "text": "is missing"},
        ]

    def test_what_cannot_be_done_now_is_a_conflict(self) -> None:
        subject = Subject()
        subject.failure = ControlRefused("a reload is under way: wait until it has ended")
        assert refused("POST /v1/reload", subject=subject) == (409, "a reload is under way: wait until it has ended")

    def test_new_workers_that_do_not_start_are_told_with_their_traceback(self) -> None:
        subject = Subject()
        subject.outcome = "failed"
        for call in ("POST /v1/reload", "POST /v1/recycle"):
            status, _, problem = asked(call, subject=subject)
            assert status == 424
            assert problem["detail"] == "new workers of default have failed to start; the old ones go on serving"
            assert problem["pools"][0]["error"] == "Traceback: boom\n"
        subject.failure = StartupError("shop:app failed to start")
        assert refused("POST /v1/reload", subject=subject) == (424, "shop:app failed to start")

    def test_a_bug_is_a_problem_too_and_shows_nothing_of_itself(self) -> None:
        subject = Subject()
        subject.failure = RuntimeError("hunter2")
        status, kind, problem = asked("POST /v1/reload", subject=subject)
        assert (status, kind) == (500, "application/problem+json")
        assert "hunter2" not in json.dumps(problem)
