"""This file is the test of requests that come by FastCGI, as worker requests: their contract, and the header block (RFC 3875 section 6)."""

import os
import tempfile

import pytest

from penstock.errors import ContractError
from penstock.http.messages import ResponseHead
from penstock.intake.frame_transport import UpgradeTerms
from penstock.intake.worker_request import Capability
from penstock.testing import check_host
from tests.hosts.fastcgi_wired import FastCgiWired
from tests.hosts.wired import run
from tests.testing.fastcgi_requests import ask_fastcgi
from tests.wire import fastcgi_client as web


def test_keeps_the_contract_of_worker_requests() -> None:
    check_host(ask_fastcgi, name="FastCGI")


async def asked(method: str = "GET") -> FastCgiWired:
    wired = await FastCgiWired().begin()
    wired.receive(web.ask(web.parameters(method), flags=web.KEEP_CONN))
    return wired


def output(wired: FastCgiWired) -> bytes:
    return b"".join(content for kind, _, content in wired.take() if kind == web.STDOUT)


class TestHeaderBlock:
    @run
    async def test_status_and_fields(self) -> None:
        wired = await asked()
        wired.request.send(ResponseHead(404, [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]), b"gone", False)
        block = b"Status: 404 Not Found\r\nset-cookie: a=1\r\nset-cookie: b=2\r\ncontent-length: 4\r\n\r\ngone"
        assert output(wired) == block

    @run
    async def test_a_reason_of_ones_own(self) -> None:
        wired = await asked()
        head = ResponseHead(299, [])
        head.reason_phrase = b"Quite Good"
        wired.request.send(head, b"", False)
        assert output(wired).startswith(b"Status: 299 Quite Good\r\n")

    @run
    async def test_a_field_called_status_is_not_a_second_status(self) -> None:
        wired = await asked()
        wired.request.send(ResponseHead(200, [(b"status", b"500 Oops"), (b"x-a", b"b")]), b"", False)
        assert output(wired) == b"Status: 200 OK\r\nx-a: b\r\ncontent-length: 0\r\n\r\n"

    @run
    async def test_the_web_server_frames_a_stream(self) -> None:
        wired = await asked()
        wired.request.send(ResponseHead(200, [(b"transfer-encoding", b"chunked")]), b"one,", True)
        wired.request.send(None, b"two", False)
        assert output(wired) == b"Status: 200 OK\r\n\r\none,two"

    @pytest.mark.parametrize(("status", "length"), [(204, b""), (304, b"content-length: 5\r\n")])
    def test_answers_without_a_body(self, status: int, length: bytes) -> None:
        @run
        async def check(_: object) -> None:
            wired = await asked()
            wired.request.send(ResponseHead(status, [(b"content-length", b"5")]), b"hello", False)
            assert output(wired).partition(b"\r\n")[2] == length + b"\r\n"

        check(None)

    @run
    async def test_head(self) -> None:
        wired = await asked("HEAD")
        wired.request.send(ResponseHead(200, []), b"hello", False)
        assert output(wired) == b"Status: 200 OK\r\ncontent-length: 5\r\n\r\n"
        assert wired.request.bytes_sent == 0


class TestWriting:
    @run
    async def test_a_large_answer_is_cut_into_records(self) -> None:
        wired = await asked()
        wired.answer(bytes(200_000))
        sizes = [len(content) for kind, _, content in wired.take() if kind == web.STDOUT]
        assert max(sizes) <= 65535
        assert sum(sizes[1:]) == 200_000

    @run
    async def test_a_file_that_became_shorter_cuts_the_answer(self) -> None:
        wired = await asked()
        with tempfile.TemporaryFile() as file:
            os.write(file.fileno(), b"0123456789")
            with pytest.raises(Exception, match="became shorter"):
                await wired.request.send_file(ResponseHead(200, []), file.fileno(), 0, 20, False)
        assert wired.transport.calls == ["abort"]

    @run
    async def test_what_cgi_does_not_carry(self) -> None:
        wired = await asked()
        assert wired.request.capabilities == Capability.SEND_FILE
        wired.request.inform(103, [(b"link", b"</a.css>")])
        wired.request.trailers([(b"x-sum", b"1")])
        assert wired.take() == []
        with pytest.raises(ContractError, match="FastCGI does not carry WebSockets"):
            wired.request.upgrade(ResponseHead(101, []), UpgradeTerms(b""))
