"""This file is the test of one connection of a web server's, by the sections of the FastCGI specification."""

import logging
import random

import pytest

from penstock.errors import ClientGone
from penstock.http.messages import ResponseHead
from tests.hosts.fastcgi_wired import ENDED, GET, KEPT, FastCgiWired, post
from tests.hosts.wired import run, turn
from tests.wire import fastcgi_client as web

HELLO = b"Status: 200 OK\r\ncontent-length: 5\r\n\r\nhello"
WHOLE = [(web.STDOUT, 1, HELLO), (web.STDOUT, 1, b""), (web.END, 1, ENDED)]


class Lines(logging.Handler):
    """What was logged while it is entered."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.told: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.told.append(record.getMessage())

    def __enter__(self) -> list[str]:
        logger = logging.getLogger("penstock")
        logger.addHandler(self)
        logger.setLevel(logging.INFO)
        return self.told

    def __exit__(self, *_: object) -> None:
        logger = logging.getLogger("penstock")
        logger.removeHandler(self)
        logger.setLevel(logging.NOTSET)


class TestRequests:
    @run
    async def test_section_5_1_without_keep_conn_the_connection_closes(self) -> None:
        wired = await FastCgiWired().begin()
        wired.receive(GET)
        wired.answer()
        assert wired.take() == WHOLE
        assert wired.transport.calls == ["close"]

    @run
    async def test_section_5_1_with_keep_conn_it_stays(self) -> None:
        wired = await FastCgiWired().begin()
        wired.site.answer = b"hello"
        wired.receive(KEPT)
        wired.receive(KEPT, KEPT)
        assert wired.take() == WHOLE * 3
        assert wired.transport.calls == []
        wired.receive(GET)
        assert wired.transport.calls == ["close"]

    @run
    async def test_any_split_is_the_same_request(self) -> None:
        chance = random.Random(1)
        wired = await FastCgiWired().begin()
        for count in range(200):
            told = web.parameters("POST", CONTENT_LENGTH="4", HTTP_X_LONG="x" * 300)
            asked = web.ask(told, b"body", flags=web.KEEP_CONN)
            position = 0
            while position < len(asked):
                size = chance.choice([1, 3, 8, 50, 500])
                wired.receive(asked[position : position + size])
                position += size
            assert len(wired.site.kept) == count + 1
            assert wired.request.take() == b"body"
            wired.answer()
            assert wired.take() == WHOLE

    @run
    async def test_input_that_has_not_ended_may_end_before_the_web_server_is_closed(self) -> None:
        wired = await FastCgiWired().begin()
        wired.receive(GET[: -len(web.record(web.STDIN))])
        wired.answer()
        assert wired.transport.calls == ["write_eof"]
        wired.receive(web.record(web.STDIN))
        wired.sweep(10)
        assert wired.transport.calls == ["write_eof", "abort"]

    @run
    async def test_a_body_that_nobody_wants_is_dropped_or_ends_the_connection(self) -> None:
        wired = await FastCgiWired().begin()
        wired.receive(post(10))
        wired.answer()
        wired.receive(web.stream(web.STDIN, b"0123456789"), KEPT)
        assert len(wired.site.kept) == 2
        wired.answer()
        wired.receive(post(100_000))
        wired.answer()
        assert wired.transport.calls == ["write_eof"]

    @run
    async def test_section_3_3_records_of_no_request_are_ignored(self) -> None:
        wired = await FastCgiWired().begin()
        wired.receive(web.record(web.STDIN, b"a", number=7), web.record(web.PARAMS, number=7), web.record(web.ABORT))
        assert wired.take() == []
        wired.receive(KEPT, web.record(web.DATA, b"a"), web.record(web.STDIN, b"late", number=2))
        wired.answer()
        assert wired.take() == WHOLE

    @run
    async def test_bytes_behind_the_end_of_the_input_are_ignored(self) -> None:
        wired = await FastCgiWired().begin()
        wired.receive(KEPT, web.record(web.STDIN, b"late"))
        wired.answer()
        assert wired.take() == WHOLE

    @run
    async def test_number_of_the_request_is_its_own(self) -> None:
        wired = await FastCgiWired().begin()
        wired.site.answer = b"hello"
        wired.receive(web.ask(web.parameters(), number=65535, flags=web.KEEP_CONN))
        assert [number for _, number, _ in wired.take()] == [65535] * 3


class TestManagement:
    @run
    async def test_section_4_1_values(self) -> None:
        wired = await FastCgiWired().begin()
        names = ["FCGI_MAX_CONNS", "FCGI_MAX_REQS", "FCGI_MPXS_CONNS", "FCGI_UNHEARD_OF"]
        wired.receive(web.record(web.GET_VALUES, web.pairs([(name, "") for name in names]), number=0))
        ((kind, number, content),) = wired.take()
        expected = [("FCGI_MAX_CONNS", "1000"), ("FCGI_MAX_REQS", "1000"), ("FCGI_MPXS_CONNS", "0")]
        assert (kind, number, content) == (web.VALUES, 0, web.pairs(expected))
        assert wired.transport.calls == []

    @run
    async def test_section_4_2_unknown_types(self) -> None:
        wired = await FastCgiWired().begin()
        wired.receive(web.record(99, b"what", number=0), web.record(12, number=1))
        assert wired.take() == [(web.UNKNOWN, 0, bytes([kind, 0, 0, 0, 0, 0, 0, 0])) for kind in (99, 12)]

    @run
    async def test_who_asks_and_does_not_read_is_closed(self) -> None:
        wired = await FastCgiWired().begin()
        wired.connection.pause_writing()
        with Lines() as told:
            wired.receive(web.record(99, number=0))
        assert wired.transport.calls == ["abort"]
        assert len(told) == 1

    @run
    async def test_section_5_1_other_roles(self) -> None:
        wired = await FastCgiWired().begin()
        wired.receive(web.begin(role=web.AUTHORIZER, flags=web.KEEP_CONN), web.stream(web.PARAMS, b""))
        assert wired.take() == [(web.END, 1, bytes([0, 0, 0, 0, 3, 0, 0, 0]))]
        assert wired.transport.calls == []
        wired.receive(web.begin(role=web.FILTER))
        assert wired.transport.calls == ["close"]

    @run
    async def test_section_5_5_one_request_at_a_time(self) -> None:
        wired = await FastCgiWired().begin()
        wired.receive(KEPT, web.ask(web.parameters(), number=2, flags=web.KEEP_CONN))
        assert wired.take() == [(web.END, 2, bytes([0, 0, 0, 0, 1, 0, 0, 0]))]
        wired.answer()
        assert wired.take() == WHOLE
        wired.receive(post(3), web.begin(number=2))
        assert wired.take() == [(web.END, 2, bytes([0, 0, 0, 0, 1, 0, 0, 0]))]


class TestClientsThatLeave:
    @run
    async def test_section_5_4_an_abort_ends_the_request_and_keeps_the_connection(self) -> None:
        wired = await FastCgiWired().begin()
        wired.receive(post(10))
        request, told = wired.request, []
        request.on_disconnect(lambda: told.append("left"))
        wired.receive(web.record(web.ABORT))
        assert wired.take() == [(web.STDOUT, 1, b""), (web.END, 1, ENDED)]
        assert told == ["left"]
        assert request.is_disconnected
        with pytest.raises(ClientGone):
            request.take()
        with pytest.raises(ClientGone):
            request.send(ResponseHead(200, []), b"late", True)
        request.send(None, b"late", False)
        assert wired.take() == []
        wired.site.answer = b"hello"
        wired.receive(KEPT)
        assert wired.take() == WHOLE

    @run
    async def test_section_5_4_an_abort_wakes_who_waits_to_write(self) -> None:
        wired = await FastCgiWired().begin()
        wired.receive(KEPT)
        wired.connection.pause_writing()
        waiting = wired.request.send(ResponseHead(200, []), b"piece", True)
        assert waiting is not None
        wired.receive(web.record(web.ABORT))
        with pytest.raises(ClientGone):
            await waiting

    @run
    async def test_section_5_4_an_abort_in_the_middle_of_the_parameters(self) -> None:
        wired = await FastCgiWired().begin()
        wired.receive(web.begin(flags=web.KEEP_CONN), web.record(web.ABORT))
        assert wired.take() == [(web.STDOUT, 1, b""), (web.END, 1, ENDED)]
        wired.receive(KEPT)
        assert len(wired.site.kept) == 1

    @run
    async def test_a_web_server_that_closes(self) -> None:
        wired = await FastCgiWired().begin()
        wired.receive(post(10))
        assert wired.connection.eof_received() is False
        wired.connection.connection_lost(None)
        assert wired.request.is_disconnected
        assert wired.service.connections == set()
        wired.answer()
        assert wired.take() == []

    @run
    async def test_an_answer_that_is_cut_off_is_an_error_for_nginx(self) -> None:
        wired = await FastCgiWired().begin()
        wired.receive(GET)
        wired.answer(more=True)
        wired.take()
        wired.request.abort()
        assert wired.take() == [(web.UNKNOWN, 0, bytes(8))]
        assert wired.transport.calls == ["abort"]
        await turn()
        assert wired.request.is_disconnected

    @run
    async def test_a_cut_leaves_behind_what_was_written(self) -> None:
        wired = await FastCgiWired().begin()
        wired.receive(GET)
        wired.transport.unsent = 1
        wired.request.abort()
        assert wired.transport.calls == ["close"]


class TestWhatIsNoRequest:
    @pytest.mark.parametrize(
        ("records", "reason"),
        [
            (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "another protocol, such as HTTP"),
            (web.record(web.BEGIN, version=2), "version 2"),
            (web.record(web.BEGIN, b"short"), "eight bytes"),
            (web.begin() + web.begin(), "begins a second time"),
            (web.begin() + web.record(web.STDIN, b"a"), "before FCGI_PARAMS have ended"),
            (web.begin() + web.stream(web.PARAMS, b"\x05\x05a"), "end in the middle"),
            (post(3) + web.record(web.PARAMS, b"a"), "go on behind their end"),
            (web.begin() + web.stream(web.PARAMS, bytes(400_000)), "FCGI_PARAMS have more than"),
            (web.record(web.GET_VALUES, bytes(5000), number=0), "asks with more than 4096"),
            (web.record(web.GET_VALUES, b"\x05", number=0), "end in the middle"),
            (GET[:-8] + web.record(web.STDIN, b"surprise"), "CONTENT_LENGTH did not announce"),
        ],
    )
    def test_closes_the_connection_with_one_line(self, records: bytes, reason: str) -> None:
        @run
        async def check(_: object) -> None:
            wired = await FastCgiWired().begin()
            with Lines() as told:
                wired.receive(records)
                wired.receive(records)
            assert wired.transport.calls == ["abort"]
            (line,) = told
            assert line.startswith("a FastCGI connection from 127.0.0.1 was closed: ")
            assert reason in line

        check(None)

    @run
    async def test_a_request_that_http_does_not_allow_is_answered(self) -> None:
        wired = await FastCgiWired().begin()
        with Lines() as told:
            wired.receive(web.ask(web.parameters(HTTP_HOST="a b"), flags=web.KEEP_CONN))
        assert told == ["request from 192.0.2.7 refused with 400: malformed Host (RFC 9110 section 7.2)"]
        output, *ends = wired.take()
        assert output[2].startswith(b"Status: 400 Bad Request\r\n")
        assert output[2].endswith(b"malformed Host\n")
        assert ends == WHOLE[1:]
        assert wired.transport.calls == ["close"]
        assert wired.runtime.statistics().rejected == 1

    @run
    async def test_parameters_that_are_too_large_are_answered(self) -> None:
        wired = await FastCgiWired().begin()
        wired.receive(web.ask(web.parameters(HTTP_X_LARGE="x" * 90_000)))
        assert wired.take()[0][2].startswith(b"Status: 431 ")

    @run
    async def test_noise_never_raises_and_reaches_nobody(self) -> None:
        chance = random.Random(11)
        logging.getLogger("penstock").setLevel(logging.CRITICAL)
        try:
            for _ in range(1000):
                wired = FastCgiWired()
                noise = bytearray(GET)
                for _ in range(chance.randrange(1, 8)):
                    noise[chance.randrange(len(noise))] = chance.randrange(256)
                wired.receive(bytes(noise))
                wired.connection.connection_lost(None)
                assert wired.service.connections == set()
            await turn()
        finally:
            logging.getLogger("penstock").setLevel(logging.NOTSET)

    @run
    async def test_who_is_not_trusted_is_turned_away_at_once(self) -> None:
        with Lines() as told:
            wired = await FastCgiWired(trusts=lambda host, is_unix: is_unix or host == "::1").begin()
            wired.connect()
            wired.receive(GET)
        assert wired.transport.calls == ["abort"]
        assert wired.site.kept == []
        assert told == [
            "a FastCGI connection from 127.0.0.1 was closed: who may connect is said by trusted in [server.proxy]"
        ]
