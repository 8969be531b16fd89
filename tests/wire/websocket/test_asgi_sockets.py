"""ASGI applications on WebSockets of a real connection: what only bytes and time can show (websockets AS-5, AS-23 to AS-27)."""

import asyncio
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from penstock.server import ServerThread
from penstock.settings import AppSettings, LocationSettings, Settings, SiteSettings
from penstock.settings.websocket_model import WebSocketSettings
from tests.flow.asgi_socket_subject import Application, Message, Receive, Scope, Send, accepting, echo, sockets_only
from tests.wire.listener_subject import Errors, eventually, server_settings
from tests.wire.websocket.frames_client import (
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    FramesClient,
    close_frame,
    frame,
    handshake,
)


@contextmanager
def serving(application: Application, **rules: Any) -> Iterator[ServerThread]:
    """Serve `application`, `rules` as in `WebSocketSettings`; at the end no socket is left, and nothing was logged."""
    site = SiteSettings(
        apps=(AppSettings(at="/", asgi="tested:app"),),
        locations=(LocationSettings(at="/", websockets=WebSocketSettings(**rules)),),
    )
    errors = Errors()
    with (
        errors,
        ServerThread(Settings(server=server_settings(), sites=(site,)), objects={"tested:app": application}) as thread,
    ):
        yield thread
        assert eventually(lambda: thread.runtime.sockets.statistics().executing == 0)
    assert errors.lines == []


class Noted:
    """An application that accepts and writes down what it gets, to the end."""

    def __init__(self) -> None:
        self.told: list[Message] = []
        self.is_over = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        while not self.is_over:
            message = await receive()
            self.told.append(message)
            self.is_over = message["type"] == "websocket.disconnect"


def test_websockets_as05_fragments_and_pings_are_the_servers() -> None:
    noted = Noted()
    with serving(accepting(noted)) as thread, FramesClient(thread.address) as client:
        client.open()
        for number in range(6):
            opcode = CONTINUATION if number else TEXT
            client.send([frame(opcode, b"\xc3\xa9" * 10, fin=number == 5), frame(PING, b"%d" % number)])
            assert client.read_frame() == (PONG, b"%d" % number, True, 0)
        client.leave()
        assert eventually(lambda: noted.is_over)
    assert noted.told[0] == {"type": "websocket.receive", "text": "é" * 60}
    assert len(noted.told) == 2


@pytest.mark.parametrize("pieces", [[b"x" * 1024] * 64, [b"x" * 2049]])
def test_websockets_as23_a_message_over_the_limit_is_1009_on_both_sides(pieces: list[bytes]) -> None:
    noted = Noted()
    with serving(accepting(noted), max_message=2048) as thread, FramesClient(thread.address) as client:
        client.open()
        last = len(pieces) - 1
        client.send([frame(CONTINUATION if at else TEXT, piece, fin=at == last) for at, piece in enumerate(pieces)])
        assert client.read_close() == 1009
        assert eventually(lambda: noted.is_over)
    assert [message.get("code") for message in noted.told] == [1009]


def test_websockets_as23_the_limit_counts_bytes_of_utf_8() -> None:
    with serving(accepting(echo), max_message=10) as thread, FramesClient(thread.address) as client:
        client.open()
        client.echo("éééée".encode()[:10])
        client.send([frame(TEXT, "ééééée".encode())])
        assert client.read_close() == 1009


def test_websockets_as25_a_client_that_answers_no_ping_is_given_up_with_1011() -> None:
    noted = Noted()
    with serving(accepting(noted), keep_alive=20.0, keep_alive_timeout=20.0) as thread:
        assert thread.server._host is not None
        service = thread.server._host._service

        def pass_time(seconds: float) -> None:
            thread.call(lambda: service.sweep(service.loop.time() + seconds))

        with FramesClient(thread.address) as client:
            client.open()
            for seconds in (0.0, 21.0, 22.0):
                pass_time(seconds)
            ping = client.read_frame()
            assert ping is not None
            assert (ping.opcode, len(ping.payload)) == (PING, 4)
            pass_time(43.0)
            close = client.read_frame()
            assert close == (CLOSE, b"\x03\xf3keepalive ping timeout", True, 0)
        assert eventually(lambda: noted.is_over)
    assert noted.told == [{"type": "websocket.disconnect", "code": 1006, "reason": "keepalive ping timeout"}]


def test_websockets_as26_a_slow_application_stops_the_client() -> None:
    gate = asyncio.Event()
    got: list[int] = []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await gate.wait()
        while (message := await receive())["type"] == "websocket.receive":
            got.append(len(message["bytes"]))

    piece = frame(2, b"x" * 65_536)
    with serving(accepting(application)) as thread, FramesClient(thread.address) as client:
        client.open()
        sent = client.send_until_stopped(piece, at_most=100_000_000, seconds=0.3)
        assert sent < 50_000_000  # what systems buffer, and a little more
        thread.call(gate.set)
        assert eventually(lambda: len(got) >= sent // len(piece))


def test_websockets_as27_frames_behind_the_close_are_ignored() -> None:
    noted = Noted()
    with serving(accepting(noted)) as thread, FramesClient(thread.address) as client:
        client.open()
        client.send([close_frame(1000) + frame(PONG) + frame(TEXT, b"late") + b"\xff" * 10])
        assert client.read_close() == 1000
        assert eventually(lambda: noted.is_over)
    assert noted.told == [{"type": "websocket.disconnect", "code": 1000, "reason": ""}]


def test_websockets_as24_at_the_stop_of_the_server_both_sides_are_told_1001() -> None:
    noted = Noted()
    with serving(accepting(noted)) as thread, FramesClient(thread.address) as client:
        client.open()
        thread.call(thread.server.stop)
        close = client.read_frame()
        assert close is not None
        assert (close.opcode, close.payload[:2]) == (CLOSE, b"\x03\xe9")
        client.send([close_frame(1001)])
        assert eventually(lambda: noted.is_over)
    assert [message["code"] for message in noted.told] == [1001]


def test_websockets_as22_a_client_that_hangs_up_in_its_handshake() -> None:
    seen: list[Any] = []
    waiting = threading.Event()

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        assert await receive() == {"type": "websocket.connect"}
        waiting.set()
        seen.append(await receive())
        try:
            await send({"type": "websocket.accept"})
        except OSError as error:
            seen.append(error)
            raise

    with serving(sockets_only(application)) as thread:
        with FramesClient(thread.address) as client:
            client.send([handshake()])
            assert waiting.wait(5)
        assert eventually(lambda: len(seen) == 2)
        assert eventually(lambda: thread.runtime.statistics().executing == 0)
    assert seen[0] == {"type": "websocket.disconnect", "code": 1006}
    assert isinstance(seen[1], OSError)


def test_websockets_as01_no_byte_is_sent_before_the_application_decides() -> None:
    gate = asyncio.Event()

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await gate.wait()
        await accepting(echo)(scope, receive, send)

    with serving(sockets_only(application)) as thread, FramesClient(thread.address) as client:
        client.send([handshake() + frame(TEXT, b"early")])
        assert client.is_quiet(0.2)
        thread.call(gate.set)
        assert client.read_answer().status == 101
        assert client.read_message() == (TEXT, b"early")
        client.leave()


def test_a_client_of_the_library_websockets() -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        assert await receive() == {"type": "websocket.connect"}
        await send({"type": "websocket.accept", "subprotocol": "chat.v2", "headers": [(b"x-name", b"value")]})
        await echo(scope, receive, send)

    async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            raise RuntimeError("WebSockets only")
        await application(scope, receive, send)

    with serving(asgi, compression=True) as thread:
        host, port = thread.address
        with connect(f"ws://{host}:{port}/", subprotocols=["chat.v1", "chat.v2"]) as client:  # type: ignore[list-item]
            assert client.subprotocol == "chat.v2"
            assert client.response is not None
            assert client.response.headers["x-name"] == "value"
            for message in ("hello", os.urandom(70_000), os.urandom(70_000).hex()):
                client.send(message)
                assert client.recv() == message
            client.close(4000, "done")
            with pytest.raises(ConnectionClosed):
                client.recv()
