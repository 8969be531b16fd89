"""Whole journeys of what comes behind the last stage, in its order and whatever fails (pipeline P-19)."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from penstock import Context, Principal, Stage
from tests.pipeline.subject import on, open_site, run


def noting(log: list[str], text: str) -> Callable[[Context], None]:
    return lambda context: log.append(text)


class TestTeardown:
    def test_pipeline_p19_what_comes_behind_the_last_stage_comes_in_order(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        log: list[str] = []

        def note_completed(context: Context) -> None:
            log.append(f"completed {context.request.path} {context.response.status} {context.principal.name}")

        def broken(context: Context) -> None:
            raise ValueError("broken callback")

        def begin(context: Context) -> None:
            context.principal = Principal("ann")
            context.on_completed(broken)
            context.on_completed(note_completed)
            context.remap(lambda context: "hello", release=lambda handler: log.append("release"))
            context.defer(lambda: log.append("deferred 1"))
            context.defer(Closing(log, "deferred 2"))
            context.defer(Broken())
            context.defer(ClosingLater(log, "deferred 3"))

        async def journey() -> Any:
            async with open_site(on(Stage.BEGIN, begin), on(Stage.END, noting(log, "END"))) as client:
                answer = await client.get("/")
                await client.runtime.drain(1)
                return answer, client.runtime.statistics()

        answer, numbers = run(journey)
        assert (answer.status, answer.text) == (200, "hello")
        assert log == ["END", "completed / 200 ann", "release", "deferred 3", "deferred 2", "deferred 1"]
        assert (numbers.executing, numbers.succeeded, numbers.failed) == (0, 1, 0)
        assert "broken callback" in caplog.text
        assert "broken to close" in caplog.text

    @pytest.mark.parametrize("ending", ["fails", "completes", "client leaves"])
    def test_pipeline_p19_teardown_comes_however_the_request_ended(self, ending: str) -> None:
        log: list[str] = []

        async def act(context: Context) -> None:
            context.on_completed(lambda context: log.append("completed"))
            context.defer(lambda: log.append("deferred"))
            if ending == "completes":
                context.complete()
            elif ending == "fails":
                raise ValueError("boom")
            else:
                await context.disconnected

        async def journey() -> None:
            async with open_site(on(Stage.BEGIN, act)) as client:
                request = client.open("GET", "/")
                await asyncio.sleep(0)
                if ending == "client leaves":
                    request.disconnect()
                await request.wait_finished()

        run(journey)
        assert log == ["completed", "deferred"]


class Closing:
    def __init__(self, log: list[str], text: str) -> None:
        self.log = log
        self.text = text

    def close(self) -> None:
        self.log.append(self.text)


class ClosingLater(Closing):
    async def aclose(self) -> None:
        await asyncio.sleep(0)
        self.log.append(self.text)

    def close(self) -> None:
        raise AssertionError("aclose() wins over close()")


class Broken:
    def close(self) -> None:
        raise ValueError("broken to close")
