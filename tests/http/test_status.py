"""Status codes: their lines and which of them have no body."""

import pytest

from penstock.http.status import NO_CONTENT, REASONS, is_bodiless, status_line


@pytest.mark.parametrize(
    ("status", "line"),
    [
        (200, b"HTTP/1.1 200 OK\r\n"),
        (103, b"HTTP/1.1 103 Early Hints\r\n"),
        (413, b"HTTP/1.1 413 Content Too Large\r\n"),
        (422, b"HTTP/1.1 422 Unprocessable Content\r\n"),
        (599, b"HTTP/1.1 599 \r\n"),
    ],
)
def test_rfc9112_section_4_the_line_of_a_status_ends_with_its_reason_or_a_blank(status: int, line: bytes) -> None:
    assert status_line(status) == line


def test_every_reason_is_ascii() -> None:
    assert all(reason.isascii() and reason for reason in REASONS.values())


def test_rfc9110_section_6_4_1_which_have_no_body() -> None:
    assert [status for status in range(100, 600) if is_bodiless(status)] == [*range(100, 200), 204, 304]
    assert NO_CONTENT == (204, 205, 304)  # 205 has a body of no length
