"""A handler that answers with the requests now waiting inside: what it shows is nobody else's, so protect its location."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from penstock.http.encodings import choose_type
from penstock.http.redaction import printable, shorten
from penstock.pipeline.response import Response

if TYPE_CHECKING:
    from penstock.intake.requests_inside import RequestInside
    from penstock.pipeline.context import Context

_TYPES: Final = (b"text/plain", b"application/json")
_TITLES: Final = ("age", "stage", "module", "method", "path", "client", "trace id")
# What an answer of one moment must not be taken for a little later.
_HEADERS: Final = {"cache-control": "no-store"}
_LONGEST_CELL: Final = 200


class RequestList:
    """`handler = "penstock.request_handlers.request_list:RequestList"`: method, path, client, stage, module and age of each.

    A client that asks for application/json gets JSON, others a table in plain text; the oldest comes first. The query is
    never shown. It is the list of one process: each worker knows its own (pipeline D-05).
    """

    __slots__ = ()

    def handle(self, context: Context) -> Response:
        """The list as it is now."""
        inside = sorted(context.runtime.requests(), key=lambda each: each.age, reverse=True)
        accept = context.worker_request.head.find(b"accept") or b""
        if _TYPES[choose_type(accept, _TYPES)] == b"application/json":
            return Response(_as_json(inside), headers=_HEADERS, content_type="application/json")
        return Response(_as_table(inside), headers=_HEADERS, content_type="text/plain; charset=utf-8")


def _as_json(inside: Sequence[RequestInside]) -> bytes:
    import msgspec  # imported when used: it costs start-up time

    rows = [{**each._asdict(), "age": round(each.age, 3), "path": printable(each.path)} for each in inside]
    return msgspec.json.encode({"requests": rows})


def _as_table(inside: Sequence[RequestInside]) -> str:
    if not inside:
        return "no request waits inside\n"
    rows = [_TITLES, *(_cells(each) for each in inside)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_TITLES))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join(lines) + "\n"


def _cells(each: RequestInside) -> tuple[str, ...]:
    path = shorten(printable(each.path), _LONGEST_CELL)
    return f"{each.age:.3f}s", each.stage, each.module, each.method, path, each.client, each.trace_id
