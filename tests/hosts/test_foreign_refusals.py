"""Refusals of heads that other servers have read."""

import pytest

from penstock.errors import RequestRejected
from penstock.hosts.foreign_refusals import judge_size, reason_of, refusal_of
from penstock.settings.model import LimitSettings

LIMITS = LimitSettings(request_line=10, headers=2, header_section=20)


@pytest.mark.parametrize(
    ("target", "headers", "status"),
    [
        (11, [], 414),
        (10, [(b"a", b"1")] * 3, 431),
        (10, [(b"a", b"1" * 20)], 431),
    ],
)
def test_heads_beyond_the_limits(target: int, headers: list[tuple[bytes, bytes]], status: int) -> None:
    with pytest.raises(RequestRejected) as caught:
        judge_size(LIMITS, target, headers)
    assert caught.value.status == status


def test_heads_within_the_limits() -> None:
    judge_size(LIMITS, 10, [(b"a", b"1"), (b"b", b"2")])


def test_answers_say_what_is_wrong() -> None:
    head, body = refusal_of(RequestRejected(400, "bad ü", rule="RFC 1", headers=[(b"x-a", b"1")]))
    assert (head.status, body) == (400, "400 Bad Request: bad ü\n".encode())
    assert dict(head.raw_headers)[b"content-length"] == b"%d" % len(body)
    assert (b"x-a", b"1") in head.raw_headers


def test_the_log_has_one_line_of_ascii() -> None:
    assert reason_of(RequestRejected(400, "bad\nü", rule="RFC 1")) == r"bad\n\xfc (RFC 1)"
    assert reason_of(RequestRejected(400, "bad")) == "bad"
