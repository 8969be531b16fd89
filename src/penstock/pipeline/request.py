"""Request: what was asked, read when it is asked for and not before."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from penstock.errors import ContractError, RequestRejected
from penstock.http.headers import FixedHeaders, Headers
from penstock.pipeline.body_stream import BodyStream, read_whole

if TYPE_CHECKING:
    from penstock.http.media_type import MediaType
    from penstock.intake.worker_request import Address, WorkerRequest
    from penstock.pipeline.context import Context
    from penstock.pipeline.forms import Form


class Request:
    """One request as modules and handlers see it.

    The body is read once, in one of three ways that exclude one another (pipeline L-02): whole by `body`, which `text`, `json`
    and `form` then share; piece by piece by `stream`; or by `form` alone, which keeps large uploads out of memory.
    """

    __slots__ = (
        "_body",
        "_context",
        "_cookies",
        "_form",
        "_headers",
        "_query",
        "_query_string",
        "_reader",
        "worker_request",
    )

    def __init__(self, worker_request: WorkerRequest, context: Context | None = None) -> None:
        """`context` says which limits hold for forms, and removes their uploads at its end; without it, that is the caller's."""
        self.worker_request = worker_request
        self._context = context
        self._body: bytes | None = None
        self._cookies: Mapping[str, str] | None = None
        self._form: Form | None = None
        self._headers: Headers | None = None
        self._query: dict[str, list[str]] | None = None
        self._query_string = b""
        self._reader = ""  # what has begun to read the body

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
        query_string = self.query_string  # another one once the path has been rewritten
        if self._query is None or query_string != self._query_string:
            self._query = _read_query(query_string)
            self._query_string = query_string
        return self._query

    @property
    def headers(self) -> Headers:
        """The header fields, to be read only: changing them raises TypeError, for the next request may share them."""
        if self._headers is None:
            self._headers = FixedHeaders(self.worker_request.head.headers)
        return self._headers

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
    def cookies(self) -> Mapping[str, str]:
        """The cookies by name, as the browser keeps them, neither unquoted nor decoded; the first of a name counts."""
        if self._cookies is None:
            from penstock.http.cookies import parse_cookies

            fields = self.worker_request.head.headers
            self._cookies = MappingProxyType(parse_cookies([value for name, value in fields if name == b"cookie"]))
        return self._cookies

    # -- the body ----------------------------------------------------------------------------------------------------------

    async def body(self) -> bytes:
        """The whole body; the same when it is asked for again.

        Raises RequestRejected (413) beyond the limit of its location, ClientGone when it breaks off, ContractError behind
        `stream` and `form`.
        """
        if self._body is None:
            self._begin_reading("body()")
            self._body = await read_whole(self.worker_request)
        return self._body

    def read(self) -> bytes:
        """The whole body, at once: what has been preloaded, or read by `body`. For plain functions, also in threads.

        Raises ContractError when it has not been read yet.
        """
        if self._body is not None:
            return self._body
        if self.content_length == 0:
            return b""
        raise ContractError(
            "the body has not been read yet: let the route preload it (preload = true), or await request.body()"
        )

    def read_form(self) -> Form:
        """The form, at once, from a body that has been preloaded or read by `body`; see `read` and `form`."""
        if self._form is None:
            self._form = self._form_of(self.read())
        return self._form

    def stream(self) -> BodyStream:
        """The body piece by piece, as it comes: `async for piece in request.stream()`. It can be read once.

        Raises ContractError when the body has been read already.
        """
        self._begin_reading("stream()")
        return BodyStream(self.worker_request)

    async def form(self) -> Form:
        """The fields and files of an urlencoded or multipart form; the same when it is asked for again.

        An upload is in memory while it is small, then in a temporary file; all are removed when the request ends. Raises
        RequestRejected: 415 when the body is no form, 400 when it breaks the rules or has too many fields, 413 beyond the limit
        of its location. ClientGone when it breaks off. HTTPError 507 when the disk is full. ContractError behind `stream`.
        """
        if self._form is None:
            if self._body is not None:
                self._form = self._form_of(self._body)
            else:
                self._form = await self._read_form()
        return self._form

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

    def release(self) -> None:
        """Used by the pipeline: the request has left; let go of it, without waiting for the garbage collector."""
        self._context = None

    def preload(self) -> Awaitable[object] | None:
        """Used by the pipeline: read the body now; None when it is there already, or somebody has begun to read it (H-12)."""
        if self._reader or self._body is not None:
            return None
        self._reader = "body()"
        pieces = []
        while piece := self.worker_request.take():
            pieces.append(piece)
        if piece is None:
            return self._preload_rest(pieces)
        self._body = b"".join(pieces)
        return None

    async def _preload_rest(self, pieces: list[bytes]) -> None:
        pieces.append(await read_whole(self.worker_request))
        self._body = b"".join(pieces)

    def _begin_reading(self, reader: str) -> None:
        if self._reader:
            raise ContractError(
                f"{self._reader} has read the body of this request already, so {reader} cannot. Await body() first and use what "
                "it returns, which may be asked for again and leaves text(), json() and form() possible"
            )
        self._reader = reader

    # -- forms -------------------------------------------------------------------------------------------------------------

    def _form_of(self, body: bytes) -> Form:
        from penstock.pipeline.form_reading import read_form_of

        media_type = self._form_type()
        return _no_form() if media_type is None else read_form_of(body, media_type, limit=self._form_limits()[0])

    async def _read_form(self) -> Form:
        from penstock.pipeline.form_reading import read_form_from

        media_type = self._form_type()
        self._begin_reading("form()")
        if media_type is None:
            return _no_form()
        limit, memory = self._form_limits()
        context = self._context
        form = await read_form_from(self.worker_request, media_type, limit=limit, memory=memory)
        if self._context is not None:
            self._context.defer(form)
        elif context is not None:
            form.close()  # the request has left meanwhile
        return form

    def _form_type(self) -> MediaType | None:
        if self.content_length == 0 and "content-type" not in self.headers:
            return None
        from penstock.pipeline.form_reading import form_type

        return form_type(self.headers)

    def _form_limits(self) -> tuple[int, int]:
        if self._context is None:
            return 1000, 81_920
        location = self._context.plan.location
        return location.form_fields, location.form_memory


def _read_query(query_string: bytes) -> dict[str, list[str]]:
    from urllib.parse import parse_qs

    try:
        return parse_qs(query_string.decode("ascii"), keep_blank_values=True, max_num_fields=1000)
    except ValueError:
        raise RequestRejected(400, "the query has more than 1000 fields", rule="pipeline L-01") from None


def _no_form() -> Form:
    from penstock.pipeline.forms import Form as EmptyForm

    return EmptyForm()
