"""The messages of ASGI applications on open WebSockets, and all the ways in which these end (websockets AS-5 to AS-29)."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from penstock import ContractError
from penstock.errors import WebSocketClosedError
from penstock.testing import ClientWebSocket
from tests.flow.asgi_socket_subject import (
    ACCEPT,
    CLOSE,
    Application,
    Message,
    Receive,
    Scope,
    Send,
    accepting,
    closed,
    echo,
    talk,
)
from tests.pipeline.subject import LOOPS, open_app, run, settle


class TestMessages:
    @pytest.mark.parametrize("loop", LOOPS)
    @pytest.mark.parametrize("message", ["hello", "é" * 1000, "", b"\x00\xff", b"", "x" * 70_000, b"y" * 70_000])
    def test_an_echo(self, message: str | bytes, loop: str) -> None:
        async def say(socket: ClientWebSocket) -> str | bytes:
            await socket.send(message)
            return await socket.receive()

        assert talk(accepting(echo), say, loop=loop) == message

    @pytest.mark.parametrize(
        ("sent", "expected"),
        [
            ({"text": "a"}, "a"),
            ({"text": "a", "bytes": None}, "a"),
            ({"bytes": b"a", "text": None, "more": 1}, b"a"),
            ({"bytes": bytearray(b"a")}, b"a"),
            ({"bytes": memoryview(b"a")}, b"a"),
        ],
    )
    def test_websockets_as16_what_can_be_sent(self, sent: Message, expected: str | bytes) -> None:
        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            await send({"type": "websocket.send", **sent})

        async def hear(socket: ClientWebSocket) -> str | bytes:
            return await socket.receive()

        assert talk(accepting(application), hear) == expected

    @pytest.mark.parametrize(
        "message",
        [
            {"type": "websocket.send"},
            {"type": "websocket.send", "text": None, "bytes": None},
            {"type": "websocket.send", "text": "a", "bytes": b"a"},
            {"type": "websocket.send", "text": b"a"},
            {"type": "websocket.send", "bytes": "a"},
            {"type": "websocket.send", "text": 1},
            {"type": "websocket.close", "code": "1000"},
            {"type": "websocket.close", "reason": b"why"},
            {"type": "websocket.accept"},
            {"type": "websocket.http.response.start", "status": 200},
            {"type": "websocket.ping"},
            {"type": 7},
            {},
        ],
    )
    def test_websockets_as16_what_cannot_be_sent_raises_and_harms_nothing(self, message: Message) -> None:
        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            with pytest.raises((ContractError, TypeError, KeyError)):
                await send(message)
            await send({"type": "websocket.send", "text": "still here"})

        async def hear(socket: ClientWebSocket) -> str | bytes:
            return await socket.receive()

        assert talk(accepting(application), hear) == "still here"

    def test_websockets_as14_a_second_accept_ends_the_socket(self, caplog: pytest.LogCaptureFixture) -> None:
        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            await send(ACCEPT)

        assert talk(accepting(application), closed)[0] == 1011
        assert len(caplog.records) == 1

    def test_websockets_as28_an_application_returns_none(self, caplog: pytest.LogCaptureFixture) -> None:
        async def application(scope: Scope, receive: Receive, send: Send) -> int:
            return 123

        assert talk(accepting(application), closed)[0] == 1000
        assert "int" in caplog.records[0].getMessage()


class TestEnds:
    def told(self, application: Application, conversation: Callable[[ClientWebSocket], Awaitable[Any]]) -> list[Any]:
        """The last message that `application` gets, and what its next `send` raises."""
        seen: list[Any] = []

        async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
            await application(scope, receive, send)
            seen.append(await receive())
            try:
                await send({"type": "websocket.send", "text": "late"})
            except OSError as error:
                seen.append(error)

        talk(accepting(asgi), conversation)
        return seen

    @pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1001, "r"), (4999, "é")])
    def test_websockets_as06_the_code_of_the_client(self, code: int, reason: str) -> None:
        async def leave(socket: ClientWebSocket) -> None:
            await socket.close(code, reason)

        seen = self.told(echo, leave)
        assert seen[0] == {"type": "websocket.disconnect", "code": code, "reason": reason}
        assert isinstance(seen[1], WebSocketClosedError)

    def test_websockets_as06_a_connection_that_is_lost_is_1006(self) -> None:
        async def leave(socket: ClientWebSocket) -> None:
            socket.leave()

        seen = self.told(echo, leave)
        assert seen[0] == {"type": "websocket.disconnect", "code": 1006, "reason": ""}
        assert isinstance(seen[1], OSError)

    @pytest.mark.parametrize("caught", [True, False])
    def test_websockets_as07_sending_to_nobody_is_an_os_error_and_not_logged(
        self, caught: bool, caplog: pytest.LogCaptureFixture
    ) -> None:
        raised: list[BaseException] = []

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            while (await receive())["type"] == "websocket.receive":
                pass
            try:
                await send({"type": "websocket.send", "text": "late"})
            except OSError as error:
                raised.append(error)
                if not caught:
                    raise

        async def leave(socket: ClientWebSocket) -> None:
            await socket.close()

        talk(accepting(application), leave)
        assert isinstance(raised[0], WebSocketClosedError)
        assert caplog.records == []

    def test_websockets_as08_messages_in_front_of_the_close_are_delivered(self) -> None:
        told: list[Message] = []

        async def journey() -> None:
            gate = asyncio.Event()

            async def application(scope: Scope, receive: Receive, send: Send) -> None:
                await gate.wait()
                while (message := await receive())["type"] == "websocket.receive":
                    told.append(message)
                told.append(message)

            async with open_app(accepting(application)) as client, client.websocket("/") as socket:
                for text in "abc":
                    await socket.send(text)
                await socket.close()
                gate.set()
                await settle()

        run(journey)
        assert [message.get("text") for message in told[:-1]] == ["a", "b", "c"]
        assert told[-1] == {"type": "websocket.disconnect", "code": 1000, "reason": ""}

    def test_websockets_as11_an_application_that_returns_closes_with_1000(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            await send({"type": "websocket.send", "text": "bye"})

        assert talk(accepting(application), closed)[0] == 1000
        assert caplog.records == []

    @pytest.mark.parametrize("loop", LOOPS)
    def test_websockets_as12_an_application_that_fails_closes_with_1011(
        self, loop: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            raise ValueError("boom")

        assert talk(accepting(application), closed, loop=loop)[0] == 1011
        assert [record.levelno for record in caplog.records] == [logging.ERROR]

    @pytest.mark.parametrize(
        ("message", "expected"),
        [
            (CLOSE, (1000, "")),
            ({**CLOSE, "code": 4001, "reason": "enough"}, (4001, "enough")),
            ({**CLOSE, "code": None, "reason": None}, (1000, "")),
            ({**CLOSE, "code": 1005}, (1005, "")),
        ],
    )
    def test_websockets_as15_nothing_can_be_sent_behind_a_close(
        self, message: Message, expected: tuple[int, str]
    ) -> None:
        told: list[Message] = []

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            await send(message)
            for late in ({"type": "websocket.send", "text": "late"}, CLOSE, ACCEPT):
                with pytest.raises(WebSocketClosedError):
                    await send(late)
            told.append(await receive())

        assert talk(accepting(application), closed) == expected
        assert told == [{"type": "websocket.disconnect", "code": expected[0], "reason": expected[1]}]

    @pytest.mark.parametrize("code", [999, 1004, 1006, 1015, 1016, 2999, 5000])
    def test_a_code_that_cannot_be_sent_is_refused(self, code: int) -> None:
        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            with pytest.raises(ValueError, match=str(code)):
                await send({**CLOSE, "code": code})
            with pytest.raises(ValueError):
                await send({**CLOSE, "reason": "x" * 124})
            await send({**CLOSE, "code": 3000})

        assert talk(accepting(application), closed)[0] == 3000

    def test_a_close_behind_the_close_of_the_client_is_no_error(self, caplog: pytest.LogCaptureFixture) -> None:
        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            try:
                while (await receive())["type"] == "websocket.receive":
                    pass
            finally:
                await send(CLOSE)

        async def leave(socket: ClientWebSocket) -> None:
            await socket.close()

        talk(accepting(application), leave)
        assert caplog.records == []

    def test_every_receive_behind_the_end_says_so_again(self) -> None:
        told: list[Message] = []

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            told.extend([await receive(), await receive(), await receive()])

        async def leave(socket: ClientWebSocket) -> None:
            await socket.close(1001, "r")

        talk(accepting(application), leave)
        assert told == [{"type": "websocket.disconnect", "code": 1001, "reason": "r"}] * 3

    def test_websockets_as24_at_shutdown_the_application_is_told_1001(self) -> None:
        async def journey() -> tuple[list[Message], tuple[int, str]]:
            told: list[Message] = []

            async def application(scope: Scope, receive: Receive, send: Send) -> None:
                told.append(await receive())

            async with open_app(accepting(application)) as client, client.websocket("/") as socket:
                await settle()
                client.runtime.sockets.go_away()
                ended = await closed(socket)
            return told, ended

        told, ended = run(journey)
        assert ended[0] == 1001
        assert [message["code"] for message in told] == [1001]
