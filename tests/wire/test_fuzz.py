"""Scenario 18 of the pipeline: ten thousand requests made at random, and not one that the server answers with a fault of its own."""

import asyncio
import random
import re
from collections.abc import Callable, Sequence

import pytest

from penstock import Context
from penstock.hosts.clock import Clock
from penstock.hosts.connection import Connection
from penstock.hosts.http1_service import Http1Service
from penstock.settings.model import LimitSettings
from penstock.testing import Client
from tests.hosts.wired import FakeTransport
from tests.pipeline.subject import open_site, run

REQUESTS = 10_000
SEEDS = (1, 2, 3, 4)

_STATUS = re.compile(rb"(?:\A|(?<=\n)|(?<=\w))HTTP/1\.1 (\d{3}) ")
# What only the client is to blame for has a status of 500 or above in two cases: RFC 9112 section 6.1, RFC 9110 section 15.6.6.
_CLIENT_S_FAULTS = {501, 505}

# What requests are built of: good parts, and bad ones.
_METHODS = (b"GET", b"GET", b"POST", b"HEAD", b"OPTIONS", b"PUT")
_BAD_METHODS = (b"get", b"G\x00T", b"", b"CONNECT", b"X" * 40, b"TRACE")
_TARGETS = (
    b"/", b"/query?a=1&a=2", b"/query?%ff=%zz&=&&a", b"/body", b"/json", b"/text", b"/form", b"/cookies", b"/item/%E2%82%AC",
    b"/item/a;b=c", b"http://example.org/query?x", b"/nothing", b"/item/..%2f..%2fetc", b"*",
)  # fmt: skip
_BAD_TARGETS = (
    b"/item/%00", b"/../..", b"//", b"/%", b"/%2", b"example.org:80", b"/\xc3\xa9", b"/" + b"a" * 9000, b"/item/%c0%ae",
    b"/#x", b"?", b"", b"/a b", b"/item/\\..\\x",
)  # fmt: skip
_FIELDS = (
    b"Connection: close", b"Connection: keep-alive, upgrade", b"Upgrade: websocket", b"Cookie: a=b; =; c", b"Expect: 100-continue",
    b"Content-Type: application/x-www-form-urlencoded", b"Content-Type: application/json", b"Content-Type: multipart/form-data; boundary=b",
    b"Content-Type: multipart/form-data", b"Accept: text/html;q=x", b"Accept: application/json", b"Range: bytes=0-0,-",
    b'If-None-Match: "', b"traceparent: 00-zz", b'Forwarded: for="', b"Accept-Encoding: ,;q", b"Cookie: \xff\xfe=\x80",
)  # fmt: skip
_BAD_FIELDS = (
    b"Host: other.example", b"Host:", b"Host: a\x00b", b"Host: ex ample", b"Content-Length: 05", b"Content-Length: +5",
    b"Content-Length: 5, 5", b"Content-Length: 99999999999999999999", b"Content-Length: -1", b"Content-Length: 0x5", b"Content-Length: ",
    b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: chunked, identity", b"Transfer-Encoding : chunked",
    b"Transfer-Encoding: \x0bchunked", b"Expect: tea", b"X: " + b"y" * 9000, b" folded: line", b"no colon", b": no name",
    b"X\x00: y", b"X: a\rb",
)  # fmt: skip
_BODIES = (
    b"", b"12345", b"a=1&b=%zz", b'{"a": 1}', b'{"a": ', b"\xff\xfe\x00\x01\x02",
    b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n--b--\r\n', b"--b--",
)  # fmt: skip
_CHUNKED = (
    b"5\r\nhello\r\n0\r\n\r\n",
    b"0\r\nX: y\r\n\r\n",
    b"5\r\nhel",
    b"zz\r\n",
    b"f" * 18 + b"\r\n",
    b"5;a=b\r\nhello\r\n0\r\n\r\n",
)
_VERSIONS = (b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0")
_BAD_VERSIONS = (b"HTTP/2.0", b"HTTP/1.15", b"http/1.1", b"")


class Maker:
    """Makes requests of good and bad parts, and damages some at random. The same seed makes the same ones."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)

    def make(self) -> bytes:
        """The bytes of one request, or of two."""
        chance = self.chance
        body, framing = self._body()
        fields = [b"Host: example.org", *framing, *chance.choices(_FIELDS, k=chance.choice((0, 0, 1, 2, 3)))]
        if chance.random() < 0.2:
            fields += chance.choices(_BAD_FIELDS, k=chance.choice((1, 1, 2, 120)))
            chance.shuffle(fields)
        line = b" ".join(
            (
                self._part(_METHODS, _BAD_METHODS),
                self._part(_TARGETS, _BAD_TARGETS),
                self._part(_VERSIONS, _BAD_VERSIONS),
            )
        )
        request = b"\r\n".join([line, *fields, b"", body])
        if chance.random() < 0.2:
            request = self._damage(request)
        return request * chance.choice((1, 1, 1, 1, 2))

    def _part(self, good: Sequence[bytes], bad: Sequence[bytes]) -> bytes:
        return self.chance.choice(bad if self.chance.random() < 0.1 else good)

    def _body(self) -> tuple[bytes, list[bytes]]:
        chance = self.chance
        if chance.random() < 0.4:
            return b"", []
        if chance.random() < 0.3:
            return chance.choice(_CHUNKED), [b"Transfer-Encoding: chunked"]
        body = chance.choice(_BODIES)
        length = len(body) + chance.choice((0, 0, 0, 0, -1, 1))
        return body, [b"Content-Length: %d" % length]

    def _damage(self, request: bytes) -> bytes:
        damaged = bytearray(request)
        for _ in range(self.chance.choice((1, 1, 3, 10))):
            damaged[self.chance.randrange(len(damaged))] = self.chance.randrange(256)
        return bytes(damaged)


def functions() -> dict[str, Callable[..., object]]:
    """Handlers that touch whatever of a request can be wrong."""

    async def body(context: Context) -> int:
        return len(await context.request.body())

    async def json(context: Context) -> str:
        return type(await context.request.json()).__name__

    async def text(context: Context) -> int:
        return len(await context.request.text())

    async def form(context: Context) -> int:
        return len(list(await context.request.form()))

    return {
        "/": lambda: "hello",
        "/query": lambda context: str(len(context.request.query)),
        "/cookies": lambda context: str(len(context.request.cookies)),
        "/item/{name}": lambda name: str(len(name)),
        "/body": body,
        "/json": json,
        "/text": text,
        "/form": form,
    }


async def send(service: Http1Service, maker: Maker) -> bytes:
    """One connection with one fuzzed request, whole or in pieces; what was answered until both sides had closed."""
    transport = FakeTransport()
    connection = Connection(service, "http")
    connection.connection_made(transport)
    request = maker.make()
    cut = maker.chance.randrange(len(request)) if maker.chance.random() < 0.3 else len(request)
    for piece in (request[:cut], request[cut:]):
        if piece and not transport.is_closing():
            connection.data_received(piece)
            await asyncio.sleep(0)
    for _ in range(4):
        await asyncio.sleep(0)
    if not transport.is_closing():
        connection.eof_received()
        await asyncio.sleep(0)
    connection.connection_lost(None)
    return transport.written


async def fuzz(client: Client, seed: int) -> dict[int, int]:
    """How often each status was answered; 0 stands for a connection that was closed without an answer."""
    runtime = client.runtime
    service = Http1Service(runtime, LimitSettings(), Clock(runtime.loop))
    maker = Maker(seed)
    counted: dict[int, int] = {}
    for number in range(REQUESTS // len(SEEDS)):
        written = await send(service, maker)
        for status in [int(each) for each in _STATUS.findall(written)] or [0]:
            counted[status] = counted.get(status, 0) + 1
            good = status == 0 or 100 <= status < 500 or status in _CLIENT_S_FAULTS
            assert good, f"request {number} of seed {seed} was answered with {status}: {written!r}"
    for _ in range(10):
        await asyncio.sleep(0)
    assert service.connections == set()
    return counted


@pytest.mark.parametrize("seed", SEEDS)
def test_scenario_18_ten_thousand_fuzzed_requests(seed: int, caplog: pytest.LogCaptureFixture) -> None:
    async def journey() -> None:
        async with open_site(functions=functions(), methods=("GET", "POST", "PUT")) as client:
            counted = await fuzz(client, seed)
            numbers = client.runtime.statistics()
            assert (numbers.executing, numbers.queued, numbers.background) == (0, 0, 0)
            assert numbers.total == numbers.succeeded + numbers.failed + numbers.rejected + numbers.disconnected
            # A test that only sees refusals, or none, tests nothing.
            assert counted[200] > 500
            assert counted[400] > 300

    run(journey)
    assert [record.getMessage() for record in caplog.records if record.exc_info] == []
