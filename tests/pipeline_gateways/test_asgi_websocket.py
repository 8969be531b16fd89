"""The ASGI side of a WebSocket: what happens out of turn, at the same time, and behind the end. Journeys are in tests/flow."""

import asyncio
import gc
import weakref
from typing import Any

import pytest

from penstock import Context, ContractError, HTTPError, Stage
from penstock.errors import AcceptLost, WebSocketBusyError, WebSocketClosedError
from penstock.testing import ClientWebSocket
from tests.flow.asgi_socket_subject import (
    ACCEPT,
    CLOSE,
    HANDSHAKE,
    Message,
    Receive,
    Scope,
    Send,
    accepting,
    closed,
    echo,
    refusal_of,
    sockets_only,
    talk,
)
from tests.pipeline.subject import LOOPS, on, open_app, run, settle

SEND: Message = {"type": "websocket.send", "text": "hello"}


class TestTurns:
    def test_a_second_accept_while_the_first_is_under_way_is_refused(self) -> None:
        raised: list[BaseException] = []

        async def journey() -> None:
            gate = asyncio.Event()

            async def wait(context: Context) -> None:
                await gate.wait()

            async def application(scope: Scope, receive: Receive, send: Send) -> None:
                first = asyncio.ensure_future(send(ACCEPT))
                await settle()
                with pytest.raises(ContractError) as error:
                    await send(ACCEPT)
                raised.append(error.value)
                gate.set()
                await first
                await send(SEND)

            site = open_app(sockets_only(application), on(Stage.LOG, wait))
            async with site as client, client.websocket("/") as socket:
                assert await socket.receive() == "hello"

        run(journey)
        assert len(raised) == 1

    @pytest.mark.parametrize("message", [SEND, CLOSE, {"type": "websocket.http.response.start", "status": 400}])
    def test_nothing_else_can_be_sent_while_an_accept_is_under_way(self, message: Message) -> None:
        async def journey() -> None:
            gate = asyncio.Event()

            async def wait(context: Context) -> None:
                await gate.wait()

            async def application(scope: Scope, receive: Receive, send: Send) -> None:
                first = asyncio.ensure_future(send(ACCEPT))
                await settle()
                with pytest.raises(ContractError):
                    await send(message)
                gate.set()
                await first
                await echo(scope, receive, send)

            site = open_app(sockets_only(application), on(Stage.LOG, wait))
            async with site as client, client.websocket("/") as socket:
                await socket.send("still here")
                assert await socket.receive() == "still here"

        run(journey)

    def test_two_receives_at_once_are_told_apart_from_the_end(self) -> None:
        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            first = asyncio.ensure_future(receive())
            await asyncio.sleep(0)
            with pytest.raises(WebSocketBusyError):
                await receive()
            await send({**SEND, "text": (await first)["text"]})

        async def say(socket: ClientWebSocket) -> str | bytes:
            await socket.send("hello")
            return await socket.receive()

        assert talk(accepting(application), say) == "hello"

    def test_a_receive_that_is_cancelled_loses_nothing(self) -> None:
        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0):
                    await receive()
            await send(SEND)
            await echo(scope, receive, send)

        async def say(socket: ClientWebSocket) -> str | bytes:
            await socket.receive()
            await socket.send("again")
            return await socket.receive()

        assert talk(accepting(application), say) == "again"

    def test_a_receive_that_waits_when_the_application_closes_is_told_of_the_clients_close(self) -> None:
        told: list[Message] = []

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            waiting = asyncio.ensure_future(receive())
            await asyncio.sleep(0)
            await send({**CLOSE, "code": 4000})
            told.append(await waiting)

        assert talk(accepting(application), closed) == (4000, "")
        assert told == [{"type": "websocket.disconnect", "code": 4000, "reason": ""}]

    def test_a_failed_accept_may_be_followed_by_a_refusal(self) -> None:
        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            with pytest.raises(ValueError, match="not offered"):
                await send({**ACCEPT, "subprotocol": "chat"})
            await send(CLOSE)

        assert refusal_of(sockets_only(application)).status == 403


class TestEnds:
    @pytest.mark.parametrize("loop", LOOPS)
    def test_a_task_that_outlives_the_application_finds_the_socket_closed(self, loop: str) -> None:
        seen: list[Any] = []

        async def journey() -> None:
            gate = asyncio.Event()
            done = asyncio.Event()

            async def stray(receive: Receive, send: Send) -> None:
                await gate.wait()
                seen.append(await receive())
                try:
                    await send(SEND)
                except OSError as error:
                    seen.append(error)
                await send(CLOSE)
                done.set()

            async def application(scope: Scope, receive: Receive, send: Send) -> None:
                seen.append(asyncio.ensure_future(stray(receive, send)))

            async with open_app(accepting(application)) as client:
                async with client.websocket("/") as socket:
                    assert (await closed(socket))[0] == 1000
                gate.set()
                await done.wait()

        run(journey, loop)
        assert seen[1] == {"type": "websocket.disconnect", "code": 1006, "reason": ""}
        assert isinstance(seen[2], WebSocketClosedError)

    def test_an_error_of_that_name_while_the_client_is_there_is_an_error(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        class WebSocketDisconnect(Exception):
            pass

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            raise WebSocketDisconnect

        assert talk(accepting(application), closed)[0] == 1011
        assert len(caplog.records) == 1

    def test_an_os_error_of_the_applications_own_is_an_error(self, caplog: pytest.LogCaptureFixture) -> None:
        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            raise ConnectionRefusedError("no database")

        assert talk(accepting(application), closed)[0] == 1011
        assert len(caplog.records) == 1

    def test_an_accept_that_is_lost_and_not_caught_is_no_second_error(self, caplog: pytest.LogCaptureFixture) -> None:
        def refuse(context: Context) -> None:
            raise HTTPError(409, "busy")

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            await send(ACCEPT)

        found = refusal_of(sockets_only(application), on(Stage.LOG, refuse))
        assert found.status == 409
        assert [record.exc_info for record in caplog.records if record.levelname == "ERROR"] == []

    def test_a_receive_that_waits_while_an_accept_is_lost(self) -> None:
        told: list[Message] = []

        def refuse(context: Context) -> None:
            raise HTTPError(409, "busy")

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            await receive()
            waiting = asyncio.ensure_future(receive())
            await asyncio.sleep(0)
            with pytest.raises(AcceptLost):
                await send(ACCEPT)
            told.append(await waiting)

        assert refusal_of(sockets_only(application), on(Stage.LOG, refuse)).status == 409
        assert told == [{"type": "websocket.disconnect", "code": 1006}]

    def test_handshakes_of_a_server_that_stops_are_503_and_the_application_is_told(self) -> None:
        raised: list[BaseException] = []

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            try:
                await send(ACCEPT)
            except HTTPError as error:
                raised.append(error)
                raise

        async def journey() -> int:
            async with open_app(sockets_only(application)) as client:
                client.runtime.sockets.go_away()
                request = client.open("GET", "/", headers=HANDSHAKE)
                await request.wait_finished()
                assert request.response_head is not None
                return request.response_head.status

        assert run(journey) == 503


class TestMemory:
    def test_nothing_of_the_application_is_left_when_it_has_returned(self) -> None:
        left: list[weakref.ref[Any]] = []

        class Held:
            pass

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            held = Held()
            left.append(weakref.ref(held))
            scope["held"] = held

        gc.disable()
        try:
            talk(accepting(application), closed)
            assert [each() for each in left] == [None]
        finally:
            gc.enable()
