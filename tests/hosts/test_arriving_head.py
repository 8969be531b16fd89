"""Heads that arrive in pieces."""

import pytest

from penstock.errors import RequestRejected
from penstock.hosts.arriving_head import ArrivingHead
from penstock.settings.model import LimitSettings

HEAD = b"GET /a?b HTTP/1.1\r\nHost: example.org\r\nX-Any: 1\r\n\r\n"


def test_byte_by_byte() -> None:
    arriving = ArrivingHead(LimitSettings())
    for end in range(1, len(HEAD)):
        arriving.feed(HEAD[:end])
    head = arriving.take(HEAD, "http")
    assert (head.method, head.path, head.query, head.host) == ("GET", "/a", b"b", "example.org")
    assert head.headers == [(b"host", b"example.org"), (b"x-any", b"1")]


@pytest.mark.parametrize(
    ("beginning", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\nbad header", 400),
        (b"\nGET", 400),
        (b"G\x00", 400),
        (b"GET /" + b"a" * 8192, 414),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 33_000, 431),
    ],
)
def test_row_32_refused_before_it_is_whole(beginning: bytes, status: int) -> None:
    with pytest.raises(RequestRejected) as caught:
        ArrivingHead(LimitSettings()).feed(beginning)
    assert caught.value.status == status


def test_last_piece_is_judged_by_the_words_for_a_whole_head() -> None:
    arriving = ArrivingHead(LimitSettings())
    arriving.feed(HEAD[:20])
    with pytest.raises(RequestRejected):
        arriving.take(HEAD[:20] + b"bad header\r\n\r\n", "http")
