"""How `check_host` tries the answering half of a worker request: whole, in pieces, without a body, from a file, and wrong."""

from __future__ import annotations

import os
import tempfile
from typing import Final

from penstock.errors import ContractError
from penstock.http.messages import ResponseHead
from penstock.intake.worker_request import Capability, WorkerRequest
from penstock.testing.both_ends import Asked, Pairs, Received, RequestUnderTest
from penstock.testing.findings import Findings

FIELDS: Final = [(b"x-first", b"1"), (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]


def head(status: int = 200, *fields: tuple[bytes, bytes]) -> ResponseHead:
    """A response head that may be handed to a host."""
    return ResponseHead(status, list(fields))


async def send(request: WorkerRequest, first: ResponseHead | None, body: bytes, *, more: bool) -> None:
    """Send, and wait if the host says so."""
    pending = request.send(first, body, more)
    if pending is not None:
        await pending


def expect_answer(received: Received, findings: Findings, *, status: int = 200, body: bytes = b"hello") -> None:
    """The client has this answer, whole, and nothing behind it."""
    findings.expect(received.status == status, f"the client received status {received.status}, {status} was sent")
    findings.expect(received.body == body, f"the client received the body {received.body[:40]!r}, not {body[:40]!r}")
    findings.expect(received.is_whole, "the client cannot tell that the answer is whole")
    findings.expect(received.rest == b"", f"{received.rest[:40]!r} came behind the answer")


async def _whole(under_test: RequestUnderTest, findings: Findings) -> None:
    request = under_test.worker_request
    await send(request, head(201, *FIELDS), b"hello", more=False)
    findings.expect(request.has_sent_all, "has_sent_all is false behind the last piece")
    findings.expect(request.bytes_sent == 5, f"bytes_sent is {request.bytes_sent}, 5 bytes of body were sent")
    await send(request, None, b"late", more=False)  # the answer is complete: this reaches nobody
    received = await under_test.receive()
    expect_answer(received, findings, status=201)
    kept = [pair for pair in received.headers if pair in FIELDS]
    findings.expect(kept == FIELDS, f"of the fields {FIELDS} the client received {kept}: all of them, in order")


async def _in_pieces(under_test: RequestUnderTest, findings: Findings) -> None:
    request = under_test.worker_request
    await send(request, head(), b"one,", more=True)
    findings.expect(not request.has_sent_all, "has_sent_all is true although more is to come")
    await send(request, None, b"", more=True)
    await send(request, None, b"two", more=True)
    await send(request, None, b"", more=False)
    findings.expect(request.bytes_sent == 7, f"bytes_sent is {request.bytes_sent}, 7 bytes of body were sent")
    expect_answer(await under_test.receive(), findings, body=b"one,two")


async def _to_head(under_test: RequestUnderTest, findings: Findings) -> None:
    await send(under_test.worker_request, head(), b"hello", more=False)
    expect_answer(await under_test.receive(), findings, body=b"")


async def _to_head_in_pieces(under_test: RequestUnderTest, findings: Findings) -> None:
    for first, more in ((head(), True), (None, True), (None, False)):
        await send(under_test.worker_request, first, b"hello", more=more)
    expect_answer(await under_test.receive(), findings, body=b"")


async def _no_content(under_test: RequestUnderTest, findings: Findings) -> None:
    await send(under_test.worker_request, head(204), b"hello", more=False)
    expect_answer(await under_test.receive(), findings, status=204, body=b"")


async def _not_modified(under_test: RequestUnderTest, findings: Findings) -> None:
    await send(under_test.worker_request, head(304, (b"etag", b'"1"')), b"", more=False)
    expect_answer(await under_test.receive(), findings, status=304, body=b"")


async def _second_head(under_test: RequestUnderTest, findings: Findings) -> None:
    request = under_test.worker_request
    await send(request, head(), b"hel", more=True)
    await _expect_refused(request, head(500), b"again", findings=findings, what="a second head")
    await send(request, None, b"lo", more=False)
    expect_answer(await under_test.receive(), findings)


_WRONG_HEADS: Final[list[tuple[str, int, Pairs]]] = [
    ("a line break in a value", 200, [(b"x-bad", b"a\r\nset-cookie: b")]),
    ("NUL in a value", 200, [(b"x-bad", b"a\0b")]),
    ("a blank in a name", 200, [(b"x bad", b"a")]),
    ("a body longer than its content-length", 200, [(b"content-length", b"4")]),
    ("a body shorter than its content-length", 200, [(b"content-length", b"6")]),
    ("two different content-lengths", 200, [(b"content-length", b"5"), (b"content-length", b"6")]),
    ("status 101 as a final one", 101, []),
]


async def _wrong_heads(under_test: RequestUnderTest, findings: Findings) -> None:
    request = under_test.worker_request
    for what, status, fields in _WRONG_HEADS:
        await _expect_refused(request, head(status, *fields), b"hello", findings=findings, what=what)
    # Nothing was sent: there can still be an answer, such as that to the error.
    await send(request, head(500), b"sorry", more=False)
    expect_answer(await under_test.receive(), findings, status=500, body=b"sorry")


async def _stream_too_long(under_test: RequestUnderTest, findings: Findings) -> None:
    request = under_test.worker_request
    await send(request, head(200, (b"content-length", b"5")), b"hel", more=True)
    what = "more than content-length promised, in a later piece"
    await _expect_refused(request, None, b"lo and more", findings=findings, what=what)
    await send(request, None, b"lo", more=False)
    expect_answer(await under_test.receive(), findings)


async def _expect_refused(
    request: WorkerRequest, first: ResponseHead | None, body: bytes, *, findings: Findings, what: str
) -> None:
    try:
        await send(request, first, body, more=False)
    except ContractError:
        return
    except Exception as error:
        findings.add(f"{what} raised {type(error).__name__}, not ContractError")
    else:
        findings.add(f"{what} was accepted: ContractError, and nothing is sent")


async def _file(under_test: RequestUnderTest, findings: Findings) -> None:
    request = under_test.worker_request
    if Capability.SEND_FILE not in request.capabilities:
        return
    with tempfile.TemporaryFile() as file:
        file.write(b"0123456789" * 10_000)
        file.flush()
        await request.send_file(head(), file.fileno(), 5, 50_000, False)
        os.fstat(file.fileno())  # OSError if the host has closed it: it stays the caller's
    findings.expect(request.has_sent_all, "has_sent_all is false behind a file that was the last piece")
    expect_answer(await under_test.receive(), findings, body=b"5678901234" * 5000)


async def _file_to_head(under_test: RequestUnderTest, findings: Findings) -> None:
    request = under_test.worker_request
    if Capability.SEND_FILE not in request.capabilities:
        return
    with tempfile.TemporaryFile() as file:
        file.write(b"hello")
        file.flush()
        await request.send_file(head(), file.fileno(), 0, 5, False)
    expect_answer(await under_test.receive(), findings, body=b"")


async def _informed(under_test: RequestUnderTest, findings: Findings) -> None:
    request = under_test.worker_request
    fields = [(b"link", b"</a.css>; rel=preload")]
    request.inform(103, fields)
    await send(request, head(), b"hello", more=False)
    received = await under_test.receive()
    expect_answer(received, findings)
    told = [(103, fields)] if Capability.INFORM in request.capabilities else []
    findings.expect(
        received.informed == told, f"the client received the interim answers {received.informed}, not {told}"
    )


async def _wrong_interim(under_test: RequestUnderTest, findings: Findings) -> None:
    request = under_test.worker_request
    if Capability.INFORM in request.capabilities:
        try:
            request.inform(103, [(b"link", b"a\r\nx-smuggled: b")])
        except ContractError:
            pass
        else:
            findings.add("a line break in a field of an interim answer was accepted: ContractError")
    await send(request, head(), b"hello", more=False)
    received = await under_test.receive()
    expect_answer(received, findings)
    findings.expect(received.informed == [], "an interim answer that was refused reached the client")


async def _trailers(under_test: RequestUnderTest, findings: Findings) -> None:
    request = under_test.worker_request
    fields = [(b"x-sum", b"5d41")]
    await send(request, head(), b"hel", more=True)
    request.trailers(fields)
    await send(request, None, b"lo", more=False)
    received = await under_test.receive()
    expect_answer(received, findings)
    told = fields if Capability.TRAILERS in request.capabilities else []
    findings.expect(received.trailers == told, f"the client received the trailers {received.trailers}, not {told}")


_HEAD: Final = Asked(method="HEAD")
ANSWERING: Final = [
    ("a whole answer", Asked(), _whole),
    ("an answer in pieces", Asked(), _in_pieces),
    ("an answer to HEAD", _HEAD, _to_head),
    ("an answer to HEAD in pieces", _HEAD, _to_head_in_pieces),
    ("an answer with 204", Asked(), _no_content),
    ("an answer with 304", Asked(), _not_modified),
    ("a second head", Asked(), _second_head),
    ("answers that HTTP does not allow", Asked(), _wrong_heads),
    ("a stream longer than its content-length", Asked(), _stream_too_long),
    ("a file", Asked(), _file),
    ("a file to HEAD", _HEAD, _file_to_head),
    ("an interim answer", Asked(), _informed),
    ("an interim answer that HTTP does not allow", Asked(), _wrong_interim),
    ("trailers", Asked(), _trailers),
]
