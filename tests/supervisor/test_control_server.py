"""This file is the test of the control socket: its file, its permissions, its successor, and what it survives."""

import asyncio
import json
import os
import socket
import stat
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from penstock.errors import ConfigurationError
from penstock.hosts.loop import new_event_loop
from penstock.supervisor import control_server
from penstock.supervisor.control_server import MOST_CONNECTIONS, ControlServer
from tests.supervisor.control_subject import Subject, control_of

PATIENCE = 30
STATUS = b"GET /v1/status HTTP/1.1\r\nhost: penstock\r\nconnection: close\r\n\r\n"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short name: pytest's own are too long for sockets."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Awaitable[Any]], Any]:
    """Runs a coroutine on each kind of loop, for at most so many seconds."""

    def run_on_loop(awaitable: Awaitable[Any]) -> Any:
        with asyncio.Runner(loop_factory=lambda: new_event_loop(request.param)) as runner:
            return runner.run(asyncio.wait_for(awaitable, PATIENCE))

    return run_on_loop


Run = Callable[[Awaitable[Any]], Any]


async def sent(server: ControlServer, content: bytes) -> bytes:
    """What comes back, to its end, for `content`."""
    reader, writer = await asyncio.open_unix_connection(server.path)
    writer.write(content)
    try:
        return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def is_well(server: ControlServer) -> bool:
    answer = await sent(server, STATUS)
    return answer.startswith(b"HTTP/1.1 200 ") and json.loads(answer.partition(b"\r\n\r\n")[2])["pid"] == 4700


class TestItsFile:
    def test_it_answers_is_for_its_user_alone_and_goes_in_the_end(self, folder: Path, run: Run) -> None:
        async def journey() -> None:
            async with control_of(Subject(), folder) as server:
                status = os.stat(server.path)
                assert stat.S_ISSOCK(status.st_mode)
                assert stat.S_IMODE(status.st_mode) == 0o600
                assert await is_well(server)
            assert os.listdir(folder) == []
            assert server.fileno() == -1
            await server.close()

        run(journey())

    def test_its_mode_is_what_was_said(self, folder: Path, run: Run) -> None:
        async def journey() -> None:
            server = ControlServer(Subject(), str(folder / "c.sock"), mode=0o660)
            await server.open()
            assert stat.S_IMODE(os.stat(server.path).st_mode) == 0o660
            await server.close()

        run(journey())

    def test_that_of_a_dead_server_is_replaced(self, folder: Path, run: Run) -> None:
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(folder / "control.sock"))

        async def journey() -> None:
            async with control_of(Subject(), folder) as server:
                assert await is_well(server)

        run(journey())

    def test_that_of_a_live_server_is_left_alone(self, folder: Path, run: Run) -> None:
        async def journey() -> None:
            async with control_of(Subject(), folder) as server:
                with pytest.raises(ConfigurationError, match=r"control socket unix:.* is already in use"):
                    await ControlServer(Subject(), server.path).open()
                assert await is_well(server)

        run(journey())

    def test_a_file_that_is_no_socket_is_left_alone(self, folder: Path, run: Run) -> None:
        path = folder / "notes.txt"
        path.write_text("mine")
        with pytest.raises(ConfigurationError, match="is not a socket"):
            run(ControlServer(Subject(), str(path)).open())
        assert path.read_text() == "mine"

    @pytest.mark.parametrize("name", ["nowhere/c.sock", "x" * 200])
    def test_a_path_that_cannot_be_had(self, folder: Path, name: str) -> None:
        with pytest.raises(ConfigurationError) as caught:
            asyncio.run(ControlServer(Subject(), str(folder / name)).open())
        assert caught.value.problems[0].where == "[server.control] socket"

    def test_a_successor_of_this_process_goes_on_with_the_same_socket(self, folder: Path, run: Run) -> None:
        async def journey() -> None:
            first = ControlServer(Subject(), str(folder / "c.sock"))
            await first.open()
            identity = os.stat(first.path).st_ino
            second = ControlServer(Subject(), first.path)
            await second.open(os.dup(first.fileno()))
            assert not os.get_inheritable(second.fileno())
            assert await is_well(second)
            assert os.stat(second.path).st_ino == identity
            await second.close()
            assert os.listdir(folder) == []
            await first.close()

        run(journey())


class TestItsEnd:
    def test_an_order_that_was_begun_is_answered(self, folder: Path, run: Run) -> None:
        async def journey() -> bytes:
            subject = Subject()
            subject.held = asyncio.Event()
            async with control_of(subject, folder) as server:
                head = b"POST /v1/reload HTTP/1.1\r\nhost: p\r\ncontent-length: 0\r\n\r\n"
                reload = asyncio.ensure_future(sent(server, head))
                await subject.told.wait()
                asyncio.get_running_loop().call_soon(subject.held.set)
            return await reload

        assert run(journey()).startswith(b"HTTP/1.1 200 ")


class TestAttacks:
    @pytest.mark.parametrize(
        "garbage",
        [
            b"\x00" * 4096,
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 500,
            b"GET\r\n\r\n",
            b"POST /v1/reload HTTP/1.1\r\nhost: p\r\ncontent-length: 5\r\n\r\n{wait",
            b"POST /v1/stop HTTP/1.1\r\nhost: p\r\ncontent-length: 99999999999\r\n\r\n",
            b"POST /v1/stop HTTP/1.1\r\nhost: p\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
            b"GET /" + b"a" * 100_000,
            b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 10_000,
            b"GET /v1/pools/" + b"%00" * 200 + b" HTTP/1.1\r\nhost: p\r\n\r\n",
        ],
        ids=["zeros", "tls", "short", "no-json", "huge", "chunk", "target", "fields", "nul"],
    )
    def test_a_hundred_times_garbage(self, folder: Path, garbage: bytes) -> None:
        async def journey() -> Subject:
            subject = Subject()
            async with control_of(subject, folder) as server:
                for _ in range(5):
                    await asyncio.gather(*[_sent_and_left(server, garbage) for _ in range(20)])
                assert await is_well(server)
            return subject

        assert asyncio.run(asyncio.wait_for(journey(), PATIENCE)).calls == []

    def test_connections_beyond_the_limit_are_turned_away(self, folder: Path, run: Run) -> None:
        async def journey() -> None:
            async with control_of(Subject(), folder) as server, idle_connections(server, MOST_CONNECTIONS) as idle:
                answer = await sent(server, STATUS)
                assert answer == b"" or answer.startswith(b"HTTP/1.1 503 ")
                # Those that were there first are served, and their places are given to others.
                for reader, writer in idle:
                    writer.write(STATUS)
                    assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
                assert await is_well(server)

        run(journey())

    def test_a_slow_one_holds_up_nobody_and_is_told_off(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(control_server, "_PATIENCE", 1.0)

        async def journey() -> bytes:
            async with control_of(Subject(), folder) as server, idle_connections(server, 1) as [(reader, writer)]:
                writer.write(STATUS[:20])
                assert await is_well(server)
                return await reader.read()

        assert asyncio.run(asyncio.wait_for(journey(), PATIENCE)).startswith(b"HTTP/1.1 408 ")

    def test_orders_that_wait_leave_room_for_status(self, folder: Path) -> None:
        async def journey() -> None:
            subject = Subject()
            subject.held = asyncio.Event()
            async with control_of(subject, folder) as server:
                head = b"POST /v1/recycle HTTP/1.1\r\nhost: p\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                waiting = [asyncio.ensure_future(sent(server, head)) for _ in range(20)]
                await subject.told.wait()
                assert await is_well(server)
                subject.held.set()
                answers = await asyncio.gather(*waiting)
                assert all(answer.startswith(b"HTTP/1.1 200 ") for answer in answers)

        asyncio.run(asyncio.wait_for(journey(), PATIENCE))


async def _sent_and_left(server: ControlServer, content: bytes) -> None:
    _, writer = await asyncio.open_unix_connection(server.path)
    writer.write(content)
    try:
        await writer.drain()
        writer.write_eof()
    except OSError:
        pass  # it was cut off already
    writer.close()


@asynccontextmanager
async def idle_connections(
    server: ControlServer, count: int
) -> AsyncIterator[list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]:
    """So many connections that the server has accepted and that say nothing."""
    opened = [await asyncio.open_unix_connection(server.path) for _ in range(count)]
    try:
        yield opened
    finally:
        for _, writer in opened:
            writer.close()
