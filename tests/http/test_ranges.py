"""Range requests: RFC 9110 section 14, pipeline F-03, bad-input row 73."""

import random
import time

import pytest

from penstock.http.ranges import (
    ByteRange,
    content_range,
    multipart_end,
    part_heads,
    resolve_ranges,
    unsatisfied_range,
)

HUGE = b"9" * 10_000


def pairs(field: bytes, size: int = 100) -> list[tuple[int, int]] | None:
    resolved = resolve_ranges(field, size)
    return None if resolved is None else [(part.first, part.last) for part in resolved]


class TestOneRange:
    """RFC 9110 section 14.1.2."""

    @pytest.mark.parametrize(
        ("field", "expected"),
        [
            (b"bytes=0-9", (0, 9)),
            (b"bytes=-5", (95, 99)),
            (b"bytes=90-", (90, 99)),
            (b"bytes=0-", (0, 99)),
            (b"bytes=0-0", (0, 0)),
            (b"bytes=99-99", (99, 99)),
            (b"bytes=90-1000", (90, 99)),
            (b"bytes=-100", (0, 99)),
            (b"bytes=-101", (0, 99)),
            (b"BYTES=0-9", (0, 9)),
            (b" bytes= 0-9 ", (0, 9)),
            (b"bytes=,0-9,", (0, 9)),
            (b"bytes=0000000000000000000000001-2", (1, 2)),
            (b"bytes=5-" + HUGE, (5, 99)),
            (b"bytes=-" + HUGE, (0, 99)),
        ],
    )
    def test_pipeline_f03_satisfiable(self, field: bytes, expected: tuple[int, int]) -> None:
        assert [expected] == pairs(field)

    @pytest.mark.parametrize("field", [b"bytes=100-", b"bytes=100-200", b"bytes=-0", b"bytes=" + HUGE + b"-"])
    def test_pipeline_f03_row_73_unsatisfiable(self, field: bytes) -> None:
        assert pairs(field) == []

    @pytest.mark.parametrize("field", [b"bytes=0-", b"bytes=0-0", b"bytes=-1", b"bytes=-0"])
    def test_pipeline_f03_nothing_of_an_empty_file_can_be_had(self, field: bytes) -> None:
        assert pairs(field, 0) == []

    @pytest.mark.parametrize(
        "field",
        [
            b"",
            b"abc",
            b"bytes",
            b"bytes=",
            b"bytes=,",
            b"bytes=-",
            b"bytes=abc",
            b"bytes=5-2",
            b"bytes=9-1",
            b"bytes=--5",
            b"bytes=0--5",
            b"bytes=+0-5",
            b"bytes=0x0-5",
            b"bytes=1_0-20",
            b"bytes=0 - 5",
            b"bytes=0-5;q=1",
            b"bytes =0-5",
            b"bytes:0-5",
            b"lines=0-5",
            b"items=0-5, bytes=0-5",
            b"bytes=0-5,9-1",
            b"bytes=" + HUGE + b"-5",
            "bytes=٠-٥".encode(),
        ],
    )
    def test_pipeline_f03_row_73_what_is_no_range_is_ignored(self, field: bytes) -> None:
        assert pairs(field) is None


class TestSeveralRanges:
    """RFC 9110 sections 14.2 and 15.3.7.2."""

    @pytest.mark.parametrize(
        ("field", "expected"),
        [
            (b"bytes=0-0,-1", [(0, 0), (99, 99)]),
            (b"bytes=50-59, 0-9", [(50, 59), (0, 9)]),
            (b"bytes=0-9,100-", [(0, 9)]),
            (b"bytes=200-,100-", []),
            (b"bytes=0-9,5-20", [(0, 20)]),
            (b"bytes=0-9,10-19", [(0, 19)]),
            (b"bytes=0-99,0-99,0-99", [(0, 99)]),
            (b"bytes=40-49,0-9,5-45", [(0, 49)]),
            (b"bytes=90-99,20-29,0-9,5-15", [(90, 99), (20, 29), (0, 15)]),
            (b"bytes=10-80,20-30", [(10, 80)]),
        ],
    )
    def test_row_73_overlapping_ones_are_joined(self, field: bytes, expected: list[tuple[int, int]]) -> None:
        assert expected == pairs(field)

    def test_row_73_sixteen_are_obeyed(self) -> None:
        field = b"bytes=" + b",".join(b"%d-%d" % (2 * n, 2 * n) for n in range(16))
        assert [(2 * n, 2 * n) for n in range(16)] == pairs(field)

    @pytest.mark.parametrize("count", [17, 10_000])
    def test_row_73_too_many_are_ignored(self, count: int) -> None:
        assert pairs(b"bytes=" + b",".join([b"0-"] * count)) is None

    def test_row_73_hostile_input_takes_linear_time(self) -> None:
        started = time.perf_counter()
        for piece in (b"0-,", b",", b" ", b"\t", b"0", b"-", b"0-0 "):
            resolve_ranges(b"bytes=" + piece * 300_000, 10**12)
        assert time.perf_counter() - started < 2

    def test_row_73_no_part_is_empty_overlapping_or_outside(self) -> None:
        chance = random.Random(73)
        for _ in range(5000):
            size = chance.randrange(12)
            specs = [
                f"{chance.choice(['', chance.randrange(14)])}-{chance.choice(['', chance.randrange(14)])}"
                for _ in "xyz"
            ]
            wanted: set[int] = set()
            resolved = pairs(b"bytes=" + ",".join(specs).encode(), size)
            for spec in specs if resolved is not None else []:
                first, _, last = spec.partition("-")
                if first:
                    wanted.update(range(int(first), min(int(last or size), size - 1) + 1))
                else:
                    wanted.update(range(max(size - int(last), 0), size))
            sent = [place for first, last in resolved or [] for place in range(first, last + 1)]
            assert sorted(sent) == sorted(wanted)


class TestFields:
    def test_rfc9110_14_4_content_range(self) -> None:
        assert content_range(ByteRange(0, 9), 100) == b"bytes 0-9/100"

    def test_rfc9110_15_5_17_unsatisfied(self) -> None:
        assert unsatisfied_range(0) == b"bytes */0"

    def test_rfc9110_14_6_parts(self) -> None:
        parts = [ByteRange(0, 1), ByteRange(8, 9)]
        first, second = part_heads(parts, 10, content_type=b"text/plain", boundary=b"B")
        assert first == b"--B\r\ncontent-type: text/plain\r\ncontent-range: bytes 0-1/10\r\n\r\n"
        assert second == b"\r\n--B\r\ncontent-type: text/plain\r\ncontent-range: bytes 8-9/10\r\n\r\n"
        assert multipart_end(b"B") == b"\r\n--B--\r\n"

    def test_length_counts_both_ends(self) -> None:
        assert ByteRange(5, 5).length == 1
