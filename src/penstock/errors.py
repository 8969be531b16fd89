"""Everything Penstock can raise, and who is to blame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class PenstockError(Exception):
    """The root of all errors that Penstock raises."""


# -- the operator's ----------------------------------------------------------------------------------------------


class Problem(NamedTuple):
    """One mistake in a configuration.

    `message` says what is wrong and what would be right; `where` is `file:line`, an option or a variable ("" = nowhere).
    """

    message: str
    where: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message


class ConfigurationError(PenstockError):
    """What the operator decided cannot be done. All mistakes at once, in `problems`."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class StartupError(PenstockError):
    """An application or a module failed to start; the cause is chained. The command line exits with code 3."""


# -- the client's ------------------------------------------------------------------------------------------------


class HTTPError(PenstockError):
    """Raised anywhere in a request to answer it with `status`.

    `status` is 400 to 599. `detail` (text) is shown to the client. `headers` are byte pairs added to the answer.
    """

    def __init__(self, status: int, detail: str = "", *, headers: Sequence[tuple[bytes, bytes]] = ()) -> None:
        super().__init__(detail or f"status {status}")
        pairs = tuple(headers)
        _check_http_error(status, pairs)
        self.status = status
        self.detail = detail
        self.headers = tuple([(name.lower(), value) for name, value in pairs])


def _check_http_error(status: object, headers: Sequence[tuple[object, object]]) -> None:
    # Here, where the application's own line is in the traceback, not when the answer is made.
    if not isinstance(status, int) or not 400 <= status <= 599:
        raise ValueError(f"an HTTPError has a status from 400 to 599, not {status!r}")
    for name, value in headers:
        if not isinstance(name, bytes) or not isinstance(value, bytes):
            raise TypeError(f"the headers of an HTTPError are pairs of bytes, not {(name, value)!r}")


class RequestRejected(HTTPError):
    """The request itself is at fault. `rule` names the section it breaks; logged as one line, without a traceback.

    `reason`, when given, is for the log in place of `detail`, and shown to nobody.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        rule: str = "",
        reason: str = "",
        headers: Sequence[tuple[bytes, bytes]] = (),
    ) -> None:
        super().__init__(status, detail, headers=headers)
        if reason:
            self.args = (reason,)
        self.rule = rule


class BackendFailed(HTTPError):
    """A server that the request was passed on to did not answer as it should: 502, 503 or 504; its operator is to blame.

    `detail` is shown to the client; `reason`, which names the backend, is for the log alone, in one line.
    """

    def __init__(self, status: int, detail: str, *, reason: str, headers: Sequence[tuple[bytes, bytes]] = ()) -> None:
        super().__init__(status, detail, headers=headers)
        self.args = (reason,)


class ClientGone(PenstockError, OSError):
    """The client left before it was answered; nobody is left to tell. An `OSError`, as ASGI 2.4 asks of `send`."""


# -- the application's, the module's or the handler's -----------------------------------------------------------------


class ContractError(PenstockError):
    """An application, a module or a handler broke its contract; the message says which rule. Answered with 500."""


class ResponseStarted(ContractError):
    """Something was to be changed that has already left: status, headers, or the response itself (pipeline O-02)."""


class ResponseCompleted(ResponseStarted):
    """Something was written or flushed behind the end of the answer (pipeline O-03)."""


class ResponseSealed(ContractError):
    """A body was written to that filters have finished, or that answers an error (pipeline X-09, X-10)."""


class RegistrationClosed(ContractError):
    """A hook was registered or cancelled after the plans were assembled (pipeline P-06)."""


# -- of WebSockets -----------------------------------------------------------------------------------------------------


class WebSocketError(PenstockError):
    """The root of what a WebSocket can raise."""


class WebSocketStateError(WebSocketError):
    """The socket is aborted: nothing can be sent or received any more (websockets SW-75)."""


class SocketDisposedError(WebSocketStateError):
    """The socket was used after its endpoint had ended (websockets SW-45)."""


class WebSocketBusyError(WebSocketError):
    """A second receive, or with `strict` a second send, was begun while one was pending (websockets SW-72)."""


class WebSocketClosedError(WebSocketError, OSError):
    """Something was sent behind a Close, or received behind one that had come. An `OSError`, as ASGI 2.4 asks of `send`."""


class WebSocketProtocolError(WebSocketError):
    """The client broke RFC 6455; it was told with `code` (1002, 1003, 1007, 1009 ...)."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{reason} ({code})")
        self.code = code
        self.reason = reason


class ConnectionLost(WebSocketStateError, OSError):
    """The connection broke without a Close, or was dropped: while something was sent or received, or before."""


class WebSocketDisconnect(WebSocketError):
    """The socket has been closed: what `receive` raises when no message is left.

    `code` is the peer's (1005: it gave none; 1006: the connection broke), `reason` its text or "" (RFC 6455 section 7.1.5).
    """

    def __init__(self, code: int = 1005, reason: str = "") -> None:
        super().__init__(f"closed with {code}{f': {reason}' if reason else ''}")
        self.code = code
        self.reason = reason


class AcceptLost(WebSocketError, OSError):
    """An accept was recorded, and will not happen: the pipeline failed, answered otherwise, or the client left (O-04)."""


# -- nobody's: control flow ---------------------------------------------------------------------------------------------


class ResponseComplete(BaseException):
    """Raised anywhere in a request, however deep, to end it with the response as it is now (pipeline T-01).

    The same as `context.complete()` followed by a return from everything: nothing is sent yet, and the stages that always
    run still run. Derived from BaseException, so that no `except Exception` on the way holds it up; not for use outside of
    a request.
    """
