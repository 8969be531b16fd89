"""How `check_host` tries endings: clients that leave, answers that are cut off, clients that read slowly."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Final

from penstock.errors import ClientGone
from penstock.intake.worker_request import WorkerRequest
from penstock.testing.both_ends import Asked, RequestUnderTest
from penstock.testing.findings import Findings
from penstock.testing.host_answering import expect_answer, head, send

_PIECE: Final = b"0123456789abcdef" * 4096
_MOST: Final = 1024  # pieces: what no host may keep for a client that does not read
_SHORT: Final = 0.05  # seconds in which nothing happens


async def _tells_of_leaving(under_test: RequestUnderTest, findings: Findings) -> None:
    request = under_test.worker_request
    told: list[int] = []
    is_told = asyncio.Event()
    request.on_disconnect(lambda: told.append(1))
    request.on_disconnect(is_told.set)
    findings.expect(not told, "on_disconnect() called back although the client is there")
    under_test.leave()
    await is_told.wait()
    findings.expect(request.is_disconnected, "is_disconnected is false when on_disconnect() calls back")
    late = asyncio.Event()
    request.on_disconnect(late.set)
    findings.expect(not late.is_set(), "on_disconnect() called back before it returned: soon means a turn later")
    await late.wait()
    await asyncio.sleep(_SHORT)
    findings.expect(told == [1], f"on_disconnect() called back {len(told)} times, not once")
    request.abort()


async def _reading_when_left(under_test: RequestUnderTest, findings: Findings) -> None:
    request = under_test.worker_request
    waiting = asyncio.ensure_future(request.wait_body())
    await asyncio.sleep(0.01)
    under_test.leave()
    await waiting
    try:
        taken = request.take()
    except ClientGone:
        pass
    else:
        findings.add(f"take() gave {taken!r} although the rest will not come: ClientGone")
    request.abort()


async def _writing_when_left(under_test: RequestUnderTest, findings: Findings) -> None:
    request = under_test.worker_request
    gone = asyncio.Event()
    request.on_disconnect(gone.set)
    await send(request, head(), b"hello", more=True)
    under_test.leave()
    await gone.wait()
    for more in (True, True, False):
        await _write_to_nobody(send(request, None, b"hello", more=more), findings)
    request.abort()
    findings.expect(request.has_sent_all, "has_sent_all is false when the answer was given up")


async def _answering_when_left(under_test: RequestUnderTest, findings: Findings) -> None:
    request = under_test.worker_request
    gone = asyncio.Event()
    request.on_disconnect(gone.set)
    under_test.leave()
    await gone.wait()
    await _write_to_nobody(send(request, head(), b"hello", more=False), findings)


async def _write_to_nobody(writing: Awaitable[None], findings: Findings) -> None:
    try:
        await writing
    except ClientGone:
        pass  # it may say so, or drop what was written
    except Exception as error:
        findings.add(f"writing to a client that has left raised {type(error).__name__}: it is dropped, or ClientGone")


async def _cut_off(under_test: RequestUnderTest, findings: Findings) -> None:
    request = under_test.worker_request
    await send(request, head(), b"half", more=True)
    request.abort()
    findings.expect(request.has_sent_all, "has_sent_all is false behind abort()")
    received = await under_test.receive()
    findings.expect(not received.is_whole, "abort() left an answer that the client must take for a whole one")


async def _cut_off_before_its_head(under_test: RequestUnderTest, findings: Findings) -> None:
    under_test.worker_request.abort()
    received = await under_test.receive()
    findings.expect(not received.is_whole, "abort() left an answer that the client must take for a whole one")


async def _reads_slowly(under_test: RequestUnderTest, findings: Findings) -> None:
    request = under_test.worker_request
    count, waiting = await _fill(request)
    size = count * len(_PIECE) // (1 << 20)
    if waiting is None:
        findings.add(f"send() never asked to wait: {size} MiB are kept for a client that does not read")
        request.abort()
        return
    receiving = asyncio.ensure_future(under_test.receive())
    await waiting
    await send(request, None, b"", more=False)
    expect_answer(await receiving, findings, body=_PIECE * count)


async def _waits_when_left(under_test: RequestUnderTest, findings: Findings) -> None:
    request = under_test.worker_request
    _, waiting = await _fill(request)
    if waiting is None:
        return  # told of by the check before
    under_test.leave()
    await asyncio.wait([waiting])
    error = waiting.exception()
    told = "nothing" if error is None else type(error).__name__
    findings.expect(
        isinstance(error, ClientGone), f"who waited in send() when the client left was told {told}, not ClientGone"
    )
    request.abort()


async def _fill(request: WorkerRequest) -> tuple[int, asyncio.Future[None] | None]:
    """Send until the host says wait and means it; how many pieces, and the wait. None: it took everything."""
    for count in range(_MOST):
        pending = request.send(None if count else head(), _PIECE, True)
        if pending is None:
            continue
        waiting = asyncio.ensure_future(pending)
        # What the systems on both sides buffer may still make room for some.
        await asyncio.wait([waiting], timeout=_SHORT)
        if not waiting.done():
            return count + 1, waiting
        waiting.result()
    return _MOST, None


NOTICING: Final = [
    ("a client that leaves", Asked(), _tells_of_leaving),
    ("a client that leaves in the middle of an answer", Asked(), _writing_when_left),
    ("a client that leaves before its answer", Asked(), _answering_when_left),
]
LEAVING: Final = [
    ("a client that leaves in the middle of its body", Asked(method="POST", body=None), _reading_when_left),
    ("an answer that is cut off", Asked(), _cut_off),
    ("a request that is given up", Asked(), _cut_off_before_its_head),
]
HOLDING_BACK: Final = [
    ("a client that reads slowly", Asked(), _reads_slowly),
    ("a client that leaves while it reads slowly", Asked(), _waits_when_left),
]
