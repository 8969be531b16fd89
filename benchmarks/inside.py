"""How long requests are inside: the way through the pipeline alone, without sockets, heads or a load generator.

    python benchmarks/inside.py                          every subject, each beside the plain function
    python benchmarks/inside.py function hooks-plain     these only

Before and after a change, on a machine that does nothing else, the smallest of the rounds can be compared: it is the one that
was disturbed least. `make bench` says what it means for a server.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE / "apps")]

from benchmarks.bench.exchanges import FROM_A_SHOP
from penstock.http.head import read_head
from penstock.http.messages import RequestHead, ResponseHead
from penstock.intake.frame_transport import FrameTransport, UpgradeTerms
from penstock.intake.runtime import Runtime
from penstock.intake.worker_request import Address, Capability
from penstock.server import build
from penstock.settings import AppSettings, ServerSettings, Settings, SiteSettings
from penstock.settings.loader import load

CROWD = 32  # requests that are inside together, as with wrk -c32


class BareRequest:
    """A worker request that counts its answer and keeps nothing of it."""

    __slots__ = ("bytes_sent", "has_sent_all", "head", "is_disconnected", "left", "scheme", "started", "status")

    def __init__(self, head: RequestHead, left: list[int]) -> None:
        self.head = head
        self.left = left
        self.scheme = "http"
        self.started = 0.0
        self.bytes_sent = 0
        self.status = 0
        self.is_disconnected = False
        self.has_sent_all = False

    @property
    def client(self) -> Address | None:
        return ("127.0.0.1", 50000)

    @property
    def server(self) -> Address | None:
        return ("127.0.0.1", 80)

    @property
    def capabilities(self) -> Capability:
        return Capability.NONE

    def limit_body(self, limit: int) -> None:
        pass

    def take(self) -> bytes | None:
        return b""

    async def wait_body(self) -> None:
        pass

    def send(self, head: ResponseHead | None, body: bytes, more: bool) -> Awaitable[None] | None:  # noqa: FBT001
        if head is not None:
            self.status = head.status
        self.bytes_sent += len(body)
        if not more:
            self.has_sent_all = True
            self.left[0] -= 1
        return None

    async def send_file(
        self,
        head: ResponseHead | None,
        descriptor: int,
        offset: int,
        count: int,
        more: bool,  # noqa: FBT001
    ) -> None:
        self.send(head, b"", more)

    def inform(self, status: int, headers: Sequence[tuple[bytes, bytes]]) -> None:
        pass

    def trailers(self, headers: Sequence[tuple[bytes, bytes]]) -> None:
        pass

    def upgrade(self, head: ResponseHead, terms: UpgradeTerms) -> FrameTransport | None:
        return None

    def abort(self) -> None:
        self.has_sent_all = True
        self.left[0] -= 1

    def on_disconnect(self, callback: Callable[[], None]) -> None:
        pass


def site_file(name: str) -> Callable[[], Settings]:
    return lambda: load(HERE / "sites" / f"{name}.toml", {})


def application(reference: str) -> Callable[[], Settings]:
    site = SiteSettings(apps=(AppSettings(at="/", asgi=reference),))
    return lambda: Settings(server=ServerSettings(), sites=(site,))


SUBJECTS: dict[str, tuple[Callable[[], Settings], str]] = {
    "function": (site_file("function"), "/"),
    "hooks-plain": (site_file("hooks_plain"), "/"),
    "hooks-async": (site_file("hooks_async"), "/"),
    "modules-function": (site_file("modules_function"), "/items/7"),
    "asgi": (application("hello_asgi:hello"), "/"),
    "starlette": (application("hello_starlette:application"), "/items/7"),
    "modules-starlette": (site_file("modules_starlette"), "/items/7"),
    "middlewares": (application("behind_five:application"), "/items/7"),
}


async def time_requests(settings: Settings, head: RequestHead, *, requests: int, rounds: int) -> float:
    """The processor's microseconds for a request, of the quickest round. Raises RuntimeError for an answer that is not 200."""
    objects = {"behind_five:application": behind_five()}
    runtime = Runtime(build(settings, objects=objects).sites)
    await runtime.start()
    best = float("inf")
    for number in range(rounds + 1):  # the first one warms up
        spent = await time_round(runtime, head, requests=requests if number else CROWD * 10)
        best = min(best, spent) if number else best
    await runtime.drain(10)
    await runtime.stop()
    return best


async def time_round(runtime: Runtime, head: RequestHead, *, requests: int) -> float:
    crowds = max(1, requests // CROWD)
    left = [0]
    began = time.process_time()
    for _ in range(crowds):
        left[0] = CROWD
        for _ in range(CROWD):
            runtime.process(last := BareRequest(head, left))
        while left[0]:  # noqa: ASYNC110 - an Event would be part of what is measured
            await asyncio.sleep(0)
    spent = time.process_time() - began
    if last.status != 200:
        raise RuntimeError(f"answered with {last.status} in place of 200")
    return spent / (crowds * CROWD) * 1e6


def behind_five() -> object:
    from benchmarks.apps import five_middlewares

    return five_middlewares.build()


def head_for(target: str) -> RequestHead:
    fields = (("Host", "127.0.0.1"), *FROM_A_SHOP)
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields)
    return read_head(f"GET {target} HTTP/1.1\r\n{lines}\r\n".encode(), ServerSettings().limits)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help=", ".join(SUBJECTS))
    parser.add_argument("--requests", type=int, default=20_000, help="of a round (20000)")
    parser.add_argument("--rounds", type=int, default=5, help="of each subject (5)")
    options = parser.parse_args()
    if unknown := [name for name in options.subjects if name not in SUBJECTS]:
        parser.error(f"no such subject: {', '.join(unknown)}; there are {', '.join(SUBJECTS)}")
    function = 0.0
    for name, (settings, target) in SUBJECTS.items():
        if options.subjects and name not in options.subjects:
            continue
        spent = asyncio.run(
            time_requests(settings(), head_for(target), requests=options.requests, rounds=options.rounds)
        )
        function = spent if name == "function" else function
        beside = f"{spent - function:+9.2f} µs beside the function" if function and name != "function" else ""
        print(f"{name:<20}{spent:8.2f} µs{beside}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
