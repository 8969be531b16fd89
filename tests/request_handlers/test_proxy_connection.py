"""A connection to a backend, byte by byte: however an answer is cut into reads, it is the same answer, or the same fault."""

import asyncio
from typing import Any

import pytest

from penstock.request_handlers.proxy_answer_head import AnswerHead, AnswerReader, BadAnswer
from penstock.request_handlers.proxy_connection import BackendConnection
from penstock.request_handlers.proxy_failures import BrokenConnection, SlowBackend
from tests.pipeline.subject import run

WHOLE = [
    b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nx-t: 1\r\n\r\n",
]
BAD = [
    b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!",
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhello\r\n",
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n+5\r\nhello\r\n",
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\nhello\r\n",
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\ncontent-length: 5\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
    b"SIP/2.0 200 OK\r\n\r\n",
]


class Exchange:
    """Notes what a connection says of its answer."""

    def __init__(self, *, is_head: bool = False) -> None:
        self.is_head = is_head
        self.is_sent = True
        self.pieces: list[bytes] = []
        self.told: list[str] = []
        self.trailers: Any = None
        self.error: Exception | None = None
        self.has_begun = False
        self.notified = 0

    def begin_answer(self, head: AnswerHead) -> None:
        self.told.append(str(head.status))

    def take_interim(self, head: AnswerHead) -> None:
        self.told.append(f"interim {head.status}")

    def feed(self, pieces: list[bytes]) -> None:
        self.pieces += pieces

    def end(self, trailers: Any) -> None:
        self.told.append("end")
        self.trailers = trailers

    def fail(self, error: Exception, *, has_begun: bool) -> None:
        self.told.append("fail")
        self.error = error
        self.has_begun = has_begun

    def switch(self, connection: Any, head: AnswerHead, rest: bytes) -> bool:
        return False

    def notify(self) -> None:
        self.notified += 1


class Pool:
    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.reader = AnswerReader(8192)
        self.tls = None
        self.released: list[Any] = []
        self.forgotten: list[Any] = []

    def release(self, connection: Any) -> None:
        self.released.append(connection)

    def forget(self, connection: Any) -> None:
        self.forgotten.append(connection)


class Wire:
    def __init__(self) -> None:
        self.written = b""
        self.calls: list[str] = []

    def write(self, data: bytes) -> None:
        self.written += data

    def __getattr__(self, name: str) -> Any:
        return lambda: self.calls.append(name)


def begun(*, is_head: bool = False) -> tuple[BackendConnection, Exchange, Pool, Wire]:
    pool, exchange, wire = Pool(), Exchange(is_head=is_head), Wire()
    connection = BackendConnection(pool)  # type: ignore[arg-type]
    connection.connection_made(wire)  # type: ignore[arg-type]
    connection.begin(exchange, b"GET / HTTP/1.1\r\n\r\n", 0.0)  # type: ignore[arg-type]
    assert wire.written == b"GET / HTTP/1.1\r\n\r\n"
    return connection, exchange, pool, wire


def cuts_of(data: bytes) -> list[list[bytes]]:
    """In one read, in two at every place, and byte by byte."""
    return [
        [data],
        *[[data[:at], data[at:]] for at in range(1, len(data))],
        [data[at : at + 1] for at in range(len(data))],
    ]


@pytest.mark.parametrize("data", WHOLE)
def test_an_answer_is_the_same_however_it_is_cut(data: bytes) -> None:
    async def journey() -> None:
        for cut in cuts_of(data):
            connection, exchange, pool, _ = begun()
            for piece in cut:
                connection.data_received(piece)
            assert b"".join(exchange.pieces) == b"hello"
            assert exchange.told[-2:] == ["200", "end"]
            assert pool.released == [connection]
            assert connection.exchange is None

    run(journey)


@pytest.mark.parametrize("data", BAD)
def test_bad_input_a_fault_is_the_same_however_it_is_cut(data: bytes) -> None:
    async def journey() -> None:
        for cut in cuts_of(data):
            connection, exchange, pool, wire = begun()
            for piece in cut:
                if connection.exchange is not None:
                    connection.data_received(piece)
            assert isinstance(exchange.error, BadAnswer)
            assert exchange.told[-1] == "fail"
            assert pool.released == []
            assert "abort" in wire.calls

    run(journey)


@pytest.mark.parametrize("data", WHOLE)
def test_a_connection_that_breaks_anywhere_is_told(data: bytes) -> None:
    async def journey() -> None:
        for at in range(len(data)):
            connection, exchange, pool, _ = begun()
            if at:
                connection.data_received(data[:at])
            connection.connection_lost(None)
            assert isinstance(exchange.error, BrokenConnection)
            assert exchange.has_begun is (at > 0)
            assert pool.forgotten == [connection]

    run(journey)


def test_rfc9112_section_6_3_a_body_may_end_with_its_connection_but_not_with_a_reset() -> None:
    async def journey() -> None:
        for error in (None, ConnectionResetError("reset")):
            connection, exchange, pool, _ = begun()
            connection.data_received(b"HTTP/1.1 200 OK\r\n\r\nhel")
            connection.data_received(b"lo")
            if error is None:
                assert not connection.eof_received()
            connection.connection_lost(error)
            assert exchange.told[-1] == ("end" if error is None else "fail")
            assert pool.released == []

    run(journey)


def test_row_48_what_nobody_asked_for_ends_the_connection() -> None:
    async def journey() -> None:
        connection, exchange, pool, wire = begun()
        connection.data_received(WHOLE[0] + b"HTTP/1.1 200 OK\r\n")
        assert exchange.told[-1] == "end"
        assert pool.released == []
        assert wire.calls == ["abort"]
        connection, _, pool, wire = begun()
        connection.data_received(WHOLE[0])
        connection.data_received(b"H")
        assert wire.calls == ["abort"]

    run(journey)


def test_an_answer_in_front_of_the_end_of_its_request_ends_the_connection() -> None:
    async def journey() -> None:
        connection, exchange, pool, wire = begun()
        exchange.is_sent = False
        connection.data_received(WHOLE[0])
        assert exchange.told[-1] == "end"
        assert (pool.released, wire.calls) == ([], ["abort"])

    run(journey)


def test_head_answers_have_no_body_whatever_they_say() -> None:
    async def journey() -> None:
        for fields in (b"content-length: 5\r\n", b"transfer-encoding: chunked\r\n", b""):
            connection, exchange, pool, _ = begun(is_head=True)
            connection.data_received(b"HTTP/1.1 200 OK\r\n" + fields + b"\r\n")
            assert exchange.told[-1] == "end"
            assert pool.released == [connection]

    run(journey)


@pytest.mark.parametrize(
    ("is_sent", "is_client_slow", "is_paused", "told"),
    [
        (True, False, False, "has said nothing for 1 s"),
        (False, False, True, "has read nothing for 1 s"),
        (False, False, False, ""),  # the client has not sent all of its body
        (True, True, False, ""),
    ],
)
def test_time_runs_while_the_backend_is_waited_for_and_nobody_else(
    is_sent: bool, is_client_slow: bool, is_paused: bool, told: str
) -> None:
    async def journey() -> None:
        connection, exchange, _, wire = begun()
        exchange.is_sent = is_sent
        connection.is_read_paused = is_client_slow
        connection.is_paused = is_paused
        connection.judge_time(0.9, 1.0)
        assert exchange.error is None
        connection.judge_time(5.0, 1.0)
        assert told in str(exchange.error)
        assert (type(exchange.error), wire.calls) == ((SlowBackend, ["abort"]) if told else (type(None), []))

    run(journey)


def test_who_writes_waits_for_a_slow_backend() -> None:
    async def journey() -> None:
        connection, _, _, wire = begun()
        await connection.wait_writable()
        connection.pause_writing()
        waiting = asyncio.create_task(connection.wait_writable())
        await asyncio.sleep(0)
        assert not waiting.done()
        connection.resume_writing()
        await waiting
        connection.pause_writing()
        waiting = asyncio.create_task(connection.wait_writable())
        await asyncio.sleep(0)
        connection.connection_lost(None)
        await waiting
        connection.write(b"late")
        assert wire.written.endswith(b"\r\n\r\n")

    run(journey)
