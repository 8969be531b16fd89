"""What the kernel tells of a connection to a pool that ends: whether its last request was read by anybody."""

import asyncio
import socket
from pathlib import Path

import pytest

from penstock.request_handlers.pool_connection import PoolConnection, PoolConnections
from penstock.request_handlers.proxy_answer_head import AnswerReader
from penstock.request_handlers.proxy_pool import PoolLimits
from tests.pipeline.subject import LOOPS, run


class Asking:
    """As much of an exchange as a connection needs."""

    def __init__(self, *, is_sent: bool = True) -> None:
        self.is_sent = is_sent
        self.is_head = False
        self.error: Exception | None = None
        self.over = asyncio.Event()

    def fail(self, error: Exception, *, has_begun: bool) -> None:
        self.error = error
        assert not has_begun

    def notify(self) -> None:
        self.over.set()


def connections(path: Path, *, patience: float = 5.0) -> PoolConnections:
    limits = PoolLimits(connections=4, queue=4, keep_alive=60.0, connect_timeout=patience, read_timeout=60.0)
    return PoolConnections("pool p", "", 0, path=str(path), reader=AnswerReader(65536), limits=limits)


def listening(path: Path, backlog: int = 8) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(backlog)
    listener.settimeout(5)
    return listener


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("ending", ["read", "unread", "closed before"])
def test_rfc9112_9_3_1_a_request_that_was_not_read_is_told_from_one_that_was(
    tmp_path: Path, loop: str, ending: str
) -> None:
    async def journey() -> None:
        with listening(tmp_path / "p.sock") as listener:
            pool = connections(tmp_path / "p.sock")
            connection = await pool.acquire()
            worker, _ = listener.accept()
            asking = Asking()
            with worker:
                if ending == "closed before":
                    worker.close()
                connection.begin(asking, b"GET / HTTP/1.1\r\n\r\n", 0.0)  # type: ignore[arg-type]
                if ending == "read":
                    assert worker.recv(100)
                elif ending == "unread":
                    assert worker.recv(1, socket.MSG_PEEK)
            await asyncio.wait_for(asking.over.wait(), 5)
            assert isinstance(connection, PoolConnection)
            assert connection.was_unread == (ending != "read")
            assert connection.sent == b"GET / HTTP/1.1\r\n\r\n"
            assert asking.error is not None
            pool.close()

    run(journey, loop)


def test_what_is_large_or_not_all_there_is_not_kept(tmp_path: Path) -> None:
    async def journey() -> None:
        with listening(tmp_path / "p.sock"):
            pool = connections(tmp_path / "p.sock")
            connection = await pool.acquire()
            assert isinstance(connection, PoolConnection)
            connection.begin(Asking(), b"x" * 16385, 0.0)  # type: ignore[arg-type]
            assert connection.sent == b""
            connection.begin(Asking(is_sent=False), b"x", 0.0)  # type: ignore[arg-type]
            assert connection.sent == b""
            pool.close()

    run(journey)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_full_backlog_is_waited_for_and_not_an_error(tmp_path: Path, loop: str) -> None:
    async def journey() -> None:
        with listening(tmp_path / "p.sock", backlog=0) as listener:
            pool = connections(tmp_path / "p.sock")
            asked = [asyncio.ensure_future(pool.acquire()) for _ in range(4)]
            done, waiting = await asyncio.wait(asked, timeout=0.1)
            assert done
            assert waiting
            for _ in asked:
                listener.accept()[0].close()
                await asyncio.sleep(0.03)
            await asyncio.wait_for(asyncio.gather(*asked), 5)
            pool.close()

    run(journey, loop)


def test_nobody_waits_longer_than_the_time_to_connect(tmp_path: Path) -> None:
    async def journey() -> None:
        with listening(tmp_path / "p.sock", backlog=0):
            pool = connections(tmp_path / "p.sock", patience=0.05)
            with pytest.raises(TimeoutError):
                await asyncio.gather(*[pool.acquire() for _ in range(4)])
            pool.close()

    run(journey)


def test_a_pool_that_stops_opens_nothing_more(tmp_path: Path) -> None:
    async def journey() -> None:
        with listening(tmp_path / "p.sock"):
            pool = connections(tmp_path / "p.sock")
            pool.close()
            with pytest.raises(ConnectionAbortedError):
                await pool.acquire()

    run(journey)
