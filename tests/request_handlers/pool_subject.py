"""A front and the worker of a pool behind it, as two servers of one process, over a Unix socket as a supervisor opens it."""

import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from penstock.request_handlers.pool_address import PoolAddress
from penstock.server.pool_entry import PoolEntry
from penstock.server.pool_sites import pool_settings
from penstock.server.thread import ServerThread
from penstock.settings import AppSettings, LogSettings, PoolSettings, ServerSettings, Settings, SiteSettings

NAME = "reports"
KEY = bytes(range(32))
REFERENCE = "subject:app"
QUIET = ServerSettings(listen=("127.0.0.1:0",), log=LogSettings(access=False))


def settings_for(
    *apps: AppSettings, server: ServerSettings = QUIET, pool: PoolSettings | None = None, **site: Any
) -> Settings:
    """One site with `apps`, by default an application of any shape at the root."""
    chosen = apps or (AppSettings(at="/", app=REFERENCE, pool=NAME),)
    return Settings(server=server, sites=(SiteSettings(apps=chosen, **site),), pools=(pool or PoolSettings(name=NAME),))


class Pooled:
    """A front at `front.address`, and a worker that can be ended and begun again; its socket stays, as a supervisor's does."""

    def __init__(self, settings: Settings, objects: Mapping[str, object], path: Path) -> None:
        self.path = str(path / "pool.sock")
        self.settings = settings
        self._objects = objects
        self.listening = socket.socket(socket.AF_UNIX)
        self.listening.bind(self.path)
        self.listening.listen(128)
        self.front = ServerThread(settings, server=None, objects=objects, pools={NAME: PoolAddress(self.path, KEY)})

    @contextmanager
    def worker(self, *, key: bytes = KEY) -> Iterator[ServerThread]:
        """A worker, until the block ends."""
        own = pool_settings(self.settings, NAME)
        listen = (f"fd:{self.listening.dup().detach()}",)
        own = replace(own, server=replace(own.server, listen=listen))
        with ServerThread(own, objects=self._objects, entry=PoolEntry(key, NAME)) as server:
            yield server


@contextmanager
def pooled(
    app: Callable[..., Any],
    path: Path,
    settings: Settings | None = None,
    *,
    with_worker: bool = True,
    objects: Mapping[str, object] | None = None,
) -> Iterator[Pooled]:
    """`app` in a pool of its own; `objects` stand for more import references."""
    subject = Pooled(settings or settings_for(), {REFERENCE: app, **(objects or {})}, path)
    with ExitStack() as stack:
        stack.callback(subject.listening.close)
        if with_worker:
            stack.enter_context(subject.worker())
        stack.enter_context(subject.front)
        yield subject
