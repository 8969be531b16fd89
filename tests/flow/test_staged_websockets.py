"""WebSockets through middleware in stages: it waits as long as they live (middleware 15.8 a, websockets 7.4)."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from penstock import AcceptOptions, Context, Hooks, Stage, WebSocket
from penstock.pipeline_gateways.staged_middleware import StagedMiddleware
from penstock.pipeline_gateways.staged_native import NativeMiddleware
from penstock.testing import ClientWebSocket, WebSocketRefused
from tests.flow.asgi_socket_subject import closed, echo, sockets_only
from tests.pipeline.subject import LOOPS, on, open_app, open_site, raising, run, settle

Log = list[str]


class Staged:
    """A piece at a stage, as a module."""

    def __init__(self, stage: Stage, piece: StagedMiddleware | NativeMiddleware) -> None:
        self.stage, self.piece = stage, piece

    def attach(self, hooks: Hooks) -> None:
        hooks.has_frame = True
        hooks.on(self.stage, self.piece.step)


def wrapping(log: Log, name: str, stage: Stage = Stage.AUTHENTICATE, *, relays: bool = False) -> Staged:
    """A middleware that writes down what passes, and marks texts on their way out."""

    def wrap(app: Any) -> Any:
        async def middleware(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "lifespan":
                await app(scope, receive, send)
                return
            log.append(f"{name}> {scope['type']}")

            async def wrapped(message: Any) -> None:
                log.append(f"{name}.{message['type'].rpartition('.')[2]}")
                if message.get("text"):
                    message = {**message, "text": f"{name}({message['text']})"}
                if message["type"] == "websocket.accept":
                    message = {**message, "headers": [*message.get("headers", ()), (b"x-" + name.encode(), b"1")]}
                await send(message)

            try:
                await app({**scope, "user": "alice"}, receive, wrapped)
            except Exception as error:
                log.append(f"{name} {type(error).__name__}")
                raise
            finally:
                log.append(f"{name}<")

        return middleware

    return Staged(stage, StagedMiddleware(wrap, name=name, relays_errors=relays))


def native(log: Log, stage: Stage = Stage.AUTHENTICATE) -> Staged:
    async def middleware(context: Context, following: Callable[[], Awaitable[None]]) -> None:
        log.append("native>")
        await following()
        log.append("native<")

    return Staged(stage, NativeMiddleware(middleware, name="native"))


def noted(log: Log, *stages: Stage) -> list[object]:
    def note(stage: Stage) -> Callable[[Context], None]:
        return lambda context: log.append(stage.name)

    return [on(stage, note(stage)) for stage in stages]


@sockets_only
async def echoing(scope: Any, receive: Any, send: Any) -> None:
    assert (await receive())["type"] == "websocket.connect"
    await send({"type": "websocket.accept"})
    await echo(scope, receive, send)


async def one_message(socket: ClientWebSocket) -> str:
    await socket.send("hello")
    text = await socket.receive()
    assert isinstance(text, str)
    await socket.close()
    return text


def talked(
    application: Any, conversation: Callable[[ClientWebSocket], Awaitable[Any]], *modules: object, **more: Any
) -> Any:
    loop = more.pop("loop", "asyncio")

    async def journey() -> Any:
        async with open_app(application, *modules) as client:
            async with client.websocket("/", **more) as socket:
                found = await conversation(socket)
            await settle()
            statistics = client.runtime.sockets.statistics()
            assert (statistics.executing, statistics.total) == (0, statistics.succeeded + statistics.failed)
            return found

    return run(journey, loop)


@pytest.mark.parametrize("loop", LOOPS)
class TestAttached:
    def test_websockets_o2_messages_pass_through_it_and_end_comes_behind_the_close(self, loop: str) -> None:
        log: Log = []
        outer, inner = wrapping(log, "a"), wrapping(log, "b", Stage.AUTHORIZE)
        modules = (outer, inner, *noted(log, Stage.MAP_HANDLER, Stage.LOG, Stage.END))
        assert talked(echoing, one_message, *modules, loop=loop) == "a(b(hello))"
        assert log[:4] == ["a> websocket", "b> websocket", "MAP_HANDLER", "LOG"]
        assert log[4:8] == ["b.accept", "a.accept", "b.send", "a.send"]
        assert log[-3:] == ["b<", "a<", "END"]

    def test_websockets_7_4_a_native_endpoint_waits_for_nobody_and_is_waited_for(self, loop: str) -> None:
        log: Log = []

        async def endpoint(socket: WebSocket) -> None:
            log.append("endpoint")
            await socket.send(str(await socket.receive()))
            log.append("endpoint ends")

        def handler(context: Context) -> None:
            log.append(f"handler {context.principal.name}")
            context.accept_websocket(endpoint)

        async def journey() -> str:
            modules = (wrapping(log, "a"), *noted(log, Stage.LOG, Stage.END))
            async with open_site(*modules, function=handler) as client, client.websocket("/") as socket:
                return await one_message(socket)

        assert run(journey, loop) == "a(hello)"
        assert log[:4] == ["a> websocket", "handler alice", "LOG", "a.accept"]
        assert [each for each in log if not each.startswith("a.")][-4:] == ["endpoint", "endpoint ends", "a<", "END"]

    def test_websockets_cw5_a_native_middleware_waits_too(self, loop: str) -> None:
        log: Log = []
        modules = (native(log), *noted(log, Stage.LOG, Stage.END))
        assert talked(echoing, one_message, *modules, loop=loop) == "hello"
        assert log == ["native>", "LOG", "native<", "END"]

    @pytest.mark.parametrize("outside", [Stage.AUTHENTICATE, Stage.PRE_EXECUTE])
    def test_both_kinds_within_one_another(self, outside: Stage, loop: str) -> None:
        log: Log = []
        assert (
            talked(echoing, one_message, native(log, outside), wrapping(log, "a", Stage.AUTHORIZE), loop=loop)
            == "a(hello)"
        )
        assert log.count("native<") == log.count("a<") == 1

    def test_headers_and_sub_protocol_pass(self, loop: str) -> None:
        @sockets_only
        async def choosing(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send(
                {"type": "websocket.accept", "subprotocol": scope["subprotocols"][1], "headers": [(b"x-app", b"1")]}
            )
            await send({"type": "websocket.close", "code": 4001, "reason": "done"})

        async def conversation(socket: ClientWebSocket) -> Any:
            return (
                socket.subprotocol,
                socket.response_headers["x-app"],
                socket.response_headers["x-a"],
                await closed(socket),
            )

        found = talked(choosing, conversation, wrapping([], "a"), subprotocols=["one", "two"], loop=loop)
        assert found == ("two", "1", "1", (4001, "done"))


class TestRefusals:
    def refused(self, application: Any, *modules: object, **more: Any) -> tuple[int, bytes]:
        with pytest.raises(WebSocketRefused) as caught:
            talked(application, one_message, *modules, **more)
        return caught.value.response.status, caught.value.response.body

    def test_what_the_application_refuses_passes_back(self) -> None:
        @sockets_only
        async def refusing(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "websocket.close"})

        log: Log = []
        assert self.refused(refusing, wrapping(log, "a"), *noted(log, Stage.END))[0] == 403
        assert log[-2:] == ["a<", "END"]

    def test_what_a_module_refuses_passes_back(self) -> None:
        def refuse(context: Context) -> None:
            context.response.status = 401
            context.response.body = b"who are you?"
            context.complete()

        log: Log = []
        found = self.refused(echoing, wrapping(log, "a"), on(Stage.AUTHORIZE, refuse), *noted(log, Stage.END))
        assert found == (401, b"who are you?")
        assert log[-2:] == ["a<", "END"]

    def test_a_middleware_refuses_and_nobody_behind_it_is_asked(self) -> None:
        def wrap(app: Any) -> Any:
            async def middleware(scope: Any, receive: Any, send: Any) -> None:
                await send({"type": "websocket.close"})

            return middleware

        log: Log = []
        guard = Staged(Stage.AUTHENTICATE, StagedMiddleware(wrap, name="guard"))
        assert self.refused(echoing, guard, *noted(log, Stage.MAP_HANDLER, Stage.LOG, Stage.END))[0] == 403
        assert log == ["LOG", "END"]

    def test_an_error_before_the_accept_is_an_answer(self) -> None:
        log: Log = []
        assert self.refused(echoing, wrapping(log, "a"), on(Stage.AUTHORIZE, raising(ValueError("x"))))[0] == 500
        assert log[-1] == "a<"

    def test_an_origin_that_is_not_allowed_is_refused_before_it_is_asked(self) -> None:
        log: Log = []

        async def journey() -> int:
            async with open_app(echoing, wrapping(log, "a")) as client:
                answer = await client.get("/", headers={"connection": "upgrade", "upgrade": "websocket"})
                return answer.status

        assert run(journey) in (400, 426)
        assert log == []


class TestEndings:
    def test_a_client_that_leaves_ends_all_of_it(self) -> None:
        log: Log = []

        async def conversation(socket: ClientWebSocket) -> None:
            await socket.send("hello")
            await socket.receive()
            socket.leave()

        talked(echoing, conversation, wrapping(log, "a"), *noted(log, Stage.END))
        assert log[-2:] == ["a<", "END"]

    def test_an_endpoint_that_fails_closes_with_1011_and_looks_like_an_end(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        @sockets_only
        async def failing(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "websocket.accept"})
            raise ValueError("meant")

        log: Log = []
        assert talked(failing, closed, wrapping(log, "a"), *noted(log, Stage.END))[0] == 1011
        assert log[-2:] == ["a<", "END"]
        assert "a WebSocket endpoint failed" in caplog.text

    def test_middleware_r_sg_29_one_that_wants_to_sees_the_error(self) -> None:
        @sockets_only
        async def failing(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "websocket.accept"})
            raise ValueError("meant")

        log: Log = []
        talked(failing, closed, wrapping(log, "a", relays=True))
        assert "a ValueError" in log

    def test_the_server_stops_and_says_1001(self) -> None:
        log: Log = []

        async def journey() -> int:
            app = open_app(echoing, wrapping(log, "a"), *noted(log, Stage.END))
            async with app as client, client.websocket("/") as socket:
                stopping = asyncio.ensure_future(client.runtime.drain(5))
                code, _ = await closed(socket)
                assert await stopping
                return code

        assert run(journey) == 1001
        assert log[-2:] == ["a<", "END"]

    def test_many_at_once(self) -> None:
        async def journey() -> list[str]:
            async with open_app(echoing, wrapping([], "a"), wrapping([], "b", Stage.AUTHORIZE)) as client:

                async def one() -> str:
                    async with client.websocket("/") as socket:
                        return await one_message(socket)

                found = await asyncio.gather(*[one() for _ in range(50)])
                await settle()
                assert client.runtime.statistics().executing == 0
                return found

        assert set(run(journey)) == {"a(b(hello))"}

    def test_options_of_the_accept_hold_inside(self) -> None:
        async def endpoint(socket: WebSocket) -> None:
            await socket.receive()

        def handler(context: Context) -> None:
            context.accept_websocket(endpoint, AcceptOptions(max_message_size=3))

        async def journey() -> int:
            async with open_site(wrapping([], "a"), function=handler) as client, client.websocket("/") as socket:
                await socket.send("hello")
                return (await closed(socket))[0]

        assert run(journey) == 1009
