"""The scenarios of the pipeline that need a wire: a client that leaves a stream, a body too large, pipelined requests."""

import asyncio
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest

from penstock import ClientGone, Context, Principal, Stage
from penstock.server import ServerThread
from penstock.settings import ModuleSettings, RouteSettings, Settings, SiteSettings
from penstock.settings.model import LocationLimitSettings, LocationSettings
from tests.pipeline.subject import on
from tests.wire.listener_subject import eventually, get, server_settings
from tests.wire.raw_client import RawClient

MIB = 1024 * 1024


@contextmanager
def serving(
    *modules: object, functions: dict[str, Callable[..., object]], body_limit: int = 30_000_000
) -> Iterator[ServerThread]:
    """A site of modules and functions by path, on a socket; at the end nothing of it is inside any more."""
    objects: dict[str, object] = {f"tested:module{number}": each for number, each in enumerate(modules)}
    objects |= {f"tested:{at.strip('/')}": each for at, each in functions.items()}
    site = SiteSettings(
        modules=tuple(ModuleSettings(use=f"tested:module{number}") for number in range(len(modules))),
        routes=tuple(
            RouteSettings(at=at, function=f"tested:{at.strip('/')}", methods=("GET", "POST")) for at in functions
        ),
        locations=(LocationSettings(at="/", limits=LocationLimitSettings(body=body_limit)),),
    )
    with ServerThread(Settings(server=server_settings(), sites=(site,)), objects=objects) as thread:
        yield thread
        assert eventually(lambda: thread.runtime.statistics().executing == 0), thread.runtime.statistics()


class Flood:
    """Writes one piece after another until the client has left, or 1 GiB."""

    def __init__(self) -> None:
        self.produced = 0
        self.told: list[str] = []

    async def __call__(self, context: Context) -> None:
        piece = b"f" * 65_536
        try:
            while self.produced < 1024 * MIB:
                context.response.write(piece)
                await context.response.flush()
                self.produced += len(piece)
        except ClientGone:
            self.told.append("gone" if context.disconnected else "told too early")
            raise

    def end(self, context: Context) -> None:
        self.told.append("END")


def test_scenario_09_a_client_leaves_a_stream() -> None:
    flood = Flood()
    with serving(on(Stage.END, flood.end), functions={"/flood": flood}) as thread:
        with RawClient(thread.address, receive_buffer=65_536) as client:
            client.send([get("/flood")])
            while len(client.buffer) < MIB:
                client._receive(time.monotonic() + client.seconds, "a stream")
        assert eventually(lambda: flood.told == ["gone", "END"], seconds=1.5), flood.told
        assert eventually(lambda: thread.runtime.statistics().disconnected == 1)
        assert flood.produced < 32 * MIB


def test_scenario_10_a_body_too_large_is_refused_without_being_asked_for() -> None:
    log: list[str] = []

    async def upload(context: Context) -> str:
        log.append(f"read {len(await context.request.body())}")
        return "stored"

    fields = (b"Content-Length: %d" % (10 * MIB), b"Expect: 100-continue")
    with serving(functions={"/upload": upload}, body_limit=4 * MIB) as thread, RawClient(thread.address) as client:
        client.send([get("/upload", *fields, method="POST")])
        answer, interim = client.read_final_answer("POST")
        assert (answer.status, interim) == (413, 0)
        assert client.read_end() == b""  # nothing more is read of it
    assert log == []


def test_scenario_10_a_body_within_the_limit_is_asked_for() -> None:
    async def upload(context: Context) -> str:
        return f"read {len(await context.request.body())}"

    fields = (b"Content-Length: %d" % (4 * MIB), b"Expect: 100-continue")
    with serving(functions={"/upload": upload}, body_limit=4 * MIB) as thread, RawClient(thread.address) as client:
        client.send([get("/upload", *fields, method="POST")])
        assert client.read_answer("POST").status == 100
        client.send([b"x" * MIB] * 4)
        assert client.read_answer("POST").body == b"read %d" % (4 * MIB)


def test_scenario_09_a_stalled_reader_stops_the_writer() -> None:
    """Back-pressure alone: nobody reads, so nothing more is produced than what fits in between (pipeline O-03)."""
    flood = Flood()
    with serving(functions={"/flood": flood}) as thread:
        with RawClient(thread.address, receive_buffer=65_536) as client:
            client.send([get("/flood")])
            seen: list[int] = []

            def has_stopped() -> bool:
                seen.append(flood.produced)
                return len(seen) > 20 and seen[-1] == seen[-20] > 0

            assert eventually(has_stopped)
            assert flood.produced < 16 * MIB
        assert eventually(lambda: flood.told == ["gone"])


def test_scenario_17_pipelined_requests_share_nothing() -> None:
    variable: ContextVar[str] = ContextVar("variable", default="unset")
    order: list[str] = []
    gates: list[asyncio.Event] = []

    def begin(context: Context) -> None:
        order.append(f"{context.request.path} {variable.get()} {context.principal.name!r} {context.items}")
        variable.set(context.request.path)
        context.principal = Principal(context.request.path)
        context.items["path"] = context.request.path

    def tell(context: Context) -> str:
        return f"{variable.get()} {context.principal.name} {context.items['path']}"

    async def parked(context: Context) -> str:
        gates.append(asyncio.Event())
        await gates[0].wait()
        return tell(context)

    functions: dict[str, Callable[..., Any]] = {"/parked": parked, "/second": tell, "/other": tell}
    with (
        serving(on(Stage.BEGIN, begin), functions=functions) as thread,
        RawClient(thread.address) as client,
        RawClient(thread.address) as other,
    ):
        client.send([get("/parked") + get("/second")])
        assert eventually(lambda: gates)
        other.send([get("/other")])
        assert other.read_answer().body == b"/other /other /other"
        thread.call(gates[0].set)
        assert client.read_answer().body == b"/parked /parked /parked"
        assert client.read_answer().body == b"/second /second /second"
    assert order == ["/parked unset '' {}", "/other unset '' {}", "/second unset '' {}"]


def test_scenario_17_many_at_once_on_many_connections() -> None:
    variable: ContextVar[str] = ContextVar("variable", default="unset")
    mixed: list[str] = []

    def begin(context: Context) -> None:
        if variable.get() != "unset":
            mixed.append(variable.get())
        variable.set(context.request.path)

    async def hop(context: Context) -> None:
        for _ in range(3):
            await asyncio.sleep(0)
            if variable.get() != context.request.path:
                mixed.append(variable.get())

    async def tell(context: Context) -> str:
        await asyncio.sleep(0)
        return variable.get()

    site: dict[str, Callable[..., object]] = {f"/n{number}": tell for number in range(20)}
    with serving(on(Stage.BEGIN, begin), on(Stage.AUTHORIZE, hop), on(Stage.END, hop), functions=site) as thread:
        clients = [RawClient(thread.address) for _ in range(10)]
        targets = [f"/n{number}" for number in range(20)]
        for client in clients:
            client.send([b"".join(get(target) for target in targets)])
        for client in clients:
            assert [client.read_answer().body.decode() for _ in targets] == targets
            client.close()
    assert mixed == []


@pytest.mark.parametrize("leaving", ["FIN", "RST"])
def test_pipeline_t04_who_waits_for_the_client_to_leave_is_told(leaving: str) -> None:
    log: list[str] = []

    async def wait(context: Context) -> None:
        log.append("waits" if not context.disconnected else "too early")
        await context.disconnected
        log.append("told" if context.disconnected else "too early")
        raise ClientGone

    with serving(on(Stage.END, lambda context: log.append("END")), functions={"/wait": wait}) as thread:
        client = RawClient(thread.address)
        client.send([get("/wait")])
        assert eventually(lambda: log == ["waits"])
        if leaving == "FIN":
            client.close()
        else:
            client.reset()
        assert eventually(lambda: log == ["waits", "told", "END"], seconds=1)
        assert eventually(lambda: thread.runtime.statistics().executing == 0)
        if leaving == "RST":
            assert thread.runtime.statistics().disconnected == 1


def test_pipeline_o04_a_body_of_unknown_length_is_chunked_whatever_the_status() -> None:
    async def handler(context: Context) -> None:
        context.response.status = 404
        for piece in ("not ", "here"):
            context.response.write(piece)
            await context.response.flush()

    with serving(functions={"/lost": handler}) as thread, RawClient(thread.address) as client:
        client.send([get("/lost") * 2])
        for _ in range(2):
            answer = client.read_answer()
            assert (answer.status, answer.framing, answer.body) == (404, "chunked", b"not here")


def test_pipeline_o11_a_gigabyte_is_sent_from_the_file(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(1024 * MIB)

    def handler(context: Context) -> None:
        context.response.send_file(path)

    with serving(functions={"/large": handler}) as thread, RawClient(thread.address) as client:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        client.send([get("/large")])
        received = 0
        while received < 96 * MIB:
            client._receive(time.monotonic() + client.seconds, "a file")
            received += len(client.buffer)
            client.buffer.clear()
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024  # KiB
