"""What a WSGI application says about its answer: `start_response`, to the letter of PEP 3333."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

from penstock.errors import ContractError
from penstock.http.grammar import is_field_value, is_token
from penstock.http.response_head import LONGEST_REASON
from penstock.http.status import REASONS
from penstock.pipeline.context import Context
from penstock.pipeline.response import Response

StartResponse = Callable[..., Callable[[bytes], None]]
Environ = dict[str, Any]
WsgiApplication = Callable[[Environ, StartResponse], Iterable[bytes]]

# Applications send few different statuses and fields again and again: they are judged once, up to a bound.
_REMEMBERED: Final = 1024
_statuses: Final[dict[str, int]] = {}
_reasons: Final[dict[str, bytes]] = {}
_fields: Final[dict[tuple[str, str], tuple[bytes, bytes]]] = {}
# Fields whose values are seldom the same twice, or nobody else's business, are judged each time.
_CHANGING: Final = frozenset(
    (b"content-length", b"set-cookie", b"etag", b"last-modified", b"date", b"expires", b"location", b"x-request-id")
)
_LONGEST: Final = 128
_NOTHING_SAID: Final = b""


class WsgiAnswer:
    """Status and headers of one answer, remembered until the first bytes leave.

    `status` is 0 until `start_response` was called. `content_length` is -1 when the application does not say. `is_started`
    is set by who sends: from then on the head cannot be changed.
    """

    __slots__ = ("content_length", "headers", "is_started", "reason", "status")

    def __init__(self) -> None:
        self.status = 0
        self.content_length = -1
        self.is_started = False
        self.reason = _NOTHING_SAID

    def start_response(
        self, status: str, headers: Iterable[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], None]:
        """PEP 3333 `start_response`. It sends nothing: the head leaves with the first bytes of the body.

        Raises ContractError for a second call without `exc_info` and for a head that HTTP does not allow, so that the
        application hears of it while it runs; with `exc_info`, when the head has left, what `exc_info` holds.
        """
        if exc_info is not None:
            _check_exc_info(exc_info)
            try:
                if self.is_started:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # PEP 3333: a traceback that is kept would keep its frames in a circle
        elif self.status:
            raise ContractError("start_response was called a second time without exc_info (PEP 3333)")
        code = _statuses.get(status)
        if code is None:
            code, self.reason = _learn_status(status)
        else:
            self.reason = _reasons.get(status, _NOTHING_SAID) if _reasons else _NOTHING_SAID
        length = -1
        encoded: list[tuple[bytes, bytes]] = []
        try:
            for pair in headers:
                field = _fields.get(pair)
                if field is None:
                    field = _read_field(pair)
                    if field[0] == b"content-length":
                        length = int(pair[1])
                encoded.append(field)
        except (TypeError, ValueError, AttributeError) as error:
            raise ContractError(
                f"start_response takes headers as a list of pairs of native strings: {error}"
            ) from error
        self.status = code
        self.headers = encoded
        self.content_length = length
        return self.write

    def write(self, chunk: bytes) -> None:
        """PEP 3333 `write`: send a piece of the body now."""
        raise ContractError("write() is served by who runs the application")

    def check(self, chunk: object) -> bytes:
        """`chunk`, the body or a piece of it. Raises ContractError when it is out of turn or not bytes."""
        if not self.status:
            raise ContractError("the WSGI application answered without calling start_response (PEP 3333)")
        if not isinstance(chunk, bytes):
            raise _not_bytes(chunk)
        return chunk

    def check_piece(self, chunk: object) -> bytes:
        """As `check`, for what was yielded: an empty piece may come before `start_response` (PEP 3333, "Buffering")."""
        if chunk or not isinstance(chunk, bytes):
            return self.check(chunk)
        return chunk

    def apply(self, response: Response) -> None:
        """Make status and headers those of `response`, beside the headers that modules have set."""
        headers = self.headers
        if response.raw_headers:
            names = {name for name, _ in headers if name != b"set-cookie"}
            headers = [pair for pair in response.raw_headers if pair[0] not in names] + headers
        if response.is_special:
            response.begin_head(self.status)
        else:
            response.status_code = self.status
        response.raw_headers = headers
        if self.reason:
            response.reason_phrase = self.reason

    def send_first(self, context: Context, piece: bytes) -> Awaitable[None] | None:
        """On the loop: send the head with the first piece of a body that streams. Raises as `WorkerRequest.send`."""
        response = context.response
        self.apply(response)
        return response.send_piece(piece)


def close_result(result: object) -> None:
    """Call `close()` of what an application returned, if it has one. Raises what that raises."""
    close = getattr(result, "close", None)
    if close is not None:
        close()


def as_exception(error: BaseException) -> Exception:
    """`error`, raised by an application, as something a request can fail with: SystemExit and its like end no server."""
    if isinstance(error, Exception):
        return error
    failure = ContractError(f"the WSGI application raised {type(error).__name__}")
    failure.__cause__ = error
    return failure


def _check_exc_info(exc_info: object) -> None:
    if not isinstance(exc_info, tuple) or len(exc_info) != 3:
        raise ContractError(f"the exc_info of start_response is what sys.exc_info() gives, not {exc_info!r} (PEP 3333)")


def _not_bytes(chunk: object) -> ContractError:
    return ContractError(f"a WSGI application answers with bytes, not {type(chunk).__name__!r} (PEP 3333)")


def _learn_status(status: str) -> tuple[int, bytes]:
    """The number, and the reason if it is not the registered one: it is sent as the application has it (PEP 3333)."""
    if type(status) is not str:
        raise ContractError(f"the status of start_response is a native string such as '200 OK', not {status!r}")
    digits, space, reason = status[:3], status[3:4], status[4:]
    if not (len(digits) == 3 and digits.isascii() and digits.isdigit() and space in ("", " ")):
        raise ContractError(f"the status of start_response begins with three digits and a space, not {status!r}")
    if not "200" <= digits <= "599":
        raise ContractError(f"{status!r} is not the status of a final response")
    code = int(digits)
    phrase = reason.encode("latin-1", "replace")
    if len(phrase) > LONGEST_REASON or not is_field_value(phrase):
        raise ContractError(
            f"the reason in start_response holds a control character, or more than {LONGEST_REASON} characters: {status[:99]!r}"
        )
    if len(_statuses) >= _REMEMBERED:
        _statuses.clear()
        _reasons.clear()
    _statuses[status] = code
    if not phrase or reason == REASONS.get(code):
        return code, _NOTHING_SAID
    _reasons[status] = phrase
    return code, phrase


def _read_field(pair: tuple[str, str]) -> tuple[bytes, bytes]:
    name, value = pair
    if name == "Content-Length" and value.isascii() and value.isdigit() and len(value) <= 18:
        return b"content-length", value.encode("ascii")
    field = name.lower().encode("latin-1")
    content = value.encode("latin-1")
    if not is_token(field):
        raise ContractError(f"{name!r} is not a response header name: only token characters (RFC 9110 section 5.6.2)")
    if not is_field_value(content):
        raise ContractError(f"the value of response header {name!r} holds a control character: {value!r}")
    if field in _CHANGING:
        if field == b"content-length" and not (content.isdigit() and len(content) <= 18):
            raise ContractError(f"the response header content-length is not a number of bytes: {value!r}")
    elif len(content) <= _LONGEST:
        if len(_fields) >= _REMEMBERED:
            _fields.clear()
        _fields[pair] = (field, content)
    return field, content
