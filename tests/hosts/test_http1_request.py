"""How answers are framed: RFC 9112 section 6, RFC 9110 sections 6.4 and 8.6."""

from collections.abc import Sequence

import pytest

from penstock.errors import ContractError
from penstock.hosts.http1_request import Http1Request
from penstock.http.messages import ResponseHead
from penstock.intake.worker_request import Capability
from tests.hosts.wired import Wired, run, turn


async def request(method: str = "GET", version: str = "1.1", *fields: str) -> tuple[Http1Request, Wired]:
    wired = await Wired().begin()
    lines = "".join(f"{field}\r\n" for field in ("Host: example.org", *fields))
    wired.receive(f"{method} / HTTP/{version}\r\n{lines}\r\n".encode())
    return wired.requests[0], wired


def head(status: int = 200, *fields: tuple[bytes, bytes]) -> ResponseHead:
    return ResponseHead(status, list(fields))


def fields_of(wired: Wired) -> list[bytes]:
    return wired.transport.written.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]


def has(wired: Wired, *fields: bytes) -> bool:
    return all(field in fields_of(wired) for field in fields)


def names(fields: Sequence[bytes]) -> list[bytes]:
    return [field.partition(b":")[0] for field in fields]


class TestWholeAnswers:
    @run
    async def test_length_and_date_are_added(self) -> None:
        made, wired = await request()
        made.send(head(), b"hello", False)
        assert wired.transport.written.startswith(b"HTTP/1.1 200 OK\r\n")
        assert wired.transport.written.endswith(b"\r\n\r\nhello")
        assert names(fields_of(wired)) == [b"date", b"content-length"]
        assert (made.bytes_sent, made.has_sent_all) == (5, True)

    @run
    async def test_own_date_is_kept(self) -> None:
        made, wired = await request()
        made.send(head(200, (b"date", b"yesterday")), b"", False)
        assert [field for field in fields_of(wired) if field.startswith(b"date")] == [b"date: yesterday"]

    @run
    async def test_length_that_is_wrong_is_the_applications_fault(self) -> None:
        for length in (b"4", b"6"):
            made, wired = await request()
            with pytest.raises(ContractError):
                made.send(head(200, (b"content-length", length)), b"hello", False)
            assert wired.transport.written == b""
            assert not made.has_sent_head

    @run
    async def test_head_keeps_the_length_and_drops_the_body(self) -> None:
        made, wired = await request("HEAD")
        made.send(head(), b"hello", False)
        assert has(wired, b"content-length: 5")
        assert wired.transport.written.endswith(b"\r\n\r\n")

    @run
    async def test_204_has_neither(self) -> None:
        made, wired = await request()
        made.send(head(204, (b"content-length", b"0")), b"", False)
        assert names(fields_of(wired)) == [b"date"]

    @run
    async def test_304_keeps_a_length_that_is_given(self) -> None:
        made, wired = await request()
        made.send(head(304, (b"content-length", b"17")), b"", False)
        assert has(wired, b"content-length: 17")

    @run
    async def test_second_head_is_refused(self) -> None:
        made, _ = await request()
        made.send(head(), b"one", True)
        with pytest.raises(ContractError):
            made.send(head(), b"two", False)

    @run
    async def test_connection_fields(self) -> None:
        for version, field, expected in (
            ("1.1", "Connection: close", [b"connection: close"]),
            ("1.1", "Connection: keep-alive", []),
            ("1.0", "X-Any: 1", [b"connection: close"]),
            ("1.0", "Connection: keep-alive", [b"connection: keep-alive"]),
        ):
            made, wired = await request("GET", version, field)
            made.send(head(), b"hello", False)
            assert [found for found in fields_of(wired) if found.startswith(b"connection")] == expected


class TestStreams:
    @run
    async def test_chunks(self) -> None:
        made, wired = await request()
        made.send(head(), b"hello", True)
        made.send(None, b"", True)
        made.send(None, b"x" * 17, True)
        made.trailers([(b"x-sum", b"22")])
        made.send(None, b"", False)
        body = wired.transport.written.partition(b"\r\n\r\n")[2]
        assert body == b"5\r\nhello\r\n11\r\n" + b"x" * 17 + b"\r\n0\r\nx-sum: 22\r\n\r\n"
        assert has(wired, b"transfer-encoding: chunked")
        assert made.bytes_sent == 22

    @run
    async def test_known_length(self) -> None:
        made, wired = await request()
        made.send(head(200, (b"content-length", b"4")), b"ab", True)
        made.send(None, b"cd", False)
        assert wired.transport.written.endswith(b"\r\n\r\nabcd")

    @run
    async def test_more_or_less_than_its_length(self) -> None:
        made, _ = await request()
        made.send(head(200, (b"content-length", b"4")), b"ab", True)
        with pytest.raises(ContractError, match="longer"):
            made.send(None, b"cde", True)
        with pytest.raises(ContractError, match="shorter"):
            made.send(None, b"c", False)

    @run
    async def test_to_http_1_0_ends_with_the_connection(self) -> None:
        made, wired = await request("GET", "1.0", "Connection: keep-alive")
        made.send(head(), b"ab", True)
        made.send(None, b"cd", False)
        assert has(wired, b"connection: close")
        assert wired.transport.written.endswith(b"\r\n\r\nabcd")
        assert wired.transport.calls == ["close"]

    @run
    async def test_head_only(self) -> None:
        made, wired = await request("HEAD")
        made.send(head(), b"hello", True)
        made.send(None, b"more", False)
        assert wired.transport.written.endswith(b"\r\n\r\n")
        assert made.has_sent_all

    @run
    async def test_slow_reader_is_waited_for(self) -> None:
        made, wired = await request()
        wired.connection.pause_writing()
        pending = made.send(head(), b"hello", True)
        assert pending is not None
        wired.connection.resume_writing()
        await pending
        assert made.send(None, b"!", True) is None


class TestTheRest:
    @run
    async def test_interim_answers(self) -> None:
        made, wired = await request()
        made.inform(103, [(b"link", b"</style.css>")])
        assert wired.transport.written == b"HTTP/1.1 103 Early Hints\r\nlink: </style.css>\r\n\r\n"
        made.send(head(), b"", True)
        before = wired.transport.written
        made.inform(103, [])
        assert wired.transport.written == before

    @run
    async def test_interim_answers_are_not_for_http_1_0(self) -> None:
        made, wired = await request("GET", "1.0")
        made.inform(103, [])
        assert wired.transport.written == b""

    @run
    async def test_row_47_interim_answers_and_trailers_are_judged(self) -> None:
        made, _ = await request()
        with pytest.raises(ContractError):
            made.inform(103, [(b"link", b"a\r\nb")])
        with pytest.raises(ContractError):
            made.trailers([(b"bad name", b"1")])

    @run
    async def test_who_asks_and_where(self) -> None:
        made, _ = await request()
        assert made.client == ("127.0.0.1", 4711)
        assert made.server == ("127.0.0.1", 80)
        made.come_from(("203.0.113.9", 0))
        assert made.client == ("203.0.113.9", 0)
        assert made.capabilities & Capability.SEND_FILE

    @run
    async def test_without_a_body_there_is_nothing_to_wait_for(self) -> None:
        made, _ = await request()
        await made.wait_body()
        made.limit_body(0)
        assert made.take() == b""

    @run
    async def test_half_closed_client_is_told_of_later(self) -> None:
        made, wired = await request()
        told: list[int] = []
        wired.connection.eof_received()
        made.on_disconnect(lambda: told.append(1))
        await turn(5)
        assert told == []
