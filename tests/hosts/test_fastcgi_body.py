"""This file is the test of bodies that come in FCGI_STDIN records."""

import asyncio

import pytest

from penstock.errors import ClientGone, RequestRejected
from penstock.hosts.fastcgi_body import FastCgiBody
from tests.hosts.fastcgi_wired import FastCgiWired
from tests.hosts.wired import run


class TestFastCgiBody:
    @run
    async def test_pieces_come_joined_and_end_with_the_announced_length(self) -> None:
        body = FastCgiBody((await FastCgiWired().begin()).connection, 6, 100)
        assert body.take() is None
        body.feed(b"abc")
        body.feed(b"def")
        assert body.take() == b"abcdef"
        assert body.take() == b""
        await body.wait()
        body.end()
        assert body.is_complete

    @run
    async def test_without_a_length_the_end_of_the_stream_is_the_end(self) -> None:
        body = FastCgiBody((await FastCgiWired().begin()).connection, -1, 100)
        body.feed(b"abc")
        assert [body.take(), body.take()] == [b"abc", None]
        waiting = asyncio.ensure_future(body.wait())
        await asyncio.sleep(0)
        assert body.is_awaited
        body.end()
        await waiting
        assert (body.take(), body.is_awaited) == (b"", False)

    @run
    async def test_a_body_that_broke_off_is_refused(self) -> None:
        body = FastCgiBody((await FastCgiWired().begin()).connection, 6, 100)
        body.feed(b"abc")
        body.end()
        with pytest.raises(RequestRejected, match="broke off") as caught:
            body.take()
        assert caught.value.status == 400

    @run
    async def test_more_than_was_announced_is_refused(self) -> None:
        body = FastCgiBody((await FastCgiWired().begin()).connection, 2, 100)
        body.feed(b"abc")
        body.feed(b"def")
        with pytest.raises(RequestRejected, match="longer than its Content-Length"):
            body.take()
        assert not body.can_be_discarded

    @run
    async def test_limits(self) -> None:
        body = FastCgiBody((await FastCgiWired().begin()).connection, -1, 3)
        body.limit(2)
        body.feed(b"abc")
        with pytest.raises(RequestRejected) as caught:
            body.take()
        assert caught.value.status == 413
        with pytest.raises(RequestRejected, match="larger than 2 bytes"):
            body.limit(2)
        with pytest.raises(RequestRejected, match="larger than 9 bytes"):
            FastCgiBody((await FastCgiWired().begin()).connection, 10, 100).limit(9)

    @run
    async def test_who_is_slower_than_the_web_server_holds_it_back(self) -> None:
        wired = await FastCgiWired().begin()
        body = FastCgiBody(wired.connection, -1, 1 << 30)
        for _ in range(3):
            body.feed(bytes(60_000))
        assert wired.transport.calls == ["pause_reading"]
        assert len(body.take() or b"") == 180_000
        assert wired.transport.calls == ["pause_reading", "resume_reading"]

    @run
    async def test_an_answered_request_has_no_body_to_read(self) -> None:
        body = FastCgiBody((await FastCgiWired().begin()).connection, 10, 100)
        body.feed(b"abc")
        body.discard()
        with pytest.raises(ClientGone, match="answered before"):
            body.take()
        body.feed(b"def")
        assert body.can_be_discarded
        assert not FastCgiBody((await FastCgiWired().begin()).connection, -1, 100).can_be_discarded

    @run
    async def test_a_client_that_leaves_takes_nothing_from_a_whole_body(self) -> None:
        body = FastCgiBody((await FastCgiWired().begin()).connection, 3, 100)
        body.feed(b"abc")
        body.fail(ClientGone("gone"))
        assert [body.take(), body.take()] == [b"abc", b""]
