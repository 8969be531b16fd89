"""How a new worker is warmed up: it answers some requests of its own before it gets any from clients (pipeline W-03, W-08)."""

from __future__ import annotations

import asyncio

from penstock.errors import StartupError
from penstock.hosts.memory_host import MemoryRequest
from penstock.intake.runtime import Runtime
from penstock.settings import Settings


async def warm_up(runtime: Runtime, settings: Settings, paths: tuple[str, ...]) -> None:
    """Ask every site of `settings` for each of `paths`, one after the other.

    Raises StartupError for the first that is not answered with 200 to 399: a worker that cannot answer gets no requests.
    """
    for site in settings.sites:
        for path in paths:
            await _ask(runtime, settings, site.hosts, path)


async def _ask(runtime: Runtime, settings: Settings, hosts: tuple[str, ...], path: str) -> None:
    host = _a_name(hosts)
    fields = [(b"host", host.encode("ascii")), (b"user-agent", b"penstock-preload")]
    request = MemoryRequest.make("GET", path, fields, None, settings.server.limits)
    runtime.process(request)
    try:
        async with asyncio.timeout(settings.server.limits.deadline or None):
            await request.wait_finished()
    except TimeoutError:
        raise StartupError(f"warming up: {path} of {host} is not answered within the deadline") from None
    status = 0 if request.response_head is None else request.response_head.status
    if request.is_aborted or not 200 <= status < 400:
        told = f"answered with {status}" if status else "not answered"
        raise StartupError(f"warming up: {path} of {host} is {told}; a new worker must answer it with 200 to 399")


def _a_name(hosts: tuple[str, ...]) -> str:
    """One that is served as one of `hosts`: "*.example.org" is every name below it, and not itself."""
    exact = next((name for name in hosts if "*" not in name), "")
    return exact or ("localhost" if hosts[0] == "*" else hosts[0].replace("*", "www"))
