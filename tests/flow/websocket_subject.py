"""A host whose sockets the test holds by their other end: every frame is seen, every step can be made to fail or to wait."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from penstock import AcceptOptions, Context, WebSocket
from penstock.hosts.memory_host import MemoryRequest
from penstock.http.headers import encode_field
from penstock.http.messages import ResponseHead
from penstock.intake.frame_transport import CLOSE, FrameSink, UpgradeTerms
from penstock.settings import LimitSettings
from penstock.testing import Client, ClientResponse
from tests.pipeline.subject import open_site, settle

HANDSHAKE = {
    "Host": "example.org",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}
Endpoint = Callable[[WebSocket], Any]
Frame = tuple[int, bytes]


class HeldTransport:
    """A frame transport whose client is the test. A polite client answers a Close; another one never does."""

    def __init__(self, *, is_polite: bool, log: list[str]) -> None:
        self.is_paused = False
        self.is_polite = is_polite
        self.is_gone = False
        self.frames: list[Frame] = []  # what was sent, Closes too
        self.log = log
        self.aborts = 0
        self.draining: asyncio.Future[None] | None = None  # set by a test: what is still pending
        self._sink: FrameSink | None = None

    @property
    def sink(self) -> FrameSink:
        assert self._sink is not None, "the socket was not attached"
        return self._sink

    @property
    def close_codes(self) -> list[int]:
        return [int.from_bytes(payload[:2], "big") for opcode, payload in self.frames if opcode == CLOSE]

    # -- what the host does ------------------------------------------------------------------------------------------------

    def attach(self, sink: FrameSink) -> None:
        self._sink = sink

    def write(self, opcode: int, payload: bytes, *, fin: bool = True, compress: bool = True) -> None:
        if not self.is_gone:
            self.frames.append((opcode, bytes(payload)))

    def write_control(self, opcode: int, payload: bytes) -> None:
        if self.is_gone:
            return
        self.frames.append((opcode, bytes(payload)))
        if opcode == CLOSE:
            self.log.append(f"close {self.close_codes[-1]}")
            if self.is_polite:
                asyncio.get_running_loop().call_soon(self.take_close, self.close_codes[-1])

    def take_close(self, code: int = 1000, reason: str = "") -> None:
        """The client's Close comes."""
        if not self.is_gone and self._sink is not None:
            self._sink.take_close(code, reason)

    def pause_reading(self) -> None:
        self.log.append("pause")

    def resume_reading(self) -> None:
        self.log.append("resume")

    def close(self) -> None:
        self.lose()

    def abort(self) -> None:
        self.aborts += 1
        self.lose()

    def lose(self, error: Exception | None = None) -> None:
        """The connection goes; the socket is told a moment later, as by a loop."""
        if not self.is_gone:
            self.is_gone = True
            self.log.append("gone")
            if self._sink is not None:
                asyncio.get_running_loop().call_soon(self._sink.lose, error)

    def wait_drained(self) -> Awaitable[None] | None:
        return self.draining


class HeldRequest:
    """A request of the in-memory host, but for its upgrade.

    `failure`: it is raised when the 101 is to leave. `is_gone`: the client has left by then.
    """

    def __init__(
        self,
        made: MemoryRequest,
        *,
        log: list[str],
        is_polite: bool = True,
        failure: Exception | None = None,
        is_gone: bool = False,
    ) -> None:
        self._made = made
        self.started = 0.0
        self.head = made.head
        self.scheme = made.scheme
        self.bytes_sent = 0
        self.failure = failure
        self.is_gone = is_gone
        self.is_polite = is_polite
        self.log = log
        self.switched: ResponseHead | None = None
        self.terms: UpgradeTerms | None = None
        self.held: HeldTransport | None = None
        self.decided: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._made, name)

    @property
    def transport(self) -> HeldTransport:
        assert self.held is not None, "there was no upgrade"
        return self.held

    def upgrade(self, head: ResponseHead, terms: UpgradeTerms) -> HeldTransport | None:
        self.log.append("flush")
        # As a host would: what is written is what the head is now.
        self.switched, self.terms = ResponseHead(head.status, list(head.raw_headers)), terms
        if not self.decided.done():
            self.decided.set_result(None)
        if self.failure is not None:
            raise self.failure
        if self.is_gone:
            return None
        self.held = HeldTransport(is_polite=self.is_polite, log=self.log)
        return self.held

    async def wait_decided(self) -> ClientResponse | None:
        """Wait until the request is answered, or the 101 was to leave; the answer, None for a 101."""
        finished = asyncio.ensure_future(self._made.wait_finished())
        await asyncio.wait((finished, self.decided), return_when=asyncio.FIRST_COMPLETED)
        if self.switched is not None:
            finished.cancel()
            return None
        return ClientResponse(self._made)


class Opened:
    """A site being asked for sockets."""

    def __init__(self, client: Client, log: list[str]) -> None:
        self.client = client
        self.runtime = client.runtime
        self.log = log

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """total, executing, succeeded, failed."""
        counted = self.runtime.sockets.statistics()
        return counted.total, counted.executing, counted.succeeded, counted.failed

    def ask(self, target: str = "/", *, fields: Mapping[str, str | None] | None = None, **options: Any) -> HeldRequest:
        """Hand over a handshake and return at once. A field None is left out of it."""
        given: dict[str, str | None] = {**HANDSHAKE, **(fields or {})}
        pairs = [encode_field(name, value) for name, value in given.items() if value is not None]
        made = MemoryRequest.make("GET", target, pairs, b"", LimitSettings())
        request = HeldRequest(made, log=self.log, **options)
        self.runtime.process(request)
        return request

    async def open(self, target: str = "/", **options: Any) -> HeldRequest:
        """Ask, and wait until the socket has begun."""
        request = self.ask(target, **options)
        answer = await request.wait_decided()
        assert answer is None, f"answered with {answer.status} {answer.text}"
        await settle()
        return request

    async def refused(self, target: str = "/", **options: Any) -> ClientResponse:
        """Ask, and wait for an ordinary answer."""
        answer = await self.ask(target, **options).wait_decided()
        assert answer is not None, "the socket was opened"
        return answer

    async def wait_over(self) -> None:
        """Wait until every socket has ended, and every request has left."""
        assert await self.runtime.sockets.wait_empty(5)
        await settle()
        assert self.runtime.statistics().executing == 0


@asynccontextmanager
async def opened(
    *modules: object, function: Callable[..., object] | None = None, log: list[str] | None = None, **settings: Any
) -> AsyncIterator[Opened]:
    """A site of `modules` whose "/" is `function`; when it is left nothing of its sockets may be left."""
    if function is not None:
        settings["function"] = function
    async with open_site(*modules, methods=("GET",), **settings) as client:
        subject = Opened(client, [] if log is None else log)
        yield subject
        await subject.wait_over()
        total, executing, succeeded, failed = subject.counts
        assert executing == 0
        assert total == succeeded + failed  # section 1.12: the invariant at rest


def accepting(endpoint: Endpoint, options: AcceptOptions | None = None) -> Callable[..., None]:
    """A handler that accepts and returns."""

    def handler(context: Context) -> None:
        context.accept_websocket(endpoint, options)

    return handler


async def until_closed(websocket: WebSocket) -> None:
    """An endpoint that lives as long as its client."""
    async for _ in websocket:
        pass


@contextmanager
def logged(level: int = logging.ERROR) -> Iterator[list[logging.LogRecord]]:
    """What Penstock, and asyncio about forgotten tasks, logged at `level` or above."""
    records: list[logging.LogRecord] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    keep = Keep(level)
    loggers = [logging.getLogger(name) for name in ("penstock", "asyncio")]
    for each in loggers:
        each.addHandler(keep)
    try:
        yield records
    finally:
        for each in loggers:
            each.removeHandler(keep)


def names(records: Sequence[logging.LogRecord]) -> list[str]:
    """The types of the errors that were logged."""
    return [record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else "" for record in records]
