"""Request: what was asked, read when it is asked for and not before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock.errors import ContractError, RequestRejected
from penstock.http.headers import Headers

if TYPE_CHECKING:
    from penstock.intake.worker_request import Address, WorkerRequest


class Request:
    """One request as modules and handlers see it."""

    __slots__ = ("_body", "_has_been_read", "worker_request")

    def __init__(self, worker_request: WorkerRequest) -> None:
        self.worker_request = worker_request
        self._body: bytes | None = None
        self._has_been_read = False

    @property
    def method(self) -> str:
        """The method, such as "GET"."""
        return self.worker_request.head.method

    @property
    def path(self) -> str:
        """The path, percent-decoded once, dot segments resolved: the same for routes, authorization and files."""
        return self.worker_request.head.path

    @property
    def raw_path(self) -> bytes:
        """The path as it was sent."""
        return self.worker_request.head.raw_path

    @property
    def query_string(self) -> bytes:
        """What stands behind the "?", as it was sent."""
        return self.worker_request.head.query

    @property
    def query(self) -> dict[str, list[str]]:
        """The query's fields, decoded. Raises RequestRejected (400) beyond 1000 fields."""
        from urllib.parse import parse_qs

        try:
            return parse_qs(self.query_string.decode("ascii"), keep_blank_values=True, max_num_fields=1000)
        except ValueError:
            raise RequestRejected(400, "the query has more than 1000 fields", rule="pipeline L-01") from None

    @property
    def headers(self) -> Headers:
        """The header fields; to be read, not changed."""
        return Headers(self.worker_request.head.headers)

    @property
    def host(self) -> str:
        """The host name, lower-case and without port."""
        return self.worker_request.head.host

    @property
    def scheme(self) -> str:
        """The scheme that the client, or a trusted proxy's client, spoke: http or https."""
        return self.worker_request.scheme

    @property
    def client(self) -> Address | None:
        """Address and port of the client, or None where it cannot be known."""
        return self.worker_request.client

    @property
    def content_type(self) -> str:
        """The media type of the body, lower-case and without parameters; "" when absent."""
        return (self.headers.get("content-type") or "").partition(";")[0].strip().lower()

    @property
    def content_length(self) -> int | None:
        """The announced size of the body in bytes; None when it comes in chunks."""
        length = self.worker_request.head.content_length
        return None if length < 0 else length

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies by name; the first of a name counts (RFC 6265 section 5.4)."""
        cookies: dict[str, str] = {}
        for line in self.headers.get_all("cookie"):
            for pair in line.split(";"):
                name, equals, value = pair.strip().partition("=")
                if equals:
                    cookies.setdefault(name, value.strip('"'))
        return cookies

    async def body(self) -> bytes:
        """The whole body; the same when it is asked for again.

        Raises RequestRejected (413) beyond the limit of its location, ClientGone when it breaks off, ContractError behind
        `stream`.
        """
        if self._body is None:
            self._begin_reading()
            pieces = []
            while piece := await read_piece(self.worker_request):
                pieces.append(piece)
            self._body = b"".join(pieces)
        return self._body

    def stream(self) -> BodyStream:
        """The body piece by piece, as it comes: `async for piece in request.stream()`. It can be read once.

        Raises ContractError when the body has been read already.
        """
        self._begin_reading()
        return BodyStream(self.worker_request)

    async def text(self) -> str:
        """The body as UTF-8 text. Raises RequestRejected (400) when it is none."""
        try:
            return (await self.body()).decode()
        except UnicodeDecodeError:
            raise RequestRejected(400, "the body is not UTF-8", rule="RFC 9110 section 8.3") from None

    async def json(self) -> Any:
        """The body read as JSON. Raises RequestRejected (400) when it is none."""
        import msgspec

        try:
            return msgspec.json.decode(await self.body())
        except msgspec.DecodeError as error:
            raise RequestRejected(400, f"the body is not JSON: {error}", rule="RFC 8259") from None

    def _begin_reading(self) -> None:
        if self._has_been_read:
            raise ContractError(
                "the body of this request has been read already; body() may be called again, stream() not"
            )
        self._has_been_read = True


class BodyStream:
    """The pieces of a body, in order, as they come. Raises what `Request.body` raises."""

    __slots__ = ("_worker_request",)

    def __init__(self, worker_request: WorkerRequest) -> None:
        self._worker_request = worker_request

    def __aiter__(self) -> BodyStream:
        return self

    async def __anext__(self) -> bytes:
        piece = await read_piece(self._worker_request)
        if not piece:
            raise StopAsyncIteration
        return piece


async def read_piece(worker_request: WorkerRequest) -> bytes:
    """The next piece of the body, b"" at its end; waits for it."""
    while True:
        piece = worker_request.take()
        if piece is not None:
            return piece
        await worker_request.wait_body()
