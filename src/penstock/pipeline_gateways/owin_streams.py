"""What stands behind three keys of an OWIN environment: header dictionaries, the request's body, the response's body."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import TYPE_CHECKING, Any, Final

from penstock.errors import ContractError
from penstock.http.headers import Headers

if TYPE_CHECKING:
    from penstock.pipeline.body_stream import BodyStream
    from penstock.pipeline.request import Request
    from penstock.pipeline.response import Response

# What is written is held back until there is more of it than this, as it is for everybody (pipeline O-01).
_HELD_BACK: Final = 64 * 1024


class OwinHeaders(MutableMapping[str, list[str]]):
    """Header fields as OWIN has them: names, in any case, to lists of values. Writes through to `headers`."""

    __slots__ = ("_headers",)

    def __init__(self, headers: Headers) -> None:
        self._headers = headers

    def __getitem__(self, name: str) -> list[str]:
        values = self._headers.get_all(name)
        if not values:
            raise KeyError(name)
        return values

    def __setitem__(self, name: str, values: Any) -> None:
        """Raises TypeError unless `values` are a list of texts, ValueError for what HTTP does not allow."""
        if isinstance(values, (str, bytes)):
            raise TypeError(f"header {name!r}: OWIN has lists of values, so [{values!r}]")
        judged = Headers()
        for value in values:
            judged.add(name, value)
        self.pop(name, None)
        for value in judged.get_all(name):
            self._headers.add(name, value)

    def __delitem__(self, name: str) -> None:
        del self._headers[name]

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(self._headers))

    def __len__(self) -> int:
        return len(set(self._headers))

    def __repr__(self) -> str:
        return repr(dict(self))


class RequestBody:
    """`owin.RequestBody`: read it once, piece by piece."""

    __slots__ = ("_pieces", "_request", "_rest")

    def __init__(self, request: Request) -> None:
        self._request = request
        self._pieces: BodyStream | None = None
        self._rest: bytes | None = None

    async def read(self, size: int = -1) -> bytes:
        """At most `size` bytes as they come, b"" at the end; all that is left for -1. Raises what `Request.body` raises."""
        rest = await self._next() if not self._rest else self._rest
        if size < 0:
            pieces = [rest]
            while piece := await self._next():
                pieces.append(piece)
            rest, size = b"".join(pieces), sum(map(len, pieces))
        self._rest = rest[size:]
        return rest[:size]

    async def _next(self) -> bytes:
        if self._pieces is None:
            if self._rest is None:
                try:
                    self._rest = b""
                    return self._request.read()  # somebody has read it already
                except ContractError:
                    pass
            else:
                return b""
            self._pieces = self._request.stream()
        return await anext(self._pieces, b"")


class ResponseBody:
    """`owin.ResponseBody`: held back up to 64 KiB, streamed from then on."""

    __slots__ = ("_response",)

    def __init__(self, response: Response) -> None:
        self._response = response

    async def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append to the body. Waits while the client reads slowly. Raises what `Response.write` raises."""
        response = self._response
        response.write(data if isinstance(data, bytes) else memoryview(data).tobytes())
        if response.is_started or len(response.content) > _HELD_BACK:
            await self.flush()

    async def flush(self) -> None:
        """Send what was written, the head first. Nothing can be accepted, and no header set, from then on."""
        pending = self._response.send_buffered()
        if pending is not None:
            await pending
