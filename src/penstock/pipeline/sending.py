"""How a response leaves: its head with what is done to it last, pieces through filters, files, trailers, and the end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from penstock.errors import ClientGone, ContractError, ResponseComplete
from penstock.http.headers import encode_field
from penstock.http.status import NO_CONTENT
from penstock.intake.worker_request import Capability
from penstock.pipeline.response_headers import drop_default_type, drop_fields
from penstock.pipeline.signatures import called

if TYPE_CHECKING:
    from penstock.http.messages import ResponseHead
    from penstock.intake.worker_request import WorkerRequest
    from penstock.pipeline.answer_file import AnswerFile
    from penstock.pipeline.filters import FilterChain
    from penstock.pipeline.response import Response
    from penstock.pipeline.response_extras import Extras

_PIECE: Final = 64 * 1024
# No body, or a part of one whose bytes are counted: filters leave these alone (pipeline O-08).
_NOT_FILTERED: Final = (*NO_CONTENT, 206)


def inform(worker_request: WorkerRequest, fields: Mapping[str, str | Sequence[str]]) -> None:
    """Send 103 (Early Hints), where the host can. Raises ValueError for fields that HTTP does not allow."""
    pairs = [
        encode_field(name, value)
        for name, values in fields.items()
        for value in ([values] if isinstance(values, str) else values)
    ]
    if Capability.INFORM in worker_request.capabilities:
        worker_request.inform(103, pairs)


def take_head(response: Response) -> ResponseHead:
    """The head as it leaves: callbacks have run, the location's headers are set, filters have had their say."""
    extras = response.extras
    if extras is not None and extras.callbacks:
        _call_back(response, extras)
    context = response.context
    if context is not None and context.plan.headers:
        _set_headers_of_location(response, context.plan.headers)
    if response.status_code in NO_CONTENT:
        drop_default_type(response.raw_headers)
        if response.status_code == 205:
            response.content = b""
    if extras is not None:
        _prepare(response, extras)
    response.is_started = True
    response.is_special = True
    return response


def send_piece(response: Response, worker_request: WorkerRequest, piece: bytes) -> Awaitable[None] | None:
    """Send a piece of an answer that streams, the head with the first one, through the filters if there are any."""
    head = None if response.is_started else take_head(response)
    try:
        if response.extras is not None:
            piece = _pass(response.extras, piece)
            if head is None and not piece:
                return None
        return worker_request.send(head, piece, True)
    except Exception as error:
        if head is not None and not isinstance(error, ClientGone):
            response.reopen()  # neither a filter that fails nor a head that HTTP does not allow has let anything leave
        raise


def run_filters(response: Response, extras: Extras) -> None:
    """Let the body pass its filters to their end, and seal it. A long file passes them when it is sent."""
    if extras.file is not None and not _take_small_file(response, extras, extras.file):
        return
    if not response.is_started:
        _begin_filters(response, extras)
    chain = extras.filters
    if chain is None or chain.is_finished:
        return
    response.content = chain.finish(response.content)
    if extras.has_unknown_length:
        response.content = b""
    extras.sealed = "its filters have finished"


def finish(response: Response, extras: Extras) -> Awaitable[None] | None:
    """Send what has not left yet, to the last byte."""
    worker_request = response.need_worker_request()
    if extras.is_suppressed:
        _suppress(response, extras)
    if extras.file is not None and not (extras.filters is not None and _take_small_file(response, extras, extras.file)):
        return _finish_file(response, extras, worker_request)
    head = None if response.is_started else take_head(response)
    if extras.filters is not None:
        run_filters(response, extras)
    trailers = _trailers_for(worker_request, extras)
    if not trailers and not extras.has_unknown_length:
        return worker_request.send(head, response.content, False)
    # The head alone, so that the host knows that the length is not known, then all the rest.
    if head is not None:
        worker_request.send(head, b"", True)
    if trailers:
        worker_request.trailers(trailers)
    return worker_request.send(None, response.content, False)


async def _finish_file(response: Response, extras: Extras, worker_request: WorkerRequest) -> None:
    file = extras.file
    assert file is not None
    head = take_head(response)
    extras.file = None
    try:
        if extras.filters is not None:
            pending = _send_head(response, worker_request, head)
            await _send_filtered(worker_request, pending, chain=extras.filters, file=file)
        else:
            await worker_request.send_file(head, file.descriptor, file.offset, file.count, False)
    except ContractError:
        if extras.filters is None and not worker_request.bytes_sent:
            response.reopen()
        raise
    finally:
        file.close()


def _send_head(response: Response, worker_request: WorkerRequest, head: ResponseHead) -> Awaitable[None] | None:
    try:
        return worker_request.send(head, b"", True)
    except ContractError:
        response.reopen()
        raise


async def _send_filtered(
    worker_request: WorkerRequest, pending: Awaitable[None] | None, *, chain: FilterChain, file: AnswerFile
) -> None:
    at = file.count if worker_request.head.method == "HEAD" else 0
    while at < file.count:
        await (asyncio.sleep(0) if pending is None else pending)
        piece = file.read(at, _PIECE)
        if not piece:
            worker_request.abort()  # it has become shorter: a broken promise
            return
        at += len(piece)
        passed = chain.feed_part(piece)
        pending = worker_request.send(None, passed, True) if passed else None
    worker_request.send(None, chain.finish(b""), False)


def _take_small_file(response: Response, extras: Extras, file: AnswerFile) -> bool:
    """Read a file that is no longer than a piece: it then passes its filters like any body."""
    if file.count > _PIECE:
        return False
    response.content = file.read(0, file.count)
    extras.drop_file()
    return True


def _prepare(response: Response, extras: Extras) -> None:
    if extras.is_suppressed:
        drop_fields(response.raw_headers, (b"content-length",))
    if extras.filters is not None:
        _begin_filters(response, extras)
    if extras.trailers and not any(name == b"trailer" for name, _ in response.raw_headers):
        # RFC 9110 section 6.6.2: say beforehand what follows the body.
        response.raw_headers.append((b"trailer", b", ".join(dict.fromkeys([name for name, _ in extras.trailers]))))


def _begin_filters(response: Response, extras: Extras) -> None:
    chain = extras.filters
    if chain is None or chain.is_begun:
        return
    if response.status_code in _NOT_FILTERED or extras.is_suppressed:
        extras.filters = None
        return
    if not chain.begin(response):
        extras.filters = None
        return
    context = response.context
    is_head = context is not None and context.worker_request.head.method == "HEAD"
    # RFC 9110 section 8.6: without the body that GET would have, nobody knows how long the filters would make it.
    extras.has_unknown_length = is_head and not response.content and extras.file is None


def _pass(extras: Extras, piece: bytes) -> bytes:
    if extras.is_suppressed:
        return b""
    return piece if extras.filters is None else extras.filters.feed(piece)


def _suppress(response: Response, extras: Extras) -> None:
    response.content = b""
    extras.drop_file()
    if not response.is_started:
        extras.drop_filters(response.raw_headers)
        drop_fields(response.raw_headers, (b"content-length",))
    extras.filters = None


def _trailers_for(worker_request: WorkerRequest, extras: Extras) -> list[tuple[bytes, bytes]]:
    if not extras.trailers or Capability.TRAILERS not in worker_request.capabilities:
        return []
    return extras.trailers


def _call_back(response: Response, extras: Extras) -> None:
    # Each is called once, whatever comes of it: the answer to an error of one of them leaves without them (pipeline E-11).
    callbacks, extras.callbacks = extras.callbacks, None
    extras.is_calling = True
    try:
        for callback in reversed(callbacks or ()):
            try:
                called(callback, response)
            except ResponseComplete:
                pass  # it is complete already: the answer leaves (pipeline P-09, T-01)
    finally:
        extras.is_calling = False


def _set_headers_of_location(response: Response, headers: tuple[tuple[bytes, bytes], ...]) -> None:
    chain = None if response.extras is None else response.extras.filters
    owned = frozenset[bytes]() if chain is None else chain.names
    wanted = [pair for pair in headers if pair[0] not in owned]
    names = {name for name, _ in wanted}
    response.raw_headers[:] = [pair for pair in response.raw_headers if pair[0] not in names]
    response.raw_headers.extend(wanted)
