"""This file is the test of how an OWIN application accepts a WebSocket (websockets section 7.2 style B, OW-3, KA-3 to KA-5)."""

import asyncio
from typing import Any

import pytest

from penstock import AcceptOptions, Context, ContractError, RequestRejected, Stage
from penstock.request_sockets.owin_options import NATIVE_OPTIONS, OwinAcceptContext
from penstock.testing import ClientWebSocket
from tests.pipeline.subject import on, run, settle
from tests.pipeline_gateways.owin_subject import HANDSHAKE, Environment, answer_of, open_owin, talk

SUBPROTOCOL = "websocket.SubProtocol"


async def idle(socket: Environment) -> None:
    pass


async def nothing(socket: ClientWebSocket) -> None:
    pass


async def chosen(socket: ClientWebSocket) -> str | None:
    return socket.subprotocol


class TestValidation:
    @pytest.mark.parametrize(
        ("options", "callback", "error", "message"),
        [
            (None, None, TypeError, "None cannot be called"),
            (5, idle, TypeError, "a dict or None, not 'int'"),
            ({SUBPROTOCOL: "a b"}, idle, ValueError, "is no sub-protocol"),
            ({SUBPROTOCOL: "other"}, idle, ValueError, "'other' was not offered"),
        ],
    )
    def test_websockets_ow3_ka3_ka5_what_is_refused_changes_nothing(
        self, options: Any, callback: Any, error: type[Exception], message: str
    ) -> None:
        async def application(environment: Environment) -> None:
            environment["owin.ResponseHeaders"]["Sec-WebSocket-Protocol"] = ["a"]
            with pytest.raises(error, match=message):
                environment["websocket.Accept"](options, callback)
            assert environment["owin.ResponseStatusCode"] == 200
            assert environment["owin.ResponseHeaders"]["sec-websocket-protocol"] == ["a"]
            environment["websocket.Accept"](None, idle)
            assert "sec-websocket-protocol" not in environment["owin.ResponseHeaders"]

        assert talk(application, chosen, subprotocols=["a"]) == "a"

    def test_websockets_ka22_twice(self) -> None:
        async def application(environment: Environment) -> None:
            environment["websocket.Accept"](None, idle)
            with pytest.raises(ContractError, match="only once"):
                environment["websocket.Accept"](None, idle)

        talk(application, nothing)

    def test_websockets_ka21_behind_what_was_written(self) -> None:
        async def application(environment: Environment) -> None:
            await environment["owin.ResponseBody"].write(b"held back")
            with pytest.raises(ContractError, match="a body was written"):
                environment["websocket.Accept"](None, idle)

        assert answer_of(application, headers=HANDSHAKE).body == b"held back"

    def test_a_handshake_that_was_taken_back_cannot_be_given_again(self) -> None:
        async def application(environment: Environment) -> None:
            environment["websocket.Accept"](None, idle)
            environment["owin.ResponseStatusCode"] = 101
            environment["owin.ResponseStatusCode"] = 403
            with pytest.raises(ContractError, match="cannot be undone"):
                environment["owin.ResponseStatusCode"] = 101

        assert answer_of(application, headers=HANDSHAKE).status == 403

    def test_an_accept_that_was_kept_is_judged_like_every_other(self) -> None:
        kept: list[Any] = []

        async def application(environment: Environment) -> None:
            kept.append(environment["websocket.Accept"])

        async def journey() -> None:
            async with open_owin(application) as client:
                assert (await client.get("/", headers=HANDSHAKE)).status == 200
                with pytest.raises((ContractError, RequestRejected)):
                    kept[0](None, idle)

        run(journey)


class TestSubprotocol:
    """websockets KA-4."""

    @pytest.mark.parametrize(
        ("header", "options", "expected"),
        [
            (None, None, None),
            (["a"], None, "a"),
            (["a"], {SUBPROTOCOL: "b"}, "b"),
            (None, {SUBPROTOCOL: "b"}, "b"),
            (["a"], {SUBPROTOCOL: None}, None),
            (None, {NATIVE_OPTIONS: AcceptOptions("b")}, "b"),
        ],
    )
    def test_websockets_ow5_ka4_ka27_option_then_header(
        self, header: list[str] | None, options: Any, expected: str | None
    ) -> None:
        async def application(environment: Environment) -> None:
            if header:
                environment["owin.ResponseHeaders"]["Sec-WebSocket-Protocol"] = header
            environment["websocket.Accept"](options, idle)

        async def look(socket: ClientWebSocket) -> list[str]:
            return socket.response_headers.get_all("sec-websocket-protocol")

        assert talk(application, look, subprotocols=["a", "b"]) == ([expected] if expected else [])


class TestInline:
    @pytest.mark.parametrize("options", [None, AcceptOptions("a"), OwinAcceptContext({SUBPROTOCOL: "a"})])
    def test_websockets_co60_the_socket_can_be_awaited(self, options: Any) -> None:
        async def application(environment: Environment) -> None:
            websocket = await environment["websocket.AcceptAlt"](options)
            await websocket.send(await websocket.receive())

        async def echo(socket: ClientWebSocket) -> Any:
            await socket.send("hello")
            return await socket.receive(), socket.subprotocol

        assert talk(application, echo, subprotocols=["a"]) == ("hello", None if options is None else "a")


class TestCallCancelled:
    def test_websockets_ka26_is_fired_when_the_client_leaves(self) -> None:
        seen = gone = asyncio.Event()

        async def application(environment: Environment) -> None:
            seen.set()
            await environment["owin.CallCancelled"]
            gone.set()

        async def journey() -> None:
            nonlocal seen, gone
            seen, gone = asyncio.Event(), asyncio.Event()
            async with open_owin(application) as client:
                request = client.open("GET", "/")
                await seen.wait()
                request.disconnect()
                await gone.wait()

        run(journey)

    def test_websockets_ow8_is_fired_when_an_accept_does_not_happen(self) -> None:
        tokens: list[Any] = []

        async def application(environment: Environment) -> None:
            tokens.append(environment["owin.CallCancelled"])
            environment["websocket.Accept"](None, idle)

        def judge(context: Context) -> None:
            assert not tokens[0]
            context.response.status = 403

        assert answer_of(application, on(Stage.END, judge), headers=HANDSHAKE).status == 403
        assert tokens[0].is_cancelled

    def test_is_not_fired_by_an_accept_that_happens(self) -> None:
        found: list[bool] = []

        async def application(environment: Environment) -> None:
            token = environment["owin.CallCancelled"]

            async def callback(socket: Environment) -> None:
                found.extend([token.is_cancelled, socket["websocket.CallCancelled"].is_cancelled])

            environment["websocket.Accept"](None, callback)

        talk(application, nothing)
        assert found == [False, False]

    def test_websockets_ow8_is_fired_when_the_pipeline_fails_behind_the_accept(self) -> None:
        tokens: list[Any] = []

        async def application(environment: Environment) -> None:
            tokens.append(environment["owin.CallCancelled"])
            environment["websocket.Accept"](None, idle)
            raise ValueError("behind it")

        assert answer_of(application, headers=HANDSHAKE).status == 500
        assert tokens[0].is_cancelled

    def test_websockets_ka7_that_of_the_socket_is_fired_when_the_callback_fails(self) -> None:
        tokens: list[Any] = []

        async def fail(socket: Environment) -> None:
            tokens.append(socket["websocket.CallCancelled"])
            raise ValueError("in the callback")

        async def application(environment: Environment) -> None:
            environment["websocket.Accept"](None, fail)

        async def end(socket: ClientWebSocket) -> int | None:
            await socket.wait_end()
            return socket.close_code

        assert talk(application, end) == 1011
        assert tokens[0].is_cancelled

    def test_that_of_the_socket_is_fired_when_the_client_is_lost(self) -> None:
        async def wait(socket: Environment) -> None:
            await socket["websocket.CallCancelled"]
            gone.set()

        async def application(environment: Environment) -> None:
            environment["websocket.Accept"](None, wait)

        async def leave(socket: ClientWebSocket) -> None:
            await settle()
            assert not gone.is_set()
            socket.leave()
            await gone.wait()

        gone = asyncio.Event()
        talk(application, leave)
