"""The socket phase: what becomes of an accepted WebSocket behind END, until nothing of it is pending any more (section 7.5)."""

# Not compiled: a task shows the stack of its outermost coroutine only if that is Python's own.

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Final

from penstock.errors import (
    ClientGone,
    ConnectionLost,
    ContractError,
    WebSocketClosedError,
    WebSocketDisconnect,
    WebSocketProtocolError,
)
from penstock.intake.open_sockets import Entry
from penstock.intake.worker_request import client_name
from penstock.pipeline.error_report import describe
from penstock.pipeline.handler import DONE, Signal
from penstock.pipeline.loop import failure_of, is_stray
from penstock.pipeline.sending import take_head
from penstock.pipeline.teardown import call_completed, close_deferred, release_handlers
from penstock.request_sockets.upgrade import Endpoint, Outcome, Phase
from penstock.request_sockets.websocket import WebSocket, WebSocketState

if TYPE_CHECKING:
    from penstock.http.messages import ResponseHead
    from penstock.intake.frame_transport import FrameTransport
    from penstock.pipeline.context import Context
    from penstock.pipeline.response import Response
    from penstock.pipeline.rest import Rest
    from penstock.request_sockets.upgrade import Upgrade

logger = logging.getLogger("penstock")

# Seconds that a client has for its Close when an endpoint has ended (websockets DV-6).
_LAST_WORDS: Final = 1.0
# How an endpoint ends when its client has: nothing of it is an error.
_ORDINARY: Final = (WebSocketDisconnect, WebSocketClosedError, ConnectionLost, ClientGone, WebSocketProtocolError)


def begin_socket(context: Context) -> Signal | None:
    """Let the 101 leave, and the socket begin, if nothing has answered otherwise (websockets SW-33, O-1).

    Returns None when the response is an ordinary one after all.
    """
    rest = context.rest
    upgrade = None if rest.websockets is None else rest.websockets.upgrade
    if upgrade is None:
        raise ContractError("status 101 without an accepted WebSocket")  # websockets DV-22
    head = take_switching_head(context.response, upgrade)
    if head is None:
        return None
    call_completed(context, rest)
    transport, socket = switch_protocols(context, upgrade, head)
    _leave(context, rest, upgrade)
    upgrade.move_to(Phase.TRANSITION_COMPLETED)
    if transport is not None:
        transport.attach(socket)
    return DONE


def take_switching_head(response: Response, upgrade: Upgrade) -> ResponseHead | None:
    """The head of the 101, with the fields of whoever accepted.

    None when a callback of `on_sending_headers` has answered otherwise: those fields are not for its answer.
    """
    added = [] if upgrade.options is None else upgrade.options.headers
    response.raw_headers += added
    head = take_head(response)
    if response.status_code == 101:
        return head
    response.raw_headers = [pair for pair in response.raw_headers if pair not in added]
    response.reopen()
    return None


def switch_protocols(context: Context, upgrade: Upgrade, head: ResponseHead) -> tuple[FrameTransport | None, WebSocket]:
    """Let the 101 leave, and make the socket; the endpoint of a deferred accept gets its task."""
    upgrade.move_to(Phase.TRANSITION_STARTED)
    transport: FrameTransport | None = None
    try:
        transport = context.worker_request.upgrade(head, upgrade.terms())
    except Exception as error:
        upgrade.flush_failure = error  # told when the endpoint has ended (websockets SW-41)
        context.worker_request.abort()
    socket = upgrade.socket = open_socket(context, upgrade, transport)
    endpoint, upgrade.endpoint = upgrade.endpoint, None
    if endpoint is not None:
        upgrade.endpoint_task = asyncio.Task(
            run_endpoint(context, endpoint),
            loop=context.runtime.loop,
            name="penstock-websocket",
            context=upgrade.variables,
        )
        upgrade.variables = None
    return transport, socket


def open_socket(context: Context, upgrade: Upgrade, transport: FrameTransport | None) -> WebSocket:
    """The socket over `transport`, as it was accepted."""
    options = upgrade.options
    socket = WebSocket(
        transport,
        subprotocol=upgrade.negotiated_protocol,
        close_timeout=upgrade.rules.close_timeout,
        is_strict=options is not None and options.is_strict,
        answers_close=upgrade.answers_close,
    )
    socket.context = context
    upgrade.outcome = Outcome.RUNNING
    return socket


def _leave(context: Context, rest: Rest, upgrade: Upgrade) -> None:
    """The HTTP half is over: it is counted out, and what only it needed goes (websockets SW-50 to SW-56, PY-21)."""
    runtime, response, worker_request = context.runtime, context.response, context.worker_request
    context.position = context.plan.over_at
    context.task = None
    context.exchange = None
    release_handlers(context, rest)
    if rest.request is not None:
        rest.request.release()
    runtime.leave(worker_request, 101, response.logged_headers, context.plan.access_log)
    response.release()
    response.content = b""
    response.raw_headers = []
    response.extras = None
    rest.slim()
    worker_request.head.block = b""  # no other head will be compared with it
    task, socket = upgrade.endpoint_task, upgrade.socket
    assert socket is not None
    if task is not None:
        runtime.background.discard(task)
    register(context, socket, task)


def register(context: Context, socket: WebSocket, task: asyncio.Task[None] | None) -> None:
    """Count it among those that are open."""
    worker_request, runtime = context.worker_request, context.runtime
    client = "" if worker_request.client is None else client_name(worker_request.client)
    entry = Entry(worker_request.head.path, client, runtime.loop.time(), task=task, site=context.plan.site)
    runtime.sockets.add(socket, entry)


# -- the endpoint ----------------------------------------------------------------------------------------------------------


async def run_endpoint(context: Context, endpoint: Endpoint) -> None:
    """Call the endpoint of a deferred accept, and see to its end. The outermost coroutine of its task."""
    rest = context.rest
    assert rest.websockets is not None
    upgrade = rest.websockets.upgrade
    assert upgrade is not None
    assert upgrade.socket is not None
    failure: BaseException | None = None
    try:
        running = endpoint(upgrade.socket)
        if not isinstance(running, Awaitable):
            raise TypeError(f"a WebSocket endpoint is a coroutine function; {endpoint!r} returned {running!r}")
        del endpoint  # websockets SW-48: what it closes over lives as long as it needs it
        await running
    except BaseException as error:
        failure = error
    await end_endpoint(context, failure)


async def end_endpoint(context: Context, failure: BaseException | None) -> None:
    """The endpoint has ended, with `failure` or well: close, dispose, count out, drain, post completion (websockets O-9).

    Raises `failure` again when it is what cancelled the task.
    """
    rest = context.rest
    assert rest.websockets is not None
    upgrade = rest.websockets.upgrade
    assert upgrade is not None
    socket = upgrade.socket
    assert socket is not None
    is_cancelled = isinstance(failure, (asyncio.CancelledError, GeneratorExit)) and not is_stray(failure)
    is_failed = failure is not None and not is_cancelled and not isinstance(failure, _ORDINARY)
    succeeded = not is_failed and upgrade.flush_failure is None and socket.state is not WebSocketState.ABORTED
    if is_failed and failure is not None:
        logger.error("a WebSocket endpoint failed at %s", describe(context), exc_info=failure_of(failure))
    try:
        if isinstance(failure, GeneratorExit):
            socket.abort()  # thrown in by close(), which allows no more waiting
        else:
            await socket.finish(1011 if is_failed else 1001 if is_cancelled else 1000, "", _LAST_WORDS)
    finally:
        socket.dispose()
        context.runtime.sockets.remove(socket, succeeded=succeeded)
        upgrade.free_place()
        upgrade.outcome = Outcome.DONE if succeeded else Outcome.FAILED
        if upgrade.flush_failure is not None:
            logger.error(
                "the handshake could not be sent to %s", describe(context), exc_info=failure_of(upgrade.flush_failure)
            )
        try:
            if isinstance(failure, GeneratorExit):
                _close_at_once(context, rest)
            else:
                await _wait_closed(context, rest, socket)
        finally:
            context.runtime.sockets.complete()
            upgrade.socket = None
            socket.context = None
    if is_cancelled and failure is not None:
        raise failure


async def _wait_closed(context: Context, rest: Rest, socket: WebSocket) -> None:
    """Wait until nothing of `socket` is pending, and what was deferred is closed: a server that stops waits for it, too."""
    try:
        await socket.abort_async()
    finally:
        await close_deferred(context, rest)


def _close_at_once(context: Context, rest: Rest) -> None:
    """Close what was deferred without waiting for any of it."""
    closing = close_deferred(context, rest)
    try:
        closing.send(None)
    except StopIteration:
        return
    closing.close()
