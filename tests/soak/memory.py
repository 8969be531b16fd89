"""This file is the soak: requests of mixed kinds over the own listener's connections, and what memory they leave behind.

`python -m tests.soak.memory 1000000` prints the numbers of a long run; the exit code is 1 when memory grew or a number is off.
"""

import asyncio
import gc
import logging
import os
import random
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

from penstock import Context, Hooks, HTTPError, Response, Stage
from penstock.hosts.clock import Clock
from penstock.hosts.connection import Connection
from penstock.hosts.http1_service import Http1Service
from penstock.intake.statistics import RuntimeStatistics
from penstock.settings.model import LimitSettings
from penstock.testing import Client
from tests.pipeline.subject import Attached, open_site, settle

# Requests before the first measurement: caches fill, pools of memory find their size.
WARM_UP = 5_000
# What may remain: blocks of Python's allocator, of the some hundred thousand that a process has.
BLOCKS_ALLOWED = 1_500
# The same where so many paths are asked for that the memories of request lines fill, and are emptied, again and again.
BLOCKS_OF_FULL_MEMORIES = 20_000
FEW_PATHS = 100
# Bytes that may remain in the process as a whole, where it can be measured.
BYTES_ALLOWED = 8 * 1024 * 1024

UPLOAD = b"u" * 20_000


class Report(NamedTuple):
    """What a soak found: growth behind the warm-up, and the numbers of the runtime at its end."""

    requests: int
    paths: int
    blocks: int
    bytes: int
    files: int
    numbers: RuntimeStatistics
    connections: int

    @property
    def faults(self) -> list[str]:
        """What is wrong with it; empty if nothing is."""
        numbers = self.numbers
        allowed = BLOCKS_ALLOWED if self.paths <= FEW_PATHS else BLOCKS_OF_FULL_MEMORIES
        parts = numbers.succeeded + numbers.failed + numbers.rejected + numbers.disconnected
        found = {
            f"{self.blocks} blocks of memory were left behind": self.blocks > allowed,
            f"the process grew by {self.bytes} bytes": self.bytes > BYTES_ALLOWED,
            f"{self.files} files were left open": self.files > 0,
            f"{self.connections} connections were left open": self.connections > 0,
            f"somebody is still inside: {numbers}": bool(numbers.executing or numbers.queued or numbers.background),
            f"the numbers do not add up: {numbers}": numbers.total != parts,
            f"a kind of outcome is missing: {numbers}": not (
                numbers.succeeded and numbers.failed and numbers.disconnected
            ),
        }
        return [text for text, is_so in found.items() if is_so]


# -- the site ------------------------------------------------------------------------------------------------------------


def _attach(hooks: Hooks) -> None:
    """A module at every kind of place: plain, async, a scope, a half behind, callbacks, items, an error hook."""

    async def authorize(context: Context) -> None:
        await asyncio.sleep(0)

    @contextmanager
    def span(context: Context) -> Iterator[None]:
        context.items["span"] = object()
        yield

    def begin(context: Context) -> None:
        context.items["context"] = context  # a cycle that is the module's own
        context.response.on_sending_headers(lambda response: response.headers.add("x-soak", "yes"))

    def on_error(context: Context) -> Response | None:
        return Response("sorry", status=503) if isinstance(context.error, KeyError) else None

    hooks.on(Stage.BEGIN, begin)
    hooks.on(Stage.AUTHORIZE, authorize)
    hooks.after(Stage.EXECUTE, lambda context: None)
    hooks.around(Stage.ACQUIRE_STATE, Stage.RELEASE_STATE, span)
    hooks.on_error(on_error)


async def _read(context: Context) -> int:
    return len(await context.request.body())


async def _stream(context: Context) -> None:
    for _ in range(4):
        context.response.write(b"s" * 1000)
        await context.response.flush()
        await asyncio.sleep(0)


async def _form(context: Context) -> int:
    form = await context.request.form()
    return len(form["note"]) + form.files["file"].size


def _again(context: Context) -> None:
    context.redispatch("/hello")


async def _work(context: Context) -> str:
    context.start(asyncio.sleep(0))
    context.on_completed(lambda context: None)
    context.defer(lambda: None)
    completion = context.completion()
    context.runtime.loop.call_soon(completion.complete)
    await completion
    return "worked"


def _fail() -> None:
    raise ValueError("meant to fail")


def _fail_handled() -> None:
    raise KeyError("meant to fail, and handled")


def _refuse() -> None:
    raise HTTPError(403, "meant to refuse")


async def _application(
    scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
) -> None:
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"of an application"})


def open_soaked() -> Client:
    """A client of the site that is soaked."""
    functions: dict[str, Callable[..., object]] = {
        "/hello": lambda: "hello",
        "/item/{name}": lambda name: {"name": name},
        "/read": _read,
        "/stream": _stream,
        "/form": _form,
        "/again": _again,
        "/work": _work,
        "/fail": _fail,
        "/handled": _fail_handled,
        "/refuse": _refuse,
    }
    return open_site(
        Attached(_attach), functions=functions, apps={"/app": _application}, body=100_000, form_memory=1_000
    )


# -- the clients -----------------------------------------------------------------------------------------------------------


class Wire(asyncio.Transport):
    """A transport that forgets what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.is_closed = False

    def write(self, data: Any) -> None:
        pass

    def close(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 4711) if name in ("peername", "sockname") else default

    def get_write_buffer_size(self) -> int:
        return 0

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        pass

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


def _get(target: str, method: str = "GET") -> bytes:
    return f"{method} {target} HTTP/1.1\r\nHost: example.org\r\nCookie: a=b\r\n\r\n".encode()


def _post(target: str, body: bytes = UPLOAD, promised: int = len(UPLOAD)) -> bytes:
    return f"POST {target} HTTP/1.1\r\nHost: example.org\r\nContent-Length: {promised}\r\n\r\n".encode() + body


def _form_body() -> bytes:
    note = b'--b\r\nContent-Disposition: form-data; name="note"\r\n\r\nhello\r\n'
    file = b'--b\r\nContent-Disposition: form-data; name="file"; filename="f.bin"\r\n\r\n' + UPLOAD + b"\r\n"
    return note + file + b"--b--\r\n"


def _post_form(body: bytes) -> bytes:
    field = "Content-Type: multipart/form-data; boundary=b"
    length = len(_form_body())
    return f"POST /form HTTP/1.1\r\nHost: example.org\r\n{field}\r\nContent-Length: {length}\r\n\r\n".encode() + body


# Each kind: what is sent; the client leaves at once behind it where it says so.
KINDS: tuple[tuple[bytes, bool], ...] = (
    (_get("/hello"), False),
    (_get("/hello", "HEAD"), False),
    (_get("/item/{number}"), False),  # a path of its own for each request
    (_get("/hello") * 3, False),
    (_get("/app/x?y=z"), False),
    (_get("/stream"), False),
    (_post("/read"), False),
    (_post("/app"), False),
    (_post_form(_form_body()), False),  # its file is too large for memory, and goes to the disk
    (_post_form(_form_body()[:10_000]), True),
    (_get("/again"), False),
    (_get("/work"), False),
    (_get("/nothing"), False),
    (_get("/fail"), False),
    (_get("/handled"), False),
    (_get("/refuse"), False),
    (_get("/hello", "DELETE"), False),
    (_post("/read", b"", 1_000_000), False),  # beyond the limit
    (b"GET /hello HTTP/1.1\r\n\r\n", False),  # without a host: refused
    (_post("/read", UPLOAD[:100]), True),
    (_post("/app", UPLOAD[:100]), True),
    (_get("/stream"), True),
)


async def _ask(service: Http1Service, chance: random.Random, numbers: Iterator[int]) -> None:
    """One connection with some requests on it."""
    wire = Wire()
    connection = Connection(service, "http")
    connection.connection_made(wire)
    for _ in range(chance.choice((1, 1, 5, 20))):
        sent, leaves = chance.choice(KINDS)
        connection.data_received(sent.replace(b"{number}", b"%d" % next(numbers)))
        if leaves:
            break
        while service.runtime.admission.inside and not wire.is_closed:
            await settle(1)
        if wire.is_closed or connection.is_closing:
            break
    connection.connection_lost(None)


async def _ask_many(service: Http1Service, count: int, *, chance: random.Random, numbers: Iterator[int]) -> None:
    runtime = service.runtime
    until = runtime.statistics().total + count
    while runtime.statistics().total < until:
        await _ask(service, chance, numbers)
    while runtime.admission.inside or runtime.background:
        await settle(1)


def _endless(paths: int) -> Iterator[int]:
    """The numbers below `paths`, again and again. (`itertools.cycle` would remember them.)"""
    while True:
        yield from range(paths)


# -- measuring ---------------------------------------------------------------------------------------------------------------


async def soak(
    count: int, *, paths: int = FEW_PATHS, seed: int = 1, tell: Callable[[str], object] = lambda text: None
) -> Report:
    """Ask `count` requests behind the warm-up; what they left behind. `tell` is told how it goes on.

    `paths` is how many different ones are asked for.
    """
    with _quiet():
        async with open_soaked() as client:
            runtime = client.runtime
            service = Http1Service(runtime, LimitSettings(), Clock(runtime.loop))
            ask = partial(_ask_many, service, chance=random.Random(seed), numbers=_endless(paths))
            await ask(WARM_UP)
            blocks, size, files = _blocks(), _bytes(), _files()
            for part in range(10):
                await ask(count // 10)
                tell(
                    f"{(part + 1) * (count // 10):>9} requests: {_blocks() - blocks:+} blocks, {_bytes() - size:+} bytes"
                )
            return Report(
                count,
                paths,
                _blocks() - blocks,
                _bytes() - size,
                _files() - files,
                runtime.statistics(),
                len(service.connections),
            )


@contextmanager
def _quiet() -> Iterator[None]:
    """Without a line in the log for each error that is meant."""
    logger = logging.getLogger("penstock")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)


def _blocks() -> int:
    for _ in range(3):
        gc.collect()
    return sys.getallocatedblocks()


def _bytes() -> int:
    """What the process holds in memory; 0 where the system does not say."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * 4096
    except OSError:
        return 0


def _files() -> int:
    """The open files of the process; 0 where the system does not say."""
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


def main(arguments: list[str]) -> int:
    """Soak with as many requests as the first argument says, and print what was found."""
    report = asyncio.run(soak(int(arguments[0]) if arguments else 1_000_000, paths=1_000_000, tell=print))
    print(report.numbers)
    for fault in report.faults:
        print(f"FAULT: {fault}")
    return 1 if report.faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
