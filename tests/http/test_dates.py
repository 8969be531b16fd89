"""HTTP dates: RFC 9110 section 5.6.7, bad-input row 74."""

import random

import pytest

from penstock.http.dates import EARLIEST, LATEST, format_http_date, parse_http_date

NOW = 1_800_000_000  # January 2027
MOMENT = 784_111_777  # the one of RFC 9110 section 5.6.7


class TestFormat:
    def test_rfc9110_5_6_7_imf_fixdate(self) -> None:
        assert format_http_date(MOMENT) == b"Sun, 06 Nov 1994 08:49:37 GMT"

    def test_the_epoch(self) -> None:
        assert format_http_date(0) == b"Thu, 01 Jan 1970 00:00:00 GMT"

    def test_the_leap_day(self) -> None:
        assert format_http_date(1_709_164_800) == b"Thu, 29 Feb 2024 00:00:00 GMT"

    @pytest.mark.parametrize("seconds", [LATEST, LATEST + 1, 10**18])
    def test_row_74_a_year_beyond_9999_is_the_last_second(self, seconds: int) -> None:
        assert format_http_date(seconds) == b"Fri, 31 Dec 9999 23:59:59 GMT"

    @pytest.mark.parametrize("seconds", [EARLIEST, EARLIEST - 1, -(10**18)])
    def test_row_74_a_year_before_1_is_the_first_second(self, seconds: int) -> None:
        assert format_http_date(seconds) == b"Mon, 01 Jan 0001 00:00:00 GMT"


class TestParse:
    @pytest.mark.parametrize(
        "value",
        [b"Sun, 06 Nov 1994 08:49:37 GMT", b"Sunday, 06-Nov-94 08:49:37 GMT", b"Sun Nov  6 08:49:37 1994"],
    )
    def test_rfc9110_5_6_7_all_three_forms(self, value: bytes) -> None:
        assert parse_http_date(value, NOW) == MOMENT

    def test_rfc9110_5_6_7_two_digits_within_fifty_years_are_the_future(self) -> None:
        assert parse_http_date(b"Monday, 01-Jan-77 00:00:00 GMT", NOW) == 3_376_684_800

    def test_rfc9110_5_6_7_two_digits_beyond_fifty_years_are_the_past(self) -> None:
        assert parse_http_date(b"Sunday, 01-Jan-78 00:00:00 GMT", NOW) == 252_460_800

    def test_rfc9110_5_6_7_leap_second(self) -> None:
        assert parse_http_date(b"Sat, 31 Dec 2016 23:59:60 GMT", NOW) == 1_483_228_800

    @pytest.mark.parametrize(
        "value",
        [
            b"",
            b"0",
            b"Sun, 06 Nov 1994 08:49:37",
            b"Sun, 06 Nov 1994 08:49:37 UTC",
            b"sun, 06 nov 1994 08:49:37 gmt",
            b"Sun, 6 Nov 1994 08:49:37 GMT",
            b"Sun, 31 Feb 1994 08:49:37 GMT",
            b"Sun, 00 Nov 1994 08:49:37 GMT",
            b"Sun, 06 Nov 1994 24:00:00 GMT",
            b"Sun, 06 Nov 1994 08:60:00 GMT",
            b"Sun, 06 Nov 1994 08:49:61 GMT",
            b"Sat, 01 Jan 0000 00:00:00 GMT",
            b"Fri, 31 Dec 99999 23:59:59 GMT",
            b"Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
            "Sun, ٠٦ Nov 1994".encode(),
            b"Sun Nov 6 08:49:37 1994",
            b"\x00" * 100_000,
        ],
    )
    def test_row_74_what_is_no_date_is_none(self, value: bytes) -> None:
        assert parse_http_date(value, NOW) is None

    def test_row_74_the_year_9999_is_a_date(self) -> None:
        assert parse_http_date(b"Fri, 31 Dec 9999 23:59:59 GMT", NOW) == LATEST

    def test_what_was_formatted_is_parsed(self) -> None:
        chance = random.Random(74)
        for moment in [chance.randint(EARLIEST, LATEST) for _ in range(2000)]:
            assert parse_http_date(format_http_date(moment), NOW) == moment
