"""How a backend can fail, and what of it the client is told, and what the log."""

from __future__ import annotations

from penstock.errors import BackendFailed, ClientGone
from penstock.request_handlers.proxy_answer_head import BadAnswer


class BrokenConnection(Exception):
    """The backend closed or reset the connection in front of the end of its answer; the text says when, for the log."""


class SlowBackend(Exception):
    """The backend did nothing for too long; the text says what, for the log."""


def failure_of(error: Exception, name: str) -> Exception:
    """`error` of the backend called `name` as the failure of a request; what is not of a backend stays as it is.

    The client is told what happened; the name, and everything that the backend has said, is for the log.
    """
    if isinstance(error, SlowBackend):
        return _failed(504, "did not answer in time", name, error)
    if isinstance(error, BadAnswer):
        return _failed(502, "gave an answer that is not HTTP", name, error)
    if isinstance(error, BrokenConnection):
        return _failed(502, "broke the connection", name, error)
    if isinstance(error, OSError) and not isinstance(error, ClientGone):
        is_late = isinstance(error, TimeoutError)
        what = "could not be reached in time" if is_late else "cannot be reached"
        return _failed(504 if is_late else 502, what, name, describe_error(error))
    return error


def describe_error(error: OSError) -> str:
    """Why there is no connection, for the log."""
    if isinstance(error, TimeoutError) and not error.args:
        return "no connection in time"
    verdict = getattr(
        error, "verify_message", ""
    )  # of ssl.SSLCertVerificationError; TLS need not be there to be looked at
    return f"its certificate is refused: {verdict}" if verdict else f"no connection: {error}"


def _failed(status: int, what: str, name: str, reason: object) -> BackendFailed:
    return BackendFailed(status, f"the server behind this one {what}", reason=f"{name}: {reason}")
