"""How a pool can fail a request, and what of it the client is told, and what the log."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from penstock.errors import BackendFailed, ClientGone, HTTPError
from penstock.request_handlers.proxy_answer_head import BadAnswer
from penstock.request_handlers.proxy_failures import BrokenConnection, SlowBackend

_RETRY_SOON: Final = ((b"retry-after", b"5"),)
_ENDED: Final = "the process of this application ended before it had answered"
_OURS: Final = 500
_OF_THE_BODY: Final = frozenset((b"cache-control", b"content-length", b"content-type"))


def pool_failure_of(error: Exception, pool: str, *, has_begun: bool = False) -> Exception:
    """`error` as the failure of a request to the pool of that name; what is not of the pool stays as it is.

    `has_begun`: the head of an answer has come. 503 says that nobody has seen the request, and to come again; 502 that the worker that had it has ended; 504 that it is
    silent.
    """
    if isinstance(error, ClientGone | BackendFailed):
        return error
    if isinstance(error, SlowBackend):
        return _failed(504, "this application did not answer in time", pool, error)
    if isinstance(error, BadAnswer):
        return _failed(502, "this application gave an answer that is not HTTP", pool, error)
    if isinstance(error, BrokenConnection):
        what = "this application broke off its answer" if has_begun else _ENDED
        return _failed(502, what, pool, error)
    if isinstance(error, OSError):
        reason = "no connection in time" if isinstance(error, TimeoutError) else f"no connection: {error}"
        return BackendFailed(
            503, "this application is not available", reason=f"pool {pool}: {reason}", headers=_RETRY_SOON
        )
    return error


def told_failure(status: int, detail: bytes, *, headers: Iterable[tuple[bytes, bytes]], pool: str) -> HTTPError:
    """The failure that the worker of a pool has told; it has logged it by itself."""
    fields = [pair for pair in headers if pair[0] not in _OF_THE_BODY]
    text = detail.decode("utf-8", "replace")
    if status < _OURS:
        return HTTPError(status, text, headers=fields)
    return BackendFailed(status, text, reason=f"pool {pool}: the application failed, see its log", headers=fields)


def _failed(status: int, detail: str, pool: str, reason: object) -> BackendFailed:
    return BackendFailed(status, detail, reason=f"pool {pool}: {reason}")
