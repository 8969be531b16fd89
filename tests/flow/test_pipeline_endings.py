"""Whole journeys of what nobody should raise, in every place it can be raised: the client is answered, and nobody stays inside."""

import asyncio
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from penstock import Context, Hooks, Response, ResponseComplete, Stage
from penstock.testing import ClientResponse
from tests.pipeline.subject import Attached, Recorder, noted_handler, on, open_site, raising, run


def complete(*ignored: object) -> None:
    raise ResponseComplete


def leave_the_program(*ignored: object) -> None:
    sys.exit(3)


def be_cancelled(*ignored: object) -> None:
    raise asyncio.CancelledError


RAISED = [complete, leave_the_program, be_cancelled]


@pytest.fixture(autouse=True)
def watchdog() -> Iterator[None]:
    """A loop that never yields would hold the whole test run."""

    def bark(number: int, frame: object) -> None:
        raise AssertionError("the event loop stood still")

    before = signal.signal(signal.SIGALRM, bark)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def asked(*modules: object, **settings: Any) -> ClientResponse:
    """The answer; the request must have been counted out, and the site must still answer others."""

    async def journey() -> ClientResponse:
        async with asyncio.timeout(5), open_site(*modules, **settings) as client:
            answer = await client.get("/")
            await client.runtime.drain(1)
            assert client.runtime.statistics().executing == 0
            return answer

    return run(journey)


@pytest.mark.parametrize("action", RAISED)
@pytest.mark.parametrize("where", ["on_completed", "defer", "release"])
def test_pipeline_p19_nothing_behind_the_answer_keeps_a_request_inside(where: str, action: Callable[..., None]) -> None:
    log: list[str] = []

    def begin(context: Context) -> None:
        context.defer(lambda: log.append("deferred"))
        if where == "on_completed":
            context.on_completed(action)
        elif where == "defer":
            context.defer(action)
        else:
            context.remap(lambda context: "hello", release=action)

    assert asked(on(Stage.BEGIN, begin)).text == "hello"
    assert log == ["deferred"]


@pytest.mark.parametrize("is_async", [False, True])
def test_pipeline_x02_an_error_hook_that_leaves_the_program_is_recorded_and_the_next_is_asked(is_async: bool) -> None:
    async def later(context: Context) -> None:
        await asyncio.sleep(0)
        leave_the_program()

    def attach(hooks: Hooks) -> None:
        hooks.on_error(later if is_async else leave_the_program)
        hooks.on_error(lambda context: Response("sorry", status=502))

    answer = asked(Attached(attach), function=raising(ValueError("boom")))
    assert (answer.status, answer.text) == (502, "sorry")


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("action", RAISED)
def test_pipeline_x02_whatever_an_error_hook_raises_the_request_ends(
    action: Callable[..., None], is_async: bool
) -> None:
    async def later(context: Context) -> None:
        await asyncio.sleep(0)
        action()

    log: list[str] = []
    module = Attached(lambda hooks: hooks.on_error(later if is_async else action))
    answer = asked(module, Recorder(log), function=raising(ValueError("boom")))
    assert answer.status in (200, 500)
    assert log[-3:] == ["LOG", "LOG+", "END"]


def test_pipeline_t01_work_of_a_request_may_end_it() -> None:
    log: list[str] = []

    async def work() -> None:
        await asyncio.sleep(0)
        complete()

    def begin(context: Context) -> None:
        context.start(work)

    answer = asked(on(Stage.BEGIN, begin), function=noted_handler(log))
    assert (answer.status, answer.body, log) == (200, b"", [])


def test_pipeline_m06_work_that_leaves_the_program_fails_its_request_alone() -> None:
    async def work() -> None:
        await asyncio.sleep(0)
        leave_the_program()

    def begin(context: Context) -> None:
        context.start(work)

    assert asked(on(Stage.BEGIN, begin)).status == 500


def test_pipeline_t01_a_callback_before_the_head_cannot_end_what_is_at_its_end() -> None:
    module = on(Stage.BEGIN, lambda context: context.response.on_sending_headers(complete))
    answer = asked(module)
    assert (answer.status, answer.text, answer.is_aborted) == (200, "hello", False)


@pytest.mark.parametrize("action", RAISED)
@pytest.mark.parametrize("moment", ["called", "entered", "left"])
def test_pipeline_p17_whatever_a_wrapper_raises_the_final_steps_run(moment: str, action: Callable[..., None]) -> None:
    log: list[str] = []

    @contextmanager
    def scope() -> Iterator[None]:
        if moment == "entered":
            action()
        yield
        if moment == "left":
            action()

    def wrap(context: Context, step: object) -> Any:
        if moment == "called":
            action()
        return scope()

    asked(Attached(lambda hooks: hooks.around_steps(wrap)), Recorder(log))
    assert log[-3:] == ["LOG", "LOG+", "END"]


@pytest.mark.parametrize("is_async", [False, True])
def test_pipeline_x06_who_was_cancelled_by_nobody_of_ours_has_failed(is_async: bool) -> None:
    async def handler(context: Context) -> None:
        other = asyncio.get_running_loop().create_future()
        other.cancel()
        await other

    assert asked(function=handler if is_async else be_cancelled).status == 500


@pytest.mark.parametrize("error", ["a text", StopIteration(), SystemExit(3)])
def test_pipeline_m02_a_completion_that_fails_with_anything_is_an_end(error: Any) -> None:
    def hook(context: Context) -> Any:
        completion = context.completion()
        completion.fail(error)
        return completion

    assert asked(on(Stage.BEGIN, hook)).status == 500
