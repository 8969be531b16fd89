"""The in-memory host keeps the rules of the wire."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from penstock.errors import ClientGone, ContractError, RequestRejected
from penstock.hosts.memory_host import MemoryRequest
from penstock.http.messages import ResponseHead
from penstock.intake.frame_transport import UpgradeTerms
from penstock.intake.worker_request import Capability
from penstock.settings.model import LimitSettings
from tests.hosts.wired import run

LIMITS = LimitSettings()
HOST = (b"host", b"example.org")


def make(method: str = "GET", target: str = "/", body: bytes = b"") -> MemoryRequest:
    return MemoryRequest.make(method, target, [HOST], body, LIMITS)


class TestRequests:
    @run
    async def test_judged_as_on_the_wire(self) -> None:
        assert make("POST", "/a%20b?c", b"hello").head.path == "/a b"
        with pytest.raises(RequestRejected):
            MemoryRequest.make("GET", "/", [HOST, HOST], b"", LIMITS)
        with pytest.raises(RequestRejected):
            MemoryRequest.make("GET", "/a b", [HOST], b"", LIMITS)

    @run
    async def test_body(self) -> None:
        made = make("POST", "/", b"hello")
        await made.wait_body()
        assert (made.take(), made.take()) == (b"hello", b"")
        assert made.head.content_length == 5

    @run
    async def test_body_that_comes(self) -> None:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"one,"
            await asyncio.sleep(0)
            yield b"two"

        made = MemoryRequest.make("POST", "/", [HOST], None, LIMITS)
        feeding = asyncio.ensure_future(made.feed_from(pieces()))
        received = b""
        while (piece := made.take()) != b"":
            received += piece or b""
            await made.wait_body()
        await feeding
        assert received == b"one,two"
        assert made.head.content_length == -1

    @run
    async def test_limit(self) -> None:
        with pytest.raises(RequestRejected):
            make("POST", "/", b"hello").limit_body(4)

    @run
    async def test_client_that_leaves(self) -> None:
        made = MemoryRequest(make().head, None)
        told: list[int] = []
        made.on_disconnect(lambda: told.append(1))
        made.disconnect()
        made.on_disconnect(lambda: told.append(2))
        await made.wait_body()
        await asyncio.sleep(0)
        assert told == [1, 2]
        with pytest.raises(ClientGone):
            made.take()
        with pytest.raises(ClientGone):
            made.send(ResponseHead(200, []), b"half", True)


class TestAnswers:
    @run
    async def test_pieces(self) -> None:
        made = make()
        made.inform(103, [(b"link", b"</a>")])
        made.send(ResponseHead(200, []), b"one", True)
        made.trailers([(b"x-sum", b"1")])
        made.send(None, b"two", False)
        await made.wait_finished()
        assert (made.pieces, made.informed, made.trailer) == (
            [b"one", b"two"],
            [(103, [(b"link", b"</a>")])],
            [(b"x-sum", b"1")],
        )
        assert made.send(None, b"late", False) is None
        assert made.bytes_sent == 6

    @run
    async def test_no_body_for_head_and_204(self) -> None:
        for made, status in ((make("HEAD"), 200), (make(), 204)):
            made.send(ResponseHead(status, []), b"body", False)
            assert made.pieces == []

    @run
    async def test_contracts(self) -> None:
        made = make()
        with pytest.raises(ContractError):
            made.send(ResponseHead(200, [(b"a b", b"")]), b"", False)
        made.send(ResponseHead(200, [(b"content-length", b"3")]), b"ab", True)
        with pytest.raises(ContractError):
            made.send(ResponseHead(200, []), b"", False)
        with pytest.raises(ContractError):
            made.send(None, b"cd", True)

    @run
    async def test_abort(self) -> None:
        made = make()
        made.abort()
        await made.wait_finished()
        assert made.is_aborted


def test_file(tmp_path: Path) -> None:
    async def check() -> None:
        made = make()
        descriptor = os.open(tmp_path / "file", os.O_RDONLY)
        await made.send_file(ResponseHead(200, []), descriptor, 2, 3, more=False)
        os.close(descriptor)
        assert made.pieces == [b"234"]

    (tmp_path / "file").write_bytes(b"0123456789")
    asyncio.run(check())


KEY = b"dGhlIHNhbXBsZSBub25jZQ=="


class TestUpgrade:
    @run
    async def test_the_handshake_is_answered(self) -> None:
        made = make()
        assert Capability.UPGRADE in made.capabilities
        head = ResponseHead(101, [(b"x-mine", b"1"), (b"content-length", b"3"), (b"upgrade", b"h2c")])
        socket = made.upgrade(head, UpgradeTerms(KEY, subprotocol="chat"))
        assert socket is not None
        assert socket is made.socket
        assert made.has_sent_all
        await made.wait_finished()
        assert made.response_head is not None
        # RFC 6455 section 1.3: the example.
        assert (made.response_head.status, made.response_head.raw_headers) == (
            101,
            [
                (b"upgrade", b"websocket"),
                (b"connection", b"Upgrade"),
                (b"sec-websocket-accept", b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
                (b"sec-websocket-protocol", b"chat"),
                (b"x-mine", b"1"),
            ],
        )

    @run
    async def test_a_head_that_http_does_not_allow(self) -> None:
        made = make()
        with pytest.raises(ContractError):
            made.upgrade(ResponseHead(101, [(b"x-mine", b"a\r\nb: c")]), UpgradeTerms(KEY))
        assert made.response_head is None
        assert not made.has_sent_all

    @run
    async def test_a_client_that_has_left(self) -> None:
        made = make()
        made.disconnect()
        assert made.upgrade(ResponseHead(101, []), UpgradeTerms(KEY)) is None
        assert made.has_sent_all

    @run
    async def test_bytes_behind_the_handshake_go_to_the_socket(self) -> None:
        made = make()
        made.send_bytes(b"x" * 70_000)
        socket = made.upgrade(ResponseHead(101, []), UpgradeTerms(KEY))
        assert socket is not None
        assert socket.is_full
        made.send_bytes(b"y")
        assert socket.is_full

    @run
    async def test_leaving_and_being_dropped_end_the_socket(self) -> None:
        for end in (MemoryRequest.disconnect, MemoryRequest.abort):
            made = make()
            left = asyncio.Event()
            made.on_disconnect(left.set)
            socket = made.upgrade(ResponseHead(101, []), UpgradeTerms(KEY))
            assert socket is not None
            end(made)
            await left.wait()
            assert socket.is_ended
            assert made.is_disconnected
