"""The HTTP/1.1 listener over real sockets: RFC 9112 sections 2, 7 and 9, RFC 9110 section 10.1.1, back-pressure."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest

from penstock.hosts.listener import open_sockets, parse_bind
from tests.wire.listener_subject import HOST, Serving, eventually, get, post, server_settings, serving
from tests.wire.raw_client import Answer, RawClient

MIB = 1 << 20


@pytest.fixture(scope="module", params=["auto", "asyncio"])
def module_served(request: pytest.FixtureRequest) -> Iterator[Serving]:
    with serving(server_settings(loop=request.param)) as served:
        yield served


@pytest.fixture
def served(module_served: Serving) -> Iterator[Serving]:
    subject = module_served.subject
    module_served.thread.call(subject.gate.clear)
    subject.begun, subject.ended, subject.told, subject.clients, subject.schemes = [], [], [], [], []
    subject.received = subject.produced = 0
    yield module_served
    module_served.open_gate()
    module_served.check_empty()


def ask(client: RawClient, request: bytes, method: str = "GET") -> Answer:
    client.send([request])
    return client.read_final_answer(method)[0]


def has_arrived(served: Serving, count: int) -> bool:
    return any(len(connection.buffer) == count for connection in served.service.connections)


def has_been_read(served: Serving, count: int) -> bool:
    return served.subject.received == count


class TestPersistence:
    """RFC 9112 section 9.3"""

    def test_keep_alive(self, served: Serving) -> None:
        with RawClient(served.address) as client:
            for number in range(100):
                answer = ask(client, get(f"/hello?{number}"))
                assert (answer.status, answer.body) == (200, b"%d" % number)
                assert answer.find(b"connection") is None

    def test_connection_close(self, served: Serving) -> None:
        with RawClient(served.address) as client:
            assert ask(client, get("/hello", b"Connection: close")).find(b"connection") == b"close"
            assert client.read_end() == b""

    def test_close_by_the_application(self, served: Serving) -> None:
        with RawClient(served.address) as client:
            assert ask(client, get("/closing")).find(b"connection") == b"close"
            assert client.read_end() == b""

    def test_http_1_0_closes(self, served: Serving) -> None:
        with RawClient(served.address) as client:
            answer = ask(client, get(version="1.0"))
            assert (answer.body, answer.find(b"connection")) == (b"hello", b"close")
            assert client.read_end() == b""

    def test_http_1_0_with_keep_alive(self, served: Serving) -> None:
        with RawClient(served.address) as client:
            for _ in range(3):
                answer = ask(client, get("/hello", b"Connection: keep-alive", version="1.0"))
                assert (answer.body, answer.find(b"connection")) == (b"hello", b"keep-alive")

    def test_http_1_0_stream_ends_with_the_connection(self, served: Serving) -> None:
        with RawClient(served.address) as client:
            answer = ask(client, get("/ticking", b"Connection: keep-alive", version="1.0"))
            assert (answer.framing, answer.body) == ("close", b"0,1,2,3,4,5,6,7,8,9,")

    def test_broken_stream_is_cut(self, served: Serving) -> None:
        with RawClient(served.address) as client:
            client.send([get("/broken")])
            with pytest.raises(AssertionError, match="the connection ended within"):
                client.read_answer()

    def test_head(self, served: Serving) -> None:
        with RawClient(served.address) as client:
            for target in ("/hello", "/ticking", "/large?100000"):
                assert ask(client, get(target, method="HEAD"), "HEAD").body == b""
            assert ask(client, get("/hello", method="HEAD"), "HEAD").find(b"content-length") == b"5"
            assert ask(client, get()).body == b"hello"


class TestPipelining:
    """RFC 9112 section 9.3.2"""

    def test_answers_come_in_order(self, served: Serving) -> None:
        kinds = ("/hello?a", "/late?b", "/ticking", "/hello?c")
        with RawClient(served.address) as client:
            client.send([b"".join(get(kind) for kind in kinds) + post(b"body") + get("/hello?d")])
            assert client.read_answer().body == b"a"
            served.open_gate()
            bodies = [client.read_answer().body for _ in range(5)]
            assert bodies == [b"b", b"0,1,2,3,4,5,6,7,8,9,", b"c", b"body", b"d"]

    def test_10_5_requests_in_one_segment(self, served: Serving) -> None:
        count = 100_000
        answered = 0
        with socket.create_connection(served.address) as client:
            client.settimeout(10)
            requests = get() * count
            sending = threading.Thread(target=client.sendall, args=(requests,))
            sending.start()
            end = b""
            while answered < count:
                piece = client.recv(MIB)
                assert piece
                answered += (end + piece).count(b"\r\n\r\nhello")
                end = (end + piece)[-8:]
            sending.join()

    def test_what_is_read_ahead_is_bounded(self, served: Serving) -> None:
        with RawClient(served.address, receive_buffer=4096) as client:
            client.send([get("/late")])
            assert eventually(lambda: served.subject.begun)
            sent = client.send_until_stopped(get() * 1000, at_most=64 * MIB, seconds=0.3)
            (connection,) = served.service.connections
            assert len(connection.buffer) < 1 * MIB
            assert sent < 8 * MIB
            assert len(served.subject.begun) == 1
            served.open_gate()
            assert client.read_answer().body == b"late"
            assert client.read_answer().body == b"hello"
            client.reset()

    def test_others_are_served_during_a_flood(self, served: Serving) -> None:
        with RawClient(served.address) as flooder, RawClient(served.address) as client:
            flood = get() * 1000
            is_over = threading.Event()

            def send() -> None:
                while not is_over.is_set():
                    flooder.send([flood])
                    flooder.buffer.clear()

            thread = threading.Thread(target=send)
            thread.start()
            times = []
            for _ in range(20):
                started = time.monotonic()
                assert ask(client, get()).body == b"hello"
                times.append(time.monotonic() - started)
            is_over.set()
            thread.join()
            assert max(times) < 1
            flooder.reset()

    def test_row_38_what_stands_behind_a_refused_request_is_not_served(self, served: Serving) -> None:
        with RawClient(served.address) as client:
            client.send([get("/late") + b"BAD\r\n\r\n" + get("/hello?smuggled")])
            served.open_gate()
            assert client.read_answer().body == b"late"
            assert client.read_answer().status == 400
            assert client.read_end() == b""
        assert "/hello" not in served.subject.begun

    def test_row_38_what_stands_behind_a_broken_answer_is_not_served(self, served: Serving) -> None:
        with RawClient(served.address) as client:
            client.send([get("/broken") + get("/hello?smuggled")])
            with pytest.raises(AssertionError, match="the connection ended within"):
                client.read_answer()
        assert served.subject.begun == ["/broken"]

    def test_row_35_nothing_is_served_behind_connection_close(self, served: Serving) -> None:
        with RawClient(served.address) as client:
            client.send([get("/hello", b"Connection: close") + b"Invalid\r\n\r\n" + get("/hello?smuggled")])
            assert client.read_answer().body == b"hello"
            assert client.read_end() == b""
        assert served.subject.begun == ["/hello"]


class TestBodies:
    """RFC 9112 section 6 and 7"""

    def test_chunked_both_ways(self, served: Serving) -> None:
        head = get("/echo-stream", b"Transfer-Encoding: chunked", method="POST")
        with RawClient(served.address) as client:
            for _ in range(2):
                client.send([head, b"5\r\nhello\r\n"])
                assert client.has_answer()
                client.send([b"6;a=b\r\n world\r\n", b"0\r\nX-Trailer: 1\r\n\r\n"])
                answer = client.read_answer()
                assert (answer.framing, answer.body) == ("chunked", b"hello world")

    def test_ten_megabytes_are_echoed_as_they_come(self, served: Serving) -> None:
        body = os.urandom(MIB) * 10
        with RawClient(served.address) as client:
            client.send([post(body, target="/echo-stream")])
            assert client.read_answer().body == body

    @pytest.mark.parametrize("size", [1, 4096, 65_536])
    def test_row_35_unread_body_then_the_next_request(self, served: Serving, size: int) -> None:
        with RawClient(served.address) as client:
            for _ in range(3):
                client.send([post(b"x" * size, target="/unread") + get("/hello?next")])
                assert client.read_answer().body == b"unread"
                assert client.read_answer().body == b"next"

    def test_unread_body_that_comes_later(self, served: Serving) -> None:
        with RawClient(served.address) as client:
            request = post(b"x" * 1000, target="/unread")
            assert ask(client, request[:-500]).body == b"unread"
            assert ask(client, request[-500:] + get()).body == b"hello"

    def test_unread_chunked_body_then_the_next_request(self, served: Serving) -> None:
        with RawClient(served.address) as client:
            head = get("/unread", b"Transfer-Encoding: chunked", method="POST")
            assert ask(client, head + b"3\r\nabc").body == b"unread"
            assert ask(client, b"\r\n0\r\n\r\n" + get()).body == b"hello"

    def test_unread_large_body_ends_the_connection_and_says_so(self, served: Serving) -> None:
        with RawClient(served.address) as client:
            client.send([post(b"x" * (4 * MIB), target="/unread")])
            answer = client.read_answer()
            assert (answer.body, answer.find(b"connection")) == (b"unread", b"close")
            assert client.read_end() == b""

    def test_unread_endless_chunks_are_cut_off(self, served: Serving) -> None:
        with RawClient(served.address) as client:
            head = get("/unread", b"Transfer-Encoding: chunked", method="POST")
            assert ask(client, head + b"3\r\nabc\r\n").body == b"unread"
            client.send([b"1000\r\n" + b"x" * 4096 + b"\r\n"] * 32)
            assert client.read_end() == b""

    def test_reading_behind_the_answer_tells_that_it_is_over(self, served: Serving) -> None:
        request = post(b"x" * 1000, target="/unread-then-read")
        with RawClient(served.address) as client:
            assert ask(client, request[:-500]).body == b"unread"
            assert eventually(lambda: served.subject.told == ["http.disconnect"])
            assert ask(client, request[-500:] + get()).body == b"hello"

    def test_reading_while_the_answer_is_sent_tells_that_it_is_over(self, served: Serving) -> None:
        with RawClient(served.address) as client:
            head = get("/read-and-read", b"Content-Length: 10", method="POST")
            assert ask(client, head).body == b"unread"
            assert eventually(lambda: served.subject.told == ["http.disconnect"])
            assert ask(client, b"x" * 10 + get()).body == b"hello"


class TestExpectations:
    """RFC 9110 section 10.1.1"""

    def test_continue_is_said_when_the_application_reads(self, served: Serving) -> None:
        with RawClient(served.address) as client:
            client.send([get("/slowly", b"Content-Length: 5", b"Expect: 100-continue", method="POST")])
            assert eventually(lambda: served.subject.begun)
            assert not client._wait(1, seconds=0.1)
            served.open_gate()
            assert client.read_answer().status == 100
            assert ask(client, b"hello").body == b"hello"
            assert ask(client, get()).body == b"hello"

    def test_continue_is_not_said_when_the_application_answers_without_reading(self, served: Serving) -> None:
        for target in ("/unread", "/unread-then-read"):
            with RawClient(served.address) as client:
                client.send([get(target, b"Content-Length: 5", b"Expect: 100-continue", method="POST")])
                answer = client.read_answer()
                assert (answer.status, answer.body, answer.find(b"connection")) == (200, b"unread", b"close")
                assert client.read_end() == b""

    def test_client_does_not_wait_for_it(self, served: Serving) -> None:
        with RawClient(served.address) as client:
            client.send([post(b"hello", b"Expect: 100-continue")])
            assert client.read_final_answer()[0].body == b"hello"
            assert ask(client, get()).body == b"hello"

    def test_too_large_is_refused_without_it(self, served: Serving) -> None:
        with RawClient(served.address) as client:
            client.send([get("/echo", b"Content-Length: 30000001", b"Expect: 100-continue", method="POST")])
            answer = client.read_answer()
            assert (answer.status, answer.find(b"connection")) == (413, b"close")


class TestLimits:
    def test_too_large_by_content_length_is_readable(self, served: Serving) -> None:
        with RawClient(served.address) as client:
            client.send([get("/echo", b"Content-Length: 30000001", method="POST")])
            client.send([b"x" * MIB] * 8)
            answer = client.read_answer()
            assert (answer.status, answer.find(b"connection")) == (413, b"close")
            assert client.read_end() == b""
        assert served.subject.received == 0

    def test_too_large_by_chunks_is_readable(self) -> None:
        with serving(body=1 * MIB) as served, RawClient(served.address) as client:
            client.send([get("/echo", b"Transfer-Encoding: chunked", method="POST")])
            client.send([b"10000\r\n" + b"x" * 65_536 + b"\r\n"] * 64)
            answer = client.read_answer()
            assert (answer.status, answer.find(b"connection")) == (413, b"close")
            assert client.read_end() == b""
            assert served.subject.received <= 1 * MIB

    def test_exactly_the_limit_is_accepted(self) -> None:
        with serving(body=1000) as served, RawClient(served.address) as client:
            assert ask(client, post(b"x" * 1000)).body == b"x" * 1000
            assert ask(client, post(b"x" * 1001)).status == 413

    def test_location_raises_the_limit(self) -> None:
        with serving(body=1000) as served, RawClient(served.address) as client:
            assert ask(client, post(b"x" * 5000, target="/echo-stream")).body == b"x" * 5000

    def test_queue_then_503_with_retry_after(self) -> None:
        with serving(requests_inside=1, queue=1, retry_after=7) as served:
            clients = [RawClient(served.address) for _ in range(3)]
            clients[0].send([get("/late?first")])
            assert eventually(lambda: served.runtime.statistics().executing == 1)
            clients[1].send([get("/hello?second")])
            assert eventually(lambda: served.runtime.statistics().queued == 1)
            answer = ask(clients[2], get("/hello?third"))
            assert (answer.status, answer.find(b"retry-after")) == (503, b"7")
            served.open_gate()
            assert clients[0].read_answer().body == b"first"
            assert clients[1].read_answer().body == b"second"
            assert ask(clients[2], get("/hello?again")).body == b"again"
            for client in clients:
                client.close()

    def test_queued_request_whose_client_left_is_not_served(self) -> None:
        with serving(requests_inside=1, queue=1) as served:
            with RawClient(served.address) as client:
                client.send([get("/late")])
                assert eventually(lambda: served.runtime.statistics().executing == 1)
                waiting = RawClient(served.address)
                waiting.send([get("/hello")])
                assert eventually(lambda: served.runtime.statistics().queued == 1)
                waiting.reset()
                assert eventually(lambda: len(served.service.connections) == 1)
                with RawClient(served.address) as third:
                    third.send([get("/hello?third")])  # takes the place of the one who left
                    assert eventually(lambda: served.runtime.statistics().total == 3)
                    served.open_gate()
                    assert third.read_answer().body == b"third"
                assert client.read_answer().body == b"late"
            assert served.subject.begun == ["/late", "/hello"]


class TestHalfClosedClients:
    """RFC 9112 section 9.6: a client that shuts its sending side reads on."""

    @pytest.mark.parametrize(
        ("target", "body"),
        [("/hello", b"hello"), ("/ticking", b"0,1,2,3,4,5,6,7,8,9,"), ("/large?3000000", b"l" * 3_000_000)],
    )
    def test_whole_answer(self, served: Serving, target: str, body: bytes) -> None:
        with RawClient(served.address) as client:
            client.send([get(target)])
            client.send_end()
            assert client.read_answer().body == body
            assert client.read_end() == b""

    def test_delayed_answer(self, served: Serving) -> None:
        with RawClient(served.address) as client:
            client.send([get("/late")])
            client.send_end()
            assert not client._wait(1, seconds=0.7)  # longer than applications wait to be told
            served.open_gate()
            answer = client.read_answer()
            assert (answer.body, answer.find(b"connection")) == (b"late", b"close")
            assert client.read_end() == b""

    def test_all_pipelined_requests_are_answered(self, served: Serving) -> None:
        with RawClient(served.address) as client:
            client.send([b"".join(get(f"/hello?{number}") for number in range(100)) + get("/ticking") + post(b"end")])
            client.send_end()
            assert [client.read_answer().body for _ in range(100)] == [b"%d" % number for number in range(100)]
            assert client.read_answer().body == b"0,1,2,3,4,5,6,7,8,9,"
            assert client.read_answer().body == b"end"
            assert client.read_end() == b""

    def test_half_a_request_behind_a_whole_one(self, served: Serving) -> None:
        with RawClient(served.address) as client:
            client.send([get("/ticking") + b"GET /he"])
            client.send_end()
            assert client.read_answer().body == b"0,1,2,3,4,5,6,7,8,9,"
            assert client.read_end() == b""
        assert served.subject.begun == ["/ticking"]

    def test_half_a_body_behind_a_whole_request(self, served: Serving) -> None:
        with RawClient(served.address) as client:
            client.send([get("/ticking") + post(b"hello")[:-2]])
            client.send_end()
            assert client.read_answer().body == b"0,1,2,3,4,5,6,7,8,9,"
            assert client.read_answer().status == 400
            assert client.read_end() == b""
        assert served.subject.told == ["/echo"]

    def test_body_that_is_discarded_and_never_comes(self, served: Serving) -> None:
        with RawClient(served.address) as client:
            client.send([post(b"x" * 1000, target="/unread")[:-10]])
            assert client.read_answer().body == b"unread"
            client.send_end()
            assert client.read_end() == b""

    def test_who_waits_is_told_that_the_client_may_be_gone(self, served: Serving) -> None:
        with RawClient(served.address) as client:
            client.send([get("/watching")])
            client.send_end()
            assert client.read_answer().body == b"watched"
        assert served.subject.told == ["http.disconnect"]


class TestBackPressure:
    def test_slow_reader_suspends_the_application(self, served: Serving) -> None:
        with RawClient(served.address, receive_buffer=65_536) as client:
            client.send([get("/flood?2000")])
            assert client.has_answer()
            stopped_at = -1
            while stopped_at != served.subject.produced:
                stopped_at = served.subject.produced
                threading.Event().wait(0.2)
            (connection,) = served.service.connections
            assert 0 < stopped_at < 16 * MIB
            assert connection.transport.get_write_buffer_size() < 1 * MIB
            assert len(client.read_answer().body) == 2000 * 65_536
            assert client.is_at_end is False

    def test_slow_application_stops_the_client(self, served: Serving) -> None:
        with RawClient(served.address) as client:
            client.send([get("/slowly", b"Content-Length: 30000000", method="POST")])
            sent = client.send_until_stopped(b"x" * 65_536, at_most=30_000_000, seconds=0.3)
            assert 0 < sent < 16 * MIB
            (connection,) = served.service.connections
            request = connection.request
            assert request is not None
            assert request.body is not None
            assert request.body.received < 1 * MIB
            served.open_gate()
            client.send([b"x" * (30_000_000 - sent)])
            assert len(client.read_answer().body) == 30_000_000

    def test_pipelined_answers_wait_for_a_slow_reader(self, served: Serving) -> None:
        with RawClient(served.address, receive_buffer=65_536) as client:
            client.send([get("/large?100000") * 300])
            assert client.has_answer()
            begun = -1
            while begun != len(served.subject.begun):
                begun = len(served.subject.begun)
                threading.Event().wait(0.2)
            assert begun < 150
            assert {len(client.read_answer().body) for _ in range(300)} == {100_000}


class TestTimeLimits:
    def test_head_that_takes_longer_than_30_seconds(self, served: Serving) -> None:
        with RawClient(served.address) as client:
            for byte in b"GET /hel":
                client.send([bytes([byte])])
            assert eventually(lambda: any(each.buffer for each in served.service.connections))
            served.sweep(29)
            assert len(served.service.connections) == 1
            served.sweep(32)
            answer = client.read_answer()
            assert (answer.status, answer.find(b"connection")) == (408, b"close")
            assert client.read_end() == b""

    def test_row_85_slowloris_byte_by_byte_earns_no_time(self, served: Serving) -> None:
        with RawClient(served.address) as client:
            for number in range(1, 5):
                client.send([b"GET "[number - 1 : number]])
                assert eventually(partial(has_arrived, served, number))
                served.sweep(number * 8)
            assert client.read_answer().status == 408

    def test_idle_connection_closes_after_75_seconds(self, served: Serving) -> None:
        with RawClient(served.address) as client, RawClient(served.address) as never:
            assert ask(client, get()).body == b"hello"
            assert eventually(lambda: len(served.service.connections) == 2)
            served.sweep(73)
            assert ask(client, get()).body == b"hello"
            served.sweep(77)
            assert client.read_end() == b""
            assert never.read_end() == b""

    def test_empty_line_between_requests_is_no_slow_request(self, served: Serving) -> None:
        with RawClient(served.address) as client:
            assert ask(client, post(b"x") + b"\r\n").body == b"x"
            served.sweep(40)
            assert ask(client, get()).body == b"hello"

    def test_body_that_comes_too_slowly(self, served: Serving) -> None:
        with RawClient(served.address) as client:
            client.send([get("/echo", b"Content-Length: 100000", method="POST")])
            assert eventually(lambda: served.subject.begun)
            for count in range(1, 5):
                client.send([b"x"])  # a byte now and then earns no time
                assert eventually(partial(has_been_read, served, count))
                served.sweep(count * 1.9)
            answer = client.read_answer()
            assert (answer.status, answer.find(b"connection")) == (408, b"close")

    def test_fast_beginning_of_a_body_earns_no_time(self, served: Serving) -> None:
        with RawClient(served.address) as client:
            client.send([get("/echo", b"Content-Length: 20000000", method="POST"), b"x" * 10_000_000])
            assert eventually(lambda: served.subject.received == 10_000_000)
            for second in range(14):
                served.sweep(second)
            assert client.read_answer().status == 408

    def test_body_that_nobody_reads_is_not_too_slow(self, served: Serving) -> None:
        with RawClient(served.address) as client:
            client.send([get("/slowly", b"Content-Length: 5", method="POST")])
            assert eventually(lambda: served.subject.begun)
            for second in range(0, 60, 2):
                served.sweep(second)
            served.open_gate()
            assert ask(client, b"hello").body == b"hello"

    def test_reader_who_stands_still_is_cut_off(self, served: Serving) -> None:
        with RawClient(served.address, receive_buffer=65_536) as client:
            client.send([get("/flood?2000")])
            assert client.has_answer()
            assert eventually(lambda: all(each.is_paused for each in served.service.connections))
            for second in range(8):
                served.sweep(second)
            assert eventually(served.is_empty)
        assert eventually(lambda: served.subject.told == ["/flood"])

    def test_slow_but_steady_reader_is_not_cut_off(self, served: Serving) -> None:
        with RawClient(served.address, receive_buffer=65_536) as client:
            client.send([get("/large?20000000")])
            assert client.has_answer()
            assert eventually(
                lambda: any(each.transport.get_write_buffer_size() for each in served.service.connections)
            )
            for second in range(20):
                client._receive_some()
                threading.Event().wait(0.01)
                served.sweep(second)
            assert len(client.read_answer().body) == 20_000_000

    def test_closed_connection_whose_client_never_reads_is_cut_off(self, served: Serving) -> None:
        with RawClient(served.address, receive_buffer=4096) as client:
            client.send([get("/large?9000000", b"Connection: close")])
            assert client.has_answer()
            for second in range(8):
                served.sweep(second)
            assert eventually(served.is_empty)

    def test_refused_client_that_sends_on_and_on_is_cut_off(self, served: Serving) -> None:
        with RawClient(served.address) as client:
            client.send([b"BAD\r\n\r\n"])
            assert client.read_answer().status == 400
            assert eventually(lambda: len(served.service.connections) == 1)
            served.sweep(4)
            assert eventually(served.is_empty)


class TestPlaces:
    """Several binds at once, of every kind."""

    def test_all_at_once(self, tmp_path: Path) -> None:
        with socket.socket() as inherited:
            inherited.bind(("127.0.0.1", 0))
            inherited.listen()
            port = inherited.getsockname()[1]
            path = tmp_path / "app.sock"
            listen = ("127.0.0.1:0", "127.0.0.1:0", f"unix:{path}", f"fd:{os.dup(inherited.fileno())}", "[::1]:0")
            with serving(server_settings(*listen)) as served:
                urls = served.thread.server.addresses
                assert len({*urls}) == 5
                assert urls[3] == f"http://127.0.0.1:{port}"
                for url in urls:
                    if not url.startswith("unix:"):
                        assert httpx.get(url + "/hello").text == "hello"
                with httpx.Client(transport=httpx.HTTPTransport(uds=str(path))) as client:
                    assert client.get("http://example.org/hello").text == "hello"
                    assert client.post("http://example.org/echo", content=b"x" * 100_000).text == "x" * 100_000
                assert served.subject.clients[-1] is None
            assert not path.exists()

    def test_dual_stack(self) -> None:
        with serving(server_settings(":0")) as served:
            port = served.address[1]
            assert httpx.get(f"http://127.0.0.1:{port}/hello").text == "hello"
            assert httpx.get(f"http://[::1]:{port}/hello").text == "hello"
            assert [host for host, _ in served.subject.clients] == ["127.0.0.1", "::1"]

    def test_sockets_opened_before(self) -> None:
        bound = open_sockets([parse_bind("127.0.0.1:0")])
        assert bound[0].url.startswith("http://127.0.0.1:")
        for each in bound:
            each.close()


class TestTrustedProxies:
    """What a trusted proxy says is believed before the site is chosen (bad-input rows 80 and 81)."""

    FIELDS = (b"X-Forwarded-For: 203.0.113.9", b"X-Forwarded-Proto: https", b"X-Forwarded-Host: shop.example")

    def test_loopback_is_believed(self, served: Serving) -> None:
        with RawClient(served.address) as client:
            assert ask(client, get("/host", *self.FIELDS)).body == b"shop.example"
        assert served.subject.clients[0][0] == "203.0.113.9"
        assert served.subject.schemes == ["https"]

    def test_others_are_not(self) -> None:
        from penstock.settings import ProxySettings

        with serving(server_settings(proxy=ProxySettings(trusted=("10.0.0.0/8",)))) as served:
            with RawClient(served.address) as client:
                assert ask(client, get("/host", *self.FIELDS)).body == b"example.org"
            assert served.subject.clients[0][0] == "127.0.0.1"
            assert served.subject.schemes == ["http"]

    def test_client_that_is_gone_is_not_taken_for_a_unix_socket(self) -> None:
        from penstock.settings import ProxySettings

        with serving(server_settings(proxy=ProxySettings(trusted=("unix:",)))) as served:
            for _ in range(50):
                client = RawClient(served.address)
                client.send([get("/host", *self.FIELDS)])
                client.reset()
            assert eventually(served.is_empty)
            assert set(served.subject.schemes) <= {"http"}
            assert "203.0.113.9" not in [client and client[0] for client in served.subject.clients]

    def test_forwarded_by_rfc_7239(self) -> None:
        from penstock.settings import ProxySettings

        with serving(server_settings(proxy=ProxySettings(headers="forwarded"))) as served:
            with RawClient(served.address) as client:
                field = b'Forwarded: for="[2001:db8::1]:4711";proto=https;host=shop.example'
                assert ask(client, get("/host", field)).body == b"shop.example"
                assert ask(client, get("/host", *self.FIELDS)).body == b"example.org"
            assert served.subject.clients[0][0] == "2001:db8::1"
            assert served.subject.schemes == ["https", "http"]


class TestLeavingClients:
    """Row 37"""

    def test_row_37_application_that_waits_is_told(self, served: Serving) -> None:
        client = RawClient(served.address)
        client.send([get("/watching")])
        assert eventually(lambda: served.subject.begun)
        client.reset()
        assert eventually(lambda: served.subject.told == ["http.disconnect"])

    def test_row_37_reset_during_a_streamed_answer(self, served: Serving) -> None:
        for _ in range(20):
            client = RawClient(served.address, receive_buffer=4096)
            client.send([get("/flood")])
            assert client.has_answer()
            client.reset()
        assert eventually(lambda: len(served.subject.told) == 20)

    def test_row_37_reset_while_writing_is_paused_by_a_buffered_answer(self, served: Serving) -> None:
        for _ in range(20):
            client = RawClient(served.address, receive_buffer=4096)
            client.send([get("/large?5000000") * 3])
            assert client.has_answer()
            client.reset()

    def test_row_37_silent_clients(self, served: Serving) -> None:
        clients = [RawClient(served.address) for _ in range(50)]
        assert eventually(lambda: len(served.service.connections) == 50)
        for number, client in enumerate(clients):
            client.close() if number % 2 else client.reset()

    def test_row_85_many_idle_connections(self, served: Serving) -> None:
        clients = [socket.create_connection(served.address) for _ in range(400)]
        assert eventually(lambda: len(served.service.connections) == 400)
        with RawClient(served.address) as client:
            assert ask(client, get()).body == b"hello"
        served.sweep(80)
        for each in clients:
            each.settimeout(5)
            assert each.recv(1) == b""
            each.close()


def test_every_client_library_gets_along(served: Serving) -> None:
    host, port = served.address
    with httpx.Client(base_url=f"http://{host}:{port}") as client:
        assert client.get("/hello").headers["server"] == "penstock"
        assert client.post("/echo", content=iter([b"a" * 70_000, b"b"])).text == "a" * 70_000 + "b"
        assert client.get("/ticking").text == "0,1,2,3,4,5,6,7,8,9,"
        with client.stream("GET", "/flood?20") as response:
            assert sum(len(piece) for piece in response.iter_bytes()) == 20 * 65_536
    assert HOST
