"""How an error becomes an answer: built in, or a page of the location; what stays of the headers (pipeline X-03, X-07)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Final

from penstock.errors import ContractError, HTTPError, ResponseComplete
from penstock.http.status import REASONS
from penstock.pipeline.error_formats import NEGOTIATED, ErrorFacts, choose_format, render
from penstock.pipeline.error_pages import ErrorPage, choose_page
from penstock.pipeline.error_report import describe, error_id, status_of
from penstock.pipeline.stages import Stage

if TYPE_CHECKING:
    from penstock.pipeline.context import Context
    from penstock.pipeline.response import Response

logger = logging.getLogger("penstock")

# How long an error page that is made may take.
PAGE_SECONDS: Final = 10.0

_NO_STORE: Final = (b"cache-control", b"no-store")
_VARY: Final = (b"vary", b"accept")
# They speak of a body, and that one is dropped; all other headers stay (pipeline X-07).
_OF_THE_BODY: Final = frozenset(
    (
        b"accept-ranges",
        b"age",
        b"cache-control",
        b"content-digest",
        b"content-disposition",
        b"content-encoding",
        b"content-language",
        b"content-length",
        b"content-location",
        b"content-range",
        b"content-type",
        b"etag",
        b"expires",
        b"last-modified",
        b"location",
        b"repr-digest",
        b"trailer",
        b"transfer-encoding",
    )
)
_VALIDATORS: Final = frozenset((b"accept-ranges", b"cache-control", b"etag", b"expires", b"last-modified"))
# RFC 9110 section 15.5.2: there is always a challenge. No browser asks for a password because of a scheme it does not know.
_NO_SCHEME: Final = (b"www-authenticate", b"Unspecified")


def write_answer(context: Context, error: Exception | None = None) -> Awaitable[None] | None:
    """Make `error`, or else the first one, the answer; an awaitable where the page for it has to be waited for.

    The page is that of the location, once in a request; if there is none, or it fails, the built-in answer (pipeline X-07).
    """
    error = error or context.error
    if error is None:
        return None
    status = status_of(error)
    custom = context.plan.location.error_pages
    pages = () if custom is None else custom.find(status)
    if not pages or context.rest.has_asked_page:
        write_built_in_answer(context, error)
        return None
    page = choose_page(pages, _accepted(context))
    context.rest.has_asked_page = True
    _begin_answer(context, error, status)
    if len(pages) > 1:
        _add_vary(context)
    return _show(context, error, page)


def write_bare_answer(context: Context, error: Exception) -> None:
    """Make `error` the answer with nothing of what there was: that could not be sent (pipeline E-11)."""
    context.rest.kept_headers = []
    write_built_in_answer(context, error)


def answer_with(context: Context, answer: Response) -> None:
    """Make `answer`, which an error hook returned, the answer, beside the headers of modules that it says nothing of."""
    response = context.response
    if answer is not response:
        names = _OF_THE_BODY.union([name for name, _ in answer.raw_headers if name != b"set-cookie"])
        kept = [pair for pair in _headers_of_modules(context) if pair[0] not in names]
        own = list(answer.raw_headers)
        response.replace_with(answer)
        response.raw_headers[:] = [*kept, *own]
    else:
        response.replace_with(answer)


def write_built_in_answer(context: Context, error: Exception) -> None:
    """Make `error` the answer without asking anybody; details are shown only in development (pipeline X-08)."""
    status = status_of(error)
    _begin_answer(context, error, status)
    wanted = context.plan.location.error_format
    if wanted == NEGOTIATED:
        _add_vary(context)
    content_type, body = render(choose_format(wanted, _accepted(context)), _facts(context, error, status))
    response = context.response
    response.raw_headers.append((b"content-type", content_type))
    response.body = body
    response.seal("an error was answered")


def _begin_answer(context: Context, error: Exception, status: int) -> None:
    """Drop what there was of an answer, but for the headers that modules have set; add those of the error."""
    response = context.response
    added = list(error.headers) if isinstance(error, HTTPError) else []
    dropped = _OF_THE_BODY.union([name for name, _ in added])
    kept = [pair for pair in _headers_of_modules(context) if pair[0] not in dropped]
    response.raw_headers = []  # what an application has put there need not even be pairs of bytes
    response.begin_error_answer()
    response.raw_headers[:] = [*kept, *added, _NO_STORE]
    response.status = status
    if status == 401 and not any(name == b"www-authenticate" for name, _ in response.raw_headers):
        response.raw_headers.append(_NO_SCHEME)


def _headers_of_modules(context: Context) -> list[tuple[bytes, bytes]]:
    """Those that were set in front of EXECUTE: what an application set belongs to the answer that failed."""
    rest = context.rest
    if rest.at == context.plan.send_at:
        rest.kept_headers = []  # the answer could not be sent, perhaps because of one of them (pipeline E-11)
    if rest.kept_headers is None:
        is_early = rest.failed_stage is not None and rest.failed_stage < Stage.EXECUTE
        rest.kept_headers = context.response.raw_headers.copy() if is_early else []
    return rest.kept_headers


def _facts(context: Context, error: Exception, status: int) -> ErrorFacts:
    title = REASONS.get(status, "Error")
    detail = error.detail if isinstance(error, HTTPError) else ""
    if status < 500:
        return ErrorFacts(status, title, detail)
    trace = _format_trace(error) if context.plan.is_development else ""
    return ErrorFacts(status, title, detail, error_id(context), context.trace_id, trace)


def _accepted(context: Context) -> bytes:
    # RFC 9110 section 5.3: several lines of one name are one list.
    return b",".join([value for name, value in context.worker_request.head.headers if name == b"accept"])


def _add_vary(context: Context) -> None:
    headers = context.response.raw_headers
    said = [value.strip().lower() for name, line in headers if name == b"vary" for value in line.split(b",")]
    if b"accept" not in said and b"*" not in said:
        headers.append(_VARY)


def _format_trace(error: Exception) -> str:
    import traceback

    return "".join(traceback.format_exception(error))


# -- pages of the location ---------------------------------------------------------------------------------------------


def _show(context: Context, error: Exception, page: ErrorPage) -> Awaitable[None] | None:
    try:
        pending = page.answer(context)
        if pending is not None:
            return _show_later(context, error, page, pending=pending)
    except BaseException as raised:
        return _judge(context, error, page, raised=raised)
    return _finish(context, error, page)


async def _show_later(context: Context, error: Exception, page: ErrorPage, *, pending: Awaitable[None]) -> None:
    rest: Awaitable[None] | None
    try:
        async with asyncio.timeout(PAGE_SECONDS):
            await pending
    except BaseException as raised:
        rest = _judge(context, error, page, raised=raised)
    else:
        rest = _finish(context, error, page)
    if rest is not None:
        await rest


def _judge(context: Context, error: Exception, page: ErrorPage, *, raised: BaseException) -> Awaitable[None] | None:
    if isinstance(raised, ResponseComplete):
        return _finish(context, error, page)
    if isinstance(raised, Exception):
        _fall_back(context, error, page, failure=raised)
    elif isinstance(raised, SystemExit):
        failure = ContractError("SystemExit was raised, which is for whoever runs the server")
        failure.__cause__ = raised
        _fall_back(context, error, page, failure=failure)
    else:
        raise raised
    return None


def _finish(context: Context, error: Exception, page: ErrorPage) -> Awaitable[None] | None:
    """The page is made: the status stays the error's, whatever it says, and nobody keeps it."""
    response = context.response
    if response.is_started:
        # It has been streamed, and is whole; what else is begun when an error comes is cut off.
        return response.finish()
    if 300 <= response.status < 400:
        to = response.headers.get("location", "")
        failure = ContractError(f"{page.name} redirects to {to!r}: name what is to be shown itself")
        _fall_back(context, error, page, failure=failure)
        return None
    response.status = status_of(error)
    response.raw_headers[:] = [pair for pair in response.raw_headers if pair[0] not in _VALIDATORS]
    response.raw_headers.append(_NO_STORE)
    response.seal("an error was answered")
    return None


def _fall_back(context: Context, error: Exception, page: ErrorPage, *, failure: Exception) -> None:
    """The page itself failed: the built-in answer to the first error, without another try; both are in the log."""
    context.errors.append(failure)
    logger.error(
        "%s: %s failed, error id %s, trace id %s",
        describe(context),
        page.name,
        error_id(context),
        context.trace_id,
        exc_info=failure,
    )
    if context.response.is_started:
        context.worker_request.abort()
    else:
        write_built_in_answer(context, error)
