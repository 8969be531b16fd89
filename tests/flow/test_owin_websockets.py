"""Whole journeys of OWIN applications with WebSockets: the order of the unwinding, and Katana's own tests (websockets 3.3; T-29)."""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from penstock import Context, Stage, WebSocketDisconnect
from penstock.errors import AcceptLost
from penstock.request_sockets.owin_accept import InlineAcceptAdapter
from penstock.testing import ClientWebSocket, WebSocketRefused
from tests.pipeline.subject import LOOPS, on, run, settle
from tests.pipeline_gateways.owin_subject import HANDSHAKE, Application, Environment, answer_of, open_owin, talk

Callback = Callable[[Environment], Awaitable[None]]


def accepting(callback: Callback, options: Any = None, *, header: str = "") -> Application:
    async def application(environment: Environment) -> None:
        if header:
            environment["owin.ResponseHeaders"]["Sec-WebSocket-Protocol"] = [header]
        environment["websocket.Accept"](options, callback)

    return application


async def echo(socket: Environment) -> None:
    """Until the client closes; then with what it said."""
    buffer = bytearray(1000)
    while True:
        kind, is_end, count = await socket["websocket.ReceiveAsync"](buffer, socket["websocket.CallCancelled"])
        if kind == 8:
            break
        await socket["websocket.SendAsync"](buffer[:count], kind, is_end, socket["websocket.CallCancelled"])
    status = socket.get("websocket.ClientCloseStatus", 1000)
    description = socket.get("websocket.ClientCloseDescription", "")
    await socket["websocket.CloseAsync"](status, description, socket["websocket.CallCancelled"])


async def said(socket: ClientWebSocket) -> tuple[int | None, str | None]:
    await socket.wait_end()
    return socket.close_code, socket.close_reason


class TestKatanaParity:
    """websockets T-29: the tests of Katana's host on HttpListener, against ours."""

    @pytest.mark.parametrize("loop", LOOPS)
    def test_websockets_t29_connect_and_close(self, loop: str) -> None:
        received: list[Any] = []

        async def callback(socket: Environment) -> None:
            received.append(await socket["websocket.ReceiveAsync"](bytearray(1000), None))
            received.append(socket["websocket.ClientCloseStatus"])
            await socket["websocket.CloseAsync"](1000, "Closing", None)

        async def close(socket: ClientWebSocket) -> Any:
            await socket.close(1000, "Closing")
            return socket.close_code

        assert talk(accepting(callback), close, loop=loop) == 1000
        assert received == [(8, True, 0), 1000]

    @pytest.mark.parametrize("loop", LOOPS)
    def test_websockets_t29_echo_data(self, loop: str) -> None:
        async def exchange(socket: ClientWebSocket) -> Any:
            await socket.send("Hello World")
            return await socket.receive()

        assert talk(accepting(echo), exchange, loop=loop) == "Hello World"

    def test_websockets_t29_subprotocol_select_last(self) -> None:
        async def look(socket: ClientWebSocket) -> Any:
            return socket.subprotocol, socket.response_headers.get_all("sec-websocket-protocol")

        application = accepting(echo, {"websocket.SubProtocol": "protocol2"}, header="protocol2A")
        assert talk(application, look, subprotocols=["protocol1", "protocol2"]) == ("protocol2", ["protocol2"])

    def test_websockets_t29_upgrade_after_headers_sent_throws(self) -> None:
        called: list[str] = []

        async def callback(socket: Environment) -> None:
            called.append("callback")

        async def application(environment: Environment) -> None:
            await environment["owin.ResponseBody"].write(bytes(100))
            await environment["owin.ResponseBody"].flush()
            try:
                environment["websocket.Accept"](None, callback)
            except Exception as error:
                called.append(type(error).__name__)
                raise

        async def journey() -> None:
            async with open_owin(application) as client:
                with pytest.raises(WebSocketRefused) as refused:
                    async with client.websocket("/"):
                        pass
                assert refused.value.response.status == 200

        run(journey)
        assert called == ["ContractError"]

    def test_websockets_t29_ka24_error_in_websocket_disconnected(self, caplog: pytest.LogCaptureFixture) -> None:
        async def callback(socket: Environment) -> None:
            raise RuntimeError("in the socket")

        with caplog.at_level(logging.ERROR, "penstock"):
            assert talk(accepting(callback), said) == (1011, "")  # websockets DV-7
        assert caplog.text.count("RuntimeError: in the socket") == 1

    @pytest.mark.parametrize("message", ["text", b"\x00bytes"])
    def test_websockets_t29_websocket_basic(self, message: str | bytes) -> None:
        options = {
            "websocket.ReceiveBufferSize": 300,
            "websocket.KeepAliveInterval": timedelta(minutes=50),
            "websocket.Buffer": bytearray(1000),
        }

        async def rounds(socket: ClientWebSocket) -> list[Any]:
            received = []
            for _ in range(4):
                await socket.send(message)
                received.append(await socket.receive())
            await socket.close(1000, "done")
            return [*received, socket.close_code]

        assert talk(accepting(echo, options), rounds) == [message] * 4 + [1000]

    def test_websockets_t29_websocket_basic_without_a_handshake(self) -> None:
        async def application(environment: Environment) -> None:
            accept = environment.get("websocket.Accept")
            if accept is None:
                environment["owin.ResponseStatusCode"] = 500
            else:
                accept(None, echo)

        assert answer_of(application).status == 500
        assert answer_of(application, headers=HANDSHAKE).status == 101


class TestDocumentation:
    def test_the_application_of_the_page(self) -> None:
        page = (Path(__file__).parents[2] / "docs" / "owin.md").read_text(encoding="utf-8")
        names: dict[str, Any] = {}
        exec(re.findall(r"```python\n(.*?)```", page, re.DOTALL)[0], names)

        async def exchange(socket: ClientWebSocket) -> Any:
            await socket.send("Hello World")
            return await socket.receive()

        assert answer_of(names["app"]).body == b"hello\n"
        assert talk(names["app"], exchange) == "Hello World"

    def test_every_key_is_on_the_page(self) -> None:
        page = (Path(__file__).parents[2] / "docs" / "owin.md").read_text(encoding="utf-8")
        keys: list[str] = []

        async def callback(socket: Environment) -> None:
            keys.extend(socket)

        async def application(environment: Environment) -> None:
            keys.extend(environment)
            environment["websocket.Accept"](None, callback)

        talk(application, said)
        assert [key for key in keys if f"`{key}`" not in page] == []


class TestOrder:
    @pytest.mark.parametrize("loop", LOOPS)
    def test_websockets_ow4_ka6_the_pipeline_has_unwound_when_the_callback_is_called(self, loop: str) -> None:
        trace: list[str] = []

        def note(name: str) -> Callable[[Context], None]:
            return lambda context: trace.append(f"{name} {context.response.status_code}")

        async def callback(socket: Environment) -> None:
            trace.append("callback")

        async def application(environment: Environment) -> None:
            environment["websocket.Accept"](None, callback)
            trace.append("application")

        talk(application, said, on(Stage.LOG, note("log")), on(Stage.END, note("end")), loop=loop)
        assert trace == ["application", "log 101", "end 101", "callback"]

    def test_websockets_ow7_the_dictionary_of_the_socket_is_another(self) -> None:
        environments: list[Environment] = []

        async def callback(socket: Environment) -> None:
            environments.append(socket)

        async def application(environment: Environment) -> None:
            environments.append(environment)
            environment["websocket.Accept"](None, callback)

        talk(application, said)
        assert environments[0] is not environments[1]

    def test_websockets_sw33_another_status_takes_it_back(self) -> None:
        called: list[str] = []

        async def callback(socket: Environment) -> None:
            called.append("callback")

        async def application(environment: Environment) -> None:
            environment["websocket.Accept"](None, callback)
            environment["owin.ResponseStatusCode"] = 409
            await environment["owin.ResponseBody"].write(b"no")

        response = answer_of(application, headers=HANDSHAKE)
        assert (response.status, response.body, called) == (409, b"no", [])

    def test_websockets_ow6_headers_of_the_response_are_in_the_handshake(self) -> None:
        async def application(environment: Environment) -> None:
            environment["websocket.Accept"](None, echo)
            environment["owin.ResponseHeaders"]["X-Room"] = ["blue"]

        async def look(socket: ClientWebSocket) -> Any:
            return socket.response_headers.get("x-room"), socket.response_headers.get("upgrade")

        assert talk(application, look) == ("blue", "websocket")


class TestAdapterInside:
    """The nine steps on Penstock itself, which plays the deferred server (websockets 2.2)."""

    def test_websockets_t18_the_pipeline_has_unwound_when_the_application_goes_on(self) -> None:
        trace: list[str] = []

        async def application(environment: Environment) -> None:
            trace.append("application")
            websocket = await environment["websocket.AcceptAlt"](None)
            trace.append("socket")
            async for message in websocket:
                await websocket.send(message)
            trace.append("end of the application")

        async def exchange(socket: ClientWebSocket) -> Any:
            await socket.send("hello")
            received = await socket.receive()
            await socket.close()
            return received, socket.close_code

        end = on(Stage.END, lambda context: trace.append(f"END {context.response.status_code}"))
        assert talk(InlineAcceptAdapter(application), exchange, end) == ("hello", 1000)
        assert trace == ["application", "END 101", "socket", "end of the application"]

    @pytest.mark.parametrize("stage", [Stage.LOG, Stage.END])
    def test_websockets_t21_another_status_is_told_to_who_waits(self, stage: Stage) -> None:
        lost: list[str] = []

        async def application(environment: Environment) -> None:
            try:
                await environment["websocket.AcceptAlt"](None)
            except AcceptLost as error:
                lost.append(str(error))

        def veto(context: Context) -> None:
            context.response.status = 403

        assert answer_of(InlineAcceptAdapter(application), on(stage, veto), headers=HANDSHAKE).status == 403
        assert len(lost) == 1

    def test_websockets_t20_a_failure_behind_the_accept_closes_with_1011(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def application(environment: Environment) -> None:
            await environment["websocket.AcceptAlt"](None)
            raise ValueError("behind the accept")

        with caplog.at_level(logging.ERROR, "penstock"):
            assert talk(InlineAcceptAdapter(application), said) == (1011, "")
        assert caplog.text.count("ValueError: behind the accept") == 1


class TestEnd:
    def test_websockets_dv6_ow14_a_callback_that_returns_closes_with_1000(self) -> None:
        async def callback(socket: Environment) -> None:
            await socket["websocket.SendAsync"](b"bye", 1, True)

        async def listen(socket: ClientWebSocket) -> Any:
            message = await socket.receive()
            return message, await said(socket)

        assert talk(accepting(callback), listen) == ("bye", (1000, ""))

    def test_a_callback_that_is_no_coroutine_function_closes_with_1011(self) -> None:
        def callback(socket: Environment) -> None:
            return None

        assert talk(accepting(callback), said) == (1011, "")  # type: ignore[arg-type]

    def test_websockets_dv1_a_close_without_a_code(self) -> None:
        found: list[Any] = []

        async def callback(socket: Environment) -> None:
            found.append(await socket["websocket.ReceiveAsync"](bytearray(10)))
            found.append(sorted(key for key in socket if "Close" in key))

        async def close(socket: ClientWebSocket) -> None:
            await socket.close(None)

        talk(accepting(callback), close)
        assert found == [(8, True, 0), ["websocket.CloseAsync"]]

    def test_websockets_ow15_no_delegate_works_when_the_callback_has_ended(self) -> None:
        kept: list[Environment] = []

        async def callback(socket: Environment) -> None:
            kept.append(socket)

        talk(accepting(callback), said)
        with pytest.raises(Exception, match="after its endpoint had ended"):
            kept[0]["websocket.SendAsync"](b"late", 1, True)

    def test_a_client_that_vanishes_is_nobodys_error(self, caplog: pytest.LogCaptureFixture) -> None:
        async def journey() -> None:
            async with open_owin(accepting(echo)) as client, client.websocket("/") as socket:
                await socket.send("hello")
                assert await socket.receive() == "hello"
                socket.leave()
                await settle()

        with caplog.at_level(logging.WARNING, "penstock"):
            run(journey)
        assert caplog.text == ""

    def test_a_server_that_stops_says_1001(self) -> None:
        async def journey() -> None:
            client = open_owin(accepting(echo))
            async with client:
                socket = await client.websocket("/").__aenter__()
                await socket.send("hello")
                assert await socket.receive() == "hello"
                stopping = asyncio.ensure_future(client.runtime.drain(5))
                with pytest.raises(WebSocketDisconnect) as ended:
                    await socket.receive()
                assert ended.value.code == 1001
                await socket.close()
                await stopping

        run(journey)
