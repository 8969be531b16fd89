"""Bodies that come by RSGI: `await protocol()` or its iteration, on demand, and what tells a broken one from a whole one."""

import asyncio

import pytest

from penstock.errors import ClientGone, RequestRejected
from penstock.hosts.rsgi_body import RsgiBody
from penstock.http.foreign_head import foreign_head, foreign_line
from tests.hosts.rsgi_server import RsgiProtocol
from tests.hosts.wired import run


def body_of(protocol: RsgiProtocol, *fields: tuple[bytes, bytes], lost: list[int] | None = None) -> RsgiBody:
    head = foreign_head(foreign_line("POST", b"/", b""), [(b"host", b"a"), *fields])
    told = [] if lost is None else lost
    return RsgiBody(protocol, head, loop=asyncio.get_running_loop(), lose=lambda: told.append(1))


CHUNKED = (b"transfer-encoding", b"chunked")


async def read(body: RsgiBody) -> bytes:
    received = b""
    while (piece := body.take()) != b"":
        received += piece or b""
        if piece is None:
            await body.wait()
    return received


class TestBodies:
    @run
    async def test_middleware_15_4_a_small_body_comes_in_one_call(self) -> None:
        protocol = RsgiProtocol()
        protocol.put_body(b"hello", more=False)
        assert await read(body_of(protocol, (b"content-length", b"5"))) == b"hello"
        assert protocol.calls == ["()"]

    @run
    async def test_middleware_15_4_a_large_body_is_iterated(self) -> None:
        protocol = RsgiProtocol()
        for _ in range(3):
            protocol.put_body(b"x" * 50_000, more=True)
        protocol.put_body(b"", more=False)
        assert len(await read(body_of(protocol, (b"content-length", b"150000")))) == 150_000
        assert protocol.calls == ["aiter"]

    @run
    async def test_nothing_is_received_before_somebody_waits(self) -> None:
        protocol = RsgiProtocol()
        body = body_of(protocol, (b"content-length", b"5"))
        assert body.take() is None
        await asyncio.sleep(0)
        assert protocol.calls == []

    @run
    async def test_a_body_in_chunks_ends_with_its_iteration(self) -> None:
        protocol = RsgiProtocol()
        protocol.put_body(b"hello", more=False)
        assert await read(body_of(protocol, CHUNKED)) == b"hello"

    @run
    async def test_a_body_in_chunks_that_breaks_off_is_none(self) -> None:
        protocol = RsgiProtocol()
        lost: list[int] = []
        body = body_of(protocol, CHUNKED, lost=lost)
        protocol.put_body(b"hello", more=True)
        protocol.leave()
        with pytest.raises(ClientGone):
            await read(body)
        assert lost == [1]

    @run
    async def test_rfc_9110_section_6_6_2_trailers_that_are_announced_are_no_break(self) -> None:
        protocol = RsgiProtocol()
        protocol.put_body(b"hello", more=True)
        protocol.leave()  # the same two empty pieces
        assert await read(body_of(protocol, CHUNKED, (b"trailer", b"x-sum"))) == b"hello"

    @run
    async def test_rfc_9113_section_6_1_an_empty_last_frame_is_no_break(self) -> None:
        protocol = RsgiProtocol()
        protocol.put_body(b"hello", more=True)
        protocol.leave()  # the same two empty pieces
        line = foreign_line("POST", b"/", b"", version="2")
        head = foreign_head(line, [(b"host", b"a")], may_have_body=True)
        body = RsgiBody(protocol, head, loop=asyncio.get_running_loop(), lose=lambda: None)
        assert await read(body) == b"hello"

    @run
    async def test_a_body_that_is_shorter_than_announced_is_none(self) -> None:
        for length in (b"9", b"100000"):
            protocol = RsgiProtocol()
            protocol.put_body(b"hello", more=False)
            with pytest.raises(ClientGone):
                await read(body_of(protocol, (b"content-length", length)))

    @run
    async def test_limits(self) -> None:
        protocol = RsgiProtocol()
        body = body_of(protocol, (b"content-length", b"5"))
        with pytest.raises(RequestRejected):
            body.limit(4)
        body = body_of(protocol, CHUNKED)
        body.limit(4)
        protocol.put_body(b"hello", more=True)
        with pytest.raises(RequestRejected):
            await read(body)

    @run
    async def test_who_waits_is_told_when_it_was_answered(self) -> None:
        body = body_of(RsgiProtocol(), CHUNKED)
        waiting = asyncio.ensure_future(body.wait())
        await asyncio.sleep(0)
        body.release()
        await waiting
        with pytest.raises(ClientGone, match="answered"):
            body.take()
