"""What the tests of the WSGI gateway ask: one application, in threads or inline, without a socket."""

import asyncio
from collections.abc import AsyncIterable, Callable, Iterable, Iterator, Mapping
from typing import Any

from penstock.server import open_client
from penstock.settings import AppSettings, SiteSettings
from penstock.testing import Client, ClientResponse

Environ = dict[str, Any]
Start = Callable[..., Callable[[bytes], None]]
Application = Callable[[Environ, Start], Iterable[bytes]]

OK = "200 OK"
TEXT = [("Content-Type", "text/plain")]


def open_wsgi(
    application: Application, *, threads: int = 2, queue: int = 64, at: str = "/", root_path: str = ""
) -> Client:
    settings = AppSettings(at=at, wsgi="tested:application", threads=threads, queue=queue, root_path=root_path)
    return open_client(SiteSettings(apps=(settings,)), objects={"tested:application": application})


def ask(
    application: Application,
    target: str = "/",
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes | AsyncIterable[bytes] = b"",
    threads: int = 2,
    at: str = "/",
    root_path: str = "",
) -> ClientResponse:
    """One request to `application`, and its whole answer; the gateway is stopped when this returns."""

    async def journey() -> ClientResponse:
        async with open_wsgi(application, threads=threads, at=at, root_path=root_path) as client:
            return await client.request(method, target, headers=headers, body=body)

    return asyncio.run(journey())


async def wait_until(is_so: Callable[[], object]) -> None:
    """Let the loop run until `is_so` comes true, at most some seconds."""
    for _ in range(5000):
        if is_so():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it did not happen in time")


class Closing:
    """An iterable that counts how often it is closed, and remembers in which thread."""

    def __init__(self, pieces: Iterable[bytes], log: list[str] | None = None) -> None:
        self.pieces = pieces
        self.closed = 0
        self.log = [] if log is None else log

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.pieces)

    def close(self) -> None:
        self.closed += 1
        self.log.append("close")
