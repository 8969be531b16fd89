"""This file is the FastCGI host from both ends, over a real socket, as `check_host` wants it."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from penstock.hosts.clock import Clock
from penstock.hosts.fastcgi_service import FastCgiService
from penstock.hosts.http1_service import Http1Service
from penstock.hosts.listener import open_sockets, parse_bind
from penstock.hosts.socket_host import SocketHost
from penstock.intake.runtime import Runtime
from penstock.intake.worker_request import WorkerRequest
from penstock.settings.model import LimitSettings
from penstock.testing import Asked, Received
from tests.testing.http1_requests import SMALL, CatchingSite, pairs
from tests.wire import fastcgi_client as web


class FastCgiRequestUnderTest:
    def __init__(
        self, worker_request: WorkerRequest, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.worker_request = worker_request
        self.reader = reader
        self.writer = writer

    def feed(self, piece: bytes) -> None:
        self.writer.write(web.record(web.STDIN, piece, padding=3))

    def end_body(self) -> None:
        self.writer.write(web.record(web.STDIN))

    def leave(self) -> None:
        # As nginx does when its client has left: it closes.
        self.writer.transport.abort()

    async def receive(self) -> Received:
        received = Received()
        output = b""
        try:
            while True:
                header = await self.reader.readexactly(8)
                _, kind, _, length, padding, _ = struct.unpack(">BBHHBB", header)
                content = (await self.reader.readexactly(length + padding))[:length]
                if kind == web.STDOUT:
                    output += content
                elif kind == web.END:
                    received.is_whole = True
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        head, blank, received.body = output.partition(b"\r\n\r\n")
        if blank:
            received.headers = pairs(head)
            received.status = int(dict(received.headers).pop(b"status").split(b" ")[0])
        received.rest = bytes(self.reader._buffer)  # type: ignore[attr-defined]
        return received


def request_bytes(asked: Asked) -> bytes:
    told = list(web.parameters(asked.method, asked.target).items())
    told += [("HTTP_" + name.upper().replace("-", "_"), value) for name, value in asked.headers]
    if asked.body:
        told.append(("CONTENT_LENGTH", str(len(asked.body))))
    elif asked.body is None:
        told += [("CONTENT_LENGTH", ""), ("HTTP_TRANSFER_ENCODING", "chunked")]
    head = web.begin(flags=web.KEEP_CONN) + web.stream(web.PARAMS, web.pairs(told))
    return head if asked.body is None else head + web.stream(web.STDIN, asked.body)


@asynccontextmanager
async def ask_fastcgi(asked: Asked) -> AsyncIterator[FastCgiRequestUnderTest]:
    """A server of its own for each request: nothing of one reaches the next."""
    site = CatchingSite()
    runtime = Runtime([site])
    await runtime.start()
    sockets = open_sockets([parse_bind("fcgi://127.0.0.1:0")])
    http = Http1Service(runtime, LimitSettings(), Clock(runtime.loop))
    host = SocketHost(http, sockets, fastcgi=FastCgiService(http, lambda host, is_unix: True))
    await host.open()
    reader, writer = await asyncio.open_connection(*sockets[0].socket.getsockname(), limit=SMALL)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
    try:
        writer.write(request_bytes(asked))
        yield FastCgiRequestUnderTest(await site.caught, reader, writer)
    finally:
        writer.transport.abort()
        await host.close()
        await runtime.stop()
