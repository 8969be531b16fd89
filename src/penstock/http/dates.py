"""The dates of HTTP, as bytes and as seconds since 1970, without a clock."""

import re
from datetime import date
from functools import cache, lru_cache
from typing import Final

DAY_NAMES: Final = (b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun")
MONTH_NAMES: Final = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")
MONTH_NUMBERS: Final = {name: number for number, name in enumerate(MONTH_NAMES, 1)}

EPOCH_ORDINAL: Final = date(1970, 1, 1).toordinal()
EARLIEST: Final = (date.min.toordinal() - EPOCH_ORDINAL) * 86400
LATEST: Final = (date.max.toordinal() - EPOCH_ORDINAL) * 86400 + 86399

# The longest of the three forms, the one of RFC 850 with "Wednesday", has 33 bytes.
MOST_BYTES: Final = 33

_MONTH: Final = rb"(?P<month>Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_TIME: Final = rb"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"
_SHORT_DAY: Final = rb"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_LONG_DAY: Final = rb"(?:Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)"


@lru_cache(maxsize=1024)
def format_http_date(seconds: int) -> bytes:
    """Give the IMF-fixdate of a moment (RFC 9110 section 5.6.7).

    `seconds` since 1970, UTC; what lies outside the years 1 to 9999 is moved to their nearest end.
    """
    days, rest = divmod(min(max(seconds, EARLIEST), LATEST), 86400)
    day = date.fromordinal(EPOCH_ORDINAL + days)
    return b"%s, %02d %s %04d %02d:%02d:%02d GMT" % (
        DAY_NAMES[day.weekday()],
        day.day,
        MONTH_NAMES[day.month - 1],
        day.year,
        rest // 3600,
        rest // 60 % 60,
        rest % 60,
    )


@cache
def _forms() -> tuple[re.Pattern[bytes], ...]:
    """The three forms of RFC 9110 section 5.6.7; compiled when the first date is read, for it costs start-up time."""
    return (
        re.compile(_SHORT_DAY + rb", (?P<day>\d\d) " + _MONTH + rb" (?P<year>\d{4}) " + _TIME + rb" GMT"),
        re.compile(_LONG_DAY + rb", (?P<day>\d\d)-" + _MONTH + rb"-(?P<year>\d\d) " + _TIME + rb" GMT"),
        re.compile(_SHORT_DAY + rb" " + _MONTH + rb" (?P<day>[ \d]\d) " + _TIME + rb" (?P<year>\d{4})"),
    )


def parse_http_date(value: bytes, now: int) -> int | None:
    """Give the seconds since 1970 of a date in any of the three forms of RFC 9110 section 5.6.7; None if it is none.

    `now`, seconds since 1970, decides the century of a two-digit year.
    """
    if len(value) > MOST_BYTES:
        return None
    for form in _forms():
        match = form.fullmatch(value)
        if match is not None:
            return _seconds_of(match, now)
    return None


def _seconds_of(match: re.Match[bytes], now: int) -> int | None:
    year = int(match["year"])
    if len(match["year"]) == 2:
        year = _full_year(year, now)
    hour, minute, second = int(match["hour"]), int(match["minute"]), int(match["second"])
    # RFC 9110 section 5.6.7: second = 2DIGIT, where 60 is a leap second.
    if hour > 23 or minute > 59 or second > 60:
        return None
    try:
        day = date(year, MONTH_NUMBERS[match["month"]], int(match["day"]))
    except ValueError:
        return None
    return (day.toordinal() - EPOCH_ORDINAL) * 86400 + hour * 3600 + minute * 60 + second


def _full_year(year: int, now: int) -> int:
    # RFC 9110 section 5.6.7: what appears to be more than 50 years in the future is the most recent such year in the past.
    this_year = date.fromordinal(EPOCH_ORDINAL + min(max(now, EARLIEST), LATEST) // 86400).year
    full = this_year - this_year % 100 + year
    return full - 100 if full > this_year + 50 else full
