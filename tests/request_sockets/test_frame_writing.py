"""Frames as they are written: the examples of RFC 6455, the shortest length, and what other parsers make of them."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.frames import Frame
from websockets.streams import StreamReader
from wsproto.frame_protocol import FrameProtocol, Opcode

from penstock.request_sockets.frame_writing import encode_frame, encode_head

LENGTHS = [0, 1, 125, 126, 127, 128, 65535, 65536, 70000]


class TestBytes:
    @pytest.mark.parametrize(
        ("written", "expected"),
        [
            (encode_frame(1, b"Hello"), b"\x81\x05Hello"),
            (encode_frame(1, b"Hello", mask=b"\x37\xfa\x21\x3d"), b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"),
            (encode_frame(1, b"Hel", fin=False), b"\x01\x03Hel"),
            (encode_frame(0, b"lo"), b"\x80\x02lo"),
            (encode_frame(9, b"Hello"), b"\x89\x05Hello"),
            (encode_frame(2, bytes(256)), b"\x82\x7e\x01\x00" + bytes(256)),
            (encode_frame(2, bytes(65536)), b"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00" + bytes(65536)),
            (encode_frame(1, b"\xf2\x48", rsv1=True), b"\xc1\x02\xf2\x48"),
            (encode_frame(8, b"\x03\xe8"), b"\x88\x02\x03\xe8"),
            (encode_frame(10, b""), b"\x8a\x00"),
        ],
    )
    def test_rfc6455_section_5_7(self, written: bytes, expected: bytes) -> None:
        assert written == expected

    @pytest.mark.parametrize("size", LENGTHS)
    def test_websockets_f04_the_shortest_length(self, size: int) -> None:
        head = encode_frame(2, bytes(size))[: -size or None]
        assert len(head) == (2 if size < 126 else 4 if size < 65536 else 10)
        assert head == encode_head(2, size)

    @pytest.mark.parametrize("size", LENGTHS)
    def test_websockets_f02_a_server_masks_nothing(self, size: int) -> None:
        assert encode_frame(1, b"x" * size)[1] & 0x80 == 0

    def test_a_head_for_a_mask(self) -> None:
        assert [encode_head(1, size, is_masked=True)[1] for size in (5, 200, 70000)] == [0x85, 0xFE, 0xFF]


PAYLOADS = st.binary(max_size=140) | st.integers(65530, 65540).map(bytes)
MASKS = st.just(b"") | st.binary(min_size=4, max_size=4)


class TestOthers:
    @settings(max_examples=300, derandomize=True, deadline=None, database=None)
    @given(st.sampled_from([0, 1, 2]), PAYLOADS, MASKS, st.booleans())
    def test_websockets_reads_what_we_write(self, opcode: int, payload: bytes, mask: bytes, fin: bool) -> None:
        stream = StreamReader()
        stream.feed_data(encode_frame(opcode, payload, fin=fin, mask=mask))
        stream.feed_eof()
        parsing = Frame.parse(stream.read_exact, mask=bool(mask))
        with pytest.raises(StopIteration) as done:
            while True:
                next(parsing)
        read = done.value.value
        assert (read.opcode, read.data, read.fin) == (opcode, payload, fin)
        assert stream.buffer == b""

    @settings(max_examples=300, derandomize=True, deadline=None, database=None)
    @given(st.booleans(), st.lists(PAYLOADS, min_size=1, max_size=4), st.booleans())
    def test_wsproto_reads_what_we_write(self, by_client: bool, payloads: list[bytes], is_text: bool) -> None:
        protocol = FrameProtocol(client=not by_client, extensions=[])
        mask = b"\x01\x02\x03\x04" if by_client else b""
        for number, payload in enumerate(payloads):
            text = b"a" * len(payload) if is_text else payload
            opcode = 0 if number else 1 if is_text else 2
            protocol.receive_bytes(encode_frame(opcode, text, fin=number == len(payloads) - 1, mask=mask))
        frames = list(protocol.received_frames())
        read = "".join(map(str, [frame.payload for frame in frames])) if is_text else joined(frames)
        assert len(read) == sum(map(len, payloads))
        assert is_text or read == b"".join(payloads)
        assert {frame.opcode for frame in frames} == {Opcode.TEXT if is_text else Opcode.BINARY}
        assert frames[-1].message_finished


def joined(frames: list[Any]) -> bytes:
    return b"".join([bytes(frame.payload) for frame in frames])
