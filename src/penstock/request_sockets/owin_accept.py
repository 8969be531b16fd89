"""The two accept adapters of OWIN: an application that awaits its socket on a server that calls back, and the reverse.

An application inside `InlineAcceptAdapter` awaits `environment["websocket.AcceptAlt"](options)`, and goes on with the socket
when everything outside has unwound. One inside `DeferredAcceptAdapter` says `environment["websocket.Accept"](options, callback)`
and returns; its callback is called then.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

from penstock.errors import AcceptLost, ConnectionLost, ContractError, WebSocketClosedError, WebSocketDisconnect
from penstock.request_sockets.options import AcceptOptions
from penstock.request_sockets.owin_options import (
    ACCEPT,
    ACCEPT_INLINE,
    CALL_CANCELLED,
    NATIVE_OPTIONS,
    RESPONSE_HEADERS,
    STATUS,
    AcceptContext,
    Environment,
    OwinAcceptContext,
    OwinApplication,
    drop_subprotocol,
    from_owin,
    to_owin,
    with_subprotocol,
)
from penstock.request_sockets.owin_socket import check_callback, environment_of
from penstock.request_sockets.owin_token import CancellationToken
from penstock.request_sockets.owin_transport import websocket_over

if TYPE_CHECKING:
    from penstock.request_sockets.websocket import WebSocket

logger: Final = logging.getLogger("penstock")

# How long the client may take to answer a Close when the application has ended (websockets DV-6), in seconds.
_LAST_WORDS: Final = 1.0
# How an application ends whose socket has: nobody's mistake.
_ORDINARY_ENDS: Final = (WebSocketDisconnect, WebSocketClosedError, ConnectionLost)


class InlineAcceptAdapter:
    """OWIN middleware: whoever is inside may await the socket, on a server that knows only `websocket.Accept` (section 2.2)."""

    __slots__ = ("_next",)

    def __init__(self, next_application: OwinApplication) -> None:
        _check_application(next_application)
        self._next = next_application

    def __call__(self, environment: Environment) -> Awaitable[None]:
        """Call what is inside. The awaitable is done when it is, or has accepted."""
        accept = environment.get(ACCEPT)
        if not callable(accept):
            return self._next(environment)  # no handshake (websockets CO-1)
        return _InlineAccept(environment, accept).lead(self._next)


class _InlineAccept:
    """One handshake on its nine steps; in the comments their numbers."""

    __slots__ = (
        "_accept_server",
        "_arrival",
        "_environment",
        "_gate",
        "_is_asked",
        "_is_recorded",
        "_is_taken",
        "_options",
        "_request",
        "_upstream",
        "_websocket",
    )

    def __init__(self, environment: Environment, accept_server: Callable[..., Any]) -> None:
        loop = asyncio.get_running_loop()
        self._environment = environment
        self._accept_server = accept_server
        self._gate: asyncio.Future[None] = loop.create_future()  # open when the application has a task
        self._request: asyncio.Future[None] = loop.create_future()  # what the server waits for
        self._arrival: asyncio.Future[WebSocket] = loop.create_future()  # what the application waits for
        self._upstream: asyncio.Future[None] | None = None  # the application
        self._websocket: WebSocket | None = None
        self._options: AcceptContext = None
        self._is_asked = False
        self._is_recorded = False
        self._is_taken = False

    async def lead(self, application: OwinApplication) -> None:
        """Steps 2 to 7, as the server sees them."""
        self._environment[ACCEPT_INLINE] = self.accept
        try:
            started = application(self._environment)
        except StopIteration as error:
            # PEP 479; a future takes none, and compiled, a coroutine would take it for its own end.
            failure = RuntimeError(f"an OWIN application raised StopIteration: {error}")
            failure.__cause__ = error
            self._fail_gate(failure)
            raise failure from error
        except BaseException as error:
            self._fail_gate(error)
            raise
        # An own task: cancelling the server's must not end a socket (websockets PY-2). Eager, it has accepted already (O-14).
        upstream = asyncio.ensure_future(self._run(started))
        self._upstream = upstream
        upstream.add_done_callback(self._end)
        if not self._gate.done():
            self._gate.set_result(None)
        # Nothing is awaited in `except` and `finally` here: compiled, that would let the exception leak into other tasks.
        cancelled: asyncio.CancelledError | None = None
        try:
            await self._request
        except asyncio.CancelledError as error:
            cancelled = error
        if cancelled is not None:
            if not self._is_recorded and not upstream.done():
                upstream.cancel()
                await asyncio.wait((upstream,))  # websockets PY-3: first the application sees it, then the server
            raise cancelled

    async def accept(self, context: AcceptContext = None) -> WebSocket:
        """`websocket.AcceptAlt`: the socket, once everything outside has unwound.

        Raises ContractError for a second call, AcceptLost when the accept was recorded and will not happen, and whatever the
        server's own accept raises.
        """
        options = to_owin(context)
        if self._is_asked:
            raise ContractError("a WebSocket is accepted once per request")
        self._is_asked = True
        try:
            await self._gate
            if self._request.done():
                raise AcceptLost("the request has ended already: there is nothing left to accept")
            self._accept_server(options, self._take)  # step 6
        except BaseException:
            self._is_asked = False  # nothing was recorded: it may be tried again (websockets CO-8, SW-19)
            raise
        self._is_recorded = True
        self._options = context
        if isinstance(context, AcceptOptions):
            _add_headers(self._environment, context)
        token = self._environment.get(CALL_CANCELLED)
        if isinstance(token, CancellationToken):
            token.register(self._lose)
        self._request.set_result(None)  # step 7
        return await self._arrival

    def _take(self, socket: Environment) -> Awaitable[None]:
        """Step 8 and 9: the server has the socket, and waits for what this returns."""
        assert self._upstream is not None
        self._is_taken = True
        if not self._arrival.done():
            try:
                self._websocket = _present(socket, self._options)
            except Exception as error:
                self._arrival.set_exception(error)
            else:
                self._arrival.set_result(self._websocket)
        return self._upstream

    def _lose(self) -> None:
        """The server will not call back any more (websockets CO-12, PY-9, OW-8)."""
        if not self._arrival.done():
            self._arrival.set_exception(AcceptLost("the WebSocket was accepted, and the request ended otherwise"))

    async def _run(self, started: Awaitable[None]) -> None:
        failure: BaseException | None = None
        try:
            await started
        except BaseException as error:
            failure = error
        websocket = self._websocket
        if websocket is not None:
            await websocket.finish(_code_of(failure), "", _LAST_WORDS)  # websockets DV-6, DV-7
            websocket.dispose()
            await websocket.abort_async()
            if isinstance(failure, _ORDINARY_ENDS):
                return
        if failure is not None:
            raise failure

    def _end(self, upstream: asyncio.Future[None]) -> None:
        """The application has ended. Who was waiting for an answer has one; else its error is for those of the socket (O-7)."""
        error = None if upstream.cancelled() else upstream.exception()
        if not self._request.done():
            if upstream.cancelled():
                self._request.cancel()
            elif error is not None:
                self._request.set_exception(error)
            else:
                self._request.set_result(None)
        elif error is not None and not self._is_taken:
            level = logging.DEBUG if isinstance(error, AcceptLost) else logging.ERROR
            logger.log(level, "an OWIN application failed behind its answer", exc_info=error)

    def _fail_gate(self, error: BaseException) -> None:
        self._gate.set_exception(error)
        self._gate.exception()  # perhaps nobody waits


class DeferredAcceptAdapter:
    """OWIN middleware: whoever is inside may call `websocket.Accept`, on a host whose accept is awaited (section 2.5).

    Only what is inside unwinds before the callback is called: it belongs outermost (websockets CO-33). A host that offers both
    is left alone.
    """

    __slots__ = ("_next",)

    def __init__(self, next_application: OwinApplication) -> None:
        _check_application(next_application)
        self._next = next_application

    def __call__(self, environment: Environment) -> Awaitable[None]:
        """Call what is inside, then what it has accepted with.

        Raises ContractError for a status 101 that no accept has set.
        """
        accept = environment.get(ACCEPT_INLINE)
        if not callable(accept) or callable(environment.get(ACCEPT)):
            return self._next(environment)  # websockets CO-30
        return _DeferredAccept(environment, accept).lead(self._next)


class _DeferredAccept:
    __slots__ = ("_accept_host", "_callback", "_environment", "_is_inline", "_options")

    def __init__(self, environment: Environment, accept_host: Callable[[AcceptContext], Awaitable[WebSocket]]) -> None:
        self._environment = environment
        self._accept_host = accept_host
        self._options: Environment | None = None
        self._callback: Callable[[Environment], Awaitable[None]] | None = None
        self._is_inline = False  # somebody inside has called the host's own accept

    def accept(self, options: Environment | None, callback: Callable[[Environment], Awaitable[None]]) -> None:
        """`websocket.Accept`: the callback is called when what is inside has returned, and the status is still 101.

        Raises TypeError for no callback, ContractError for a second call (websockets CO-36).
        """
        check_callback(options, callback)
        if self._callback is not None or self._is_inline:
            raise ContractError("a WebSocket is accepted once per request")
        self._options, self._callback = options, callback
        self._environment[STATUS] = 101

    def _accept_inline(self, context: AcceptContext = None) -> Awaitable[WebSocket]:
        self._is_inline = True
        return self._accept_host(context)

    async def lead(self, application: OwinApplication) -> None:
        """Call `application`, and when it has accepted, its callback."""
        environment = self._environment
        environment[ACCEPT] = self.accept
        environment[ACCEPT_INLINE] = self._accept_inline
        await application(environment)
        if environment.get(STATUS) != 101 or self._is_inline:
            return  # no accept, or it was taken back (websockets CO-34)
        if self._callback is None:
            raise ContractError("status 101 was set by hand: call websocket.Accept")  # websockets CO-35, DV-22
        websocket = await self._accept_host(self._context())
        token = environment.get(CALL_CANCELLED)
        socket = environment_of(websocket, token if isinstance(token, CancellationToken) else CancellationToken())
        failure: BaseException | None = None
        try:
            await self._callback(socket)
        except BaseException as error:
            failure = error
        # Whatever its state is; the host does the rest (websockets CO-39, CO-46, DV-6, DV-7).
        await websocket.finish(_code_of(failure), "", _LAST_WORDS)
        if failure is not None and not isinstance(failure, _ORDINARY_ENDS):
            raise failure

    def _context(self) -> AcceptContext:
        headers = self._environment.get(RESPONSE_HEADERS)
        options = with_subprotocol(self._options, headers)
        drop_subprotocol(headers)
        if options is None:
            return None
        if NATIVE_OPTIONS in options:
            return from_owin(options)
        return OwinAcceptContext(dict(options))


def _code_of(failure: BaseException | None) -> int:
    """What the client is told when an application ends like that."""
    if failure is None or isinstance(failure, _ORDINARY_ENDS):
        return 1000
    return 1001 if isinstance(failure, asyncio.CancelledError) else 1011


def _present(socket: Environment, context: AcceptContext) -> WebSocket:
    if isinstance(context, AcceptOptions):
        return websocket_over(
            socket,
            subprotocol=context.subprotocol,
            max_message_size=context.max_message_size,
            is_strict=context.is_strict,
        )
    return websocket_over(socket, subprotocol=None if context is None else context.subprotocol)  # websockets CO-10


def _add_headers(environment: Environment, options: AcceptOptions) -> None:
    headers = environment.get(RESPONSE_HEADERS)
    if headers is not None:
        for name, value in options.headers:
            headers[name.decode("latin-1")] = [*headers.get(name.decode("latin-1"), ()), value.decode("latin-1")]


def _check_application(application: object) -> None:
    if not callable(application):
        raise TypeError(f"an OWIN application is called with the environment, {application!r} cannot be called")
