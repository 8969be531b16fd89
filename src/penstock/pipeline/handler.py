"""Handler: what answers a request; and how what it returns becomes the response."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, cast

from penstock.errors import ContractError
from penstock.pipeline.response import Response
from penstock.pipeline.response_headers import BYTES, JSON, TEXT, add_charset, add_defaults

if TYPE_CHECKING:
    from penstock.pipeline.context import Context

# Returns None when it wrote the response, else text, bytes, a Response or anything JSON can hold; or an awaitable of those.
Handler = Callable[["Context"], object]


class Signal:
    """What a step returns to the loop besides None and an awaitable."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


# The step has handed the request on, to a thread or a pool; it calls `resume(context)` on the loop when it is done.
PARKED: Final = Signal("PARKED")
# The request has passed its last stage.
DONE: Final = Signal("DONE")


def respond(context: Context, value: object) -> None:
    """Make `value`, what a handler returned, the response. Raises ContractError when it is nothing that can be sent."""
    response = context.response
    if isinstance(value, bytes):
        response.content = value
        if value:  # no body, no media type (pipeline O-06)
            add_defaults(response.raw_headers, BYTES)
    elif isinstance(value, str):
        response.content = value.encode()
        if value:
            add_charset(response.raw_headers)
            add_defaults(response.raw_headers, TEXT)
    elif value is None:
        if response.content and not response.is_started:
            response.add_written_defaults()
    elif isinstance(value, Response):
        response.merge(value)
    else:
        response.content = _encode_json(value)
        add_defaults(response.raw_headers, JSON)


def entry_of(handler: object) -> Handler:
    """How `handler` is called: its `handle_async` if it has one, else its `handle`, else itself (pipeline H-11).

    Raises TypeError when it is none of these.
    """
    entry: Any = getattr(handler, "handle_async", None) or getattr(handler, "handle", None) or handler
    if not callable(entry) or isinstance(entry, type):
        raise TypeError(f"a handler is called with the context, or has handle or handle_async; {handler!r} does not")
    return cast("Handler", entry)


def execute_step(handler: Handler) -> Callable[[Context], Awaitable[None] | Signal | None]:
    """The step of stage EXECUTE that calls `handler` and answers with what it returns."""

    def execute(context: Context) -> Awaitable[None] | Signal | None:
        value = handler(context)
        if isinstance(value, bytes):
            response = context.response
            response.content = value
            if response.raw_headers:
                if value:
                    add_defaults(response.raw_headers, BYTES)
            elif value:  # no body, no media type (pipeline O-06)
                response.raw_headers += BYTES
            return None
        if value is PARKED:
            return PARKED
        if hasattr(value, "__await__"):
            return _respond_later(context, value)
        respond(context, value)
        return None

    return execute


async def _respond_later(context: Context, awaitable: Awaitable[object]) -> None:
    respond(context, await awaitable)


def _encode_json(value: object) -> bytes:
    import msgspec

    try:
        return msgspec.json.encode(value)
    except (TypeError, ValueError) as error:
        raise ContractError(
            f"a handler returned {type(value).__name__!r}, which is neither text, bytes, a Response nor JSON: {error}"
        ) from None
