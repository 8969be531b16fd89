"""Conditional requests: RFC 9110 sections 8.8 and 13, pipeline F-04 and F-05, bad-input row 74."""

import random
import time

import pytest

from penstock.http.conditional import (
    Outcome,
    Validators,
    are_strongly_equal,
    are_weakly_equal,
    evaluate,
    is_entity_tag,
    is_range_current,
    listed_tags,
)
from penstock.http.dates import format_http_date

NOW = 1_800_000_000
MODIFIED = 1_700_000_000
BEFORE, EXACTLY, AFTER = (format_http_date(MODIFIED + difference) for difference in (-1, 0, 1))
CURRENT = Validators(etag=b'"now"', last_modified=MODIFIED)
WEAK = Validators(etag=b'W/"now"', last_modified=MODIFIED)
BARE = Validators()
ABSENT = Validators(exists=False)


def outcome(fields: dict[bytes, bytes], validators: Validators = CURRENT, *, is_get_or_head: bool = True) -> Outcome:
    return evaluate(fields, validators, is_get_or_head=is_get_or_head, now=NOW)


class TestEntityTags:
    """RFC 9110 section 8.8.3."""

    @pytest.mark.parametrize("value", [b'""', b'"a"', b'W/"a"', b'"a,b"', b'"\xff!"', b'"W/"'])
    def test_rfc9110_8_8_3_tags(self, value: bytes) -> None:
        assert is_entity_tag(value)

    @pytest.mark.parametrize(
        "value", [b"", b"a", b'"a', b'a"', b'w/"a"', b'"a b"', b'"a"b"', b'W/ "a"', b"*", b'"\x7f"']
    )
    def test_rfc9110_8_8_3_no_tags(self, value: bytes) -> None:
        assert not is_entity_tag(value)

    @pytest.mark.parametrize(
        ("left", "right", "strongly", "weakly"),
        [
            (b'W/"1"', b'W/"1"', False, True),
            (b'W/"1"', b'W/"2"', False, False),
            (b'W/"1"', b'"1"', False, True),
            (b'"1"', b'"1"', True, True),
            (b"", b"", False, False),
        ],
    )
    def test_rfc9110_8_8_3_2_comparison(self, left: bytes, right: bytes, strongly: bool, weakly: bool) -> None:
        assert (strongly, weakly) == (are_strongly_equal(left, right), are_weakly_equal(left, right))

    @pytest.mark.parametrize(
        ("field", "tags"),
        [
            (b'"a"', [b'"a"']),
            (b'"a", W/"b"', [b'"a"', b'W/"b"']),
            (b'"a,b" ,\t"c"', [b'"a,b"', b'"c"']),
            (b',, "a",, ,"b",', [b'"a"', b'"b"']),
            (b'"a" "b"', []),
            (b'"a", b, "c"', [b'"a"']),
            (b"", []),
        ],
    )
    def test_rfc9110_5_6_1_lists(self, field: bytes, tags: list[bytes]) -> None:
        assert tags == listed_tags(field)


class TestIfMatch:
    """RFC 9110 section 13.1.1."""

    @pytest.mark.parametrize("field", [b'"now"', b'"old", "now"', b"*", b" * "])
    def test_rfc9110_13_1_1_matches(self, field: bytes) -> None:
        assert outcome({b"if-match": field}) is Outcome.PROCEED

    @pytest.mark.parametrize("field", [b'"x"', b'W/"now"', b"now", b"", b'"now', b"garbage"])
    def test_rfc9110_13_1_1_fails(self, field: bytes) -> None:
        assert outcome({b"if-match": field}) is Outcome.FAILED

    def test_rfc9110_13_1_1_a_weak_tag_never_matches(self) -> None:
        assert outcome({b"if-match": b'W/"now"'}, WEAK) is Outcome.FAILED

    def test_rfc9110_13_1_1_star_fails_where_nothing_exists(self) -> None:
        assert outcome({b"if-match": b"*"}, ABSENT) is Outcome.FAILED


class TestIfNoneMatch:
    """RFC 9110 section 13.1.2."""

    @pytest.mark.parametrize("field", [b'"now"', b'W/"now"', b'"old", W/"now"', b"*"])
    def test_rfc9110_13_1_2_get_is_not_modified(self, field: bytes) -> None:
        assert outcome({b"if-none-match": field}) is Outcome.NOT_MODIFIED

    def test_rfc9110_13_1_2_other_methods_fail(self) -> None:
        assert outcome({b"if-none-match": b'"now"'}, is_get_or_head=False) is Outcome.FAILED

    @pytest.mark.parametrize("field", [b'"x"', b"now", b"", b'"now', b'\xff\xfe, "now"'])
    def test_rfc9110_13_1_2_proceeds(self, field: bytes) -> None:
        assert outcome({b"if-none-match": field}) is Outcome.PROCEED

    def test_rfc9110_13_1_2_star_proceeds_where_nothing_exists(self) -> None:
        assert outcome({b"if-none-match": b"*"}, ABSENT) is Outcome.PROCEED

    def test_without_a_tag_nothing_matches(self) -> None:
        assert outcome({b"if-none-match": b'""'}, BARE) is Outcome.PROCEED


class TestDates:
    """RFC 9110 sections 13.1.3 and 13.1.4."""

    @pytest.mark.parametrize(
        ("field", "expected"),
        [
            (BEFORE, Outcome.PROCEED),
            (EXACTLY, Outcome.NOT_MODIFIED),
            (AFTER, Outcome.NOT_MODIFIED),
            (b"Fri, 31 Dec 9999 23:59:59 GMT", Outcome.NOT_MODIFIED),
            (b"Sat, 01 Jan 0000 00:00:00 GMT", Outcome.PROCEED),
            (b"yesterday", Outcome.PROCEED),
            (EXACTLY + b", " + EXACTLY, Outcome.PROCEED),
        ],
    )
    def test_rfc9110_13_1_3_if_modified_since(self, field: bytes, expected: Outcome) -> None:
        assert expected is outcome({b"if-modified-since": field})

    def test_rfc9110_13_1_3_is_for_get_and_head(self) -> None:
        assert outcome({b"if-modified-since": EXACTLY}, is_get_or_head=False) is Outcome.PROCEED

    @pytest.mark.parametrize(
        ("field", "expected"),
        [
            (BEFORE, Outcome.FAILED),
            (EXACTLY, Outcome.PROCEED),
            (AFTER, Outcome.PROCEED),
            (b"garbage", Outcome.PROCEED),
            (b"Fri, 31 Dec 9999 23:59:59 GMT", Outcome.PROCEED),
        ],
    )
    def test_rfc9110_13_1_4_if_unmodified_since(self, field: bytes, expected: Outcome) -> None:
        assert expected is outcome({b"if-unmodified-since": field})

    def test_an_unknown_date_decides_nothing(self) -> None:
        assert outcome({b"if-modified-since": EXACTLY, b"if-unmodified-since": BEFORE}, BARE) is Outcome.PROCEED


class TestOrder:
    """RFC 9110 section 13.2.2; pipeline F-05."""

    def test_pipeline_f05_if_match_comes_first(self) -> None:
        assert outcome({b"if-match": b'"x"', b"if-none-match": b'"now"'}) is Outcome.FAILED

    def test_pipeline_f05_if_match_hides_if_unmodified_since(self) -> None:
        assert outcome({b"if-match": b'"now"', b"if-unmodified-since": BEFORE}) is Outcome.PROCEED

    def test_row_74_if_none_match_hides_if_modified_since(self) -> None:
        assert outcome({b"if-none-match": b'"x"', b"if-modified-since": AFTER}) is Outcome.PROCEED
        assert outcome({b"if-none-match": b'"now"', b"if-modified-since": BEFORE}) is Outcome.NOT_MODIFIED

    def test_pipeline_f05_both_halves_are_evaluated(self) -> None:
        assert outcome({b"if-match": b'"now"', b"if-none-match": b'"now"'}) is Outcome.NOT_MODIFIED

    def test_without_conditions_nothing_happens(self) -> None:
        assert outcome({b"accept": b"*/*"}) is Outcome.PROCEED


class TestIfRange:
    """RFC 9110 section 13.1.5; pipeline F-04."""

    @pytest.mark.parametrize(
        ("field", "validators", "expected"),
        [
            (None, CURRENT, True),
            (b'"now"', CURRENT, True),
            (b'"x"', CURRENT, False),
            (b'W/"now"', CURRENT, False),
            (b'W/"now"', WEAK, False),
            (b'"now"', WEAK, False),
            (EXACTLY, CURRENT, True),
            (BEFORE, CURRENT, False),
            (AFTER, CURRENT, False),
            (b"garbage", CURRENT, False),
            (b'"now", "x"', CURRENT, False),
            (b"", CURRENT, False),
            (EXACTLY, BARE, False),
        ],
    )
    def test_pipeline_f04_if_range(self, field: bytes | None, validators: Validators, expected: bool) -> None:
        assert expected is is_range_current(field, validators, NOW)


class TestHostileInput:
    """Row 74: any bytes end in an outcome, in time that grows with their length."""

    @pytest.mark.parametrize("piece", [b",", b" ", b'"', b'"a",', b'"a" ', b"W/", b'W/"', b"\t,", b'""', b"\xff"])
    def test_row_74_lists_take_linear_time(self, piece: bytes) -> None:
        field = piece * (1_000_000 // len(piece)) + b"x"
        started = time.perf_counter()
        listed_tags(field)
        assert time.perf_counter() - started < 2

    def test_row_74_any_bytes_have_an_outcome(self) -> None:
        chance = random.Random(74)
        pieces = [b'"now"', b'W/"', b'"', b",", b" ", b"*", b"\xff", EXACTLY, b"Sun", b"\x00", b"-"]
        names = [b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since"]
        for _ in range(3000):
            fields = {name: b"".join(chance.choices(pieces, k=chance.randrange(6))) for name in names}
            assert outcome({name: fields[name] for name in chance.sample(names, 2)}) in Outcome
            assert is_range_current(fields[b"if-match"], CURRENT, NOW) in (True, False)
