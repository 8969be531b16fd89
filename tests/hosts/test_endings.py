"""How connections end."""

import asyncio
import socket

from penstock.errors import RequestRejected
from penstock.hosts.endings import announce_end, close_idle, close_politely, close_silent, is_expected, refuse
from penstock.http.messages import ResponseHead
from tests.hosts.wired import GET, Wired, post, run


class TestRefusal:
    @run
    async def test_whole_answer(self) -> None:
        wired = await Wired().begin()
        refuse(wired.connection, RequestRejected(400, "no good", rule="RFC 0", headers=((b"x-more", b"1"),)))
        head, _, body = wired.transport.written.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert b"\r\nconnection: close" in head
        assert b"\r\nx-more: 1" in head
        assert b"\r\ndate: " in head
        assert body == b"400 Bad Request: no good\n"
        assert wired.runtime.statistics().rejected == 1

    @run
    async def test_lingers_over_tls_only_when_a_body_is_coming(self) -> None:
        for is_sending, calls in ((True, []), (False, ["close"])):
            wired = await Wired(scheme="https").begin()
            close_politely(wired.connection, is_sending=is_sending)
            assert wired.transport.calls == calls
            assert wired.connection.is_closing

    @run
    async def test_client_that_has_left_meanwhile(self) -> None:
        class Gone(type(Wired().transport)):  # type: ignore[misc]
            def __getattribute__(self, name: str) -> object:
                if name == "write_eof":
                    raise OSError(107, "not connected")
                return super().__getattribute__(name)

        wired = await Wired().begin()
        wired.connection.transport = gone = Gone()
        close_politely(wired.connection, is_sending=False)
        assert gone.calls == ["abort"]


class TestStop:
    @run
    async def test_rfc9112_9_3_1_our_own_processes_are_told_that_nothing_was_read(self) -> None:
        wired = await Wired().begin()
        wired.connection.service.is_private = True
        wired.receive(GET)
        close_idle(wired.connection)
        assert wired.transport.calls == []  # a request is inside
        wired.answer()
        close_idle(wired.connection)
        assert wired.transport.calls == ["close"]  # the kernel resets it for whatever crosses the close

    @run
    async def test_who_is_expected(self) -> None:
        wired = await Wired().begin()
        assert is_expected(wired.connection)  # never served
        wired.receive(GET)
        assert not is_expected(wired.connection)  # inside
        wired.answer()
        assert not is_expected(wired.connection)  # idle
        wired.receive(GET[:5])
        assert is_expected(wired.connection)
        close_idle(wired.connection)
        assert wired.transport.calls == ["write_eof"]  # what crosses it is read and dropped: no reset
        assert not is_expected(wired.connection)

    @run
    async def test_answer_that_has_begun_cannot_announce_it(self) -> None:
        wired = await Wired().begin()
        wired.receive(GET)
        wired.requests[0].send(ResponseHead(200, []), b"half", True)
        announce_end(wired.connection)
        assert wired.connection.keeps_alive

    @run
    async def test_next_answer_announces_it(self) -> None:
        wired = await Wired().begin()
        wired.receive(GET)
        wired.service.announce_stop()
        close_idle(wired.connection)  # not idle
        wired.answer()
        assert b"connection: close" in wired.transport.written
        assert wired.transport.calls == ["close"]

    @run
    async def test_service_waits_for_what_is_expected_and_closes_the_rest(self) -> None:
        wired = await Wired().begin()
        wired.receive(GET[:5])
        stopping = asyncio.ensure_future(wired.service.serve_expected(5.0))
        await asyncio.sleep(0.03)
        assert wired.transport.calls == []
        wired.receive(GET[5:])
        await stopping
        wired.answer()
        assert b"connection: close" in wired.transport.written

    @run
    async def test_silence_is_measured_from_the_announcement_or_the_last_byte(self) -> None:
        wired = await Wired().begin()
        connection = wired.connection
        wired.receive(GET)
        close_silent(connection, 1000.0, since=0.0, idle=2.0)
        assert wired.transport.calls == []  # inside
        wired.answer()
        connection.since = 100.0
        close_silent(connection, 101.9, since=0.0, idle=2.0)
        close_silent(connection, 103.9, since=102.0, idle=2.0)
        wired.transport.unsent = 1
        close_silent(connection, 1000.0, since=0.0, idle=2.0)
        wired.transport.unsent = 0
        assert wired.transport.calls == []
        close_silent(connection, 102.0, since=0.0, idle=2.0)
        assert wired.transport.calls == ["write_eof"]
        close_silent(connection, 1000.0, since=0.0, idle=2.0)
        assert wired.transport.calls == ["write_eof"]

    @run
    async def test_who_was_never_served_gets_half_a_second(self) -> None:
        wired = await Wired().begin()
        wired.connection.since = 0.0
        close_silent(wired.connection, 100.49, since=100.0, idle=0.0)
        assert wired.transport.calls == []
        close_silent(wired.connection, 100.5, since=100.0, idle=0.0)
        assert wired.transport.calls == ["write_eof"]

    @run
    async def test_last_look_finds_what_has_come(self) -> None:
        wired = await Wired().begin()
        wired.receive(GET)
        wired.answer()
        ours, theirs = socket.socketpair()
        with ours, theirs:
            wired.transport.info["socket"] = ours
            theirs.send(b"GET")
            close_silent(wired.connection, 1e9, since=0.0, idle=0.0)
            assert wired.transport.calls == []
            ours.recv(3)
            close_silent(wired.connection, 1e9, since=0.0, idle=0.0)
            assert wired.transport.calls == ["write_eof"]

    @run
    async def test_answer_that_could_not_tell_leaves_its_connection_to_wait_for(self) -> None:
        wired = await Wired().begin()
        wired.receive(GET)
        wired.requests[0].send(ResponseHead(200, []), b"half", True)
        stopping = asyncio.ensure_future(wired.service.serve_expected(5.0, idle=0.1))
        await asyncio.sleep(0.05)
        wired.requests[0].send(None, b"whole", False)
        assert wired.transport.calls == []
        wired.transport.take()
        wired.receive(GET)  # as the client cannot know
        assert not stopping.done()
        await asyncio.sleep(0.05)
        wired.answer()
        assert b"connection: close" in wired.transport.take()
        assert wired.transport.calls == ["close"]
        await stopping

    @run
    async def test_time_that_is_over_ends_the_waiting(self) -> None:
        wired = await Wired().begin()
        wired.receive(GET)
        wired.answer()
        await wired.service.serve_expected(0.05, idle=60.0)
        assert wired.transport.calls == ["write_eof"]

    @run
    async def test_service_waits_until_all_has_left(self) -> None:
        wired = await Wired().begin()
        wired.transport.unsent = 10
        waiting = asyncio.ensure_future(wired.service.wait_sent(5.0))
        await asyncio.sleep(0.03)
        assert not waiting.done()
        wired.transport.unsent = 0
        await waiting
        await wired.service.wait_sent(0.0)

    @run
    async def test_body_is_not_expected_again(self) -> None:
        wired = await Wired().begin()
        wired.receive(post(10))
        assert not is_expected(wired.connection)
