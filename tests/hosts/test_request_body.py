"""The body of a request that is arriving."""

import asyncio

import pytest

from penstock.errors import ClientGone, RequestRejected
from penstock.hosts.request_body import DISCARDED, RequestBody
from penstock.http.messages import CHUNKED
from tests.hosts.wired import Wired, run, turn


async def body(length: int = 5, *, limit: int = 100, expects_continue: bool = False) -> tuple[RequestBody, Wired]:
    wired = await Wired().begin()
    return RequestBody(wired.connection, length, limit, expects_continue=expects_continue), wired


class TestTaking:
    @run
    async def test_pieces_then_the_end(self) -> None:
        made, _ = await body()
        assert made.take() is None
        assert made.feed(b"he") == b""
        assert made.feed(b"llo, next") == b", next"
        assert (made.take(), made.take(), made.is_complete) == (b"hello", b"", True)

    @run
    async def test_all_who_wait_are_woken_and_one_may_give_up(self) -> None:
        made, _ = await body()
        waiting = [asyncio.ensure_future(made.wait()) for _ in range(3)]
        await turn()
        assert made._waiting == 3
        waiting[0].cancel()
        await turn()
        made.feed(b"h")
        await asyncio.gather(*waiting[1:])
        assert not made.is_awaited
        await made.wait()  # there is something: nobody waits
        assert made.take() == b"h"

    @run
    async def test_failure_wakes_and_is_told_again_and_again(self) -> None:
        made, _ = await body()
        waiting = asyncio.ensure_future(made.wait())
        await turn()
        made.feed(b"he")
        made.fail(ClientGone("left"))
        await waiting
        for _ in range(2):
            with pytest.raises(ClientGone):
                made.take()
        assert made.is_broken

    @run
    async def test_client_that_leaves_behind_its_body_breaks_nothing(self) -> None:
        made, _ = await body()
        made.feed(b"hello")
        made.fail(ClientGone("left"))
        assert made.take() == b"hello"


class TestLimits:
    @run
    async def test_chunks_beyond_the_limit(self) -> None:
        made, _ = await body(CHUNKED, limit=5)
        made.feed(b"5\r\nhello\r\n")
        assert made.take() == b"hello"
        made.feed(b"1\r\n!\r\n")
        with pytest.raises(RequestRejected) as caught:
            made.take()
        assert caught.value.status == 413

    @run
    async def test_announced_beyond_the_limit(self) -> None:
        made, _ = await body(101)
        made.limit(101)
        with pytest.raises(RequestRejected, match="100 bytes"):
            made.limit(100)

    @run
    async def test_what_came_counts(self) -> None:
        made, _ = await body(CHUNKED)
        made.feed(b"5\r\nhello\r\n")
        with pytest.raises(RequestRejected):
            made.limit(4)

    @run
    async def test_bad_chunk_drops_what_came_before_it(self) -> None:
        made, _ = await body(CHUNKED)
        made.feed(b"5\r\nhello\r\nzz\r\n")
        with pytest.raises(RequestRejected) as caught:
            made.take()
        assert caught.value.rule == "RFC 9112 section 7.1"


class TestDiscarding:
    @run
    async def test_small_rest_is_worth_it(self) -> None:
        for length, is_worth_it in ((DISCARDED, True), (DISCARDED + 1, False), (CHUNKED, True)):
            made, _ = await body(length)
            assert made.can_be_discarded is is_worth_it
            assert made.ends_connection is not is_worth_it

    @run
    async def test_complete_body_ends_nothing(self) -> None:
        made, _ = await body(5, expects_continue=True)
        assert made.ends_connection
        made.feed(b"hello")
        assert not made.ends_connection

    @run
    async def test_reader_is_told_that_it_is_over(self) -> None:
        made, _ = await body()
        waiting = asyncio.ensure_future(made.wait())
        await turn()
        made.discard()
        await waiting
        await made.wait()
        with pytest.raises(ClientGone):
            made.take()
        assert made.feed(b"hello!") == b"!"


class TestContinue:
    """RFC 9110 section 10.1.1"""

    @run
    async def test_said_once_to_the_first_who_waits(self) -> None:
        made, wired = await body(expects_continue=True)
        waiting = [asyncio.ensure_future(made.wait()) for _ in range(2)]
        await turn()
        assert wired.transport.written == b"HTTP/1.1 100 Continue\r\n\r\n"
        made.feed(b"hello")
        await asyncio.gather(*waiting)

    @run
    async def test_not_said_when_the_body_is_there_or_not_wanted(self) -> None:
        made, wired = await body(expects_continue=True)
        made.discard()
        await made.wait()
        there, also = await body(expects_continue=True)
        there.feed(b"hello")
        await there.wait()
        assert wired.transport.written + also.transport.written == b""
