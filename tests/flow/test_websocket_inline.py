"""The inline accept, detached: within one await the pipeline unwinds and the socket begins (websockets 7.4, O-1 to O-12)."""

import asyncio
from contextvars import ContextVar

import pytest

from penstock import AcceptLost, AcceptOptions, Context, ContractError, HTTPError, Stage, WebSocket
from tests.flow.websocket_subject import logged, names, opened, until_closed
from tests.pipeline.subject import LOOPS, Recorder, on, run, settle

PLACE: ContextVar[str] = ContextVar("PLACE", default="nowhere")


@pytest.mark.parametrize("loop", LOOPS)
def test_websockets_o01_dv05_the_rest_of_the_plan_runs_within_the_await(loop: str) -> None:
    log: list[str] = []

    async def handler(context: Context) -> None:
        log.append("accept")
        websocket = await context.websockets.accept()
        log.append("accepted")
        await websocket.send("hello")
        await until_closed(websocket)
        log.append("ended")

    async def journey() -> None:
        async with opened(Recorder(log), function=handler, log=log) as site:
            request = await site.open()
            assert request.transport.frames == [(1, b"hello")]
            request.transport.take_close()

    run(journey, loop)
    behind = log[log.index("accept") :]
    assert behind == ["accept", "EXECUTE+", "RELEASE_STATE", "RELEASE_STATE+", "UPDATE_CACHE", "UPDATE_CACHE+", "LOG", "LOG+",
                      "END", "flush", "accepted", "ended", "close 1000", "gone"]  # fmt: skip


def test_websockets_o01_it_goes_on_in_the_task_of_the_request() -> None:
    tasks: set[asyncio.Task[object] | None] = set()

    async def handler(context: Context) -> None:
        PLACE.set("before")
        tasks.add(asyncio.current_task())
        websocket = await context.websockets.accept()
        tasks.add(asyncio.current_task())
        assert PLACE.get() == "before"
        await until_closed(websocket)

    async def journey() -> None:
        async with opened(function=handler) as site:
            (await site.open()).transport.take_close()

    run(journey)
    assert len(tasks) == 1


def test_websockets_o08_validation_raises_in_the_call_and_leaves_the_handler_free_to_answer() -> None:
    async def handler(context: Context) -> str:
        with pytest.raises(ValueError, match="not offered"):
            await context.websockets.accept(AcceptOptions("x"))
        assert not context.websockets.is_upgrading
        return "a page instead"

    async def journey() -> None:
        async with opened(function=handler) as site:
            answer = await site.refused()
            assert (answer.status, answer.text) == (200, "a page instead")

    run(journey)


def test_websockets_co13_a_second_accept_is_refused_and_the_first_stays() -> None:
    async def handler(context: Context) -> None:
        websocket = await context.websockets.accept()
        with pytest.raises(ContractError, match="only once"):
            await context.websockets.accept()
        await until_closed(websocket)

    async def journey() -> None:
        async with opened(function=handler) as site:
            (await site.open()).transport.take_close()
            await site.wait_over()
            assert site.counts == (1, 0, 1, 0)

    run(journey)


def test_websockets_sw16_a_module_cannot_wait_for_a_socket() -> None:
    async def hook(context: Context) -> None:
        with pytest.raises(ContractError, match="accept_websocket"):
            await context.websockets.accept()

    async def journey() -> None:
        async with opened(on(Stage.AUTHORIZE, hook), function=lambda: "hello") as site:
            assert (await site.refused()).text == "hello"

    run(journey)


def test_websockets_o04_what_answers_otherwise_is_told_once() -> None:
    seen: list[str] = []

    async def handler(context: Context) -> None:
        for _ in range(2):
            try:
                await context.websockets.accept()
            except (AcceptLost, ContractError) as error:
                seen.append(type(error).__name__)

    def refuse(context: Context) -> None:
        raise HTTPError(403)

    async def journey() -> None:
        async with opened(on(Stage.LOG, refuse), function=handler) as site:
            assert (await site.refused()).status == 403
            await settle()

    with logged() as records:
        run(journey)
    assert seen[0] == "AcceptLost"
    assert len(seen) == 2
    assert names(records) == []


def test_websockets_o12_a_client_that_left_before_the_accept() -> None:
    seen: list[str] = []

    async def handler(context: Context) -> None:
        websocket = await context.websockets.accept()
        try:
            await websocket.receive()
        except Exception as error:
            seen.append(f"{type(error).__name__} {getattr(error, 'code', '')}")

    async def journey() -> None:
        async with opened(function=handler) as site:
            await site.open(is_gone=True)

    with logged() as records:
        run(journey)
    assert len(seen) == 1
    assert records == []


def test_websockets_o06_a_failing_inline_endpoint_is_closed_with_1011_and_logged_once() -> None:
    async def handler(context: Context) -> None:
        await context.websockets.accept()
        raise ValueError("meant to fail")

    async def journey() -> list[int]:
        async with opened(function=handler) as site:
            request = await site.open()
            await site.wait_over()
            assert site.counts == (1, 0, 0, 1)
            return request.transport.close_codes

    with logged() as records:
        assert run(journey) == [1011]
    assert names(records) == ["ValueError"]


def test_websockets_o09_what_was_deferred_is_closed_behind_an_inline_socket() -> None:
    log: list[str] = []

    async def handler(context: Context) -> None:
        context.defer(lambda: log.append("deferred"))
        await until_closed(await context.websockets.accept())
        log.append("ended")

    async def journey() -> None:
        async with opened(function=handler) as site:
            request = await site.open()
            await settle()
            assert log == []
            request.transport.take_close()

    run(journey)
    assert log == ["ended", "deferred"]


def test_websockets_o01_two_handlers_that_wait_do_not_meet() -> None:
    """Each waits for its own socket, whatever order the accepts come in."""
    sockets: list[WebSocket] = []

    async def handler(context: Context) -> None:
        websocket = await context.websockets.accept()
        assert websocket.context is context
        sockets.append(websocket)
        await until_closed(websocket)

    async def journey() -> None:
        async with opened(function=handler) as site:
            requests = [site.ask() for _ in range(20)]
            await settle()
            assert len(set(sockets)) == 20
            for request in requests:
                request.transport.take_close()

    run(journey)


def test_websockets_o01_accept_within_another_task_of_the_handler() -> None:
    """A framework may run its endpoint in a task of its own; the handler ends when that has."""

    async def endpoint(context: Context) -> None:
        await until_closed(await context.websockets.accept())

    async def handler(context: Context) -> None:
        await asyncio.create_task(endpoint(context))

    async def journey() -> None:
        async with opened(function=handler) as site:
            request = await site.open()
            request.transport.take_close()
            await site.wait_over()
            assert site.counts == (1, 0, 1, 0)

    run(journey)
