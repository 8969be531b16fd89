"""WebSockets that an RSGI server hands over (websockets section 7.3 «RSGI host», section 4.2)."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from penstock import AcceptOptions, Context, WebSocket
from penstock.errors import WebSocketDisconnect
from penstock.hosts.rsgi_host import RsgiHost
from penstock.server import open_client
from penstock.settings import RouteSettings, SiteSettings
from penstock.settings.model import LimitSettings
from tests.hosts.rsgi_server import SocketProtocol, scope_of
from tests.hosts.wired import run

BYTES, TEXT = 1, 2


class Ends:
    """An endpoint, and the server's side of its socket."""

    def __init__(self) -> None:
        self.protocol = SocketProtocol()
        self.received: list[object] = []
        self.closed: list[tuple[int, str]] = []

    async def __call__(self, websocket: WebSocket) -> None:
        try:
            while True:
                message = await websocket.receive()
                self.received.append(message)
                if message == "close":
                    await websocket.close(4000, "lost on the way")
                await websocket.send(message)
        except WebSocketDisconnect as error:
            self.closed.append((error.code, error.reason))
            raise


@asynccontextmanager
async def asked(
    ends: Ends, endpoint: Callable[..., Any] | None = None, **route: Any
) -> AsyncIterator[asyncio.Task[None]]:
    settings = SiteSettings(routes=(RouteSettings(at="/chat", **(route or {"websocket": "the:endpoint"})),))
    async with open_client(settings, objects={"the:endpoint": endpoint or ends}) as client:
        host = RsgiHost(client.runtime, LimitSettings())
        fields = [
            ("host", "example.org"),
            ("connection", "Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("sec-websocket-protocol", "v1"),
        ]
        application = asyncio.ensure_future(host.handle(scope_of("ws", path="/chat", headers=fields), ends.protocol))
        try:
            yield application
        finally:
            application.cancel()
            await asyncio.wait([application])


class TestSockets:
    @run
    async def test_websockets_7_3_messages_both_ways_in_order(self) -> None:
        ends = Ends()
        async with asked(ends) as application:
            await ends.protocol.wait(lambda: ends.protocol.accepts == 1)
            for kind, message in ((TEXT, "täxt"), (BYTES, b"bytes"), (TEXT, "")):
                ends.protocol.put(kind, message)
            await ends.protocol.wait(lambda: len(ends.protocol.sent) == 3)
            ends.protocol.put(0)
            await application
        assert ends.protocol.sent == ends.received == ["täxt", b"bytes", ""]
        assert ends.closed == [(1005, "")]  # websockets RS-6: no code is told
        assert len(ends.protocol.closes) == 1

    @run
    async def test_websockets_rs3_a_close_of_ours_has_no_code(self) -> None:
        ends = Ends()
        async with asked(ends) as application:
            ends.protocol.put(TEXT, "close")
            await ends.protocol.wait(lambda: bool(ends.protocol.closes))
            await application
        assert len(ends.protocol.closes) == 1

    @run
    async def test_websockets_rs6_a_connection_that_is_lost(self) -> None:
        ends = Ends()
        async with asked(ends) as application:
            await ends.protocol.wait(lambda: ends.protocol.accepts == 1)
            ends.protocol.leave()
            await application
        assert (ends.received, ends.protocol.sent) == ([], [])

    @run
    async def test_websockets_rs2_a_refusal_is_its_status_alone(self) -> None:
        def refuse(context: Context) -> None:
            context.response.status_code = 403

        ends = Ends()
        async with asked(ends, refuse, handler="the:endpoint") as application:
            await application
        assert (ends.protocol.accepts, ends.protocol.closes) == (0, [403])

    @pytest.mark.parametrize("options", [AcceptOptions(subprotocol="v1"), AcceptOptions(headers={"x-a": "1"})])
    def test_websockets_7_3_what_cannot_be_sent_is_refused_before_accept(self, options: AcceptOptions) -> None:
        async def accept(context: Context) -> None:
            await context.websockets.accept(options)

        async def talk() -> Ends:
            ends = Ends()
            async with asked(ends, accept, handler="the:endpoint") as application:
                await application
            return ends

        ends = asyncio.run(talk())
        assert (ends.protocol.accepts, ends.protocol.closes) == (0, [501])

    @run
    async def test_a_server_that_ends_us_ends_the_socket(self) -> None:
        ends = Ends()
        async with asked(ends) as application:
            await ends.protocol.wait(lambda: ends.protocol.accepts == 1)
            application.cancel()
            await asyncio.wait([application])
        assert len(ends.protocol.closes) == 1
