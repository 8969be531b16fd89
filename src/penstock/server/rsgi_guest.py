"""RsgiGuest: the object that an RSGI server serves, for a site file; and `penstock.rsgi`, which makes one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, Final
from weakref import WeakKeyDictionary

from penstock.errors import ConfigurationError, RequestRejected, StartupError
from penstock.hosts.rsgi_host import CAPABILITIES, RsgiHost, refuse_request
from penstock.server.guests import Guest, Subject, failure_text

logger = logging.getLogger("penstock")

# As of the command line: the site could not be started.
EXIT_STARTUP: Final = 3


class RsgiGuest:
    """An RSGI application that serves a site: what `rsgi` returns."""

    def __init__(self, subject: Subject, **options: Any) -> None:
        """`options` are those of `Guest`."""
        self._subject = subject
        self._options = options
        # Whoever runs several loops in one process, each in its thread, has a runtime on each.
        self._lives: WeakKeyDictionary[asyncio.AbstractEventLoop, _Life] = WeakKeyDictionary()
        # That of the last request: nearly always the one there is.
        self._host: RsgiHost | None = None

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start the site; the loop does not run yet. SystemExit, when that fails, ends the worker; the log says why."""
        self._host = None
        life = self._life_on(loop)
        if life.guest.has_stopped:
            del self._lives[loop]
            life = self._life_on(loop)
        try:
            life.guest.prepare()
            loop.run_until_complete(life.start(tells=False))
        except (ConfigurationError, StartupError) as error:
            logger.error("the site could not be started under an RSGI server: %s", failure_text(error))
            raise SystemExit(EXIT_STARTUP) from None

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let what is inside end in time, then stop; the loop does not run any more."""
        self._host = None
        loop.run_until_complete(self._life_on(loop).guest.stop())

    def __rsgi__(self, scope: Any, protocol: Any) -> Coroutine[Any, Any, None]:
        """Serve one request or WebSocket."""
        loop = asyncio.get_running_loop()
        host = self._host
        if host is not None and host.loop is loop:
            return host.handle(scope, protocol)
        life = self._lives.get(loop) or self._life_on(loop)
        host = self._host = life.host
        return life.handle(scope, protocol) if host is None else host.handle(scope, protocol)

    def _life_on(self, loop: asyncio.AbstractEventLoop) -> _Life:
        life = self._lives.get(loop)
        if life is None:
            life = self._lives[loop] = _Life(
                Guest(self._subject, host="an RSGI server", capabilities=CAPABILITIES, **self._options)
            )
        return life


class _Life:
    """What one event loop has of an application."""

    __slots__ = ("guest", "host")

    def __init__(self, guest: Guest) -> None:
        self.guest = guest
        self.host: RsgiHost | None = None

    async def start(self, *, tells: bool = True) -> RsgiHost:
        runtime = await self.guest.start(tells=tells)
        if self.host is None:
            self.host = RsgiHost(runtime, self.guest.settings.server.limits, self.guest.believe)
        return self.host

    async def handle(self, scope: Any, protocol: Any) -> None:
        """Serve a request of a server that has not started the site: start it now."""
        try:
            host = await self.start()
        except Exception:  # the log has it
            self._refuse(scope, protocol)
        else:
            await host.handle(scope, protocol)

    def _refuse(self, scope: Any, protocol: Any) -> None:
        if scope.proto != "http":
            protocol.close(503)
            return
        seconds = max(1, round(self.guest.retry_at - asyncio.get_running_loop().time()))
        fields = [(b"retry-after", b"%d" % seconds)]
        error = RequestRejected(503, "the site could not be started", headers=fields)
        refuse_request(error, protocol, version=scope.http_version)


def rsgi(subject: Subject, *, strict_host: bool = False, root_path: str = "") -> RsgiGuest:
    """An RSGI application that serves `subject`: a site file, or settings of one or of several sites.

    `strict_host`: do not start when the site needs what the server cannot do. `root_path` is the prefix under which a proxy in
    front has put the site, for links that applications write. Nothing is loaded before the server starts, which fails with
    the same messages as the command line.
    """
    return RsgiGuest(subject, strict_host=strict_host, root_path=root_path)
