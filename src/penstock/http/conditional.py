"""Conditional requests: validators, their comparison, and what RFC 9110 section 13 makes of the `If-*` fields."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from penstock.http.dates import format_http_date, parse_http_date

# RFC 9110 section 8.8.3: entity-tag = [ "W/" ] DQUOTE *etagc DQUOTE. With the commas and blanks that may stand before it.
_LISTED_TAG: Final = re.compile(rb'[\t ,]*((?:W/)?"[\x21\x23-\x7e\x80-\xff]*")[\t ]*(?=,|\Z)')
_TAG: Final = re.compile(rb'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')

PRECONDITION_FIELDS: Final = frozenset((b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since"))
"""The names of the request fields that `evaluate` reads."""


class Outcome(Enum):
    """What the preconditions of a request lead to."""

    PROCEED = 200
    """Answer as if there were no preconditions."""
    NOT_MODIFIED = 304
    """The client already has it: 304 without content."""
    FAILED = 412
    """Do nothing and answer 412 (Precondition Failed)."""


@dataclass(frozen=True, slots=True)
class Validators:
    """What tells the current representation from others (RFC 9110 section 8.8).

    `etag` as it is sent, quotes included, b"" for none; `last_modified` in seconds since 1970, None for unknown.
    `exists` is False where there is no current representation: then `*` matches nothing.
    """

    etag: bytes = b""
    last_modified: int | None = None
    exists: bool = True


def is_entity_tag(value: bytes) -> bool:
    """Tell whether `value` is one entity tag, quotes included (RFC 9110 section 8.8.3)."""
    return _TAG.fullmatch(value) is not None


def are_strongly_equal(left: bytes, right: bytes) -> bool:
    """Compare two entity tags strongly (RFC 9110 section 8.8.3.2): equal and neither of them weak."""
    return left == right and left[:1] == b'"'


def are_weakly_equal(left: bytes, right: bytes) -> bool:
    """Compare two entity tags weakly (RFC 9110 section 8.8.3.2): equal but for the weakness of either."""
    return left != b"" and left.removeprefix(b"W/") == right.removeprefix(b"W/")


def lists_tag_strongly(field: bytes, validators: Validators) -> bool:
    """Tell whether an If-Match field names the current representation (RFC 9110 section 13.1.1)."""
    if field.strip(b" \t") == b"*":
        return validators.exists
    return any(are_strongly_equal(tag, validators.etag) for tag in listed_tags(field))


def lists_tag_weakly(field: bytes, validators: Validators) -> bool:
    """Tell whether an If-None-Match field names the current representation (RFC 9110 section 13.1.2)."""
    if field == validators.etag and field:
        return True
    if field.strip(b" \t") == b"*":
        return validators.exists
    return any(are_weakly_equal(tag, validators.etag) for tag in listed_tags(field))


def listed_tags(field: bytes) -> list[bytes]:
    """Give the entity tags of a list, up to the first member that is none; in time linear in the length of `field`."""
    tags = []
    match = _LISTED_TAG.match(field)
    while match is not None:
        tags.append(match[1])
        match = _LISTED_TAG.match(field, match.end())
    return tags


def evaluate(fields: Mapping[bytes, bytes], validators: Validators, *, is_get_or_head: bool, now: int) -> Outcome:
    """Evaluate the preconditions of a request in the order of RFC 9110 section 13.2.2.

    `fields` holds the request's values by lower-case name (several lines of one name joined by a comma); others than
    PRECONDITION_FIELDS are not looked at. `now` is in seconds since 1970. A date that is none is ignored; a list of
    tags is read up to the first thing in it that is none.
    """
    if not _may_proceed(fields, validators, now):
        return Outcome.FAILED
    if_none_match = fields.get(b"if-none-match")
    if if_none_match is not None:
        if not lists_tag_weakly(if_none_match, validators):
            return Outcome.PROCEED
        return Outcome.NOT_MODIFIED if is_get_or_head else Outcome.FAILED
    if is_get_or_head and _is_unmodified(fields.get(b"if-modified-since"), validators, now):
        return Outcome.NOT_MODIFIED
    return Outcome.PROCEED


def is_range_current(if_range: bytes | None, validators: Validators, now: int) -> bool:
    """Tell whether a Range field may be obeyed although or because there is an If-Range (RFC 9110 section 13.1.5).

    A tag must be strong and equal, a date exactly the Last-Modified; without an If-Range every Range is obeyed.
    """
    if if_range is None:
        return True
    value = if_range.strip(b" \t")
    if is_entity_tag(value):
        return are_strongly_equal(value, validators.etag)
    if validators.last_modified is None:
        return False
    return parse_http_date(value, now) == validators.last_modified


def _may_proceed(fields: Mapping[bytes, bytes], validators: Validators, now: int) -> bool:
    if_match = fields.get(b"if-match")
    if if_match is not None:
        return lists_tag_strongly(if_match, validators)
    if_unmodified_since = fields.get(b"if-unmodified-since")
    if if_unmodified_since is None or validators.last_modified is None:
        return True
    moment = parse_http_date(if_unmodified_since.strip(b" \t"), now)
    return moment is None or validators.last_modified <= moment


def _is_unmodified(if_modified_since: bytes | None, validators: Validators, now: int) -> bool:
    if if_modified_since is None or validators.last_modified is None:
        return False
    # Nearly every client sends back the very bytes that it got.
    if if_modified_since == format_http_date(validators.last_modified):
        return True
    moment = parse_http_date(if_modified_since.strip(b" \t"), now)
    return moment is not None and validators.last_modified <= moment
