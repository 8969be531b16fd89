"""A FastCGI connection without a wire: a transport that remembers, a site that keeps requests, a clock that is told the time."""

import asyncio
import struct
from collections.abc import Callable
from typing import Any

from penstock.hosts.clock import Clock
from penstock.hosts.fastcgi_connection import FastCgiConnection
from penstock.hosts.fastcgi_request import FastCgiRequest
from penstock.hosts.fastcgi_service import FastCgiService
from penstock.hosts.http1_service import Http1Service
from penstock.http.messages import ResponseHead
from penstock.intake.runtime import Runtime
from penstock.intake.worker_request import WorkerRequest
from penstock.settings.model import LimitSettings
from tests.hosts.wired import FakeTransport, turn
from tests.wire import fastcgi_client as web


class KeptSite:
    """A site that keeps its requests, and answers each at once where it has an `answer`."""

    hosts = ("*",)

    def __init__(self) -> None:
        self.kept: list[FastCgiRequest] = []
        self.answer: bytes | None = None

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        pass

    def announce_stop(self) -> None:
        pass

    def process(self, worker_request: WorkerRequest, runtime: Runtime) -> None:
        assert isinstance(worker_request, FastCgiRequest)
        self.kept.append(worker_request)
        if self.answer is not None:
            worker_request.send(ResponseHead(200, []), self.answer, False)
            runtime.leave(worker_request, 200, [], is_recorded=False)


class FastCgiWired:
    """A connection and everything around it. Make it on a running loop."""

    def __init__(
        self, *, is_unix: bool = False, trusts: Callable[[str | None, bool], bool] = lambda *_: True, **limits: Any
    ) -> None:
        self.site = KeptSite()
        self.runtime = Runtime([self.site])
        asyncio.get_running_loop().create_task(self.runtime.start())
        self.clock = Clock(self.runtime.loop)
        self.http = Http1Service(self.runtime, LimitSettings(**limits), self.clock)
        self.http.body_limit = limits.get("body", 1 << 30)
        self.service = FastCgiService(self.http, trusts)
        self.is_unix = is_unix
        self.connect()

    def connect(self) -> None:
        """One more connection, in place of the last."""
        self.transport = FakeTransport()
        self.connection = FastCgiConnection(self.service, is_unix=self.is_unix)
        self.connection.connection_made(self.transport)

    async def begin(self) -> "FastCgiWired":
        """Wait until the runtime takes requests in."""
        await turn()
        return self

    def receive(self, *records: bytes) -> None:
        self.connection.data_received(b"".join(records))

    @property
    def request(self) -> FastCgiRequest:
        """The last one."""
        return self.site.kept[-1]

    def answer(self, body: bytes = b"hello", *, more: bool = False) -> None:
        self.request.send(ResponseHead(200, []), body, more)

    def take(self) -> list[tuple[int, int, bytes]]:
        """Type, request and content of what was written since the last time."""
        written, records = self.transport.take(), []
        while written:
            version, kind, number, length, padding, _ = struct.unpack(">BBHHBB", written[:8])
            assert version == 1
            records.append((kind, number, written[8 : 8 + length]))
            written = written[8 + length + padding :]
        return records

    def sweep(self, seconds: float) -> None:
        """Judge the time limits as if it were `seconds` after the connection was made."""
        self.service.sweep(self.clock.now + seconds)


ENDED = bytes(8)  # application status 0, FCGI_REQUEST_COMPLETE
GET = web.ask(web.parameters())
KEPT = web.ask(web.parameters(), flags=web.KEEP_CONN)


def post(length: int, *, flags: int = web.KEEP_CONN) -> bytes:
    """The beginning of a request whose body is to come."""
    told = web.parameters("POST", CONTENT_LENGTH=str(length))
    return web.begin(flags=flags) + web.stream(web.PARAMS, web.pairs(told))
