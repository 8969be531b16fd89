"""A whole server on a free loopback port, in a thread of the test: real sockets, the test's own objects."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from penstock.hosts.loop import new_event_loop
from penstock.intake.runtime import Runtime
from penstock.server.life import Server, build, end_tasks
from penstock.server.subjects import settings_of
from penstock.settings import ServerSettings, Settings, SiteSettings

if TYPE_CHECKING:
    from penstock.pipeline.module import Module
    from penstock.request_handlers.pool_address import PoolAddress


class ServerThread:
    """`with ServerThread(app) as server:` serves `app` at `server.address` until the block ends."""

    def __init__(
        self,
        subject: Settings | SiteSettings | Callable[..., Any],
        *,
        server: ServerSettings | None = None,
        objects: Mapping[str, object] | None = None,
        pools: Mapping[str, PoolAddress] | None = None,
        entry: Module | None = None,
    ) -> None:
        """`subject` is settings, one site's settings, or an application of any shape.

        `server` replaces the defaults (a free loopback port, no access log); `objects` stand for import references.
        `pools` and `entry` are as for `Server`.
        """
        self._settings, named = settings_of(subject, server)
        self._objects = {**named, **(objects or {})}
        self._pools = pools
        self._entry = entry
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: Server | None = None
        self._thread = threading.Thread(target=self._run, name="penstock-server", daemon=True)

    @property
    def url(self) -> str:
        """The first address, as "http://127.0.0.1:49152" or "unix:/path"."""
        return self.server.addresses[0]

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of the first address."""
        host, _, port = self.url.partition("://")[2].rpartition(":")
        return host.strip("[]"), int(port)

    @property
    def server(self) -> Server:
        """The server that runs in the thread; look, and touch only through `call`. Raises RuntimeError outside of `with`."""
        if self._server is None:
            raise RuntimeError("the server is not running: use it in a with block")
        return self._server

    @property
    def runtime(self) -> Runtime:
        """Its runtime, for statistics. Raises RuntimeError outside of `with`."""
        runtime = self.server.runtime
        if runtime is None:
            raise RuntimeError("the server is not running: use it in a with block")
        return runtime

    def call(self, function: Callable[[], Any]) -> Any:
        """Call `function` on the server's loop and return what it returns. Raises that, too, and RuntimeError outside of `with`."""
        if self._loop is None:
            raise RuntimeError("the server is not running: use it in a with block")

        async def on_loop() -> Any:
            return function()

        return asyncio.run_coroutine_threadsafe(on_loop(), self._loop).result(10)

    def stop(self) -> None:
        """Drain and stop, as a signal would."""
        if self._loop is not None and not self._loop.is_closed() and self._server is not None:
            self._loop.call_soon_threadsafe(self._server.stop)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            raise self._failure
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._thread.join()
        if self._failure is not None and error is None:
            raise self._failure

    def _run(self) -> None:
        loop = self._loop = new_event_loop(self._settings.server.loop)
        asyncio.set_event_loop(loop)
        try:
            loop.run_until_complete(self._serve())
            loop.run_until_complete(loop.shutdown_asyncgens())
        except BaseException as failure:
            self._failure = failure
        finally:
            asyncio.set_event_loop(None)
            loop.close()
            self._ready.set()

    async def _serve(self) -> None:
        server = self._server = build(self._settings, objects=self._objects, pools=self._pools, entry=self._entry)
        await server.start()
        self._ready.set()
        await server.wait()
        await end_tasks()
