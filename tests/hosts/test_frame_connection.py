"""A connection that carries frames: what it writes, when it pings, how it ends. Real sockets: tests/wire/websocket."""

import asyncio
from typing import Any

from penstock.hosts.frame_connection import FrameConnection
from penstock.http.deflate_offers import DeflateParameters
from penstock.intake.frame_transport import BINARY, CLOSE, CONTINUATION, PONG, TEXT, UpgradeTerms
from penstock.settings import LimitSettings
from tests.pipeline.subject import run

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
MASK = b"\1\2\3\4"


class FakeTransport:
    """An asyncio transport that writes down what is done to it."""

    def __init__(self, *, half_closes: bool = True) -> None:
        self.written = b""
        self.calls: list[str] = []
        self.half_closes = half_closes
        self.unsent = 0

    def write(self, data: bytes) -> None:
        self.written += data

    def writelines(self, pieces: tuple[bytes, ...]) -> None:
        self.written += b"".join(pieces)

    def can_write_eof(self) -> bool:
        return self.half_closes

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def get_extra_info(self, name: str) -> "FakeTransport":
        return self

    def fileno(self) -> int:
        return -1

    def __getattr__(self, name: str) -> Any:
        return lambda: self.calls.append(name)


class Sink:
    """A sink that writes down what comes."""

    def __init__(self) -> None:
        self.log: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: self.log.append((name, *arguments))


class Service:
    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.sockets: set[object] = set()
        self.limits = LimitSettings(data_rate=240, data_rate_grace=5.0)


def opened(
    transport: FakeTransport | None = None, *, beginning: bytes = b"", **terms: Any
) -> tuple[FrameConnection, FakeTransport, Sink]:
    transport = transport or FakeTransport()
    service: Any = Service()
    given: Any = transport
    connection = FrameConnection(
        service, given, UpgradeTerms(KEY, **terms), beginning=beginning, on_lost=lambda: transport.calls.append("lost")
    )
    service.sockets.add(connection)
    return connection, transport, Sink()


def masked(opcode: int, payload: bytes) -> bytes:
    body = bytes(byte ^ MASK[at % 4] for at, byte in enumerate(payload))
    return bytes((0x80 | opcode, 0x80 | len(payload))) + MASK + body


class TestReading:
    def test_websockets_h10_what_came_behind_the_handshake_comes_first(self) -> None:
        async def journey() -> None:
            connection, _, sink = opened(beginning=masked(TEXT, b"one"))
            connection.data_received(masked(TEXT, b"two"))
            assert sink.log == []
            connection.attach(sink)
            connection.data_received(masked(BINARY, b"three"))
            assert sink.log == [("take_message", "one"), ("take_message", "two"), ("take_message", b"three")]

        run(journey)

    def test_reading_is_paused_and_resumed_once(self) -> None:
        async def journey() -> None:
            connection, transport, sink = opened()
            connection.attach(sink)
            for call in (connection.pause_reading, connection.resume_reading):
                call()
                call()
            assert transport.calls == ["pause_reading", "resume_reading"]

        run(journey)

    def test_the_loss_is_told_once_and_to_a_sink_that_comes_late_as_well(self) -> None:
        async def journey() -> None:
            connection, _, sink = opened()
            connection.attach(sink)
            connection.connection_lost(None)
            assert sink.log == [("resume_sending",), ("lose", None)]
            assert connection.wait_drained() is None
            late, _, sink = opened()
            late.connection_lost(None)
            late.attach(sink)
            assert sink.log == [("lose", None)]

        run(journey)

    def test_an_end_of_what_is_sent_is_the_end_of_the_connection(self) -> None:
        async def journey() -> None:
            assert opened()[0].eof_received() is False

        run(journey)


class TestWriting:
    def test_websockets_f02_frames_are_written_unmasked_with_the_shortest_length(self) -> None:
        async def journey() -> None:
            connection, transport, sink = opened()
            connection.attach(sink)
            for length, header in [
                (0, b"\x82\x00"),
                (125, b"\x82\x7d"),
                (126, b"\x82\x7e\x00\x7e"),
                (65535, b"\x82\x7e\xff\xff"),
                (65536, b"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
            ]:
                transport.written = b""
                connection.write(BINARY, b"x" * length)
                assert transport.written == header + b"x" * length

        run(journey)

    def test_websockets_sw85_fragments_go_on_with_the_message(self) -> None:
        async def journey() -> None:
            connection, transport, _ = opened()
            connection.write(TEXT, b"he", fin=False)
            connection.write(CONTINUATION, b"llo")
            connection.write_control(PONG, b"p")
            assert transport.written == b"\x01\x02he" + b"\x80\x03llo" + b"\x8a\x01p"

        run(journey)

    def test_nothing_is_written_to_a_client_that_has_left(self) -> None:
        async def journey() -> None:
            connection, transport, _ = opened()
            connection.connection_lost(None)
            connection.write(TEXT, b"x")
            connection.write_control(CLOSE, b"")
            connection.close()
            connection.abort()
            assert (transport.written, transport.calls) == (b"", ["lost"])

        run(journey)

    def test_websockets_d09_a_message_is_compressed_when_that_was_agreed_and_wanted(self) -> None:
        async def journey() -> None:
            connection, transport, sink = opened(deflate=DeflateParameters())
            connection.attach(sink)
            connection.write(TEXT, b"Hello")
            assert transport.written == b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00"
            transport.written = b""
            connection.write(TEXT, b"Hello", compress=False)
            assert transport.written == b"\x81\x05Hello"
            connection.data_received(bytes((0xC1, 0x85)) + bytes(4) + b"\xf2\x00\x11\x00\x00"[:5])
            assert sink.log[-1][0] == "fail"  # nothing came before that it could refer to

        run(journey)


class TestKeepAlive:
    def test_websockets_as25_a_silent_client_is_pinged_and_given_up_when_it_stays_silent(self) -> None:
        async def journey() -> None:
            connection, transport, sink = opened(keepalive_interval=20.0, keepalive_timeout=10.0)
            connection.attach(sink)
            connection.judge_time(100.0)
            connection.judge_time(119.0)
            assert transport.written == b""
            connection.judge_time(120.0)
            assert transport.written[:2] == b"\x89\x04"
            assert len(transport.written) == 6
            connection.judge_time(129.0)
            assert sink.log == []
            connection.judge_time(130.0)
            assert sink.log == [("fail", 1011, "keepalive ping timeout")]

        run(journey)

    def test_whatever_a_client_sends_shows_that_it_is_there(self) -> None:
        async def journey() -> None:
            connection, transport, sink = opened(keepalive_interval=20.0, keepalive_timeout=10.0)
            connection.attach(sink)
            for now in range(100, 200, 5):
                connection.data_received(masked(TEXT, b"x"))
                connection.judge_time(now)
            assert transport.written == b""
            connection.judge_time(220.0)
            assert len(transport.written) == 6
            connection.data_received(masked(PONG, transport.written[2:]))
            connection.judge_time(231.0)
            assert ("fail", 1011, "keepalive ping timeout") not in sink.log

        run(journey)

    def test_a_client_whose_words_wait_for_the_endpoint_is_not_blamed(self) -> None:
        async def journey() -> None:
            connection, transport, sink = opened(keepalive_interval=1.0, keepalive_timeout=1.0)
            connection.attach(sink)
            connection.judge_time(100.0)
            connection.pause_reading()
            for now in range(101, 200):
                connection.judge_time(now)
            assert (transport.written, sink.log) == (b"", [])

        run(journey)

    def test_an_interval_of_0_pings_never_and_a_timeout_of_0_gives_up_never(self) -> None:
        async def journey() -> None:
            silent, transport, sink = opened(keepalive_interval=0.0)
            silent.attach(sink)
            patient, pinged, patient_sink = opened(keepalive_interval=10.0, keepalive_timeout=0.0)
            patient.attach(patient_sink)
            for now in range(100, 200):
                silent.judge_time(now)
                patient.judge_time(now)
            assert transport.written == b""
            assert len(pinged.written) == 6 * 9
            assert sink.log == patient_sink.log == []

        run(journey)


class TestEnd:
    def test_websockets_c04_a_client_that_may_still_send_is_read_from_for_a_while(self) -> None:
        async def journey() -> None:
            connection, transport, sink = opened()
            connection.attach(sink)
            connection.close()
            assert transport.calls == ["write_eof"]
            now = asyncio.get_running_loop().time()
            connection.judge_time(now)
            assert transport.calls == ["write_eof"]
            connection.judge_time(now + 3)
            assert transport.calls == ["write_eof", "abort"]

        run(journey)

    def test_websockets_c04_behind_both_closes_the_server_ends_its_side_at_once(self) -> None:
        async def journey() -> None:
            connection, transport, sink = opened()
            connection.attach(sink)
            connection.data_received(masked(CLOSE, b"\x03\xe8"))
            connection.close()
            assert transport.calls == ["write_eof"]

        run(journey)

    def test_tls_knows_no_half_close(self) -> None:
        async def journey() -> None:
            connection, transport, sink = opened(FakeTransport(half_closes=False))
            connection.attach(sink)
            connection.close()
            assert transport.calls == ["close"]

        run(journey)

    def test_websockets_s01_a_client_that_does_not_read_is_cut_off(self) -> None:
        async def journey() -> None:
            connection, transport, sink = opened(keepalive_interval=0.0)
            connection.attach(sink)
            connection.pause_writing()
            transport.unsent = 1_000_000
            for now in range(100, 104):
                connection.judge_time(now)
            assert transport.calls == []
            for now in range(104, 110):
                connection.judge_time(now)
            assert transport.calls[:1] == ["abort"]

        run(journey)

    def test_waiting_until_it_is_drained_ends_with_the_connection(self) -> None:
        async def journey() -> None:
            connection, _, sink = opened()
            connection.attach(sink)
            pending = connection.wait_drained()
            assert pending is not None
            connection.abort()
            connection.connection_lost(None)
            await pending

        run(journey)
