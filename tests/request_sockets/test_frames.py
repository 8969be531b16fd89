"""The reader of frames: every fault with its code, messages and control frames in order, limits, and what it costs."""

import os
import time
import tracemalloc

import pytest

from penstock.http.deflate_offers import DeflateParameters
from penstock.request_sockets.close_codes import encode_close
from penstock.request_sockets.deflate import Deflater, Inflater
from penstock.request_sockets.frame_writing import encode_head
from penstock.request_sockets.frames import FrameReader
from tests.request_sockets.recorded_calls import MASK, Call, Recorder, frame

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
MIB = 1 << 20
PLAIN = DeflateParameters()


def read(*reads: bytes, size: int = 16 * MIB, deflate: DeflateParameters | None = None) -> list[Call]:
    """What a server's reader calls for these reads."""
    sink = Recorder()
    inflater = None if deflate is None else Inflater(deflate, max_size=size)
    reader = FrameReader(sink, max_message_size=size, inflater=inflater)
    for data in reads:
        reader.feed(data)
    return sink.calls


def dribble(data: bytes, *, size: int = 16 * MIB, deflate: DeflateParameters | None = None) -> list[Call]:
    return read(*[data[at : at + 1] for at in range(len(data))], size=size, deflate=deflate)


def both_ways(data: bytes, *, size: int = 16 * MIB, deflate: DeflateParameters | None = None) -> list[Call]:
    """What is called, which is the same for a single read and for one of each byte."""
    calls = read(data, size=size, deflate=deflate)
    assert dribble(data, size=size, deflate=deflate) == calls
    return calls


def masked(first: int, length: int, payload: bytes = b"") -> bytes:
    """A frame as it should not be: its first byte and its seven bits of length are as given, its mask is zero."""
    return bytes((first, 0x80 | length)) + bytes(4) + payload


class TestMessages:
    @pytest.mark.parametrize("size", [0, 1, 5, 124, 125, 126, 127, 128, 1000, 4087, 4096, 65535, 65536, 70000])
    def test_websockets_f04_lengths(self, size: int) -> None:
        payload = os.urandom(size)
        assert read(frame(BINARY, payload)) == [("message", payload)]
        assert read(frame(TEXT, b"x" * size)) == [("message", "x" * size)]
        assert read(frame(BINARY, payload) * 2) == [("message", payload)] * 2

    def test_rfc6455_section_5_7_examples(self) -> None:
        hello = bytes.fromhex("818537fa213d7f9f4d5158")
        assert both_ways(hello) == [("message", "Hello")]
        ping, pong = bytes.fromhex("898537fa213d7f9f4d5158"), bytes.fromhex("8a8537fa213d7f9f4d5158")
        assert both_ways(ping + pong) == [("ping", b"Hello"), ("pong", b"Hello")]

    def test_many_in_a_read(self) -> None:
        data = frame(TEXT, b"a") + frame(PING, b"p") + frame(BINARY, b"b" * 200) + frame(TEXT) + frame(BINARY)
        expected = [("message", "a"), ("ping", b"p"), ("message", b"b" * 200), ("message", ""), ("message", b"")]
        assert both_ways(data) == expected

    @pytest.mark.parametrize("mask", [bytes(4), b"\xff\xff\xff\xff", b"\x00\x01\x02\x03"])
    def test_bad_input_row_64_every_mask_is_a_mask(self, mask: bytes) -> None:
        assert both_ways(frame(TEXT, b"Hello", mask=mask)) == [("message", "Hello")]

    def test_websockets_f06_fragments_come_as_they_were_sent(self) -> None:
        data = frame(TEXT, b"Hel", fin=False) + frame(0, b"lo", fin=False) + frame(0, b"!")
        assert both_ways(data) == [("part", 1, b"Hel", False), ("part", 1, b"lo", False), ("part", 1, b"!", True)]
        assert both_ways(data + frame(TEXT, b"next"))[-1] == ("message", "next")

    def test_websockets_f06_fragments_of_nothing_say_nothing(self) -> None:
        data = frame(BINARY, fin=False) + frame(0, fin=False) + frame(0, b"x", fin=False) + frame(0)
        assert both_ways(data) == [("part", 2, b"x", False), ("part", 2, b"", True)]
        assert both_ways(frame(TEXT, fin=False) + frame(0)) == [("message", "")]

    def test_websockets_f05_control_frames_come_between_fragments(self) -> None:
        data = frame(TEXT, b"a", fin=False) + frame(PING, b"x" * 125) + frame(PONG) + frame(0, b"b")
        assert both_ways(data) == [
            ("part", 1, b"a", False),
            ("ping", b"x" * 125),
            ("pong", b""),
            ("part", 1, b"b", True),
        ]

    def test_websockets_f09_a_character_may_be_split_between_frames(self) -> None:
        text = "κόσμε€\U00024b62".encode()
        frames = [frame(0 if at else TEXT, text[at : at + 1], fin=at == len(text) - 1) for at in range(len(text))]
        calls = both_ways(b"".join(frames))
        assert b"".join([call[2] for call in calls if isinstance(call[2], bytes)]) == text
        assert calls[-1][3] is True

    @pytest.mark.parametrize(
        "data",
        [
            b"\x82\x81\x80\x00\x00\x00\xff",
            b"\x89\x81\x80\x00\x00\x00\xff",
            b"\x82\xfe\x00\x86" + b"\x82\x80" * 69,
            b"\x02\x81\x80\x00\x00\x00\xff\x00\x81\x80\x00\x00\x00\xff",
        ],
    )
    def test_a_read_that_looks_like_a_frame_may_be_the_middle_of_one(self, data: bytes) -> None:
        whole = read(data)
        assert whole
        for at in range(len(data)):
            assert read(data[:at], data[at:]) == whole


class TestLargeFrames:
    def test_bad_input_row_62_a_large_frame_is_handed_on_as_it_arrives(self) -> None:
        payload = os.urandom(300_000)
        data = frame(BINARY, payload)
        calls = read(data[:100_000], data[100_000:200_000], data[200_000:])
        assert [len(call[2]) for call in calls if isinstance(call[2], bytes)] == [99_986, 100_000, 100_014]
        assert [call[3] for call in calls] == [False, False, True]
        assert b"".join([call[2] for call in calls if isinstance(call[2], bytes)]) == payload

    def test_bad_input_row_62_small_reads_are_gathered(self) -> None:
        data = frame(BINARY, bytes(200_000))
        calls = read(*[data[at : at + 999] for at in range(0, len(data), 999)])
        assert len(calls) <= 4
        assert min(len(call[2]) for call in calls[:-1] if isinstance(call[2], bytes)) >= 65536

    def test_what_is_small_comes_as_a_whole_in_however_many_reads(self) -> None:
        assert dribble(frame(TEXT, "grüße".encode() * 100)) == [("message", "grüße" * 100)]

    def test_a_mask_goes_on_where_the_read_before_ended(self) -> None:
        payload = os.urandom(150_001)
        data = frame(BINARY, payload, mask=b"\x01\x20\x03\x40")
        for step in (65537, 65538, 65539, 3):
            calls = read(*[data[at : at + step] for at in range(0, len(data), step)])
            assert b"".join([call[2] for call in calls if isinstance(call[2], bytes)]) == payload

    def test_bad_input_row_62_sixteen_mebibytes_in_reads_take_linear_time(self) -> None:
        data = frame(BINARY, bytes(16 * MIB))
        began = time.process_time()
        calls = read(*[data[at : at + 65536] for at in range(0, len(data), 65536)])
        assert sum(len(call[2]) for call in calls if isinstance(call[2], bytes)) == 16 * MIB
        assert time.process_time() - began < 1

    def test_bad_input_row_62_a_byte_at_a_time_pins_no_more_than_was_sent(self) -> None:
        reader = FrameReader(Recorder(), max_message_size=16 * MIB)
        reader.feed(encode_head(BINARY, MIB, is_masked=True) + MASK)
        tracemalloc.start()
        for _ in range(60_000):
            reader.feed(b"x")
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert held < 100_000

    def test_bad_input_row_62_a_declared_length_takes_no_memory(self) -> None:
        tracemalloc.start()
        reader = FrameReader(Recorder(), max_message_size=1 << 40)
        reader.feed(encode_head(BINARY, 1 << 39, is_masked=True) + MASK + b"x")
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 100_000


class TestLimits:
    def test_websockets_s01_the_limit_itself_is_allowed(self) -> None:
        for size in (0, 1, 100, 125, 126, 1000, 65535, 65536):
            assert both_ways(frame(BINARY, bytes(size)), size=size) == [("message", bytes(size))]
            assert both_ways(frame(BINARY, bytes(size + 1)), size=size) == [("fail", 1009)]

    def test_bad_input_row_62_a_frame_that_says_it_is_too_large_is_refused_by_its_head(self) -> None:
        assert read(encode_head(BINARY, 1 << 30, is_masked=True)) == [("fail", 1009)]
        assert read(encode_head(BINARY, 1 << 62, is_masked=True)) == [("fail", 1009)]

    def test_bad_input_row_62_fragments_count_together(self) -> None:
        data = frame(BINARY, bytes(600), fin=False) + frame(0, bytes(400), fin=False)
        assert both_ways(data + frame(0), size=1000)[-1] == ("part", 2, b"", True)
        assert both_ways(data + frame(0, b"x"), size=1000)[-1] == ("fail", 1009)
        assert both_ways((data + frame(0)) * 3, size=1000)[-1] == ("part", 2, b"", True)

    def test_control_frames_do_not_count(self) -> None:
        assert both_ways(frame(PING, b"x" * 125), size=0) == [("ping", b"x" * 125)]

    def test_bad_input_row_65_frames_of_nothing_without_end(self) -> None:
        beginning = frame(TEXT, fin=False)
        assert read(beginning + frame(0, fin=False) * 999 + frame(0, b"x")) == [("message", "x")]
        assert read(beginning + frame(0, fin=False) * 1000) == [("fail", 1008)]
        assert dribble(beginning + frame(0, fin=False) * 999) == []
        assert dribble(beginning + (frame(0, fin=False) + frame(PING)) * 1000)[-1] == ("fail", 1008)

    def test_bad_input_row_65_what_holds_something_begins_the_count_again(self) -> None:
        some = frame(0, fin=False) * 900 + frame(0, b"x", fin=False)
        assert read(frame(TEXT, fin=False) + some * 5 + frame(0, b"y"))[-1] == ("part", 1, b"y", True)


FAULTS = {
    "F-1 not masked": b"\x81\x05Hello",
    "F-1 ping not masked": b"\x89\x00",
    "F-1 close not masked": b"\x88\x00",
    "F-3 RSV1 without compression": masked(0xC1, 0),
    "F-3 RSV2": masked(0xA1, 0),
    "F-3 RSV3": masked(0x91, 0),
    "F-3 all of them": masked(0xF1, 0),
    "F-3 RSV1 on a ping": masked(0xC9, 0),
    **{f"F-3 opcode {opcode}": masked(0x80 | opcode, 0) for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    "F-4 125 in 16 bits": masked(0x82, 126)[:2] + b"\x00\x7d",
    "F-4 0 in 16 bits": masked(0x82, 126)[:2] + b"\x00\x00",
    "F-4 65535 in 64 bits": masked(0x82, 127)[:2] + (65535).to_bytes(8, "big"),
    "F-4 1 in 64 bits": masked(0x82, 127)[:2] + (1).to_bytes(8, "big"),
    "F-4 highest bit": masked(0x82, 127)[:2] + b"\x80" + bytes(7),
    "F-4 all bits": masked(0x82, 127)[:2] + b"\xff" * 8,
    "F-5 ping of 126 bytes": frame(PING, bytes(126)),
    "F-5 ping of 126 bytes, head alone": masked(0x89, 126)[:2],
    "F-5 pong of 70000 bytes": masked(0x8A, 127)[:2],
    "F-5 close of 126 bytes": frame(CLOSE, encode_close(1000, "x") + bytes(123)),
    "F-5 ping without FIN": frame(PING, fin=False),
    "F-5 pong without FIN": frame(PONG, b"x", fin=False),
    "F-5 close without FIN": frame(CLOSE, fin=False),
    "F-6 continuation first": frame(0, b"x"),
    "F-6 continuation behind a message": frame(TEXT, b"x") + frame(0, b"y"),
    "F-6 text inside a message": frame(TEXT, b"x", fin=False) + frame(TEXT, b"y"),
    "F-6 bytes inside a text": frame(TEXT, b"x", fin=False) + frame(BINARY, b"y", fin=False),
    "C-1 half a code": frame(CLOSE, b"\x03"),
    **{f"RT-8 code {code}": frame(CLOSE, code.to_bytes(2, "big")) for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535)},
    "RT-6 reason that is not UTF-8": frame(CLOSE, b"\x03\xe8\xff"),
    "RT-6 reason with half a character": frame(CLOSE, b"\x03\xe8\xc3"),
}  # fmt: skip


class TestFaults:
    @pytest.mark.parametrize("name", FAULTS)
    def test_websockets_t36_broken_frames(self, name: str) -> None:
        calls = both_ways(FAULTS[name] + frame(TEXT, b"behind"))
        assert calls[-1] == ("fail", 1002)
        assert [call for call in calls[:-1] if call[0] not in ("part", "message")] == []

    @pytest.mark.parametrize("name", [name for name in FAULTS if name.startswith(("F-1", "F-3", "F-5"))])
    def test_websockets_t36_two_bytes_show_it(self, name: str) -> None:
        assert read(FAULTS[name][:2]) == [("fail", 1002)]

    def test_websockets_c08_what_came_before_is_delivered_and_nothing_behind(self) -> None:
        data = frame(TEXT, b"one") + frame(PING, b"two") + masked(0xF1, 0) + frame(TEXT, b"three") + masked(0xF1, 0)
        calls = [("message", "one"), ("ping", b"two"), ("fail", 1002)]
        assert both_ways(data) == calls
        assert read(data, data, b"", data) == calls

    def test_websockets_c03_nothing_is_read_behind_a_close(self) -> None:
        data = frame(CLOSE, encode_close(1000, "bye")) + frame(TEXT, b"x") + masked(0xF1, 0)
        assert both_ways(data) == [("close", 1000, "bye")]
        assert read(data, frame(TEXT, b"x"), frame(BINARY, bytes(200))) == [("close", 1000, "bye")]

    def test_websockets_dv01_a_close_without_a_code(self) -> None:
        assert both_ways(frame(CLOSE)) == [("close", 1005, "")]

    @pytest.mark.parametrize("code", [1000, 1003, 1007, 1011, 1012, 1014, 3000, 4999])
    def test_websockets_py18_codes_that_may_come(self, code: int) -> None:
        assert both_ways(frame(CLOSE, encode_close(code, "é" * 61))) == [("close", code, "é" * 61)]

    def test_a_close_in_the_middle_of_a_message(self) -> None:
        data = frame(TEXT, b"a", fin=False) + frame(CLOSE, b"\x03\xe9")
        assert both_ways(data) == [("part", 1, b"a", False), ("close", 1001, "")]


VALID = [
    b"",
    b"Hello World",
    "Hello-µ@ßöäüàá-UTF-8!!".encode(),
    "\U00024b62".encode(),
    b"\xf4\x8f\xbf\xbf",
    b"\xef\xbf\xbf",
    b"\0",
]
INVALID = [
    b"\xfe", b"\xff", b"\xfe\xfe\xff\xff", b"\xc0\xb1", b"\xc1\xb1", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf", b"\xf8\x88\x80\x80\x80",
    b"\xfc\x84\x80\x80\x80\x80", b"\xed\xa0\x80", b"\x80", b"\xce", b"\xce\xba\xe1\xbd\xb9\xcf", b"\xf4\x90\x80\x80", b"\xed\xbf\xbf",
]  # fmt: skip


class TestText:
    @pytest.mark.parametrize("text", VALID)
    def test_websockets_rt07_valid(self, text: bytes) -> None:
        assert both_ways(frame(TEXT, text)) == [("message", text.decode())]
        long = b"x" * 200 + text
        assert both_ways(frame(TEXT, long)) == [("message", long.decode())]

    @pytest.mark.parametrize("text", INVALID)
    def test_websockets_rt07_invalid(self, text: bytes) -> None:
        assert both_ways(frame(TEXT, text) + frame(TEXT, b"x")) == [("fail", 1007)]
        assert both_ways(frame(TEXT, b"x" * 200 + text)) == [("fail", 1007)]
        assert both_ways(frame(PING) + frame(TEXT, text)) == [("ping", b""), ("fail", 1007)]
        split = frame(TEXT, b"x", fin=False) + b"".join(
            [frame(0, text[at : at + 1], fin=False) for at in range(len(text))]
        )
        assert both_ways(split + frame(0))[-1] == ("fail", 1007)

    @pytest.mark.parametrize("text", INVALID)
    def test_bytes_are_not_text(self, text: bytes) -> None:
        assert both_ways(frame(BINARY, text)) == [("message", text)]

    @pytest.mark.parametrize(
        ("text", "at"),
        [
            (bytes.fromhex("cebae1bdb9cf83cebcceb5f490808065646974656467"), 12),
            (bytes.fromhex("cebae1bdb9cf83cebcceb5eda08065646974656467"), 12),
        ],
    )
    def test_websockets_rt07_the_first_byte_that_cannot_be_fails(self, text: bytes, at: int) -> None:
        data = frame(TEXT, text)
        assert read(data[: 6 + at]) == []
        assert read(data[: 6 + at], data[6 + at : 7 + at]) == [("fail", 1007)]
        assert read(data[: 7 + at]) == [("fail", 1007)]
        parts = [frame(0 if n else TEXT, text[n : n + 1], fin=False) for n in range(len(text))]
        assert read(*parts[:at])[-1][0] == "part"
        assert read(*parts[: at + 1])[-1] == ("fail", 1007)


class TestClientSide:
    def test_a_servers_frames_are_not_masked(self) -> None:
        sink = Recorder()
        reader = FrameReader(sink, max_message_size=MIB, is_server=False)
        for data in (
            b"\x81\x05Hello",
            b"\x82\x7e\x00\xc8" + bytes(200),
            b"\x01\x01a\x80\x01b\x89\x01p",
            b"\x88\x02\x03\xe8",
        ):
            reader.feed(data)
        assert sink.joined() == [
            ("message", "Hello"),
            ("message", bytes(200)),
            ("message", "ab"),
            ("ping", b"p"),
            ("close", 1000, ""),
        ]

    def test_bad_input_row_64_a_masked_server_frame(self) -> None:
        for data in (frame(TEXT, b"Hello"), frame(BINARY, bytes(200)), frame(PING)):
            sink = Recorder()
            FrameReader(sink, max_message_size=MIB, is_server=False).feed(data)
            assert sink.calls == [("fail", 1002)]


class TestCompressed:
    def test_websockets_d08_a_compressed_message(self) -> None:
        hello = frame(TEXT, bytes.fromhex("f248cdc9c90700"), rsv1=True)
        again = frame(TEXT, bytes.fromhex("f200110000"), rsv1=True)
        assert both_ways(hello + again, deflate=PLAIN) == [("message", "Hello")] * 2

    def test_websockets_d08_messages_that_are_not_compressed_stay_legal(self) -> None:
        data = (
            frame(TEXT, b"plain") + frame(TEXT, bytes.fromhex("f248cdc9c90700"), rsv1=True) + frame(BINARY, bytes(200))
        )
        assert both_ways(data, deflate=PLAIN) == [("message", "plain"), ("message", "Hello"), ("message", bytes(200))]

    def test_websockets_d08_fragments(self) -> None:
        whole = bytes.fromhex("f248cdc9c90700")
        data = frame(TEXT, whole[:3], fin=False, rsv1=True) + frame(PING) + frame(0, whole[3:])
        for calls in (read(data, deflate=PLAIN), dribble(data, deflate=PLAIN)):
            parts = [call[2] for call in calls if call[0] == "part" and isinstance(call[2], bytes)]
            assert b"".join(parts) == b"Hello"
            assert calls[-1][3] is True

    @pytest.mark.parametrize(
        "data",
        [
            frame(TEXT, b"\xf2", fin=False, rsv1=True) + frame(0, b"\x00", rsv1=True),
            frame(PING, rsv1=True),
            frame(CLOSE, rsv1=True),
            masked(0xE1, 0),
            masked(0xB1, 0),
        ],
    )
    def test_websockets_t36_rsv1_on_the_first_frame_of_a_message_only(self, data: bytes) -> None:
        assert both_ways(data, deflate=PLAIN)[-1] == ("fail", 1002)

    def test_websockets_d12_what_is_no_deflate_stream(self) -> None:
        assert both_ways(frame(TEXT, b"\xff" * 10, rsv1=True), deflate=PLAIN) == [("fail", 1007)]

    def test_websockets_d13_text_is_judged_as_it_was_meant(self) -> None:
        deflated = Deflater(PLAIN).deflate(b"ok\xff")
        assert both_ways(frame(TEXT, deflated, rsv1=True), deflate=PLAIN) == [("fail", 1007)]
        assert both_ways(frame(BINARY, deflated, rsv1=True), deflate=PLAIN) == [("message", b"ok\xff")]

    def test_websockets_t35_a_bomb(self) -> None:
        bomb = Deflater(PLAIN).deflate(bytes(MIB))
        assert both_ways(frame(BINARY, bomb, rsv1=True), size=65536, deflate=PLAIN)[-1] == ("fail", 1009)
        data = frame(BINARY, bomb[:500], fin=False, rsv1=True) + frame(0, bomb[500:])
        assert both_ways(data, size=65536, deflate=PLAIN)[-1] == ("fail", 1009)

    def test_websockets_d11_the_limit_is_for_what_it_inflates_to(self) -> None:
        payload = os.urandom(1000)
        assert len(deflated := Deflater(PLAIN).deflate(payload)) > 1000
        assert both_ways(frame(BINARY, deflated, rsv1=True), size=1000, deflate=PLAIN) == [("message", payload)]
        assert both_ways(frame(BINARY, deflated, rsv1=True), size=999, deflate=PLAIN) == [("fail", 1009)]
        assert both_ways(frame(BINARY, payload + b"x"), size=1000, deflate=PLAIN) == [("fail", 1009)]

    def test_compressed_nothing_without_end_is_stopped_too(self) -> None:
        nothing = frame(0, b"\x00\x00\x00\xff\xff" * 20, fin=False)
        data = frame(BINARY, b"\x00\x00\x00\xff\xff", fin=False, rsv1=True) + nothing * 100
        assert read(data, size=1000, deflate=PLAIN) == [("fail", 1009)]
