"""This file is the test of the records of FastCGI, by the specification, hostile ones included."""

import random

import pytest

from penstock.hosts.fastcgi_records import (
    FastCgiError,
    RecordReader,
    read_pairs,
    write_end,
    write_pairs,
    write_record,
    write_stream,
    write_values,
)
from tests.wire import fastcgi_client as web


class TestReading:
    def test_section_3_3_header_content_and_padding(self) -> None:
        reader = RecordReader()
        bytes_in = bytes([1, 4, 1, 2, 0, 3, 5, 0]) + b"abc" + b"-----"
        assert reader.feed(bytes_in) == [(4, 0x102, b"abc")]
        assert reader.is_empty

    def test_section_3_3_the_longest_content_and_padding(self) -> None:
        content = bytes(65535)
        assert RecordReader().feed(web.record(5, content, number=65535, padding=255)) == [(5, 65535, content)]

    def test_records_come_in_any_pieces(self) -> None:
        chance = random.Random(9)
        expected = [
            (chance.randrange(256), chance.randrange(65536), chance.randbytes(chance.choice([0, 1, 7, 300, 65535])))
            for _ in range(60)
        ]
        stream = b"".join(
            web.record(kind, content, number=number, padding=chance.choice([0, 1, 255]))
            for kind, number, content in expected
        )
        for _ in range(40):
            reader = RecordReader()
            read = []
            position = 0
            while position < len(stream):
                size = chance.choice([1, 2, 7, 8, 9, 100, 5000, 70_000])
                read += reader.feed(stream[position : position + size])
                position += size
            assert read == expected
            assert reader.is_empty

    def test_byte_by_byte(self) -> None:
        reader = RecordReader()
        read = []
        for byte in web.ask(web.parameters(), b"body"):
            read += reader.feed(bytes([byte]))
        assert [kind for kind, _, _ in read] == [1, 4, 4, 5, 5]

    def test_what_is_not_whole_waits(self) -> None:
        reader = RecordReader()
        assert reader.feed(web.record(5, b"abc")[:-1]) == []
        assert not reader.is_empty

    @pytest.mark.parametrize("version", [0, 2, 255])
    def test_another_version_is_refused(self, version: int) -> None:
        with pytest.raises(FastCgiError, match=f"version {version} of FastCGI"):
            RecordReader().feed(web.record(1, version=version))

    def test_http_is_named(self) -> None:
        with pytest.raises(FastCgiError, match="another protocol, such as HTTP: 'GET / HT'"):
            RecordReader().feed(b"GET / HTTP/1.1\r\n\r\n")

    def test_noise_is_refused_or_waits(self) -> None:
        chance = random.Random(3)
        for _ in range(2000):
            reader = RecordReader()
            noise = chance.randbytes(chance.randrange(40))
            try:
                reader.feed(noise if chance.random() < 0.5 else b"\x01" + noise)
            except FastCgiError:
                pass


class TestPairs:
    def test_section_3_4_lengths_of_one_byte_and_of_four(self) -> None:
        pairs = [(b"A", b""), (b"", b""), (b"B" * 127, b"c" * 128), (b"D" * 128, b"e" * 70_000)]
        content = web.pairs([(name.decode(), value.decode()) for name, value in pairs])
        assert read_pairs(content) == pairs
        assert write_pairs(pairs) == content
        assert read_pairs(b"") == []

    def test_a_short_length_in_four_bytes(self) -> None:
        assert read_pairs(b"\x80\x00\x00\x01\x01ab") == [(b"a", b"b")]

    @pytest.mark.parametrize(
        "content",
        [
            b"\x01", b"\x01\x01", b"\x01\x01a", b"\x80", b"\x80\x00\x00", b"\x80\x00\x00\x01", b"\xff\xff\xff\xff\x00a",
            b"\x01\xff\xff\xff\xffa",
        ],
    )  # fmt: skip
    def test_an_end_in_the_middle_is_refused(self, content: bytes) -> None:
        with pytest.raises(FastCgiError, match="end in the middle"):
            read_pairs(content)

    def test_noise_is_refused_or_read_to_its_end(self) -> None:
        chance = random.Random(5)
        for _ in range(5000):
            noise = chance.randbytes(chance.randrange(30))
            try:
                pairs = read_pairs(noise)
            except FastCgiError:
                continue
            assert sum(len(name) + len(value) for name, value in pairs) <= len(noise)


class TestWriting:
    def test_section_3_3_a_record(self) -> None:
        assert write_record(6, 258, b"abc") == web.record(6, b"abc", number=258)

    def test_section_5_5_the_end(self) -> None:
        assert write_end(1, 3) == web.record(web.END, bytes([0, 0, 0, 0, 3, 0, 0, 0]))

    @pytest.mark.parametrize("size", [1, 65528, 65529, 200_000])
    def test_a_stream_in_as_many_records_as_it_takes(self, size: int) -> None:
        content = bytes(index % 251 for index in range(size))
        records = RecordReader().feed(b"".join(write_stream(6, 1, content)))
        assert b"".join(piece for _, _, piece in records) == content
        assert all(len(piece) <= 65535 for _, _, piece in records)
        assert len(records) == -(-size // 65528)

    def test_section_4_1_values_that_are_asked_for(self) -> None:
        asked = web.pairs([("FCGI_MPXS_CONNS", ""), ("FCGI_UNHEARD_OF", "")])
        assert write_values(asked, 7) == web.record(web.VALUES, web.pairs([("FCGI_MPXS_CONNS", "0")]), number=0)

    def test_no_bytes_are_no_record_for_that_would_end_the_stream(self) -> None:
        assert write_stream(6, 1, b"") == []
