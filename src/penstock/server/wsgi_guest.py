"""WsgiGuest: the application that a WSGI server serves, for a site file; and `penstock.wsgi`, which makes one."""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import sys
import threading
from collections.abc import Sequence
from typing import Any, Final

from penstock.errors import ConfigurationError, Problem, RequestRejected
from penstock.hosts.loop import new_event_loop
from penstock.hosts.wsgi_handover import Environ, StartResponse
from penstock.hosts.wsgi_host import CAPABILITIES, WsgiHost, refuse_request
from penstock.server.guests import Guest, Subject
from penstock.server.life import end_tasks

logger = logging.getLogger("penstock")

# Seconds in which the loop's thread may end when everything on it has.
_LAST_WORDS: Final = 5.0
# Seconds for which a stop waits for a start.
_LONGEST_START: Final = 60.0


class WsgiGuest:
    """A WSGI application that serves a site: what `wsgi` returns. One loop in one thread per process serves all requests."""

    def __init__(self, subject: Subject, **options: Any) -> None:
        """`options` are those of `Guest`. Raises ConfigurationError and StartupError, as the command line does."""
        _refuse_green_threads()
        self._subject = subject
        self._options = options
        self._lock = threading.Lock()
        self._life: _Life | None = None
        self._guest: Guest | None = self._make_guest()
        # A thread does not live on in a forked process: a server that forks behind its import starts us in each child.
        self._guest.prepare()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forget)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Sequence[bytes] | Any:
        """PEP 3333: serve one request."""
        life = self._life or self._begin()
        host = life.host or life.find_host()
        if host is None:
            seconds = max(1, round(life.guest.retry_at - life.loop.time()))
            fields = [(b"retry-after", b"%d" % seconds)]
            error = RequestRejected(503, "the site could not be started", headers=fields)
            return refuse_request(error, start_response)
        return host.handle(environ, start_response)

    def start(self) -> None:
        """Start the site now, and not at the first request: for a hook of the server's that runs in each worker.

        Raises ConfigurationError and StartupError.
        """
        (self._life or self._begin()).start()

    def stop(self) -> None:
        """Let what is inside end in time, then stop; done by itself when the process ends."""
        with self._lock:
            life, self._life = self._life, None
        if life is not None:
            life.stop()

    def _begin(self) -> _Life:
        with self._lock:
            if self._life is None:
                guest, self._guest = self._guest or self._make_guest(), None
                self._life = _Life(guest)
                # Before threads are refused, as they are to functions of `atexit`.
                register = getattr(threading, "_register_atexit", atexit.register)
                register(self.stop)
            return self._life

    def _make_guest(self) -> Guest:
        return Guest(self._subject, host="a WSGI server", capabilities=CAPABILITIES, **self._options)

    def _forget(self) -> None:
        """This process has just been forked: what the other has started is not here."""
        self._lock = threading.Lock()
        self._life = None


class _Life:
    """The loop of one process, its thread, and what runs on it."""

    def __init__(self, guest: Guest) -> None:
        self.guest = guest
        self.host: WsgiHost | None = None
        self.loop: asyncio.AbstractEventLoop = new_event_loop()
        self._thread = threading.Thread(target=self._run, name="penstock-loop", daemon=True)
        self._thread.start()

    def start(self) -> WsgiHost:
        """Start the site, unless it has started, and wait for that. Raises what made it fail."""
        return asyncio.run_coroutine_threadsafe(self._start(), self.loop).result()

    def find_host(self) -> WsgiHost | None:
        """Start at the first request; None when that fails."""
        try:
            return self.start()
        except Exception:
            return None  # the log has it

    def stop(self) -> None:
        """Stop the site, then the loop, and wait for its thread; not for a loop that an application holds up."""
        try:
            asyncio.run_coroutine_threadsafe(self._stop(), self.loop).result(self._patience)
        except TimeoutError:
            logger.error("the site did not stop in time: something holds its event loop up")
        except Exception:
            logger.exception("the site could not be stopped")
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(_LAST_WORDS)

    @property
    def _patience(self) -> float:
        """Seconds that a stop may take."""
        if self.host is None:
            return _LONGEST_START
        server = self.guest.settings.server
        return server.graceful_timeout + server.drain.cancel + _LAST_WORDS

    async def _start(self) -> WsgiHost:
        runtime = await self.guest.start()
        if self.host is None:
            self.host = WsgiHost(runtime, self.guest.settings.server.limits, self.guest.believe)
        return self.host

    async def _stop(self) -> None:
        await self.guest.stop()
        await end_tasks()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()


def wsgi(subject: Subject, *, strict_host: bool = False, root_path: str = "") -> WsgiGuest:
    """A WSGI application that serves `subject`: a site file, or settings of one or of several sites.

    `strict_host`: do not start when the site needs what the server cannot do. `root_path` is the prefix under which the site
    is mounted, for links that applications write. The site file is read and what it names imported at once; applications are
    started with the first request, in the process that serves it, or by `start`. Raises ConfigurationError and StartupError.
    """
    return WsgiGuest(subject, strict_host=strict_host, root_path=root_path)


def _refuse_green_threads() -> None:
    """Where threads are not threads, the one with the loop would never let another run."""
    for module, question, name in (
        ("gevent.monkey", "is_module_patched", "threading"),
        ("eventlet.patcher", "is_monkey_patched", "thread"),
    ):
        patcher = sys.modules.get(module)
        if patcher is not None and getattr(patcher, question)(name):
            library = module.partition(".")[0]
            raise ConfigurationError(
                [Problem(f"penstock.wsgi needs real threads, and {library} has replaced them: use threaded workers")]
            )
