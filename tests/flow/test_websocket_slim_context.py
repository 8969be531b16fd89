"""What a socket keeps of its request, and what it lets go of (websockets 1.8, T-40, SW-50 to SW-56, PY-21)."""

import asyncio
import gc
import tracemalloc
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from penstock import Context, ContractError, PenstockError, Principal, ResponseStarted, Stage, WebSocket
from tests.flow.websocket_subject import accepting, opened, until_closed
from tests.pipeline.subject import on, run, settle

COUNT = 1000
# What an idle socket may keep behind the pipeline. 11 KB were measured, of which 5 are the header that the test itself keeps.
BYTES_PER_SOCKET = 18_000


class Heavy:
    """Something that must not outlive the HTTP half."""


def test_websockets_t40_a_thousand_idle_sockets() -> None:
    known: list[weakref.ref[Heavy]] = []

    class Handler:
        """A handler of its own for each request, as a factory makes them."""

        def __init__(self) -> None:
            self.heavy = Heavy()
            known.append(weakref.ref(self.heavy))

        def __call__(self, context: Context) -> None:
            context.response.headers["x-heavy"] = "x" * 5000
            context.accept_websocket(until_closed)

    async def journey() -> None:
        async with opened(on(Stage.AUTHORIZE, lambda context: context.remap(Handler()))) as site:
            requests = [await site.open()]  # what is made once is made
            gc.collect()
            tracemalloc.start()
            before = tracemalloc.get_traced_memory()[0]
            requests += [await site.open() for _ in range(COUNT)]
            gc.collect()
            per_socket = (tracemalloc.get_traced_memory()[0] - before) / COUNT
            tracemalloc.stop()
            assert site.counts[:2] == (COUNT + 1, COUNT + 1)
            # SW-50, SW-56: neither the handlers nor what they wrote into the response are kept.
            assert [ref for ref in known if ref() is not None] == []
            assert per_socket < BYTES_PER_SOCKET
            for request in requests:
                request.transport.take_close()
            await site.wait_over()
            assert site.counts == (COUNT + 1, 0, COUNT + 1, 0)

    run(journey)


def test_websockets_t40_nothing_of_a_socket_is_left_behind_it() -> None:
    known: list[weakref.ref[Any]] = []

    async def endpoint(websocket: WebSocket) -> None:
        heavy = Heavy()
        known.append(weakref.ref(heavy))
        await until_closed(websocket)

    def handler(context: Context) -> None:
        heavy = context.items["heavy"] = Heavy()
        known.append(weakref.ref(heavy))
        context.accept_websocket(endpoint)

    async def journey() -> None:
        async with opened(function=handler) as site:
            for _ in range(20):
                (await site.open()).transport.take_close()
            await site.wait_over()
            gc.collect()
            assert len(known) == 40
            assert [ref for ref in known if ref() is not None] == []

    run(journey)


def test_websockets_sw54_items_and_principal_are_those_of_the_request() -> None:
    seen: list[object] = []

    def sign_in(context: Context) -> None:
        context.principal = Principal("ada")
        context.items["key"] = "value"

    async def endpoint(websocket: WebSocket) -> None:
        context = websocket.context
        request = context.request
        seen.extend(
            [context.principal.name, context.items["key"], request.path, request.query["q"][0], request.cookies["c"]]
        )
        seen.append(context.websockets.requested_protocols)

    async def journey() -> None:
        async with opened(on(Stage.AUTHENTICATE, sign_in), function=accepting(endpoint)) as site:
            await site.open("/?q=1", fields={"Cookie": "c=2", "Sec-WebSocket-Protocol": "a"})

    run(journey)
    assert seen == ["ada", "value", "/", "1", "2", ("a",)]


def test_websockets_py21_it_is_the_same_context() -> None:
    contexts: list[Context] = []

    async def endpoint(websocket: WebSocket) -> None:
        contexts.append(websocket.context)

    def handler(context: Context) -> None:
        contexts.append(context)
        context.accept_websocket(endpoint)

    async def journey() -> None:
        async with opened(function=handler) as site:
            await site.open()

    run(journey)
    assert contexts[0] is contexts[1]


# What makes no sense behind the pipeline, and must say so instead of doing something or nothing (SW-50, SW-52).
CALLS: dict[str, Callable[[Context], object]] = {
    "rewrite": lambda context: context.rewrite("/elsewhere"),
    "remap": lambda context: context.remap(lambda context: "hello"),
    "redispatch": lambda context: context.redispatch("/elsewhere"),
    "accept": lambda context: context.accept_websocket(until_closed),
    "write": lambda context: context.response.write("late"),
    "status": lambda context: setattr(context.response, "status", 404),
    "header": lambda context: context.response.headers.__setitem__("x-late", "1"),
    "cookie": lambda context: context.response.set_cookie("late", "1"),
    "start": lambda context: context.start(asyncio.sleep(0)),
}


@pytest.mark.parametrize("what", CALLS)
@pytest.mark.filterwarnings("ignore:coroutine 'sleep' was never awaited")
def test_websockets_sw50_sw52_what_belongs_to_the_http_half_is_refused(what: str) -> None:
    seen: list[BaseException | None] = []

    async def endpoint(websocket: WebSocket) -> None:
        try:
            CALLS[what](websocket.context)
        except (PenstockError, ContractError, ResponseStarted) as error:
            seen.append(error)
        else:
            seen.append(None)
        await until_closed(websocket)

    async def journey() -> None:
        async with opened(function=accepting(endpoint)) as site:
            (await site.open()).transport.take_close()

    run(journey)
    assert len(seen) == 1
    assert seen[0] is not None, f"{what} was accepted behind the pipeline"


def test_websockets_sw56_a_response_that_is_kept_keeps_no_body() -> None:
    kept: list[object] = []
    known: list[weakref.ref[Heavy]] = []

    def handler(context: Context) -> None:
        context.accept_websocket(until_closed)
        kept.append(context.response)
        heavy = Heavy()
        known.append(weakref.ref(heavy))
        context.response.on_sending_headers(lambda response, heavy=heavy: None)  # type: ignore[misc]

    async def journey() -> None:
        async with opened(function=handler) as site:
            request = await site.open()
            await settle()
            gc.collect()
            assert known[0]() is None
            assert kept
            request.transport.take_close()

    run(journey)


def test_websockets_sw38_what_the_endpoint_defers_is_closed_behind_it() -> None:
    log: list[str] = []

    async def endpoint(websocket: WebSocket) -> None:
        websocket.context.defer(lambda: log.append("closed"))
        await until_closed(websocket)
        log.append("ended")

    async def journey() -> None:
        async with opened(function=accepting(endpoint)) as site:
            (await site.open()).transport.take_close()

    run(journey)
    assert log == ["ended", "closed"]


def test_websockets_sw53_cookies_of_the_request_cannot_be_written() -> None:
    async def endpoint(websocket: WebSocket) -> None:
        with pytest.raises(TypeError):
            websocket.context.request.cookies["c"] = "3"

    async def journey() -> None:
        async with opened(function=accepting(endpoint)) as site:
            await site.open(fields={"Cookie": "c=2"})
            await site.wait_over()
            assert site.counts == (1, 0, 1, 0)

    run(journey)
