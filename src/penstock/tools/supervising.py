"""This file is `penstock serve` with workers: the process that was called becomes their supervisor."""

import gc
import importlib
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from penstock.settings import Settings

if TYPE_CHECKING:
    from penstock.supervisor.supervisor import Supervisor


def run_supervised(target: str, settings: Settings, said: Mapping[str, Any], *, load: Callable[[], Settings]) -> int:
    """Serve `target` with workers until it is asked to stop; the exit code. `load` reads the settings again, for a reload."""
    import_asyncio()
    from penstock.supervisor.supervisor import supervise

    log_config = "" if said["log_config"] is None else str(said["log_config"])
    gc.enable()  # the command line has turned it off for the time of the imports
    return supervise(
        settings,
        load,
        target=target,
        log_config=log_config,
        ready=lambda supervisor: announce_workers(target, supervisor),
    )


def import_asyncio() -> None:
    """Import asyncio without TLS, unless either is there already: a supervisor speaks none, and its workers have their own.

    asyncio does without the module `ssl` where Python was built without it. That is two megabytes of the forty a supervisor
    may have. Whoever imports `ssl` later still gets it.
    """
    if "asyncio" in sys.modules or "ssl" in sys.modules:
        return
    absent: Any = None
    sys.modules["ssl"] = absent
    try:
        importlib.import_module("asyncio")
    finally:
        del sys.modules["ssl"]


def announce_workers(target: str, supervisor: "Supervisor") -> None:
    """Print what is served where, as a worker has told it, and by how many."""
    from penstock.supervisor.generation import DEFAULT
    from penstock.tools.startup import first_line
    from penstock.tools.target import Kind, kind_of

    pool = supervisor.pools[DEFAULT]
    print(first_line(target, supervisor.sockets.urls, workers=pool.wanted), flush=True)
    # Behind an upgrade in place the first worker is an old one, which has told somebody else.
    if kind_of(target) is Kind.SITE_FILE and pool.workers and pool.workers[0].lines:
        print("\n".join(pool.workers[0].lines), flush=True)
