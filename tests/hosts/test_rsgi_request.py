"""Requests that an RSGI server hands over keep the contract of hosts (middleware section 15.4, «RSGI -> ASGI3»)."""

import asyncio
import os
from pathlib import Path

import pytest

from penstock.errors import ClientGone, ContractError
from penstock.http.messages import ResponseHead
from penstock.intake.frame_transport import UpgradeTerms
from penstock.intake.worker_request import Capability
from penstock.testing import check_host
from tests.hosts.rsgi_server import RsgiProtocol, ask, ask_rsgi
from tests.hosts.wired import run

OK = [(b"content-type", b"text/plain")]


def test_the_contract_of_hosts() -> None:
    check_host(ask_rsgi)


class TestAnswers:
    @run
    async def test_middleware_15_4_a_whole_answer_is_one_call(self) -> None:
        protocol = RsgiProtocol()
        request = ask(protocol)
        assert request.send(ResponseHead(200, list(OK)), b"hello", False) is None
        assert protocol.calls == ["bytes"]
        assert (protocol.status, protocol.fields, protocol.body) == (200, [("content-type", "text/plain")], b"hello")
        assert request.is_over
        await request.finish()

    @run
    async def test_middleware_15_4_an_empty_answer_is_empty(self) -> None:
        protocol = RsgiProtocol()
        ask(protocol).send(ResponseHead(302, [(b"location", b"/")]), b"", False)
        assert protocol.calls == ["empty"]

    @run
    async def test_duplicates_and_order_of_fields_are_kept(self) -> None:
        protocol = RsgiProtocol()
        fields = [(b"set-cookie", b"a=1"), (b"x-a", b"1"), (b"set-cookie", b"b=2")]
        ask(protocol).send(ResponseHead(200, fields), b"x", False)
        assert protocol.fields == [("set-cookie", "a=1"), ("x-a", "1"), ("set-cookie", "b=2")]

    @run
    async def test_rfc_9110_section_9_3_2_head_has_the_length_and_no_body(self) -> None:
        protocol = RsgiProtocol()
        ask(protocol, method="HEAD").send(ResponseHead(200, []), b"hello", False)
        assert (protocol.calls, protocol.fields) == (["empty"], [("content-length", "5")])

    @run
    async def test_rfc_9110_section_8_6_no_length_without_content(self) -> None:
        protocol = RsgiProtocol()
        ask(protocol).send(ResponseHead(204, [(b"content-length", b"0")]), b"", False)
        assert protocol.fields == []

    @run
    async def test_hop_by_hop_fields_are_the_servers_but_for_close(self) -> None:
        protocol = RsgiProtocol()
        fields = [(b"connection", b"close"), (b"transfer-encoding", b"chunked"), (b"keep-alive", b"5")]
        ask(protocol).send(ResponseHead(200, fields), b"x", False)
        assert protocol.fields == [("connection", "close")]

    @run
    async def test_middleware_15_4_pieces_leave_through_the_transport(self) -> None:
        protocol = RsgiProtocol()
        request = ask(protocol)
        application = asyncio.ensure_future(request.finish())
        pending = request.send(ResponseHead(200, []), b"one,", True)
        assert pending is not None
        await pending
        assert (protocol.calls, protocol.body) == (["stream"], b"one,")
        request.send(None, b"two,", True)  # nobody waits for it, and it leaves
        request.send(None, b"three", False)
        await application
        assert protocol.body == b"one,two,three"

    @run
    async def test_a_stream_that_was_cut_off_raises_to_the_server(self) -> None:
        protocol = RsgiProtocol()
        request = ask(protocol)
        application = asyncio.ensure_future(request.finish())
        pending = request.send(ResponseHead(200, []), b"half", True)
        assert pending is not None
        await pending
        request.abort()
        request.abort()
        with pytest.raises(ClientGone, match="cut off"):
            await application

    @run
    async def test_a_server_that_takes_nothing_more_has_no_client(self) -> None:
        protocol = RsgiProtocol()
        request = ask(protocol)
        told: list[int] = []
        request.on_disconnect(lambda: told.append(1))
        pending = request.send(ResponseHead(200, []), b"half", True)
        protocol.is_gone = True
        assert pending is not None
        with pytest.raises(ClientGone):
            await pending
        assert (request.is_disconnected, told) == (True, [1])
        request.abort()

    @run
    async def test_pieces_that_several_wait_for_keep_their_order(self) -> None:
        protocol = RsgiProtocol()
        request = ask(protocol)
        size = 64 * 1024
        waits = []
        for number in range(4):
            head = None if number else ResponseHead(200, [])
            pending = request.send(head, b"%d" % number * size, True)
            assert pending is not None
            waits.append(asyncio.ensure_future(_wait(pending)))
        await asyncio.sleep(0)
        protocol.begin_taking()
        await asyncio.gather(*waits)
        assert protocol.body == b"".join(b"%d" % number * size for number in range(4))

    @run
    async def test_what_rsgi_does_not_know_is_judged_and_dropped(self) -> None:
        request = ask(RsgiProtocol())
        assert request.capabilities == Capability.SEND_FILE
        request.inform(103, [(b"link", b"</a.css>; rel=preload")])
        request.trailers([(b"x-sum", b"1")])
        with pytest.raises(ContractError):
            request.inform(103, [(b"link", b"a\r\nb: c")])
        with pytest.raises(ContractError):
            request.trailers([(b"content-length", b"1")])
        with pytest.raises(ContractError):
            request.upgrade(ResponseHead(101, []), UpgradeTerms(b""))


async def _wait(pending: object) -> None:
    await pending  # type: ignore[misc]


def send_file(
    file: Path, head: ResponseHead, offset: int, count: int, *, method: str = "GET", is_deleted: bool = False
) -> RsgiProtocol:
    """Send so many bytes of a file from an offset, in the end of the answer."""

    async def send() -> RsgiProtocol:
        protocol = RsgiProtocol()
        request = ask(protocol, method=method)
        await request.send_file(head, descriptor, offset, count, False)
        assert request.is_over
        return protocol

    descriptor = os.open(file, os.O_RDONLY)
    try:
        if is_deleted:
            file.unlink()
        return asyncio.run(send())
    finally:
        os.close(descriptor)


class TestFiles:
    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        (tmp_path / "file").write_bytes(b"0123456789")
        return tmp_path / "file"

    def test_middleware_15_4_a_range_leaves_by_its_path_and_its_end_is_exclusive(self, file: Path) -> None:
        protocol = send_file(file, ResponseHead(206, []), 2, 3)
        assert (protocol.calls, protocol.body) == (["file_range"], b"234")
        assert protocol.fields == [("content-length", "3")]

    def test_a_file_without_a_path_leaves_in_pieces(self, file: Path) -> None:
        protocol = send_file(file, ResponseHead(200, []), 2, 3, is_deleted=True)
        assert (protocol.calls, protocol.body) == (["bytes"], b"234")

    def test_a_file_to_head(self, file: Path) -> None:
        protocol = send_file(file, ResponseHead(200, []), 0, 10, method="HEAD")
        assert (protocol.calls, protocol.fields) == (["empty"], [("content-length", "10")])

    def test_a_file_that_became_shorter_is_cut_off(self, file: Path) -> None:
        with pytest.raises(ClientGone, match="shorter"):
            send_file(file, ResponseHead(200, []), 10, 20, is_deleted=True)

    def test_a_length_that_is_wrong_is_the_applications_fault(self, file: Path) -> None:
        with pytest.raises(ContractError):
            send_file(file, ResponseHead(200, [(b"content-length", b"9")]), 0, 10)
