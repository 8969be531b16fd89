"""How an error becomes an answer and a line in the log: who is to blame decides both (pipeline X-06, X-08)."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from penstock.errors import ClientGone, HTTPError, RequestRejected
from penstock.http.status import REASONS
from penstock.intake.worker_request import client_name

if TYPE_CHECKING:
    from penstock.pipeline.context import Context

logger = logging.getLogger("penstock")


def status_of(error: BaseException) -> int:
    """The status an error is answered with (pipeline X-06)."""
    if isinstance(error, HTTPError):
        return error.status
    if isinstance(error, PermissionError):
        return 403
    if isinstance(error, TimeoutError):
        return 504
    return 500


def report(context: Context, error: Exception) -> None:
    """Write the error to the log: a refusal in one line, a bug with its traceback and the id that the client is shown."""
    where = describe(context)
    if _tells_of_leaving(error):
        logger.debug("%s: the client left", where)
    elif isinstance(error, RequestRejected):
        client = client_name(context.worker_request.client)
        logger.info("%s from %s refused with %d: %s", where, client, error.status, ascii(str(error))[1:-1])
    elif status_of(error) < 500:
        logger.debug("%s answered with %d: %s", where, status_of(error), ascii(str(error))[1:-1])
    else:
        logger.error(
            "%s failed at %s, error id %s", where, _stage_name(context, error), error_id(context), exc_info=error
        )


def describe(context: Context) -> str:
    """The request in a few words, for a log: control characters escaped, the query left out, for it may hold secrets."""
    head = context.worker_request.head
    return f"{head.method} {ascii(head.path)[1:-1]}"


def _tells_of_leaving(error: BaseException) -> bool:
    # Frameworks answer ClientGone with an error of their own, such as Starlette's ClientDisconnect.
    seen = 0
    cause: BaseException | None = error
    while cause is not None and seen < 10:
        if isinstance(cause, ClientGone):
            return True
        cause = cause.__cause__ or cause.__context__
        seen += 1
    return False


def error_id(context: Context) -> str:
    """The id under which client and log know this request's failure."""
    items = context.items
    if "penstock.error_id" not in items:
        items["penstock.error_id"] = os.urandom(6).hex()
    return str(items["penstock.error_id"])


def write_answer(context: Context, error: Exception | None = None) -> None:
    """Make `error`, or else the first one, the answer; details are shown only in development (pipeline X-08)."""
    error = error or context.error
    if error is None:
        return
    response = context.response
    status = status_of(error)
    response.clear()
    response.status = status
    if isinstance(error, HTTPError):
        response.raw_headers.extend(error.headers)
    _write_body(context, error, status)
    response.headers["cache-control"] = "no-store"


def _write_body(context: Context, error: Exception, status: int) -> None:
    response = context.response
    title = f"{status} {REASONS.get(status, 'Error')}"
    detail = error.detail if isinstance(error, HTTPError) else ""
    shown_id = error_id(context) if status >= 500 else ""
    trace = _format_trace(error) if status >= 500 and context.plan.is_development else ""
    accepted = context.worker_request.head.find(b"accept") or b""
    if b"text/html" in accepted:
        response.headers["content-type"] = "text/html; charset=utf-8"
        response.body = _page(title, detail, shown_id, trace).encode("utf-8", "backslashreplace")
        return
    response.headers["content-type"] = "text/plain; charset=utf-8"
    lines = [title, detail, f"error id {shown_id}" if shown_id else "", trace]
    response.body = ("\n".join(line for line in lines if line) + "\n").encode("utf-8", "backslashreplace")


_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:4rem auto;padding:0 1.5rem;color:#1d2733}"
    "h1{font-size:1.6rem}code,pre{font:13px/1.45 ui-monospace,monospace}"
    "pre{background:#f4f6f8;padding:1rem;overflow:auto;border-left:4px solid #c0392b}"
)


def _format_trace(error: Exception) -> str:
    import traceback

    return "".join(traceback.format_exception(error))


def _page(title: str, detail: str, shown_id: str, trace: str) -> str:
    from html import escape  # imported when used: its table of entities costs start-up time

    parts = [f"<h1>{escape(title)}</h1>"]
    if detail:
        parts.append(f"<p>{escape(detail)}</p>")
    if shown_id:
        parts.append(f"<p>Error id <code>{escape(shown_id)}</code></p>")
    if trace:
        parts.append(f"<pre>{escape(trace)}</pre>")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body>{''.join(parts)}</body></html>\n"
    )


def _stage_name(context: Context, error: Exception) -> str:
    stage = context.rest.failed_stage if error is context.error else context.stage
    return "an unknown stage" if stage is None else stage.name
