"""This file is the test of the gateway to OWIN applications, and of styles inside one another (websockets CO-80 to CO-85; T-28)."""

from typing import Any

import pytest

from penstock import Context, ContractError, WebSocket
from penstock.pipeline_gateways.owin import OwinEndpoint, OwinGateway
from penstock.pipeline_gateways.owin_features import OwinContext
from penstock.request_sockets.owin_accept import DeferredAcceptAdapter, InlineAcceptAdapter
from penstock.server import open_client
from penstock.testing import ClientWebSocket
from tests.pipeline.subject import ask, run
from tests.pipeline_gateways.owin_subject import Environment, answer_of, open_owin, talk
from tests.request_sockets.owin_subject import DeferredServer, InlineServer, OwinPeer


async def hello(environment: Environment) -> None:
    environment["owin.ResponseHeaders"]["Content-Type"] = ["text/plain"]
    await environment["owin.ResponseBody"].write(b"hello")


class TestGateway:
    @pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
    def test_an_application_answers(self, loop: str) -> None:
        response = ask(open_owin(hello), loop=loop)
        assert (response.status, response.body, response.headers["content-type"]) == (200, b"hello", "text/plain")

    def test_an_application_is_found_by_the_name_of_its_parameter(self) -> None:
        assert ask(open_client(hello)).body == b"hello"

    def test_one_that_does_nothing_answers_200(self) -> None:
        async def application(environment: Environment) -> None:
            pass

        assert answer_of(application).status == 200

    def test_websockets_ka10_one_that_fails_is_answered_with_500(self) -> None:
        async def application(environment: Environment) -> None:
            raise ValueError("of the application")

        assert answer_of(application).status == 500

    def test_one_that_is_no_coroutine_function(self) -> None:
        def application(environment: Environment) -> int:
            return 1

        assert ask(open_owin(application)).status == 500

    def test_root_path_is_told_as_part_of_the_path_base(self) -> None:
        async def application(environment: Environment) -> None:
            path = environment["owin.RequestPathBase"] + "|" + environment["owin.RequestPath"]
            await environment["owin.ResponseBody"].write(path.encode())

        assert ask(open_owin(application, at="/a", root_path="/proxy"), "/a/b").body == b"/proxy/a|/b"


class TestNesting:
    def test_websockets_t28_builder_nesting_native_owin_native_uses_the_native_accept(self) -> None:
        seen: list[Any] = []

        async def endpoint(context: Any) -> None:
            assert isinstance(context, Context)
            assert not context.websockets.is_upgrading
            websocket = await context.websockets.accept()
            seen.append(websocket.context is context)
            async for message in websocket:
                await websocket.send(message)

        async def middleware(environment: Environment) -> None:
            seen.append("in")
            await inner(environment)
            seen.append("out")

        inner = DeferredAcceptAdapter(OwinEndpoint(endpoint))

        async def echo(socket: ClientWebSocket) -> Any:
            await socket.send("hello")
            return await socket.receive()

        assert talk(middleware, echo) == "hello"
        assert seen == ["in", True, "out"]

    def test_websockets_co84_what_a_native_endpoint_returns_is_answered(self) -> None:
        def answer(context: Context) -> dict[str, str]:
            return {"path": context.request.path}

        response = ask(open_owin(OwinEndpoint(answer)), "/a")
        assert (response.body, response.headers["content-type"]) == (b'{"path":"/a"}', "application/json")

    def test_websockets_t28_co81_builder_nesting_owin_native_owin_shares_one_environment(self) -> None:
        environments: list[Environment] = []

        async def innermost(environment: Environment) -> None:
            environments.append(environment)
            await environment["owin.ResponseBody"].write(environment["mine"].encode())

        async def endpoint(context: Context) -> None:
            await OwinGateway(innermost).execute(context)

        async def outermost(environment: Environment) -> None:
            environments.append(environment)
            environment["mine"] = "of the outermost"
            await OwinEndpoint(endpoint)(environment)

        assert answer_of(outermost).body == b"of the outermost"
        assert environments[0] is environments[1]

    def test_websockets_co83_co82_on_another_server_the_context_is_a_view(self) -> None:
        seen: list[Any] = []

        async def endpoint(context: Any) -> None:
            assert isinstance(context, OwinContext)
            websocket = await context.websockets.accept()
            seen.append(await websocket.receive())

        async def journey() -> None:
            server = DeferredServer(OwinPeer((1, True, b"hello")))
            assert await server.serve(InlineAcceptAdapter(OwinEndpoint(endpoint))) == 101
            assert server.socket_error is None
            assert server.peer.sent == [("close", 1000, "")]

        run(journey)
        assert seen == ["hello"]

    def test_websockets_co83_on_an_inline_host_nothing_is_adapted(self) -> None:
        seen: list[WebSocket] = []

        async def endpoint(context: Any) -> None:
            seen.append(await context.websockets.accept())

        async def journey() -> None:
            server = InlineServer()
            await OwinEndpoint(endpoint)(server.environment)
            assert seen == [server.websocket]

        run(journey)

    def test_websockets_co85_none_is_no_endpoint(self) -> None:
        with pytest.raises(TypeError, match="None cannot be called"):
            OwinEndpoint(None)  # type: ignore[arg-type]

    @pytest.mark.parametrize("adapter", [InlineAcceptAdapter, DeferredAcceptAdapter])
    def test_websockets_co80_both_adapters_work_inside_of_penstock(self, adapter: Any) -> None:
        """A section that was written for another server needs no change here."""

        async def inline(environment: Environment) -> None:
            websocket = await environment["websocket.AcceptAlt"](None)
            await websocket.send(await websocket.receive())

        async def callback(socket: Environment) -> None:
            buffer = bytearray(100)
            kind, is_end, count = await socket["websocket.ReceiveAsync"](buffer)
            await socket["websocket.SendAsync"](buffer[:count], kind, is_end)

        async def deferred(environment: Environment) -> None:
            environment["websocket.Accept"](None, callback)

        async def echo(socket: ClientWebSocket) -> Any:
            await socket.send("hello")
            return await socket.receive()

        section = adapter(inline if adapter is InlineAcceptAdapter else deferred)

        async def application(environment: Environment) -> None:
            await section(dict(environment) if adapter is DeferredAcceptAdapter else environment)

        assert talk(application, echo) == "hello"

    def test_a_plain_dictionary_of_the_environment_is_answered_through_too(self) -> None:
        async def application(environment: Environment) -> None:
            await OwinEndpoint(lambda context: "through")(dict(environment))

        assert answer_of(application).body == b"through"

    def test_a_second_accept_is_refused_whatever_the_style(self) -> None:
        kept: Any = None

        async def application(environment: Environment) -> None:
            websocket = await environment["websocket.AcceptAlt"]()
            with pytest.raises(ContractError, match="only once"):
                kept(None, hello)
            await websocket.close()

        async def first(environment: Environment) -> None:
            nonlocal kept
            kept = environment["websocket.Accept"]
            await application(environment)

        async def end(socket: ClientWebSocket) -> int | None:
            await socket.wait_end()
            return socket.close_code

        assert talk(first, end) == 1000
