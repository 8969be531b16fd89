"""This file is the test of answers by `send`: what leaves, when, and what becomes of it when the other side is gone."""

import asyncio
import logging
import tempfile
from typing import Any

import pytest

from penstock import ClientGone, ContractError
from penstock.http.messages import ResponseHead
from penstock.intake.frame_transport import UpgradeTerms
from penstock.intake.worker_request import Capability
from penstock.testing import check_host
from tests.intake.asgi_server import AsgiServer, Pairs, ask, ask_asgi, ask_socket

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
HINTS: dict[str, Any] = {"http.response.early_hint": {}}
TRAILERS: dict[str, Any] = {"http.response.trailers": {}}


def head(status: int = 200, *fields: tuple[bytes, bytes]) -> ResponseHead:
    return ResponseHead(status, list(fields))


def answer_of(response: ResponseHead, body: bytes = b"hello", *, method: str = "GET", **other: Any) -> list[Any]:
    """The messages of a whole answer, and one in pieces."""

    async def journey() -> list[Any]:
        server = AsgiServer()
        request = ask(server, method=method, **other)
        request.send(response, body, False)
        await request.finish()
        return server.sent

    return asyncio.run(journey())


def start_of(messages: list[Any]) -> dict[bytes, bytes]:
    return dict(messages[0]["headers"])


class TestContract:
    def test_keeps_the_contract_of_hosts(self) -> None:
        check_host(ask_asgi, name="the ASGI host")


class TestHeads:
    def test_a_whole_answer_says_how_long_it_is(self) -> None:
        assert answer_of(head(201, (b"x-a", b"1"))) == [
            {"type": "http.response.start", "status": 201, "headers": [(b"x-a", b"1"), (b"content-length", b"5")]},
            {"type": "http.response.body", "body": b"hello", "more_body": False},
        ]

    def test_rfc9110_section_9_3_2_head_has_the_length_and_no_body(self) -> None:
        messages = answer_of(head(), method="HEAD")
        assert start_of(messages) == {b"content-length": b"5"}
        assert messages[1]["body"] == b""
        messages = answer_of(head(200, (b"content-length", b"7")), b"", method="HEAD")
        assert start_of(messages) == {b"content-length": b"7"}

    @pytest.mark.parametrize("status", [204, 304])
    def test_rfc9110_section_8_6_no_length_where_there_is_no_body(self, status: int) -> None:
        # uvicorn waits for the body that a 304 tells of, and breaks the connection.
        for fields in ([(b"content-length", b"5")], []):
            messages = answer_of(head(status, *fields, (b"etag", b'"1"')), b"")
            assert start_of(messages) == {b"etag": b'"1"'}
            assert messages[1]["body"] == b""

    def test_rfc9110_section_7_6_1_hop_by_hop_fields_are_the_servers(self) -> None:
        fields = [(b"transfer-encoding", b"chunked"), (b"keep-alive", b"1"), (b"upgrade", b"a"), (b"x-a", b"1")]
        assert start_of(answer_of(head(200, *fields))) == {b"x-a": b"1", b"content-length": b"5"}

    def test_a_wish_to_close_is_passed_on_over_http_1(self) -> None:
        closing = (b"connection", b"close")
        assert start_of(answer_of(head(200, closing)))[b"connection"] == b"close"

    @pytest.mark.parametrize(
        ("fields", "body", "more"),
        [
            ([(b"content-length", b"4")], b"hello", False),
            ([(b"content-length", b"6")], b"hello", False),
            ([(b"content-length", b"4")], b"hello", True),
            ([(b"x-a", b"a\r\nb")], b"", False),
        ],
    )
    def test_bad_input_43_what_is_refused_leaves_nothing_behind(self, fields: Pairs, body: bytes, more: bool) -> None:
        async def journey() -> None:
            server = AsgiServer()
            request = ask(server)
            with pytest.raises(ContractError):
                request.send(head(200, *fields), body, more)
            assert (request.has_sent_head, request.has_sent_all, request.bytes_sent) == (False, False, 0)
            request.send(head(500), b"sorry", False)
            await request.finish()
            assert [message.get("status") for message in server.sent] == [500, None]

        asyncio.run(journey())

    def test_a_stream_that_ends_too_early_is_refused(self) -> None:
        async def journey() -> None:
            request = ask(AsgiServer())
            request.send(head(200, (b"content-length", b"9")), b"half", True)
            with pytest.raises(ContractError, match="shorter"):
                request.send(None, b"", False)

        asyncio.run(journey())


class TestExtensions:
    def test_capabilities_are_those_of_the_scope(self) -> None:
        async def journey() -> None:
            server = AsgiServer()
            assert ask(server).capabilities == Capability.SEND_FILE
            every = ask(server, extensions=HINTS | TRAILERS).capabilities
            assert every == Capability.SEND_FILE | Capability.INFORM | Capability.TRAILERS
            assert ask_socket(server).capabilities == Capability.SEND_FILE | Capability.UPGRADE

        asyncio.run(journey())

    def test_rfc8297_hints_leave_while_the_answer_is_made(self) -> None:
        async def journey() -> None:
            server = AsgiServer()
            request = ask(server, extensions=HINTS)
            finishing = asyncio.ensure_future(request.finish())
            await asyncio.sleep(0)
            request.inform(103, [(b"link", b"</a>"), (b"x-a", b"1")])
            assert await server.wait_sent(1) == [{"type": "http.response.early_hint", "links": [b"</a>"]}]
            request.inform(103, [(b"x-a", b"1")])  # nothing that could be sent
            request.inform(102, [(b"link", b"</b>")])
            request.send(head(), b"", False)
            request.inform(103, [(b"link", b"</late>")])
            await finishing
            assert len(server.sent) == 3

        asyncio.run(journey())

    def test_hints_that_the_server_cannot_send_are_dropped(self) -> None:
        async def journey() -> None:
            server = AsgiServer()
            request = ask(server)
            request.inform(103, [(b"link", b"</a>")])
            request.send(head(), b"", False)
            await request.finish()
            assert [message["type"] for message in server.sent] == ["http.response.start", "http.response.body"]

        asyncio.run(journey())

    @pytest.mark.parametrize(
        ("fields", "asked", "is_early", "told"),
        [
            ([], [], False, True),  # told before the head has left
            ([], [], True, False),  # the head has left without a word of them
            ([(b"trailer", b"x-sum")], [], True, True),
            ([], [(b"te", b"trailers")], True, True),
        ],
    )
    def test_rfc9110_section_6_5_trailers(self, fields: Pairs, asked: Pairs, is_early: bool, told: bool) -> None:
        async def journey() -> None:
            server = AsgiServer()
            request = ask(server, headers=asked, extensions=TRAILERS)
            pending = request.send(head(200, *fields), b"hel", True)
            if is_early and pending is not None:
                await pending
            request.trailers([(b"x-sum", b"5d41")])
            request.send(None, b"lo", False)
            await request.finish()
            assert server.sent[0]["trailers"] is told
            last = {"type": "http.response.trailers", "headers": [(b"x-sum", b"5d41")], "more_trailers": False}
            assert (server.sent[-1] == last) is told

        asyncio.run(journey())

    def test_trailers_that_were_promised_and_are_none_end_the_answer_all_the_same(self) -> None:
        async def journey() -> None:
            server = AsgiServer()
            request = ask(server, headers=[(b"te", b"trailers")], extensions=TRAILERS)
            request.send(head(), b"", True)
            request.send(None, b"", False)
            await request.finish()
            assert server.sent[-1] == {"type": "http.response.trailers", "headers": [], "more_trailers": False}

        asyncio.run(journey())

    def test_fields_that_cannot_follow_a_body_are_refused(self) -> None:
        async def journey() -> None:
            with pytest.raises(ContractError):
                ask(AsgiServer()).trailers([(b"content-length", b"5")])

        asyncio.run(journey())


class TestFiles:
    def test_a_file_that_shrinks_is_a_broken_promise(self) -> None:
        async def journey() -> None:
            server = AsgiServer()
            request = ask(server)
            with tempfile.TemporaryFile() as file:
                file.write(b"hello")
                file.flush()
                with pytest.raises(ClientGone, match="shorter"):
                    await request.send_file(head(), file.fileno(), 0, 10, False)
            with pytest.raises(ClientGone, match="cut off"):
                await request.finish()

        asyncio.run(journey())

    def test_no_bytes_of_a_file_are_an_answer_too(self) -> None:
        async def journey() -> None:
            server = AsgiServer()
            request = ask(server)
            with tempfile.TemporaryFile() as file:
                await request.send_file(head(), file.fileno(), 0, 0, False)
            await request.finish()
            assert start_of(server.sent) == {b"content-length": b"0"}

        asyncio.run(journey())


class TestEndings:
    def test_an_answer_that_is_cut_off_leaves_as_an_error(self) -> None:
        async def journey() -> None:
            server = AsgiServer()
            request = ask(server)
            request.send(head(), b"half", True)
            request.abort()
            request.send(None, b"late", False)
            with pytest.raises(ClientGone, match="cut off"):
                await request.finish()
            assert server.sent == []

        asyncio.run(journey())

    def test_one_whose_client_has_left_does_not(self) -> None:
        async def journey() -> None:
            server = AsgiServer()
            request = ask(server)
            gone = asyncio.Event()
            request.on_disconnect(gone.set)
            server.leave()
            await gone.wait()
            request.abort()
            await request.finish()

        asyncio.run(journey())

    def test_who_streams_finds_out_that_the_client_has_left(self) -> None:
        """Most servers drop what is written then, and say nothing."""

        async def journey() -> None:
            server = AsgiServer()
            request = ask(server)
            finishing = asyncio.ensure_future(request.finish())
            await asyncio.sleep(0)
            server.put_body(b"", more=False)
            with pytest.raises(ClientGone):
                for number in range(1000):
                    pending = request.send(None if number else head(), b"x", True)
                    if number == 5:
                        server.leave()
                    if pending is not None:
                        await pending
                    await asyncio.sleep(0)
            request.abort()
            await finishing
            assert request.is_disconnected

        asyncio.run(journey())

    def test_a_complete_answer_has_no_use_for_its_client(self) -> None:
        async def journey() -> None:
            server = AsgiServer()
            request = ask(server)
            told: list[int] = []
            request.on_disconnect(lambda: told.append(1))
            await asyncio.sleep(0)
            request.send(head(), b"hello", False)
            server.leave()
            await request.finish()
            assert (request.is_disconnected, told) == (False, [])

        asyncio.run(journey())

    @pytest.mark.parametrize(("failure", "is_told"), [(BrokenPipeError(), False), (RuntimeError("no"), True)])
    def test_a_server_that_takes_nothing_more(
        self, failure: Exception, is_told: bool, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def journey() -> None:
            server = AsgiServer()
            server.failure = failure
            request = ask(server)
            finishing = asyncio.ensure_future(request.finish())
            await asyncio.sleep(0)
            pending = request.send(head(), b"hello", True)
            assert pending is not None
            with pytest.raises(ClientGone) as caught:
                await pending
            assert caught.value.__cause__ is failure
            assert (request.is_disconnected, request.failure) == (True, failure)
            request.send(None, b"", False)
            await finishing

        with caplog.at_level(logging.ERROR):
            asyncio.run(journey())
        assert ["the server did not take what was sent: RuntimeError: no"] * is_told == caplog.messages

    def test_a_send_that_is_cancelled_in_the_middle_cuts_the_answer_off(self) -> None:
        """Nobody knows how much of the message has left."""

        async def journey() -> None:
            server = AsgiServer()
            request = ask(server)
            finishing = asyncio.ensure_future(request.finish())
            await asyncio.sleep(0)

            async def fill() -> None:
                for number in range(1000):
                    pending = request.send(None if number else head(), b"x" * 65536, True)
                    if pending is not None:
                        await pending

            filling = asyncio.ensure_future(fill())
            await server.wait_sent(2)
            await asyncio.sleep(0.01)
            filling.cancel()
            with pytest.raises(ClientGone, match="cut off"):
                await finishing

        asyncio.run(journey())

    def test_two_that_send_at_once_keep_their_order(self) -> None:
        async def journey() -> None:
            server = AsgiServer()
            request = ask(server, extensions=HINTS)
            finishing = asyncio.ensure_future(request.finish())
            await asyncio.sleep(0)
            request.send(head(), b"x" * 100_000, True)
            first = asyncio.ensure_future(request.drain())
            second = asyncio.ensure_future(request.drain())
            await asyncio.sleep(0.01)
            request.send(None, b"y", True)
            request.send(None, b"z", False)
            server.begin_taking()
            await asyncio.gather(first, second, finishing)
            assert b"".join(message.get("body", b"") for message in server.sent)[-3:] == b"xyz"

        asyncio.run(journey())

    def test_a_server_that_ends_us_ends_the_request(self) -> None:
        async def journey() -> None:
            server = AsgiServer()
            request = ask(server)
            told: list[int] = []
            request.on_disconnect(lambda: told.append(1))
            finishing = asyncio.ensure_future(request.finish())
            await asyncio.sleep(0)
            finishing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await finishing
            assert (request.is_disconnected, told) == (True, [1])
            request.send(head(), b"late", False)
            await asyncio.sleep(0.01)
            assert (server.sent, server.receivers) == ([], 0)

        asyncio.run(journey())

    def test_nothing_is_received_or_sent_when_it_is_over(self) -> None:
        async def journey() -> None:
            server = AsgiServer()
            request = ask(server, headers=[(b"content-length", b"5")])
            waiting = asyncio.ensure_future(request.wait_body())
            await asyncio.sleep(0)
            request.send(head(), b"hello", False)
            await request.finish()
            await waiting
            with pytest.raises(ClientGone, match="answered before its body"):
                request.take()
            request.on_disconnect(lambda: None)
            await request.wait_body()
            await asyncio.sleep(0.01)
            assert server.receivers == 0

        asyncio.run(journey())


class TestHandshakes:
    def test_websockets_h07_an_accept_with_its_fields(self) -> None:
        async def journey() -> None:
            server = AsgiServer()
            request = ask_socket(server)
            fields = [(b"x-a", b"1"), (b"content-length", b"5"), (b"sec-websocket-accept", b"a")]
            frames = request.upgrade(head(101, *fields), UpgradeTerms(KEY, subprotocol="v1"))
            assert frames is not None
            finishing = asyncio.ensure_future(request.finish())
            accept = {"type": "websocket.accept", "subprotocol": "v1", "headers": [(b"x-a", b"1")]}
            assert await server.wait_sent(1) == [accept]
            frames.abort()
            await finishing

        asyncio.run(journey())

    def test_only_of_what_the_server_calls_a_websocket(self) -> None:
        async def journey() -> None:
            with pytest.raises(ContractError, match="no WebSockets"):
                ask(AsgiServer()).upgrade(head(101), UpgradeTerms(KEY))

        asyncio.run(journey())

    def test_fields_that_http_does_not_allow_send_nothing(self) -> None:
        async def journey() -> None:
            server = AsgiServer()
            request = ask_socket(server)
            with pytest.raises(ContractError):
                request.upgrade(head(101, (b"x-a", b"a\r\nb")), UpgradeTerms(KEY))
            request.send(head(500), b"sorry", False)
            await request.finish()
            assert server.sent[0]["status"] == 500

        asyncio.run(journey())

    def test_websockets_t31_a_refusal_is_a_whole_answer_where_the_server_can(self) -> None:
        async def journey() -> None:
            server = AsgiServer()
            request = ask_socket(server)
            request.send(head(409, (b"x-a", b"1")), b"not", True)
            request.send(None, b" today", False)
            await request.finish()
            assert server.sent == [
                {"type": "websocket.http.response.start", "status": 409, "headers": [(b"x-a", b"1")]},
                {"type": "websocket.http.response.body", "body": b"not", "more_body": True},
                {"type": "websocket.http.response.body", "body": b" today", "more_body": False},
            ]

        asyncio.run(journey())

    def test_websockets_t31_a_refusal_is_a_close_where_it_cannot(self) -> None:
        async def journey() -> None:
            server = AsgiServer()
            request = ask_socket(server, denies=False)
            request.send(head(409), b"not", True)
            request.send(None, b" today", False)
            await request.finish()
            assert server.sent == [{"type": "websocket.close", "code": 1000, "reason": ""}]

        asyncio.run(journey())

    def test_a_client_that_leaves_before_it_is_accepted(self) -> None:
        async def journey() -> None:
            server = AsgiServer()
            request = ask_socket(server)
            gone = asyncio.Event()
            request.on_disconnect(gone.set)
            server.leave("websocket.disconnect", code=1006)
            await gone.wait()
            assert request.upgrade(head(101), UpgradeTerms(KEY)) is None
            await request.finish()
            assert (server.sent, request.has_sent_all) == ([], True)

        asyncio.run(journey())
