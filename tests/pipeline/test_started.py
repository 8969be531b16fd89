"""Work that belongs to a request: who may start it, and how it ends with the request."""

import asyncio
import contextvars
import inspect
import threading

import pytest

from penstock import Context, ContractError, Response, Stage
from tests.pipeline.subject import ask, on, open_site, run

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="")


def test_it_runs_in_the_variables_of_the_request() -> None:
    async def work() -> None:
        variable.set(variable.get() + " work")

    def begin(context: Context) -> None:
        variable.set("hook")
        context.start(work)

    seen: list[str] = []
    ask(open_site(on(Stage.BEGIN, begin), on(Stage.AUTHORIZE, lambda context: seen.append(variable.get()))))
    assert seen == ["hook work"]


def test_its_result_is_there_for_who_waits() -> None:
    async def work() -> int:
        await asyncio.sleep(0)
        return 7

    async def function(context: Context) -> str:
        return str(await context.start(work()))

    assert ask(open_site(function=function)).text == "7"


@pytest.mark.parametrize("work", [7, lambda: 7])
def test_what_cannot_be_awaited_is_refused(work: object) -> None:
    said: list[str] = []

    def begin(context: Context) -> None:
        try:
            context.start(work)  # type: ignore[arg-type]
        except TypeError as error:
            said.append(str(error))

    assert ask(open_site(on(Stage.BEGIN, begin))).text == "hello"
    assert said == ["start takes an awaitable, or what gives one, not 'int'"]


def test_a_foreign_thread_is_sent_away() -> None:
    said: list[str] = []

    async def begin(context: Context) -> None:
        def elsewhere() -> None:
            try:
                context.start(asyncio.sleep)  # type: ignore[arg-type]
            except ContractError as error:
                said.append(str(error))

        thread = threading.Thread(target=elsewhere)
        thread.start()
        await asyncio.to_thread(thread.join)

    assert ask(open_site(on(Stage.BEGIN, begin))).text == "hello"
    assert "context.completion()" in said[0]


def test_behind_the_answer_it_is_refused() -> None:
    kept: list[Context] = []

    async def journey() -> None:
        async with open_site(on(Stage.BEGIN, kept.append)) as client:
            await client.get("/")
            work = asyncio.sleep(0)
            with pytest.raises(ContractError, match="in END at the latest"):
                kept[0].start(work)
            assert inspect.getcoroutinestate(work) == inspect.CORO_CLOSED, (
                "it was closed, so nobody is told that it was never awaited"
            )

    run(journey)


def test_while_the_answer_leaves_it_is_refused() -> None:
    said: list[str] = []

    def late(response: Response) -> None:
        context = response.context
        assert context is not None
        try:
            context.start(asyncio.sleep(0))
        except ContractError as error:
            said.append(str(error))

    assert ask(open_site(on(Stage.BEGIN, lambda context: context.response.on_sending_headers(late)))).text == "hello"
    assert len(said) == 1


def test_pipeline_t03_the_deadline_cancels_it() -> None:
    ended: list[str] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    def begin(context: Context) -> None:
        context.start(work)

    assert ask(open_site(on(Stage.BEGIN, begin), deadline=0.05)).status == 504
    assert ended == ["cancelled"]


def test_pipeline_t03_what_it_raises_when_the_deadline_cancels_it_is_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise KeyError("while it cleaned up")

    def begin(context: Context) -> None:
        context.start(work)

    assert ask(open_site(on(Stage.BEGIN, begin), deadline=0.05)).status == 504
    assert [str(record.exc_info[1]) for record in caplog.records if record.exc_info][1:] == ["'while it cleaned up'"]
    assert all(record.name == "penstock" for record in caplog.records)
