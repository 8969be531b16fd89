"""Guest: a site file behind somebody else's server, started once per event loop; and `penstock.asgi`, which makes one."""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
from collections.abc import Iterator, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from msgspec.structs import replace

from penstock.errors import ConfigurationError, Problem, RequestRejected, StartupError
from penstock.hosts.asgi_host import CAPABILITIES, AsgiHost, refuse_request
from penstock.hosts.foreign_requests import Believe
from penstock.intake.runtime import Runtime
from penstock.intake.worker_request import Capability
from penstock.server.life import Server, build, what_is_inside
from penstock.server.messages import configure_messages
from penstock.server.tracebacks import traceback_of
from penstock.server.trust import Trust
from penstock.settings import LimitSettings, ServerSettings, Settings, SiteSettings

if TYPE_CHECKING:
    from penstock.intake.asgi_receiving import Receive
    from penstock.intake.asgi_request import Send

logger = logging.getLogger("penstock")

Subject = str | os.PathLike[str] | Settings | SiteSettings

# Seconds in which a start that failed is not tried again, the first time and at most (services HO-07).
FIRST_DELAY: Final = 1.0
LONGEST_DELAY: Final = 60.0

# What only the own listener does.
_LEFT_TO_THE_HOST: Final = (
    "listen", "mode", "workers", "pid_file", "watch", "backlog", "loop", "server_header", "max_requests", "tls",
    "drain", "control", "recycle",
)  # fmt: skip
_LIMITS_LEFT_TO_THE_HOST: Final = ("header_timeout", "keep_alive", "data_rate", "data_rate_grace")


class Guest:
    """A site on one event loop, under a server of somebody else's: started once, whoever asks first (services HO-07)."""

    def __init__(
        self,
        subject: Subject,
        *,
        host: str,
        capabilities: Capability,
        strict_host: bool = False,
        root_path: str = "",
        objects: Mapping[str, object] | None = None,
    ) -> None:
        """`host` is what the server is called in messages: "an ASGI server". `capabilities` are what it can do.

        `strict_host`: do not start when the site needs more than that. `root_path` is the prefix under which the server, or
        a proxy in front of it, has put the site. `objects` are taken by their names instead of being imported.
        """
        self._subject = subject
        self._host = host
        self._capabilities = capabilities
        self._is_strict = strict_host
        self._root_path = root_path.rstrip("/")
        self._objects = objects
        self._starting: asyncio.Task[Runtime] | None = None
        self._server: Server | None = None
        self._prepared: Server | None = None
        self._has_stopped = False
        self.believe: Believe | None = (
            None  # what a trusted proxy in front of the server says; None: nobody is believed
        )
        self._failure: Exception | None = None
        self._delay = FIRST_DELAY
        self.retry_at = 0.0  # on the loop's clock
        self.runtime: Runtime | None = None

    @property
    def has_stopped(self) -> bool:
        """Whether its site is over: who starts again needs another guest."""
        return self._has_stopped

    @property
    def settings(self) -> Settings:
        """What is served; only when it has started."""
        assert self._server is not None
        return self._server.settings

    async def start(self, *, tells: bool = True) -> Runtime:
        """Start, unless it has started. All who call meanwhile wait for the same start.

        Raises what made it fail: ConfigurationError, StartupError; for a while the same again, then it is tried anew. `tells`:
        a failure is written to the log.
        """
        if self.runtime is not None:
            return self.runtime
        if self._starting is None:
            loop = asyncio.get_running_loop()
            if self._failure is not None and loop.time() < self.retry_at:
                raise self._failure.with_traceback(None)
            # A task of its own: whoever waits may be cancelled, and the others still want it.
            self._starting = loop.create_task(self._start_once(tells), name="penstock-guest-start")
        return await asyncio.shield(self._starting)

    async def stop(self) -> None:
        """Let requests and WebSockets inside end in time, then stop."""
        if self._starting is not None:
            await asyncio.wait((self._starting,))
        self._has_stopped = True
        server, self._server = self._server, None
        runtime = self.runtime
        if server is None or runtime is None:
            return
        atexit.unregister(server.close_logs)
        if not await runtime.drain(server.settings.server.graceful_timeout):
            logger.warning("%s did not end in time and are cut off", what_is_inside(runtime))
        await server.stop_sites(runtime)

    def prepare(self) -> None:
        """Load the settings and import the applications: outside of any loop, which Django wants. Raises as `start`."""
        settings = load_subject(self._subject, self._root_path)
        configure_messages(settings.server.log.level)
        self._tell(settings)
        self.believe = Trust(settings.server.proxy).find_guest_policy()
        self._prepared = build(settings, objects=self._objects)

    async def _start_once(self, tells: bool) -> Runtime:  # noqa: FBT001 - used once
        try:
            self.runtime = await self._start()
        except Exception as error:
            self._remember(error)
            if tells:
                logger.error("the site could not be started under %s: %s", self._host, failure_text(error))
            raise
        finally:
            self._starting = None
        self._failure = None
        return self.runtime

    async def _start(self) -> Runtime:
        if self._prepared is None:
            self.prepare()
        server, self._prepared = self._prepared, None
        assert server is not None
        runtime = await server.start_sites()
        self._server = server
        # A server without an event at its end still leaves a whole access log.
        atexit.register(server.close_logs)
        return runtime

    def _tell(self, settings: Settings) -> None:
        keys = list(keys_left_to_the_host(settings))
        if keys:
            logger.info("under %s these keys of the site file are without effect: %s", self._host, ", ".join(keys))
        beyond = list(needs_beyond(settings, self._capabilities))
        if beyond and (self._is_strict or settings.server.strict_host):
            raise ConfigurationError([Problem(f"{each}, which {self._host} does not carry") for each in beyond])
        for each in beyond:
            logger.warning("%s, which %s does not carry: such requests are answered with 501", each, self._host)

    def _remember(self, error: Exception) -> None:
        self._failure = error
        self.retry_at = asyncio.get_running_loop().time() + self._delay
        self._delay = min(self._delay * 2, LONGEST_DELAY)


class AsgiGuest:
    """An ASGI 3 application that serves a site: what `asgi` returns."""

    def __init__(self, subject: Subject, **options: Any) -> None:
        """`options` are those of `Guest`."""
        self._subject = subject
        self._options = options
        # Whoever runs several loops in one process has a runtime on each.
        self._lives: WeakKeyDictionary[asyncio.AbstractEventLoop, _Life] = WeakKeyDictionary()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """ASGI 3: lifespan, http and websocket."""
        loop = _find_loop()
        kind = scope["type"]
        life = self._lives.get(loop)
        if life is None or (kind == "lifespan" and life.guest.has_stopped):
            life = self._lives[loop] = _Life(
                Guest(self._subject, host="an ASGI server", capabilities=CAPABILITIES, **self._options)
            )
        if kind == "lifespan":
            await life.live(receive, send)
        elif kind in ("http", "websocket"):
            host = life.host or await life.find_host()
            if host is None:
                await life.refuse(scope, receive, send)
            else:
                await host.handle(scope, receive, send)
        else:
            raise ValueError(f"Penstock serves the ASGI scopes http, websocket and lifespan, not {kind!r}")


def _find_loop() -> asyncio.AbstractEventLoop:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        what = "Penstock runs on asyncio and uvloop, and this server runs on something else: see its --worker-class or --loop"
        raise RuntimeError(what) from None


class _Life:
    """What one event loop has of an application."""

    def __init__(self, guest: Guest) -> None:
        self.guest = guest
        self.host: AsgiHost | None = None

    async def live(self, receive: Receive, send: Send) -> None:
        """The lifespan protocol."""
        while True:
            kind = (await receive())["type"]
            if kind == "lifespan.startup":
                try:
                    await self._start(tells=False)
                except Exception as error:
                    await send({"type": "lifespan.startup.failed", "message": failure_text(error)})
                    return
                await send({"type": "lifespan.startup.complete"})
            elif kind == "lifespan.shutdown":
                await self.guest.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def find_host(self) -> AsgiHost | None:
        """Start at the first request, where the server has no lifespan; None when that fails."""
        try:
            return await self._start(tells=True)
        except Exception:
            return None  # the log has it

    async def refuse(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer when there is no site."""
        seconds = max(1, round(self.guest.retry_at - asyncio.get_running_loop().time()))
        fields = [(b"retry-after", b"%d" % seconds)]
        error = RequestRejected(503, "the site could not be started", headers=fields)
        await refuse_request(error, scope, receive, send)

    async def _start(self, *, tells: bool) -> AsgiHost:
        runtime = await self.guest.start(tells=tells)
        if self.host is None:
            self.host = AsgiHost(runtime, self.guest.settings.server.limits, self.guest.believe)
        return self.host


def asgi(subject: Subject, *, strict_host: bool = False, root_path: str = "") -> AsgiGuest:
    """An ASGI 3 application that serves `subject`: a site file, or settings of one or of several sites.

    `strict_host`: do not start when the site needs what the server cannot do. `root_path` is the prefix under which the site
    is mounted, for links that applications write; in front of the paths of requests it is taken off wherever the server says so.
    Nothing is loaded before the server starts, or asks for the first time. Mistakes are told then: in `lifespan.startup.failed`
    and in the log.
    """
    return AsgiGuest(subject, strict_host=strict_host, root_path=root_path)


def load_subject(subject: Subject, root_path: str = "") -> Settings:
    """The settings of `subject`; its applications are told that they are below `root_path`. Raises ConfigurationError."""
    if isinstance(subject, SiteSettings):
        settings = Settings(server=ServerSettings(), sites=(subject,))
    elif isinstance(subject, Settings):
        settings = subject
    else:
        from penstock.settings.loader import load

        settings = load(subject)
    if not root_path:
        return settings
    return replace(settings, sites=tuple([_below(site, root_path) for site in settings.sites]))


def _below(site: SiteSettings, root_path: str) -> SiteSettings:
    return replace(site, apps=tuple([replace(each, root_path=root_path + each.root_path) for each in site.apps]))


def keys_left_to_the_host(settings: Settings) -> Iterator[str]:
    """The keys that say something and that only the own listener would follow."""
    server, usual = settings.server, ServerSettings()
    for name in _LEFT_TO_THE_HOST:
        if getattr(server, name) != getattr(usual, name):
            yield f"server.{name}"
    for name in _LIMITS_LEFT_TO_THE_HOST:
        if getattr(server.limits, name) != getattr(LimitSettings(), name):
            yield f"server.limits.{name}"
    if any(site.tls is not None for site in settings.sites):
        yield "site.tls"


def needs_beyond(settings: Settings, capabilities: Capability) -> Iterator[str]:
    """What the sites need and a host with `capabilities` does not do, one line each."""
    can_upgrade, is_bare = Capability.UPGRADE in capabilities, Capability.BARE_UPGRADE in capabilities
    for site in settings.sites:
        for route in site.routes:
            if route.websocket and not can_upgrade:
                yield f"[[site.route]] {route.at} is a WebSocket"
            elif route.websocket and route.subprotocols and is_bare:
                yield f"[[site.route]] {route.at} is a WebSocket with sub-protocols"


def failure_text(error: Exception) -> str:
    """What the command line would print for `error`."""
    return traceback_of(error).rstrip() if isinstance(error, StartupError) else str(error)
