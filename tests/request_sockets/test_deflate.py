"""Compressed messages: the bytes of RFC 7692, contexts that are kept or forgotten, and bombs that do not go off."""

import os
import time
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode

from penstock.errors import WebSocketProtocolError
from penstock.http.deflate_offers import DeflateParameters
from penstock.request_sockets.deflate import Deflater, Inflater

MIB = 1 << 20
PLAIN = DeflateParameters()
FORGETFUL = DeflateParameters(server_no_context_takeover=True, client_no_context_takeover=True)


def inflater(parameters: DeflateParameters = PLAIN, *, size: int = MIB, ratio: int = 10_000) -> Inflater:
    return Inflater(parameters, max_size=size, max_ratio=ratio)


def refused(subject: Inflater, piece: bytes, *, is_end: bool = True) -> tuple[int, str]:
    with pytest.raises(WebSocketProtocolError) as caught:
        subject.inflate(piece, is_end=is_end)
    return caught.value.code, caught.value.reason


def squeezed(payload: bytes) -> bytes:
    return Deflater(PLAIN).deflate(payload)


class TestBytes:
    def test_websockets_d09_hello_twice(self) -> None:
        deflater = Deflater(PLAIN)
        assert deflater.deflate(b"Hello").hex() == "f248cdc9c90700"
        assert deflater.deflate(b"Hello").hex() == "f200110000"

    def test_websockets_d09_hello_twice_and_nothing_kept(self) -> None:
        deflater = Deflater(FORGETFUL)
        assert [deflater.deflate(b"Hello").hex() for _ in range(2)] == ["f248cdc9c90700"] * 2

    def test_websockets_d09_nothing_is_one_byte(self) -> None:
        deflater = Deflater(PLAIN)
        assert deflater.deflate(b"") == b"\x00"
        deflater.deflate(b"Hello")
        assert deflater.deflate(b"") == b"\x00"
        assert inflater().inflate(b"\x00", is_end=True) == b""

    @pytest.mark.parametrize(
        "payload",
        [
            "f248cdc9c90700",  # RFC 7692 section 7.2.3.1
            "000500faff48656c6c6f00",  # section 7.2.3.3: not compressed
            "f348cdc9c9070000",  # section 7.2.3.4: with BFINAL
            "f24805000000ffffcac9c90700",  # section 7.2.3.5: two blocks
        ],
    )
    def test_rfc7692_section_7_2_3_examples(self, payload: str) -> None:
        subject = inflater()
        assert subject.inflate(bytes.fromhex(payload), is_end=True) == b"Hello"
        assert subject.inflate(bytes.fromhex("f248cdc9c90700"), is_end=True) == b"Hello"

    def test_rfc7692_section_7_2_3_2_the_window_of_the_message_before(self) -> None:
        subject = inflater()
        assert [subject.inflate(bytes.fromhex(text), is_end=True) for text in ("f248cdc9c90700", "f200110000")] == [
            b"Hello",
            b"Hello",
        ]

    def test_rfc7692_section_7_2_3_4_the_window_ends_with_a_last_block(self) -> None:
        """In however many pieces it came: zlib keeps nothing of a stream that has ended, on either side."""
        last = bytes.fromhex("f348cdc9c9070000")
        for pieces in ([last], [last[:3], last[3:7], last[7:]]):
            subject = inflater()
            parts = [subject.inflate(piece, is_end=piece is pieces[-1]) for piece in pieces]
            assert b"".join(parts) == b"Hello"
            assert refused(subject, bytes.fromhex("f200110000"))[0] == 1007

    def test_rfc7692_section_7_2_3_4_last_blocks_inside_a_message(self) -> None:
        compressor = zlib.compressobj(wbits=-15)
        ended = compressor.compress(b"Hello") + compressor.flush()
        for step in (1, 3, 1000):
            subject, data = inflater(), ended * 3 + b"\x00"
            pieces = [data[at : at + step] for at in range(0, len(data), step)]
            parts = [subject.inflate(piece, is_end=number == len(pieces) - 1) for number, piece in enumerate(pieces)]
            assert b"".join(parts) == b"Hello" * 3


class TestContexts:
    def test_websockets_d10_the_server_forgets(self) -> None:
        payload = os.urandom(1000)
        kept, forgotten = Deflater(PLAIN), Deflater(DeflateParameters(server_no_context_takeover=True))
        assert len(kept.deflate(payload)) > 1000 > len(kept.deflate(payload))
        assert len(forgotten.deflate(payload)) == len(forgotten.deflate(payload)) > 1000

    def test_websockets_d10_the_client_forgets(self) -> None:
        subject = inflater(DeflateParameters(client_no_context_takeover=True))
        subject.inflate(bytes.fromhex("f248cdc9c90700"), is_end=True)
        assert refused(subject, bytes.fromhex("f200110000"))[0] == 1007

    def test_websockets_d06_a_window_of_its_own_for_each_side(self) -> None:
        parameters = DeflateParameters(server_max_window_bits=9, client_max_window_bits=15)
        payload = os.urandom(2000) * 2
        assert len(Deflater(parameters).deflate(payload)) > 4000
        by_client = Deflater(parameters, is_server=False).deflate(payload)
        assert len(by_client) < 2100
        assert inflater(parameters).inflate(by_client, is_end=True) == payload

    @pytest.mark.parametrize("bits", range(9, 16))
    @pytest.mark.parametrize("forgets", [True, False])
    def test_websockets_t35_every_window(self, bits: int, forgets: bool) -> None:
        parameters = DeflateParameters(
            server_no_context_takeover=forgets,
            client_no_context_takeover=forgets,
            server_max_window_bits=bits,
            client_max_window_bits=bits,
        )
        for is_server in (True, False):
            deflater = Deflater(parameters, is_server=is_server)
            subject = Inflater(parameters, max_size=MIB, is_server=not is_server)
            for payload in (b"", b"Hello", b"Hello", os.urandom(70_000), b"Hello" * 10_000, b"", b"Hello"):
                assert subject.inflate(deflater.deflate(payload), is_end=True) == payload

    def test_fragments_of_a_message_arrive_as_they_are_sent(self) -> None:
        deflater, subject = Deflater(PLAIN), inflater()
        for number, piece in enumerate((b"Hel", b"", b"lo", b"")):
            deflated = deflater.deflate(piece, is_end=number == 3)
            assert subject.inflate(deflated, is_end=number == 3) == piece
        assert subject.inflate(deflater.deflate(b"Hello"), is_end=True) == b"Hello"

    def test_a_message_byte_by_byte(self) -> None:
        deflated, subject = squeezed(b"Hello" * 100), inflater()
        pieces = [subject.inflate(deflated[at : at + 1], is_end=at == len(deflated) - 1) for at in range(len(deflated))]
        assert b"".join(pieces) == b"Hello" * 100


class TestLimits:
    def test_websockets_d11_a_bomb_is_stopped_at_the_limit(self) -> None:
        subject = inflater(size=65536)
        assert refused(subject, squeezed(bytes(MIB))) == (1009, "a message has more than 65536 bytes")

    def test_websockets_t35_no_more_than_the_limit_is_ever_made(self) -> None:
        bomb = squeezed(bytes(512 * MIB))
        began = time.process_time()
        assert refused(inflater(size=65536), bomb)[0] == 1009
        assert time.process_time() - began < 0.2

    @pytest.mark.parametrize("size", [0, 1, 1000, 65536])
    def test_websockets_d11_the_limit_itself_is_allowed(self, size: int) -> None:
        subject = inflater(size=size)
        for _ in range(3):
            assert subject.inflate(Deflater(FORGETFUL).deflate(bytes(size)), is_end=True) == bytes(size)
        assert refused(subject, Deflater(FORGETFUL).deflate(bytes(size + 1)))[0] == 1009

    def test_websockets_d11_over_many_pieces(self) -> None:
        deflated, subject = squeezed(os.urandom(3000)), inflater(size=2000)
        assert len(subject.inflate(deflated[:1500], is_end=False)) < 2000
        assert refused(subject, deflated[1500:])[0] == 1009

    def test_bad_input_row_63_a_ratio(self) -> None:
        limited = inflater(size=16 * MIB, ratio=100)
        assert refused(limited, squeezed(bytes(MIB))) == (1009, "a message inflates to more than 100 times its size")
        assert len(inflater(size=16 * MIB, ratio=2000).inflate(squeezed(bytes(MIB)), is_end=True)) == MIB

    def test_bad_input_row_63_the_ratio_counts_from_64_kib_on(self) -> None:
        assert inflater(ratio=1).inflate(squeezed(bytes(65536)), is_end=True) == bytes(65536)
        assert refused(inflater(ratio=1), squeezed(bytes(65537)))[0] == 1009

    def test_bad_input_row_63_the_ratio_is_that_of_each_message(self) -> None:
        deflater, subject = Deflater(PLAIN), inflater(size=16 * MIB, ratio=10)
        noise = os.urandom(30_000)
        assert subject.inflate(deflater.deflate(noise), is_end=True) == noise
        assert refused(subject, deflater.deflate(bytes(300_000)))[0] == 1009


class TestCorrupt:
    @pytest.mark.parametrize(
        "payload", [b"\xff", b"\x07", b"Hello", b"\x00\x05\x00\x00\x00", bytes.fromhex("f200110000")]
    )
    def test_websockets_d12_what_is_no_deflate_stream(self, payload: bytes) -> None:
        assert refused(inflater(), payload * 10) == (1007, "a compressed message is no deflate stream")

    def test_last_blocks_without_number_are_no_way_to_keep_us_busy(self) -> None:
        began = time.process_time()
        assert refused(inflater(), b"\x03\x00" * 500_000)[0] == 1007
        assert time.process_time() - began < 0.5

    @settings(max_examples=300, derandomize=True, deadline=None, database=None)
    @given(st.binary(max_size=200))
    def test_whatever_comes_is_data_or_refused(self, payload: bytes) -> None:
        try:
            size = len(inflater(size=1000).inflate(payload, is_end=True))
        except WebSocketProtocolError as error:
            size = 0 if error.code in (1007, 1009) else -1
        assert 0 <= size <= 1000


class TestOthers:
    @settings(max_examples=100, derandomize=True, deadline=None, database=None)
    @given(
        st.lists(st.binary(max_size=200) | st.integers(0, 3000).map(bytes), max_size=8),
        st.booleans(),
        st.integers(9, 15),
    )
    def test_websockets_and_we_understand_one_another(self, messages: list[bytes], forgets: bool, bits: int) -> None:
        ours = DeflateParameters(
            server_no_context_takeover=forgets,
            client_no_context_takeover=forgets,
            server_max_window_bits=bits,
            client_max_window_bits=bits,
        )
        client = PerMessageDeflate(forgets, forgets, bits, bits)
        deflater, subject = Deflater(ours), inflater(ours)
        for message in messages:
            sent = client.encode(Frame(Opcode.BINARY, message))
            assert subject.inflate(bytes(sent.data), is_end=True) == message
            frame = Frame(Opcode.BINARY, deflater.deflate(message), rsv1=True)
            assert client.decode(frame).data == message

    def test_zlib_cannot_write_with_eight_bits(self) -> None:
        """websockets D-14: why an offer that demands it is passed over."""
        with pytest.raises(ValueError, match="Invalid initialization option"):
            zlib.compressobj(wbits=-8)
