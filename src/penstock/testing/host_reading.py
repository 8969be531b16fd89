"""How `check_host` tries the reading half of a worker request: what was asked, the body, and its limit."""

from __future__ import annotations

import asyncio
from typing import Final

from penstock.errors import RequestRejected
from penstock.intake.worker_request import Capability, WorkerRequest
from penstock.testing.both_ends import Asked, RequestUnderTest
from penstock.testing.findings import Findings

BODY: Final = bytes(range(256)) * 40
_MOST: Final = 10_000  # pieces, of which each holds a byte at least, or waits


async def _what_was_asked(under_test: RequestUnderTest, findings: Findings) -> None:
    request = under_test.worker_request
    head = request.head
    findings.expect(head.method == "PUT", f"head.method is {head.method!r}, asked with 'PUT'")
    findings.expect(head.path == "/a b/ü", f"head.path is {head.path!r}, not '/a b/ü': it is percent-decoded once")
    findings.expect(head.query == b"q=%20", f"head.query is {head.query!r}, not b'q=%20': it stays as it was sent")
    # RFC 9110 section 5.3: as two fields or as one list, which is what WSGI servers make of them.
    seen = b",".join([value for name, value in head.headers if name == b"x-seen"]).replace(b" ", b"")
    wanted = "head.headers lacks a field that was sent twice: names in lower case, all values, in order"
    findings.expect(seen == b"one,two", wanted)
    findings.expect(request.scheme in ("http", "https"), f"scheme is {request.scheme!r}, not 'http' or 'https'")
    findings.expect(isinstance(request.capabilities, Capability), "capabilities is no Capability")
    for name, address in (("client", request.client), ("server", request.server)):
        findings.expect(address is None or len(address) == 2, f"{name} is {address!r}, neither a pair nor None")
    findings.expect(not request.is_disconnected, "is_disconnected is true although the client is there")
    findings.expect(not request.has_sent_all, "has_sent_all is true although nothing was answered")
    findings.expect(request.bytes_sent == 0, f"bytes_sent is {request.bytes_sent} before anything was sent")


async def _whole_body(under_test: RequestUnderTest, findings: Findings) -> None:
    request = under_test.worker_request
    body = await _read(request)
    findings.expect(body == BODY, f"read {len(body)} bytes of a body of {len(BODY)}, or others than were sent")
    again = request.take()
    findings.expect(again == b"", f"take() gave {again!r} behind the end: b'' again and again")
    await request.wait_body()  # there is something to say: the end


async def _no_body(under_test: RequestUnderTest, findings: Findings) -> None:
    await under_test.worker_request.wait_body()
    taken = under_test.worker_request.take()
    findings.expect(taken == b"", f"take() gave {taken!r} for a request without a body, not b''")


async def _body_that_comes(under_test: RequestUnderTest, findings: Findings) -> None:
    request = under_test.worker_request
    taken = request.take()
    findings.expect(taken is None, f"take() gave {taken!r} before a piece came; None says that one must wait")
    for piece in (b"one", b"two"):
        waiting = asyncio.ensure_future(request.wait_body())
        await asyncio.sleep(0.01)
        findings.expect(not waiting.done(), "wait_body() returned although nothing had come")
        under_test.feed(piece)
        await waiting
        taken = request.take()
        findings.expect(taken == piece, f"take() gave {taken!r} when {piece!r} had come")
    under_test.end_body()
    rest = await _read(request)
    findings.expect(rest == b"", f"{rest!r} came behind the end of the body")


async def _several_wait(under_test: RequestUnderTest, findings: Findings) -> None:
    request = under_test.worker_request
    first, second = (asyncio.ensure_future(request.wait_body()) for _ in range(2))
    await asyncio.sleep(0.01)
    first.cancel()
    await asyncio.sleep(0.01)
    if not findings.expect(not second.done(), "a wait_body() that was cancelled ended another one"):
        return
    under_test.feed(b"piece")
    await second
    findings.expect(request.take() == b"piece", "a piece was lost with a wait_body() that was cancelled")


async def _announced_too_much(under_test: RequestUnderTest, findings: Findings) -> None:
    try:
        under_test.worker_request.limit_body(len(BODY) - 1)
    except RequestRejected as error:
        findings.expect(error.status == 413, f"a body that is announced as too long is refused with {error.status}")
    else:
        findings.add("limit_body() said nothing although more was announced: RequestRejected (413)")


async def _just_within(under_test: RequestUnderTest, findings: Findings) -> None:
    under_test.worker_request.limit_body(len(BODY))
    findings.expect(await _read(under_test.worker_request) == BODY, "a body of exactly the limit was not read whole")


async def _grows_too_long(under_test: RequestUnderTest, findings: Findings) -> None:
    request = under_test.worker_request
    request.limit_body(1000)
    for _ in range(11):
        under_test.feed(b"x" * 100)
    under_test.end_body()
    try:
        read = await _read(request)
    except RequestRejected as error:
        findings.expect(error.status == 413, f"a body that grows too long is refused with {error.status}, not 413")
    else:
        findings.add(f"take() gave {len(read)} bytes with a limit of 1000: RequestRejected (413)")


async def _read(request: WorkerRequest) -> bytes:
    pieces: list[bytes] = []
    for _ in range(_MOST):
        piece = request.take()
        if piece == b"":
            return b"".join(pieces)
        if piece is None:
            await request.wait_body()
        else:
            pieces.append(piece)
    raise RuntimeError(f"{_MOST} calls of take() did not come to the end of the body")


_SEEN: Final = (("X-Seen", "one"), ("X-Seen", "two"))
_COMES: Final = Asked(method="POST", body=None)
_POSTED: Final = Asked(method="POST", body=BODY)
READING: Final = [
    ("what was asked", Asked(method="PUT", target="/a%20b/%C3%BC?q=%20", headers=_SEEN), _what_was_asked),
    ("a body that is there", _POSTED, _whole_body),
    ("no body", Asked(), _no_body),
    ("a body that comes in pieces", _COMES, _body_that_comes),
    ("two that wait for a body", _COMES, _several_wait),
    ("a body announced as longer than the limit", _POSTED, _announced_too_much),
    ("a body just within the limit", _POSTED, _just_within),
    ("a body that grows beyond the limit", _COMES, _grows_too_long),
]
