"""The gateway of WSGI: an application is a step of the plan, run in a thread of its own pool or on the loop (PEP 3333)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from io import BytesIO

from penstock.pipeline.context import Context
from penstock.pipeline.handler import PARKED, Signal
from penstock.pipeline_gateways.wsgi_answer import WsgiApplication
from penstock.pipeline_gateways.wsgi_environ import EnvironMaker
from penstock.pipeline_gateways.wsgi_errors import ErrorLog
from penstock.pipeline_gateways.wsgi_exchange import WsgiExchange
from penstock.pipeline_gateways.wsgi_inline import InlineRunner
from penstock.pipeline_gateways.wsgi_input import WsgiInput, take_whole
from penstock.pipeline_gateways.wsgi_threads import ThreadPool


class WsgiGateway:
    """A WSGI application at a place in the site.

    `at` is where it is mounted ("" for the root), `root_path` what a proxy in front took off before it; together they are
    SCRIPT_NAME. `threads` run it at once, 0 for the loop itself; `queue` requests may wait for a thread, the next one is
    answered with 503. `execute` is the step of stage EXECUTE. There is nothing to do behind it: `finish` is None.
    """

    __slots__ = ("_environs", "_pool", "application", "execute", "finish")

    def __init__(
        self, application: WsgiApplication, *, at: str = "", root_path: str = "", threads: int = 4, queue: int = 1000
    ) -> None:
        self.application = application
        self._environs = EnvironMaker(
            at=at.rstrip("/"), root_path=root_path.rstrip("/"), is_multithreaded=threads > 1, errors=ErrorLog()
        )
        self._pool = ThreadPool(threads, queue)
        self.execute: Callable[[Context], Awaitable[None] | Signal | None] = self._execute_in_thread
        self.finish: Callable[[Context], None] | None = None
        if threads == 0:
            self.execute = InlineRunner(application, self._environs).execute

    async def start(self) -> None:
        """Nothing is started before it is needed: the first threads come with the first requests."""

    async def stop(self) -> None:
        """Let the threads finish what they have and end, within a few seconds."""
        await self._pool.stop()

    def _execute_in_thread(self, context: Context) -> Signal:
        self._pool.make_room(context.runtime.loop)
        exchange = WsgiExchange(self.application, context, self._pool)
        worker_request = context.worker_request
        if not worker_request.head.framing.content_length:
            exchange.environ = self._environs.make(context, BytesIO())
        else:
            # A body that has come already travels with the request; for the rest the thread will ask.
            body, is_whole = take_whole(worker_request)
            source = BytesIO(body) if is_whole else WsgiInput(exchange, body)
            exchange.environ = self._environs.make(context, source)
        context.exchange = exchange
        self._pool.submit(exchange)
        return PARKED
