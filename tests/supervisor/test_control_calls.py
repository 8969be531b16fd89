"""This file is the test of the table of calls: its names, its paths, and what each of them asks of the supervisor."""

import asyncio
import inspect
import re
from pathlib import Path
from typing import Any, cast, get_args

import pytest
from msgspec.structs import replace

from penstock.supervisor.control_calls import CALLS, Call, find_pool, find_worker
from penstock.supervisor.control_model import PoolState, Unknown, WorkerState
from tests.supervisor.control_subject import Subject

BY_NAME = {call.name: call for call in CALLS}


def called(name: str, **values: str) -> tuple[object, Subject]:
    """What a call answers with, and whom it has asked."""
    subject = Subject()
    call = BY_NAME[name]
    order = call.order(**({"workers": 3} if name == "scale_pool" else {}))

    async def run() -> object:
        outcome = call.function(subject, values, order)
        return await outcome if inspect.isawaitable(outcome) else outcome

    return asyncio.run(run()), subject


def test_no_two_calls_have_one_name_or_one_place() -> None:
    assert len(BY_NAME) == len(CALLS)
    assert len({(call.method, call.path) for call in CALLS}) == len(CALLS)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
def test_what_only_asks_is_get_and_what_changes_something_is_post(call: Call) -> None:
    assert (call.method == "GET") == call.name.startswith(("get_", "list_"))
    assert (404 in call.refusals) == bool(re.search(r"\{|requests", call.path))


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("list_requests", {"pool": "reports"}, ("requests", "reports")),
        ("list_requests", {}, ("requests", None)),
        ("get_stacks", {"worker": "2"}, ("stacks", 2)),
        ("get_diff", {}, ("diff",)),
        ("reload", {}, ("reload", True)),
        ("recycle", {}, ("recycle", None, None, "", True)),
        ("recycle_pool", {"pool": "reports"}, ("recycle", "reports", None, "", True)),
        ("recycle_worker", {"worker": "3"}, ("recycle", None, 3, "", True)),
        ("scale_pool", {"pool": "default"}, ("scale", "default", 3)),
        ("drain_pool", {"pool": "default"}, ("drain", "default")),
        ("resume_pool", {"pool": "default"}, ("resume", "default")),
        ("stop", {}, ("stop",)),
        ("upgrade", {}, ("upgrade",)),
        ("reopen_logs", {}, ("reopen_logs",)),
    ],
)
def test_what_each_call_asks(name: str, values: dict[str, str], expected: tuple[object, ...]) -> None:
    answer, subject = called(name, **values)
    assert subject.calls == [expected]
    assert isinstance(answer, BY_NAME[name].answer)


@pytest.mark.parametrize("name", ["get_status", "list_workers", "list_pools", "get_settings"])
def test_what_is_known_anyway_asks_nobody(name: str) -> None:
    answer, subject = called(name)
    assert subject.calls == []
    assert isinstance(answer, BY_NAME[name].answer)


def test_one_pool_comes_with_its_workers() -> None:
    answer, _ = called("get_pool", pool="default")
    assert isinstance(answer, BY_NAME["get_pool"].answer)
    assert [each.id for each in answer.workers] == [1, 2]


def test_workers_that_cannot_tell_their_requests_are_named() -> None:
    subject = Subject()
    subject.workers[1] = replace(subject.workers[1], last_beat=3.5)
    for pool, silent in ((None, (2,)), ("default", (2,)), ("reports", ())):
        values = {} if pool is None else {"pool": pool}
        told = asyncio.run(cast(Any, BY_NAME["list_requests"].function(subject, values, None)))
        assert told.silent == silent


class TestUnknownNames:
    def test_a_pool(self) -> None:
        with pytest.raises(Unknown) as caught:
            find_pool(Subject(), "nothing")
        assert caught.value.known == ("default", "reports")

    @pytest.mark.parametrize("text", ["9", "0", "-1", "01", "one", "", "1 ", "\u0661"])
    def test_a_worker(self, text: str) -> None:
        with pytest.raises(Unknown) as caught:
            find_worker(Subject(), text)
        assert caught.value.known == ("1", "2", "3")
        assert caught.value.advice == ""

    def test_the_process_id_of_a_worker_is_not_its_id(self) -> None:
        with pytest.raises(Unknown) as caught:
            find_worker(Subject(), "4702")
        assert caught.value.advice == "; did you mean 2, whose process id is 4702?"


class TestPage:
    """docs/control.md says what there is."""

    PAGE = (Path(__file__).parents[2] / "docs" / "control.md").read_text(encoding="utf-8")

    def test_it_has_every_call_and_no_other(self) -> None:
        told = set(re.findall(r"^\| `(GET|POST) (/v1/[^`]+)`", self.PAGE, re.MULTILINE))
        assert told == {*[(call.method, call.path) for call in CALLS], ("GET", "/v1/openapi.json")}

    def test_it_has_every_command(self) -> None:
        told = ("status", "workers", "pools", "requests", "stacks", "diff")
        done = ("reload", "recycle", "scale", "drain", "resume")
        assert [name for name in (*told, *done) if f"`penstock {name}" not in self.PAGE] == []

    def test_it_has_every_state(self) -> None:
        states = {*get_args(WorkerState), *get_args(PoolState)}
        assert [state for state in states if f"`{state}`" not in self.PAGE] == []
