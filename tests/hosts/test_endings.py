"""How connections end."""

import asyncio

from penstock.errors import RequestRejected
from penstock.hosts.endings import announce_end, close_idle, close_politely, is_expected, refuse
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
        assert wired.transport.calls == ["close"]
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
