"""W3C Trace Context, section 3.2: the traceparent field (pipeline D-06)."""

import os
import random

import pytest

from penstock.http.trace_context import (
    TraceParent,
    find_trace_id,
    format_traceparent,
    parse_traceparent,
    trace_id_from,
)

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
VALUE = f"00-{TRACE}-{PARENT}-01".encode()


class TestParse:
    def test_section_3_2_2_the_four_parts(self) -> None:
        assert parse_traceparent(VALUE) == TraceParent(TRACE, PARENT, 1)

    @pytest.mark.parametrize(("flags", "is_sampled"), [("00", False), ("01", True), ("02", False), ("ff", True)])
    def test_section_3_2_2_5_flags_that_are_not_known_change_nothing(self, flags: str, is_sampled: bool) -> None:
        parent = parse_traceparent(f"00-{TRACE}-{PARENT}-{flags}".encode())
        assert parent is not None
        assert parent.is_sampled is is_sampled

    @pytest.mark.parametrize("rest", ["", "-", "-and more", "-00-11"])
    def test_section_3_2_4_a_later_version_may_say_more(self, rest: str) -> None:
        assert parse_traceparent(f"cc-{TRACE}-{PARENT}-01{rest}".encode()) == TraceParent(TRACE, PARENT, 1)

    @pytest.mark.parametrize(
        "value",
        [
            "",
            "00",
            f"{TRACE}",
            f"00-{TRACE}-{PARENT}",
            f"00-{TRACE}-{PARENT}-",
            f"00-{TRACE}-{PARENT}-1",
            f"00-{TRACE}-{PARENT}-011",
            f"00-{TRACE}-{PARENT}-01-more",
            f"00-{TRACE}-{PARENT}-01-",
            f"cc-{TRACE}-{PARENT}-01more",
            f"ff-{TRACE}-{PARENT}-01",
            f"0-{TRACE}-{PARENT}-01",
            f"0g-{TRACE}-{PARENT}-01",
            f"00-{TRACE.upper()}-{PARENT}-01",
            f"00-{TRACE}-{PARENT.upper()}-01",
            f"00-{TRACE}-{PARENT}-0A",
            f"00-{'0' * 32}-{PARENT}-01",
            f"00-{TRACE}-{'0' * 16}-01",
            f"00-{TRACE[1:]}-{PARENT}-01",
            f"00-{TRACE}0-{PARENT}-01",
            f"00-{TRACE}_{PARENT}-01",
            f"00_{TRACE}-{PARENT}-01",
            f"00-{TRACE}-{PARENT}_01",
            f"00-{TRACE}-{PARENT}-+1",
            f"00-{'_' * 32}-{PARENT}-01",
            f" 0-{TRACE}-{PARENT}-01",
            f"00-{TRACE}-{PARENT}-01 ",
            f"00-{TRACE}-{PARENT}-01\t",
            f"00-{TRACE},{PARENT}-01",
        ],
    )
    def test_section_3_2_2_what_must_be_ignored(self, value: str) -> None:
        assert parse_traceparent(value.encode()) is None

    def test_digits_of_other_scripts_are_none(self) -> None:
        assert parse_traceparent(VALUE[:3] + b"\xb2" + VALUE[4:]) is None

    def test_random_bytes_never_raise(self) -> None:
        dice = random.Random(6)
        for _ in range(2000):
            value = bytearray(VALUE)
            for _ in range(dice.randrange(4)):
                value[dice.randrange(len(value))] = dice.randrange(256)
            parent = parse_traceparent(bytes(value))
            assert parent is None or (len(parent.trace_id) == 32 and len(parent.parent_id) == 16)


class TestFind:
    def test_the_one_field(self) -> None:
        assert find_trace_id([(b"host", b"example.org"), (b"traceparent", VALUE)]) == TRACE

    def test_none(self) -> None:
        assert find_trace_id([]) is None
        assert find_trace_id([(b"traceparent", b"00-nonsense")]) is None

    def test_section_3_2_two_fields_are_no_context(self) -> None:
        assert find_trace_id([(b"traceparent", VALUE), (b"traceparent", VALUE)]) is None


class TestMake:
    def test_a_trace_id_of_random_bytes(self) -> None:
        assert trace_id_from(bytes(range(16))) == "000102030405060708090a0b0c0d0e0f"
        assert parse_traceparent(format_traceparent(trace_id_from(os.urandom(16)), PARENT)) is not None

    def test_section_3_2_2_3_it_is_never_all_zeros(self) -> None:
        assert trace_id_from(bytes(16)) == "0" * 31 + "1"

    def test_another_number_of_bytes_is_refused(self) -> None:
        with pytest.raises(ValueError, match="16 random bytes, not 8"):
            trace_id_from(bytes(8))

    def test_what_is_written_is_read_again(self) -> None:
        assert format_traceparent(TRACE, PARENT, is_sampled=True) == VALUE
        assert parse_traceparent(format_traceparent(TRACE, PARENT)) == TraceParent(TRACE, PARENT, 0)

    @pytest.mark.parametrize(
        ("trace_id", "parent_id"),
        [("", ""), ("0" * 32, PARENT), (TRACE, "0" * 16), (TRACE.upper(), PARENT), (TRACE, "é" * 16), (TRACE, TRACE)],
    )
    def test_what_nobody_could_read_is_not_written(self, trace_id: str, parent_id: str) -> None:
        with pytest.raises(ValueError, match="32 and 16 lower-case hex digits"):
            format_traceparent(trace_id, parent_id)
