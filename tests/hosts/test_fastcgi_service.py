"""This file is the test of what all connections of web servers share: time limits, and the stop."""

import asyncio

import pytest

from penstock.errors import RequestRejected
from tests.hosts.fastcgi_wired import GET, KEPT, FastCgiWired, post
from tests.hosts.wired import run, turn
from tests.wire import fastcgi_client as web


class TestTimeLimits:
    @run
    async def test_an_idle_connection_closes(self) -> None:
        wired = await FastCgiWired(keep_alive=5).begin()
        wired.site.answer = b"hello"
        wired.receive(KEPT)
        wired.sweep(4)
        assert wired.transport.calls == []
        wired.sweep(6)
        assert wired.transport.calls == ["close"]

    @run
    async def test_a_head_that_takes_too_long(self) -> None:
        for beginning in (web.begin(), web.begin()[:3]):
            wired = await FastCgiWired(header_timeout=2).begin()
            wired.receive(beginning)
            wired.sweep(1)
            assert wired.transport.calls == []
            wired.sweep(3)
            assert wired.transport.calls == ["abort"]

    @run
    async def test_a_body_that_comes_too_slowly_is_answered_408(self) -> None:
        wired = await FastCgiWired(data_rate=100, data_rate_grace=1).begin()
        wired.receive(post(1000))
        waiting = asyncio.ensure_future(wired.request.wait_body())
        await turn()
        wired.sweep(0)
        wired.sweep(3)
        await waiting
        with pytest.raises(RequestRejected, match="too slowly"):
            wired.request.take()

    @run
    async def test_a_body_that_nobody_waits_for_may_take_its_time(self) -> None:
        wired = await FastCgiWired(data_rate=100, data_rate_grace=1).begin()
        wired.receive(post(1000))
        wired.sweep(0)
        wired.sweep(30)
        assert wired.request.take() is None

    @run
    async def test_a_web_server_that_reads_too_slowly_is_cut_off(self) -> None:
        wired = await FastCgiWired(data_rate=100, data_rate_grace=1).begin()
        wired.receive(GET)
        wired.answer(more=True)
        wired.connection.pause_writing()
        wired.transport.unsent = 100_000
        wired.sweep(0)
        wired.sweep(3)
        assert wired.transport.calls == ["abort"]


class TestStop:
    @run
    async def test_the_answer_is_the_last_and_the_idle_close(self) -> None:
        wired = await FastCgiWired().begin()
        wired.receive(KEPT)
        first = wired.transport
        wired.service.announce_stop()
        wired.answer()
        assert first.calls == ["close"]
        wired.connection.connection_lost(None)
        wired.connect()
        await wired.service.serve_expected(0.02)
        assert wired.transport.calls == ["close"]
        await wired.service.wait_sent(0.02)

    @run
    async def test_what_was_begun_is_served(self) -> None:
        wired = await FastCgiWired().begin()
        wired.site.answer = b"hello"
        wired.receive(KEPT[:20])
        stopping = asyncio.ensure_future(wired.service.serve_expected(5))
        await turn()
        wired.receive(KEPT[20:])
        await stopping
        assert wired.take()[-1][0] == web.END
        assert wired.transport.calls == ["close"]

    @run
    async def test_what_is_silent_closes_after_a_while(self) -> None:
        wired = await FastCgiWired().begin()
        wired.site.answer = b"hello"
        wired.receive(KEPT)
        wired.take()
        stopping = asyncio.ensure_future(wired.service.serve_expected(5, idle=0.1))
        await asyncio.sleep(0.05)
        assert wired.transport.calls == []
        await stopping
        assert wired.transport.calls == ["close"]

    @run
    async def test_what_is_left_is_cut(self) -> None:
        wired = await FastCgiWired().begin()
        wired.receive(KEPT)
        wired.service.abort_all()
        assert wired.transport.calls == ["abort"]
