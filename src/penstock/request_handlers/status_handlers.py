"""Handlers that answer with a status and nothing else: to block paths, or to say that something has gone (pipeline H-15)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from penstock.errors import HTTPError

if TYPE_CHECKING:
    from penstock.pipeline.context import Context


def status_handler(status: int) -> Callable[[Context], None]:
    """A handler that answers every request with `status`, 400 to 599, as the location writes its error answers."""
    # RFC 9110 section 15.5.6: a 405 names the methods that are allowed; here none is.
    headers = ((b"allow", b""),) if status == 405 else ()

    def answer(context: Context) -> None:
        raise HTTPError(status, headers=headers)

    return answer
