"""How an error is reported: the status it stands for, its line in the log, its id; who is to blame decides (pipeline X-06, X-08)."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Final

from penstock.errors import (
    BackendFailed,
    ClientGone,
    ConfigurationError,
    ContractError,
    HTTPError,
    PenstockError,
    RequestRejected,
    StartupError,
)
from penstock.intake.worker_request import client_name

if TYPE_CHECKING:
    from penstock.pipeline.context import Context

logger = logging.getLogger("penstock")

# Whoever broke a contract or misconfigured is to blame, whatever came before.
_BLAMED: Final = (ContractError, ConfigurationError, StartupError, ClientGone)
# So many causes of an error are looked into.
_DEEPEST: Final = 10


def status_of(error: BaseException) -> int:
    """The status an error is answered with (pipeline X-06)."""
    # Causes may lead back to where they began; compiled, a function that called itself would end the process.
    for _ in range(_DEEPEST):
        if isinstance(error, HTTPError):
            return error.status
        if isinstance(error, PermissionError):
            return 403
        if isinstance(error, TimeoutError):
            return 504
        cause = error.__cause__
        # Only what is raised to wrap something is looked into.
        if not isinstance(error, PenstockError) or isinstance(error, _BLAMED) or not isinstance(cause, Exception):
            break
        error = cause
    return 500


def report(context: Context, error: Exception) -> None:
    """Write the error to the log: a refusal in one line, a bug with its traceback and the id that the client is shown."""
    where = describe(context)
    if _tells_of_leaving(error):
        logger.debug("%s: the client left", where)
    elif isinstance(error, RequestRejected):
        client = client_name(context.worker_request.client)
        logger.info("%s from %s refused with %d: %s", where, client, error.status, ascii(str(error))[1:-1])
    elif isinstance(error, BackendFailed):
        told = ascii(str(error))[1:-1]
        how = "was cut off in mid-answer" if context.response.is_started else f"answered with {error.status}"
        logger.warning("%s %s: %s, error id %s", where, how, told, error_id(context))
    elif status_of(error) < 500:
        logger.debug("%s answered with %d: %s", where, status_of(error), ascii(str(error))[1:-1])
    else:
        logger.error(
            "%s failed at %s, trace id %s, error id %s",
            where,
            _place(context, error),
            context.trace_id,
            error_id(context),
            exc_info=error,
        )


def describe(context: Context) -> str:
    """The request in a few words, for a log: control characters escaped, the query left out, for it may hold secrets."""
    return f"{context.worker_request.head.method} {ascii(context.original_path)[1:-1]}"


def error_id(context: Context) -> str:
    """The id under which client and log know this request's failure."""
    rest = context.rest
    if not rest.error_id:
        rest.error_id = os.urandom(6).hex()
    return rest.error_id


def _place(context: Context, error: Exception) -> str:
    """Where an error happened: the stage, the module if it was one's step, and how long the request had been inside."""
    rest = context.rest
    is_first = error is context.error
    stage = rest.failed_stage if is_first else context.stage
    module = rest.failed_module if is_first else context.module
    place = "an unknown stage" if stage is None else stage.name
    if module:
        place = f"{place} in {module}"
    started = context.worker_request.started
    return f"{place} after {(context.runtime.loop.time() - started) * 1000:.1f} ms" if started else place


def _tells_of_leaving(error: BaseException) -> bool:
    # Frameworks answer ClientGone with an error of their own, such as Starlette's ClientDisconnect.
    seen = 0
    cause: BaseException | None = error
    while cause is not None and seen < _DEEPEST:
        if isinstance(cause, ClientGone):
            return True
        cause = cause.__cause__ or cause.__context__
        seen += 1
    return False
