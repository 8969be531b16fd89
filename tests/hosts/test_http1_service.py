"""What the connections of a listener share."""

import asyncio

from penstock.errors import RequestRejected
from penstock.hosts.connection import Connection
from penstock.hosts.http1_request import Http1Request
from penstock.hosts.http1_service import Http1Service
from penstock.settings.model import LimitSettings
from tests.hosts.wired import FakeTransport, Wired, run

FORWARDED = b"GET / HTTP/1.1\r\nHost: example.org\r\nX-Forwarded-Proto: https\r\n\r\n"


class TestService:
    @run
    async def test_sweeps_with_its_clock(self) -> None:
        wired = await Wired().begin()
        wired.sweep(1000)
        assert wired.transport.calls == ["close"]
        assert wired.service in wired.clock._swept

    @run
    async def test_cuts_everybody(self) -> None:
        wired = await Wired().begin()
        wired.service.abort_all()
        assert wired.transport.calls == ["abort"]

    @run
    async def test_connections_that_come_during_a_stop_get_one_answer(self) -> None:
        wired = await Wired().begin()
        wired.service.announce_stop()
        late = Connection(wired.service, "http")
        late.connection_made(FakeTransport())
        assert not late.keeps_alive
        assert len(wired.service.connections) == 2

    @run
    async def test_proxies_are_asked_only_about_requests_that_say_something(self) -> None:
        asked: list[Http1Request] = []
        wired = await Wired().begin()
        service = Http1Service(wired.runtime, LimitSettings(), wired.clock, is_timed=True, forwarded=asked.append)
        connection = Connection(service, "http")
        connection.connection_made(FakeTransport())
        connection.data_received(b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n")
        wired.answer()
        assert asked == []
        connection.data_received(FORWARDED)
        assert asked == [wired.requests[-1]]
        assert 0 < asked[0].started <= asyncio.get_running_loop().time()

    @run
    async def test_nonsense_of_a_proxy_is_refused(self) -> None:
        def refuse(request: Http1Request) -> None:
            raise RequestRejected(400, "nonsense")

        wired = await Wired().begin()
        service = Http1Service(wired.runtime, LimitSettings(), wired.clock, forwarded=refuse)
        connection, transport = Connection(service, "http"), FakeTransport()
        connection.connection_made(transport)
        connection.data_received(FORWARDED)
        assert transport.written.startswith(b"HTTP/1.1 400 ")
        assert wired.requests == []
