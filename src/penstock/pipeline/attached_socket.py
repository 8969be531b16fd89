"""A WebSocket behind middleware in stages: it begins, lives and ends while they wait for it (websockets 7.4, middleware 15.8).

What they wrapped is in its way as long as it lives. The accept passes outwards through them, and END runs when it has closed.
"""

# Not compiled: a task shows the stack of its outermost coroutine only if that is Python's own.

from __future__ import annotations

import asyncio
import logging
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
    context: Context, worker_request: WorkerRequest, response: Response, options: AcceptOptions | None
) -> Upgrade:
    """A middleware has accepted, for itself or for what is behind it: the handshake is answered, and its socket is open.

    Raises ValueError for a sub-protocol that was not offered, and what the host raises.
    """
    upgrade = Upgrade(read_handshake(worker_request.head), context.plan.location.sockets)
    upgrade.check_subprotocol(options)
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
    """The middleware that has accepted has ended: close the socket."""
    socket = upgrade.socket
    if socket is None:
        return
    is_cancelled = failure is not None and not isinstance(failure, Exception)
    try:
        await socket.finish(
            1011 if failure is not None and not is_cancelled else 1001 if is_cancelled else 1000, "", 1.0
        )
    finally:
        socket.dispose()
        if is_registered:
            context.runtime.sockets.remove(socket, succeeded=failure is None)
        upgrade.outcome = Outcome.DONE if failure is None else Outcome.FAILED
        await socket.abort_async()
        if is_registered:
            context.runtime.sockets.complete()
        upgrade.socket = None
        socket.context = None


def _take_head(upgrade: Upgrade, response: Response) -> Response:
    if upgrade.options is not None:
        response.raw_headers += upgrade.options.headers
    take_head(response)
    return response
