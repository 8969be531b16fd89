"""A media type with its parameters (RFC 9110 section 8.3.1)."""

import pytest

from penstock.errors import RequestRejected
from penstock.http.media_type import read_media_type


@pytest.mark.parametrize(
    ("text", "name", "parameters"),
    [
        ("text/plain", "text/plain", {}),
        ("Text/HTML;Charset=UTF-8", "text/html", {"charset": "UTF-8"}),
        ('multipart/form-data; boundary="a b; c=d"', "multipart/form-data", {"boundary": "a b; c=d"}),
        (r'a/b; c="d\"e\\f"', "a/b", {"c": 'd"e\\f'}),
        ("a/b ; c=d ;e=f", "a/b", {"c": "d", "e": "f"}),
        ("a/b;", "a/b", {}),
        ("a/b;;c=d", "a/b", {"c": "d"}),
        ('a/b; c=""', "a/b", {"c": ""}),
    ],
)
def test_rfc9110_section_8_3_1(text: str, name: str, parameters: dict[str, str]) -> None:
    found = read_media_type(text)
    assert (found.name, found.parameters) == (name, parameters)


@pytest.mark.parametrize(
    "text",
    ["", "text", "/", "text/", "te xt/plain", "a/b c", "a/b; c", "a/b; c=", 'a/b; c="d', "a/b; c = d", "a/b, c/d"],
)
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(RequestRejected, match="Content-Type is no media type") as caught:
        read_media_type(text)
    assert caught.value.status == 400


def test_a_parameter_comes_once_or_two_readers_could_see_two_bodies() -> None:
    with pytest.raises(RequestRejected, match="says boundary twice"):
        read_media_type("multipart/form-data; boundary=a; Boundary=b")


@pytest.mark.parametrize("piece", ['"', '\\"', ";a=", ';a="\\', "; ", "; a"])
def test_row_76_no_text_takes_long(piece: str) -> None:
    with pytest.raises(RequestRejected):
        read_media_type("a/b" + piece * 100_000 + "!(")
