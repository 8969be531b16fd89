"""The fields of an urlencoded form (WHATWG URL section 5.1, bad-input row 77)."""

from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as some

from penstock.errors import RequestRejected
from penstock.http.urlencoded import read_urlencoded


@pytest.mark.parametrize(
    ("body", "pairs"),
    [
        (b"", []),
        (b"a=1&b=2&a=3", [("a", "1"), ("b", "2"), ("a", "3")]),
        (b"a", [("a", "")]),
        (b"a=&=b&=", [("a", ""), ("", "b"), ("", "")]),
        (b"&&a=1&", [("a", "1")]),
        (b"a=b=c", [("a", "b=c")]),
        (b"a+b=c+d%2Be", [("a b", "c d+e")]),
        (b"n%C3%A4me=%e2%82%ac", [("näme", "€")]),
        ("ä=ö".encode(), [("ä", "ö")]),
        (b"a;b=1;c", [("a;b", "1;c")]),
        (b"a=%00%0D%0A%3D%25", [("a", "\0\r\n=%")]),
        (b"comment=<b>hi</b>", [("comment", "<b>hi</b>")]),
    ],
)
def test_pairs(body: bytes, pairs: list[tuple[str, str]]) -> None:
    assert read_urlencoded(body, limit=10) == pairs


def test_pipeline_l01_at_the_limit_and_beyond() -> None:
    assert len(read_urlencoded(b"&".join([b"a=1"] * 1000), limit=1000)) == 1000
    with pytest.raises(RequestRejected, match="more than 1000 fields") as caught:
        read_urlencoded(b"&".join([b"a=1"] * 1001), limit=1000)
    assert caught.value.status == 400


@pytest.mark.parametrize("body", [b"a=%", b"a=%4", b"a=%zz", b"%=1", b"a=%%41", b"a=% 41", b"a=%+1", b"a=1&b=%C3%"])
def test_row_77_a_broken_escape_is_refused(body: bytes) -> None:
    with pytest.raises(RequestRejected, match="two hexadecimal digits"):
        read_urlencoded(body, limit=10)


@pytest.mark.parametrize("at", [262_141, 262_142, 262_143, 262_144, 524_287])
def test_row_77_a_broken_escape_is_found_wherever_it_stands(at: int) -> None:
    assert read_urlencoded(b"x" * at + b"%41" + b"y" * 10, limit=10) == [("x" * at + "A" + "y" * 10, "")]
    for end in (b"", b"y" * 10):
        with pytest.raises(RequestRejected):
            read_urlencoded(b"x" * at + b"%4" + end, limit=10)


@pytest.mark.parametrize("body", [b"a=%FF", b"a=\xff", b"%C3=1", b"a=%ED%A0%80"])
def test_what_is_not_utf_8_is_refused(body: bytes) -> None:
    with pytest.raises(RequestRejected, match="not UTF-8"):
        read_urlencoded(body, limit=10)


def test_row_77_a_million_semicolons_and_ten_million_escapes_are_nothing_special() -> None:
    assert read_urlencoded(b"a;" * 1_000_000, limit=10) == [("a;" * 1_000_000, "")]
    assert read_urlencoded(b"%41" * 1_000_000, limit=10) == [("A" * 1_000_000, "")]


@given(some.lists(some.tuples(some.text(), some.text())))
def test_it_reads_what_python_writes(pairs: list[tuple[str, str]]) -> None:
    assert read_urlencoded(urlencode(pairs).encode(), limit=1000) == pairs


@given(some.text(alphabet="=&+ \t\r\n_ab.%", max_size=40).map(lambda text: text.replace("%", "%3D")))
def test_it_agrees_with_python_s_reader(text: str) -> None:
    assert read_urlencoded(text.encode(), limit=1000) == parse_qsl(text, keep_blank_values=True)
