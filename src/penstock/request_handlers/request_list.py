"""A handler that answers with the requests now waiting inside and the WebSockets now open: protect its location."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from penstock.http.encodings import choose_type
from penstock.http.redaction import printable, shorten
from penstock.pipeline.response import Response

if TYPE_CHECKING:
    from penstock.intake.open_sockets import SocketInside, SocketStatistics
    from penstock.intake.requests_inside import RequestInside
    from penstock.pipeline.context import Context

_TYPES: Final = (b"text/plain", b"application/json")
_TITLES: Final = ("age", "stage", "module", "method", "path", "client", "trace id")
_SOCKET_TITLES: Final = ("age", "state", "bytes in", "bytes out", "path", "client")
# What an answer of one moment must not be taken for a little later.
_HEADERS: Final = {"cache-control": "no-store"}
_LONGEST_CELL: Final = 200


class RequestList:
    """`handler = "penstock.request_handlers.request_list:RequestList"`: what is inside now, for people and programs.

    Of each request method, path, client, stage, module and age; of each open WebSocket its state, its payload both ways, path,
    client and age. A client that asks for application/json gets JSON, with the counters of the sockets and, as `parked`, how
    many requests wait in middleware of stages; others tables in plain text. The oldest comes first. The query is never shown. It is the list of one process: each worker knows its own
    (pipeline D-05).
    """

    __slots__ = ()

    def handle(self, context: Context) -> Response:
        """The list as it is now."""
        runtime = context.runtime
        inside = sorted(runtime.requests(), key=lambda each: each.age, reverse=True)
        sockets, statistics = runtime.sockets.sockets(), runtime.sockets.statistics()
        accept = context.worker_request.head.find(b"accept") or b""
        if _TYPES[choose_type(accept, _TYPES)] == b"application/json":
            body = _as_json(inside, sockets, statistics, parked=count_parked(runtime.inside.values()))
            return Response(body, headers=_HEADERS, content_type="application/json")
        text = _as_text(inside) + _sockets_as_text(sockets, statistics)
        return Response(text, headers=_HEADERS, content_type="text/plain; charset=utf-8")


def count_parked(inside: Iterable[object]) -> int:
    """How many of the requests `inside`, as `Runtime.inside` has them, wait in middleware of stages (middleware R-SG-35).

    It is counted when it is asked for, so that requests pay nothing for it.
    """
    return len([each for each in inside if _is_parked(each)])


def _is_parked(waiting: Any) -> bool:
    known = getattr(waiting, "known", None)
    return bool(known is not None and known.frames) or getattr(getattr(waiting, "exchange", None), "is_parked", False)


def _as_json(
    inside: Sequence[RequestInside], sockets: Sequence[SocketInside], statistics: SocketStatistics, *, parked: int
) -> bytes:
    import msgspec  # imported when used: it costs start-up time

    return msgspec.json.encode(
        {
            "requests": [_row(each) for each in inside],
            "parked": parked,  # in middleware of stages (middleware R-SG-35)
            "sockets": [_row(each) for each in sockets],
            "socket_statistics": statistics._asdict(),
        }
    )


def _row(each: RequestInside | SocketInside) -> dict[str, object]:
    return {**each._asdict(), "age": round(each.age, 3), "path": printable(each.path)}


def _as_text(inside: Sequence[RequestInside]) -> str:
    if not inside:
        return "no request waits inside\n"
    return _as_table([_TITLES, *(_cells(each) for each in inside)])


def _sockets_as_text(sockets: Sequence[SocketInside], statistics: SocketStatistics) -> str:
    """The counters and a table; nothing for who has never had a WebSocket."""
    if not statistics.total:
        return ""
    told = (
        f"\nWebSockets: {statistics.executing} open of {statistics.total}, {statistics.succeeded} ended well, "
        f"{statistics.failed} failed; {statistics.bytes_in} bytes in, {statistics.bytes_out} bytes out\n"
    )
    return told + (_as_table([_SOCKET_TITLES, *(_socket_cells(each) for each in sockets)]) if sockets else "")


def _as_table(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join(lines) + "\n"


def _cells(each: RequestInside) -> tuple[str, ...]:
    path = shorten(printable(each.path), _LONGEST_CELL)
    return f"{each.age:.3f}s", each.stage, each.module, each.method, path, each.client, each.trace_id


def _socket_cells(each: SocketInside) -> tuple[str, ...]:
    path = shorten(printable(each.path), _LONGEST_CELL)
    return f"{each.age:.3f}s", each.state, str(each.bytes_in), str(each.bytes_out), path, each.client
