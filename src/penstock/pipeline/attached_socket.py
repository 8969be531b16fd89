"""A WebSocket behind middleware in stages: it begins, lives and ends while they wait for it (websockets 7.4, middleware 15.8).

What they wrapped is in its way as long as it lives. The accept passes outwards through them, and END runs when it has closed.
"""

# Not compiled: a task shows the stack of its outermost coroutine only if that is Python's own.

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Coroutine
from typing import TYPE_CHECKING

from penstock.http.websocket_handshake import read_handshake
from penstock.pipeline.error_report import describe
from penstock.pipeline.sending import take_head
from penstock.pipeline.socket_phase import (
    end_endpoint,
    open_socket,
    register,
    switch_protocols,
    take_switching_head,
)
from penstock.pipeline.websockets import take_place
from penstock.request_sockets.upgrade import Outcome, Phase, Upgrade

if TYPE_CHECKING:
    from penstock.intake.worker_request import WorkerRequest
    from penstock.pipeline.context import Context
    from penstock.pipeline.response import Response
    from penstock.request_sockets.options import AcceptOptions

logger = logging.getLogger("penstock")


def begin_attached(context: Context) -> None:
    """In front of the way back through middleware: let the accept leave through it, and the socket begin.

    Where the response is an ordinary one after all, nothing happens.
    """
    upgrade = None if context.rest.websockets is None else context.rest.websockets.upgrade
    response = context.response
    if context.worker_request.has_sent_all:
        return  # a middleware inside has accepted
    if upgrade is None or upgrade.phase is not Phase.ACCEPT_CALLED:
        if upgrade is None:
            logger.error("%s has status 101 without an accepted WebSocket: answered with 500", describe(context))
            response.status_code = 500  # websockets DV-22
        return
    head = take_switching_head(response, upgrade)
    if head is None:
        return
    transport, socket = switch_protocols(context, upgrade, head)
    register(context, socket, upgrade.endpoint_task)
    upgrade.move_to(Phase.TRANSITION_COMPLETED)
    if transport is not None:
        transport.attach(socket)


def is_attached(context: Context) -> bool:
    """Whether a socket has begun inside of the middleware that waits for this request."""
    rest = context.known
    if rest is None or not rest.frames or rest.websockets is None or rest.websockets.upgrade is None:
        return False
    return rest.websockets.upgrade.phase is Phase.TRANSITION_COMPLETED


async def end_attached(context: Context, failure: BaseException | None) -> None:
    """What was accepted inside has ended: see to the end of its socket. Middleware around it goes on then."""
    rest = context.rest
    upgrade = None if rest.websockets is None else rest.websockets.upgrade
    if upgrade is None or upgrade.phase is not Phase.TRANSITION_COMPLETED:
        return
    task = upgrade.endpoint_task
    # What is deferred belongs to the request, which is not at its end yet.
    deferred, rest.deferred = rest.deferred, None
    try:
        if task is not None and task is not asyncio.current_task():
            await _wait_for(task)
        if upgrade.socket is not None:
            await end_endpoint(context, failure)
    finally:
        rest.deferred = deferred


async def _wait_for(task: asyncio.Task[None]) -> None:
    try:
        await asyncio.wait((task,))
    except asyncio.CancelledError:
        task.cancel()
        await asyncio.wait((task,))
        raise


def accept_outside(
    context: Context,
    worker_request: WorkerRequest,
    response: Response,
    *,
    options: AcceptOptions | None,
    is_own: bool,
) -> Upgrade:
    """A middleware has accepted, for itself or for what is behind it: the handshake is answered, and its socket is open.

    `is_own`: nobody behind it has, and taken a place among the open sockets. Raises ValueError for a sub-protocol that was not
    offered, RequestRejected (429, 503) for too many sockets, and what the host raises.
    """
    upgrade = Upgrade(read_handshake(worker_request.head), context.plan.location.sockets)
    upgrade.check_subprotocol(options)
    if is_own:
        upgrade.release_place = take_place(context, worker_request)
    try:
        return _open(context, worker_request, response, upgrade=upgrade, options=options)
    except BaseException:
        upgrade.free_place()
        raise


def _open(
    context: Context,
    worker_request: WorkerRequest,
    response: Response,
    *,
    upgrade: Upgrade,
    options: AcceptOptions | None,
) -> Upgrade:
    upgrade.options = options
    upgrade.answers_close = True
    upgrade.phase = Phase.TRANSITION_STARTED
    response.switch_protocols()
    transport = worker_request.upgrade(_take_head(upgrade, response), upgrade.terms())
    socket = upgrade.socket = open_socket(context, upgrade, transport)
    upgrade.phase = Phase.TRANSITION_COMPLETED
    if transport is not None:
        transport.attach(socket)
    return upgrade


async def end_outside(
    context: Context, upgrade: Upgrade, failure: BaseException | None, *, is_registered: bool
) -> None:
    """The middleware that has accepted has ended: close the socket.

    It is counted out even when the wait for its end is cancelled, which is raised again then.
    """
    socket = upgrade.socket
    if socket is None:
        upgrade.free_place()
        return
    is_cancelled = failure is not None and not isinstance(failure, Exception)
    code = 1001 if is_cancelled else 1000 if failure is None else 1011
    if isinstance(failure, GeneratorExit):
        socket.abort()
    try:
        interruption = await _unless_closing(failure, socket.finish(code, "", 1.0))
        socket.dispose()
        if is_registered:
            context.runtime.sockets.remove(socket, succeeded=failure is None)
        upgrade.free_place()
        upgrade.outcome = Outcome.DONE if failure is None else Outcome.FAILED
        interruption = await _unless_closing(failure or interruption, socket.abort_async()) or interruption
        if is_registered:
            context.runtime.sockets.complete()
        upgrade.socket = None
        socket.context = None
        if interruption is not None:
            raise interruption
    finally:
        interruption = None  # its traceback holds this frame, a cycle for the garbage collector


async def _unless_closing(failure: BaseException | None, waiting: Awaitable[None]) -> BaseException | None:
    """Wait, unless `close` was called, which allows no more waiting. What was raised meanwhile, such as a cancellation."""
    if isinstance(failure, GeneratorExit):
        if isinstance(waiting, Coroutine):
            waiting.close()
        return None
    try:
        await waiting
    except BaseException as error:
        return error
    return None


def _take_head(upgrade: Upgrade, response: Response) -> Response:
    if upgrade.options is not None:
        response.raw_headers += upgrade.options.headers
    take_head(response)
    return response
