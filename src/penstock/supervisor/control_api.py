"""From the table of calls to a site that answers them: JSON in, JSON out, errors as problems (RFC 9457)."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from penstock.errors import ConfigurationError, HTTPError, StartupError
from penstock.http.redaction import printable, shorten
from penstock.http.status import REASONS
from penstock.pipeline.context import Context
from penstock.pipeline.handler import execute_step
from penstock.pipeline.location import Location
from penstock.pipeline.response import Response
from penstock.pipeline.routes import Template
from penstock.pipeline.site import PipelineSite
from penstock.pipeline.target import Target
from penstock.settings.names import suggest
from penstock.supervisor.control_calls import CALLS, Call, RecycleOutcome, Values
from penstock.supervisor.control_model import (
    Controlled,
    ControlRefused,
    Mistake,
    PoolOutcome,
    ReloadOutcome,
    Unknown,
)
from penstock.supervisor.control_openapi import PATH, as_document

logger = logging.getLogger("penstock")

# Bytes of the biggest order, which is a few dozen.
MOST_BYTES: Final = 16 * 1024
_JSON: Final = "application/json"
_PROBLEM: Final = "application/problem+json"
_TEXT: Final = "text/plain; charset=utf-8"
# What an answer of one moment must not be taken for a little later.
_HEADERS: Final = {"cache-control": "no-store"}
# Names of all there are, up to so many.
_MOST_NAMES: Final = 20
_LONGEST_NAME: Final = 100
_DIGITS: Final = 6


def control_site(controlled: Controlled) -> PipelineSite:
    """The site that answers on the control socket, for every host name."""
    routes = [_target(call, controlled) for call in CALLS]
    routes.append(_route("openapi", "GET", PATH, lambda context: _document(controlled)))
    rules = Location(body_limit=MOST_BYTES, error_format="problem", access_log=False)
    return PipelineSite(routes=routes, mounts=[Target("nothing", "/", _refuse, needs="")], locations=[rules])


def _target(call: Call, controlled: Controlled) -> Target:
    return _route(call.name, call.method, call.path, lambda context: _respond(call, controlled, context))


def _route(name: str, method: str, path: str, handler: Callable[[Context], object]) -> Target:
    methods = ("GET", "HEAD") if method == "GET" else (method,)
    return Target(name, path, execute_step(handler), template=Template(path), methods=methods)


def _document(controlled: Controlled) -> Response:
    return _answer(msgspec.json.encode(as_document(CALLS, controlled.status().version)), 200, _JSON)


def _refuse(context: Context) -> None:
    raise HTTPError(404, f"there is no such call: all of them are in {PATH}")


async def _respond(call: Call, controlled: Controlled, context: Context) -> Response:
    """Answer one call; what it refuses becomes a problem."""
    try:
        order = read_order(await context.request.body(), call)
        values = {**_queried(call, context), **(context.route_values or {})}
        if call.method == "POST":
            logger.info("the control socket was asked: %s %s", call.method, context.request.path)
        answer = await _called(call.function(controlled, values, order))
    except Unknown as error:
        return _unknown(error)
    except ControlRefused as error:
        return problem(409, str(error))
    except ConfigurationError as error:
        mistakes = [Mistake(where=each.where, text=each.message) for each in error.problems]
        return problem(422, "the configuration cannot be used, and nothing has changed", problems=mistakes)
    except StartupError as error:
        return problem(424, str(error))
    return _answer_of(call, answer)


async def _called(outcome: Awaitable[object] | object) -> object:
    return await outcome if inspect.isawaitable(outcome) else outcome


def read_order(body: bytes, call: Call) -> msgspec.Struct:
    """What `body` orders; nothing at all is an empty object. Raises HTTPError (400) that says what is wrong with it."""
    try:
        return msgspec.json.decode(body or b"{}", type=call.order)
    except msgspec.ValidationError as error:
        raise HTTPError(400, f"the body is not what {call.path} takes: {error}{_fields(call)}") from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise HTTPError(400, f"the body is not JSON: {error}") from None


def _fields(call: Call) -> str:
    names = call.order.__struct_fields__
    return f"; it may have: {', '.join(names)}" if names else "; it takes none"


def _queried(call: Call, context: Context) -> Values:
    """The fields of the query that the call knows. Raises HTTPError (400) for others."""
    known = [name for name, _ in call.query]
    query = context.request.query
    for name in query:
        if name not in known:
            takes = f"it takes {', '.join(known)}" if known else "it takes none"
            raise HTTPError(
                400, f"{call.path} knows no {shorten(printable(name), _LONGEST_NAME)!r} in the query: {takes}"
            )
    return {name: values[-1] for name, values in query.items()}


# -- answers -----------------------------------------------------------------------------------------------------------


def problem(status: int, detail: str, **members: object) -> Response:
    """An error answer; `members` are beyond those that RFC 9457 section 3.1 names, where they are not empty."""
    more = {name: value for name, value in members.items() if value}
    content = {"type": "about:blank", "title": REASONS[status], "status": status, "detail": detail, **more}
    return _answer(msgspec.json.encode(content), status, _PROBLEM)


def _unknown(error: Unknown) -> Response:
    known = error.known[:_MOST_NAMES]
    nearest = suggest(error.name, known) if error.kind == "pool" else ""  # 11 is not near to 1
    advice = error.advice or nearest or f"; there are: {', '.join(known) or 'none'}"
    name = shorten(printable(error.name), _LONGEST_NAME)
    return problem(404, f'there is no {error.kind} "{name}"{advice}', known=error.known)


def _answer_of(call: Call, answer: object) -> Response:
    if isinstance(answer, str):
        return _answer(answer.encode("utf-8", "backslashreplace"), call.status, _TEXT)
    outcomes = answer.pools if isinstance(answer, ReloadOutcome | RecycleOutcome) else ()
    failed = [each for each in outcomes if each.outcome == "failed"]
    if failed:
        return problem(424, _told(failed), pools=outcomes)
    status = 202 if any(each.outcome == "under_way" for each in outcomes) else call.status
    return _answer(msgspec.json.encode(_rounded(msgspec.to_builtins(answer))), status, _JSON)


def _rounded(value: Any) -> Any:
    """Seconds to the microsecond: what stands behind is noise."""
    if isinstance(value, dict):
        return {name: _rounded(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(each) for each in value]
    return round(value, _DIGITS) if isinstance(value, float) else value


def _told(failed: list[PoolOutcome]) -> str:
    names = ", ".join(each.pool for each in failed)
    return f"new workers of {names} have failed to start; the old ones go on serving"


def _answer(content: bytes, status: int, content_type: str) -> Response:
    return Response(content + b"\n", status=status, headers=_HEADERS, content_type=content_type)
