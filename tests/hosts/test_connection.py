"""One connection, byte by byte and turn by turn, without a wire."""

import pytest

from penstock.errors import ClientGone
from penstock.http.messages import ResponseHead
from tests.hosts.wired import CHUNKED, GET, Wired, answer, post, run, turn


class TestRequests:
    @run
    async def test_one_head_in_one_read(self) -> None:
        wired = await Wired().begin()
        wired.receive(GET)
        wired.answer()
        assert wired.transport.written.startswith(b"HTTP/1.1 200 OK\r\n")
        assert wired.connection.request is None
        assert wired.transport.calls == []

    @run
    async def test_head_byte_by_byte(self) -> None:
        wired = await Wired().begin()
        for byte in GET:
            wired.receive(bytes([byte]))
        assert len(wired.requests) == 1
        wired.answer()
        wired.receive(GET)
        assert len(wired.requests) == 2

    @run
    async def test_pipelined_requests_are_served_in_turns(self) -> None:
        wired = await Wired().begin()
        wired.answer_at_once()
        wired.receive(GET * 100)
        assert len(wired.requests) == 32  # then it is the others' turn
        wired.receive(GET)
        assert len(wired.requests) == 32
        await turn(2)
        assert len(wired.requests) <= 96
        await turn(5)
        assert len(wired.requests) == 101
        assert wired.transport.written.count(b"HTTP/1.1 200 OK") == 101
        assert not wired.connection.buffer

    @run
    async def test_request_behind_one_that_is_inside_waits(self) -> None:
        wired = await Wired().begin()
        wired.receive(GET + GET)
        assert len(wired.requests) == 1
        wired.answer()
        await turn()
        assert len(wired.requests) == 2

    @run
    async def test_reading_pauses_at_64_kib_of_pipelined_requests_and_goes_on(self) -> None:
        wired = await Wired().begin()
        wired.receive(GET)
        wired.receive(GET * 1000)
        assert wired.transport.calls == []
        wired.receive(GET * 1000)
        assert wired.transport.calls == ["pause_reading"]
        wired.answer_at_once()
        wired.answer()
        await turn(100)
        assert wired.transport.calls == ["pause_reading", "resume_reading"]
        assert len(wired.requests) == 2001

    @run
    async def test_nothing_is_served_while_writing_is_paused(self) -> None:
        wired = await Wired().begin()
        wired.answer_at_once()
        wired.connection.pause_writing()
        wired.receive(GET * 3)
        assert wired.requests == []
        wired.connection.resume_writing()
        await turn()
        assert len(wired.requests) == 3


class TestEmptyLines:
    """RFC 9112 section 2.2 (bad-input rows 13 and 27)"""

    @pytest.mark.parametrize("pieces", [[b"\r\n" + GET], [b"\r\n", GET], [b"\r", b"\n", GET], [b"\r\nG", GET[1:]]])
    def test_one_is_ignored(self, pieces: list[bytes]) -> None:
        @run
        async def check(_: object) -> None:
            wired = await Wired().begin()
            for piece in pieces:
                wired.receive(piece)
            assert len(wired.requests) == 1
            wired.answer()
            for piece in pieces:
                wired.receive(piece)
            assert len(wired.requests) == 2

        check(None)

    @pytest.mark.parametrize(
        "pieces", [[b"\r\n\r\n" + GET], [b"\r\n", b"\r\n"], [b"\n"], [b"\r", b"G"], [b"\r\n", b"\n"], [b"\r\n\r\n"]]
    )
    def test_more_are_refused(self, pieces: list[bytes]) -> None:
        @run
        async def check(_: object) -> None:
            wired = await Wired().begin()
            for piece in pieces:
                wired.receive(piece)
            assert wired.transport.written.startswith(b"HTTP/1.1 400 ")
            assert wired.requests == []

        check(None)


class TestBodies:
    @run
    async def test_body_then_the_next_request_in_one_read(self) -> None:
        wired = await Wired().begin()
        wired.receive(post(5) + b"hello" + GET)
        assert wired.requests[0].take() == b"hello"
        assert wired.requests[0].take() == b""
        wired.answer()
        await turn()
        assert len(wired.requests) == 2

    @run
    async def test_slow_application_pauses_the_client(self) -> None:
        wired = await Wired().begin()
        wired.receive(post(1_000_000))
        wired.receive(b"x" * 100_000)
        assert wired.transport.calls == []
        wired.receive(b"x" * 100_000)
        assert wired.transport.calls == ["pause_reading"]
        assert len(wired.requests[0].take() or b"") == 200_000
        assert wired.transport.calls == ["pause_reading", "resume_reading"]

    @run
    async def test_small_unread_body_is_discarded_and_the_connection_kept(self) -> None:
        wired = await Wired().begin()
        wired.receive(post(10) + b"hel")
        wired.answer()
        assert b"connection: close" not in wired.transport.take()
        wired.receive(b"lo12345" + GET)
        await turn()
        assert len(wired.requests) == 2
        assert wired.transport.calls == []

    @run
    async def test_large_unread_body_closes_politely(self) -> None:
        wired = await Wired().begin()
        wired.receive(post(1_000_000) + b"hel")
        wired.answer()
        assert b"connection: close" in wired.transport.written
        assert wired.transport.calls == ["write_eof"]
        wired.receive(b"x" * 1000)  # read and dropped
        assert wired.connection.buffer == b""
        assert wired.connection.eof_received() is False

    @run
    async def test_endless_discarded_chunks_close(self) -> None:
        wired = await Wired().begin()
        wired.receive(CHUNKED)
        wired.answer()
        for _ in range(17):
            wired.receive(b"1000\r\n" + b"x" * 4096 + b"\r\n")
        assert wired.transport.calls == ["write_eof"]

    @run
    async def test_broken_chunks_of_a_discarded_body_close(self) -> None:
        wired = await Wired().begin()
        wired.receive(CHUNKED)
        wired.answer()
        wired.receive(b"zz\r\n")
        assert wired.transport.calls == ["write_eof"]


class TestEnds:
    @run
    async def test_end_without_a_request_closes(self) -> None:
        assert (await Wired().begin()).connection.eof_received() is False

    @run
    async def test_end_with_half_a_head_closes(self) -> None:
        wired = await Wired().begin()
        wired.receive(GET[:10])
        assert wired.connection.eof_received() is False
        assert wired.transport.calls == ["close"]

    @run
    async def test_end_behind_a_request_lets_it_be_answered(self) -> None:
        wired = await Wired().begin()
        wired.receive(GET)
        assert wired.connection.eof_received() is True
        wired.answer()
        assert b"connection: close" in wired.transport.written
        assert wired.transport.calls == ["close"]

    @run
    async def test_end_behind_pipelined_requests_lets_all_be_answered(self) -> None:
        wired = await Wired().begin()
        wired.receive(GET * 3)
        assert wired.connection.eof_received() is True
        for _ in range(3):
            assert wired.transport.calls == []
            wired.answer()
            await turn()
        assert wired.transport.written.count(b"HTTP/1.1 200 OK") == 3
        assert wired.transport.written.count(b"connection: close") == 1
        assert wired.transport.calls == ["close"]

    @run
    async def test_end_in_a_body_fails_it(self) -> None:
        wired = await Wired().begin()
        wired.receive(post(5) + b"hel")
        assert wired.connection.eof_received() is True
        with pytest.raises(Exception, match="broke off"):
            wired.requests[0].take()

    @run
    async def test_tls_cannot_be_half_closed(self) -> None:
        wired = await Wired(scheme="https").begin()
        wired.receive(GET)
        assert wired.connection.eof_received() is False

    @run
    async def test_loss_tells_everybody_once(self) -> None:
        wired = await Wired().begin()
        told: list[str] = []
        wired.receive(post(5))
        (request,) = wired.requests
        request.on_disconnect(lambda: told.append("left"))
        wired.connection.pause_writing()
        pending = wired.connection.wait_writable()
        assert pending is not None
        wired.connection.connection_lost(None)
        assert told == ["left"]
        assert request.is_disconnected
        with pytest.raises(ClientGone):
            await pending
        with pytest.raises(ClientGone):
            request.take()
        with pytest.raises(ClientGone):
            wired.connection.wait_writable()
        answer(request)  # dropped
        assert wired.transport.written == b""
        assert wired.service.connections == set()
        request.on_disconnect(lambda: told.append("late"))
        await turn()
        assert told == ["left", "late"]

    @run
    async def test_abort_cuts_and_tells(self) -> None:
        wired = await Wired().begin()
        told: list[str] = []
        wired.receive(post(5))
        (request,) = wired.requests
        request.on_disconnect(lambda: told.append("left"))
        request.send(ResponseHead(200, []), b"half", True)
        request.abort()
        assert wired.transport.calls == ["abort"]
        await turn()
        assert told == ["left"]
        with pytest.raises(ClientGone):
            request.take()

    @run
    async def test_writing_to_a_transport_that_is_closing_is_told(self) -> None:
        wired = await Wired().begin()
        wired.receive(GET)
        wired.transport.calls.append("abort")
        with pytest.raises(ClientGone):
            wired.connection.wait_writable()
