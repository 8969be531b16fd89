"""This file is the HTTP/1.1 host from both ends, over a real socket, as `check_host` wants it."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from penstock.hosts.clock import Clock
from penstock.hosts.http1_service import Http1Service
from penstock.hosts.listener import open_sockets, parse_bind
from penstock.hosts.socket_host import SocketHost
from penstock.intake.runtime import Runtime
from penstock.intake.worker_request import WorkerRequest
from penstock.settings.model import LimitSettings
from penstock.testing import Asked, Received

SMALL = 64 * 1024  # bytes the client's system buffers; the connection shall not swallow everything


class CatchingSite:
    """A site that hands its one request to the check and leaves it there."""

    hosts = ("*",)

    def __init__(self) -> None:
        self.caught: asyncio.Future[WorkerRequest] = asyncio.get_running_loop().create_future()

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        pass

    def announce_stop(self) -> None:
        pass

    def process(self, worker_request: WorkerRequest, runtime: Runtime) -> None:
        if not self.caught.done():
            self.caught.set_result(worker_request)


class Http1RequestUnderTest:
    def __init__(
        self, worker_request: WorkerRequest, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.worker_request = worker_request
        self.reader = reader
        self.writer = writer

    def feed(self, piece: bytes) -> None:
        self.writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))

    def end_body(self) -> None:
        self.writer.write(b"0\r\n\r\n")

    def leave(self) -> None:
        # With a reset: a client that only ends its side may still be reading.
        linger = struct.pack("ii", 1, 0)
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.writer.transport.abort()

    def send_bytes(self, sent: bytes) -> None:
        self.writer.write(sent)

    async def receive_bytes(self) -> bytes:
        try:
            return await self.reader.read(SMALL)
        except ConnectionError:
            return b""

    async def receive(self) -> Received:
        received = Received()
        try:
            await self.read_head(received)
            if received.status == 101:
                received.is_whole = True
                return received
            await self.read_body(received)
            received.is_whole = True
        except (asyncio.IncompleteReadError, ConnectionError):
            return received
        received.rest = bytes(self.reader._buffer)  # type: ignore[attr-defined]
        return received

    async def read_head(self, received: Received) -> None:
        while True:
            text = await self.reader.readuntil(b"\r\n\r\n")
            status = int(text.split(b" ", 2)[1])
            fields = pairs(text.partition(b"\r\n")[2])
            if status >= 200 or status == 101:
                received.status, received.headers = status, fields
                return
            received.informed.append((status, fields))

    async def read_body(self, received: Received) -> None:
        fields = dict(received.headers)
        if received.status in (204, 304) or self.worker_request.head.method == "HEAD":
            return
        if fields.get(b"transfer-encoding") == b"chunked":
            await self.read_chunks(received)
        elif b"content-length" in fields:
            received.body = await self.reader.readexactly(int(fields[b"content-length"]))
        else:
            received.body = await self.reader.read()

    async def read_chunks(self, received: Received) -> None:
        pieces = []
        while size := int(await self.reader.readuntil(b"\r\n"), 16):
            pieces.append((await self.reader.readexactly(size + 2))[:-2])
        received.body = b"".join(pieces)
        while (line := await self.reader.readuntil(b"\r\n")) != b"\r\n":
            received.trailers += pairs(line)


def pairs(text: bytes) -> list[tuple[bytes, bytes]]:
    lines = [line.partition(b":") for line in text.split(b"\r\n") if line]
    return [(name.lower(), value.strip()) for name, _, value in lines]


def request_bytes(asked: Asked) -> bytes:
    lines = [f"{asked.method} {asked.target} HTTP/1.1", "Host: example.org"]
    lines += [f"{name}: {value}" for name, value in asked.headers]
    if asked.body is None:
        lines.append("Transfer-Encoding: chunked")
    elif asked.body:
        lines.append(f"Content-Length: {len(asked.body)}")
    return "\r\n".join([*lines, "", ""]).encode() + (asked.body or b"")


@asynccontextmanager
async def ask_http1(asked: Asked) -> AsyncIterator[Http1RequestUnderTest]:
    """A server of its own for each request: nothing of one reaches the next."""
    site = CatchingSite()
    runtime = Runtime([site])
    await runtime.start()
    sockets = open_sockets([parse_bind("127.0.0.1:0")])
    host = SocketHost(Http1Service(runtime, LimitSettings(), Clock(runtime.loop)), sockets)
    await host.open()
    reader, writer = await asyncio.open_connection(*sockets[0].socket.getsockname(), limit=SMALL)
    try:
        writer.write(request_bytes(asked))
        yield Http1RequestUnderTest(await site.caught, reader, writer)
    finally:
        writer.transport.abort()
        await host.close()
        await runtime.stop()
