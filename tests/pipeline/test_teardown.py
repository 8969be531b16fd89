"""Teardown: in which order what is left is done, and that no failure keeps the rest from it (pipeline P-19, R-04)."""

import asyncio
from collections.abc import Callable

import pytest

from penstock import Context, Stage
from tests.pipeline.subject import ask, on, open_site, run, settle


class Closes:
    def __init__(self, log: list[str], name: str, *, is_async: bool = False, fails: bool = False) -> None:
        self.log = log
        self.name = name
        self.fails = fails
        if is_async:
            self.aclose = self.close_later

    def close(self) -> None:
        self.log.append(self.name)
        if self.fails:
            raise ValueError(self.name)

    async def close_later(self) -> None:
        await asyncio.sleep(0)
        self.close()


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("fails", [False, True])
def test_pipeline_p19_in_this_order(is_async: bool, fails: bool, caplog: pytest.LogCaptureFixture) -> None:
    log: list[str] = []

    async def release_later(handler: object) -> None:
        await asyncio.sleep(0)
        release(handler)

    def release(handler: object) -> None:
        log.append(f"release {handler}")
        if fails:
            raise ValueError

    def completed(context: Context) -> None:
        log.append(f"completed {context.response.status} {context.request.path}")
        if fails:
            raise ValueError

    def begin(context: Context) -> None:
        context.defer(Closes(log, "first", is_async=is_async, fails=fails))
        context.defer(Closes(log, "second", fails=fails))
        context.defer(lambda: log.append("called"))
        context.release_handler("a", release_later if is_async else release)
        context.release_handler("b", release)
        context.on_completed(completed)

    async def journey() -> None:
        async with open_site(on(Stage.BEGIN, begin), on(Stage.END, lambda context: log.append("END"))) as client:
            assert (await client.get("/")).status == 200
            await settle()
            statistics = client.runtime.statistics()
            assert (statistics.executing, statistics.background, statistics.succeeded) == (0, 0, 1)

    run(journey)
    assert log == ["END", "completed 200 /", "release a", "release b", "called", "second", "first"]
    assert caplog.text.count("failed behind the answer to GET /") == (5 if fails else 0)


@pytest.mark.parametrize("how", ["raise", "complete"])
def test_whatever_happened(how: str) -> None:
    log: list[str] = []

    def begin(context: Context) -> None:
        context.defer(Closes(log, "closed"))
        if how == "raise":
            raise ValueError
        context.complete()

    ask(open_site(on(Stage.BEGIN, begin)))
    assert log == ["closed"]


def test_a_request_that_is_cut_off_too() -> None:
    log: list[str] = []

    async def function(context: Context) -> None:
        context.defer(Closes(log, "closed"))
        await context.disconnected

    async def journey() -> None:
        async with open_site(function=function) as client:
            request = client.open("GET", "/")
            await settle()
            request.disconnect()
            await request.wait_finished()

    run(journey)
    assert log == ["closed"]


@pytest.mark.parametrize(
    "hook",
    [
        lambda context: context.on_completed(None),
        lambda context: context.release_handler("a", None),
        lambda context: context.release_handler("a", "b"),
    ],
)
@pytest.mark.parametrize("stage", [Stage.BEGIN, Stage.END])
def test_what_cannot_be_called_is_refused_where_it_is_given(
    hook: Callable[[Context], None], stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    assert ask(open_site(on(stage, hook))).status == 500
    assert "takes what can be called" in caplog.text


def test_pipeline_p19_what_cannot_be_closed_keeps_nobody_inside(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        @property
        def aclose(self) -> None:
            raise ValueError("broken")

    log: list[str] = []

    def begin(context: Context) -> None:
        context.defer(lambda: log.append("called"))
        context.defer(Broken())
        context.defer(None)

    assert ask(open_site(on(Stage.BEGIN, begin))).status == 200
    assert log == ["called"]
    assert caplog.text.count("failed behind the answer") == 2
