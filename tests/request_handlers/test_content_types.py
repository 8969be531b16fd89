"""Content types by file name; the same on every machine."""

import pytest

from penstock.request_handlers.content_types import find_content_type, is_compressible


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("index.html", b"text/html; charset=utf-8"),
        ("INDEX.HTML", b"text/html; charset=utf-8"),
        ("app.js", b"text/javascript; charset=utf-8"),
        ("app.min.css", b"text/css; charset=utf-8"),
        ("readme.txt", b"text/plain; charset=utf-8"),
        ("data.json", b"application/json"),
        ("app.js.map", b"application/json"),
        ("logo.svg", b"image/svg+xml"),
        ("logo.png", b"image/png"),
        ("code.wasm", b"application/wasm"),
        ("app.js.gz", b"application/gzip"),
        ("text.woff2", b"font/woff2"),
        ("site.webmanifest", b"application/manifest+json"),
        ("unknown.xyz", b"application/octet-stream"),
        ("README", b"application/octet-stream"),
        ("html", b"application/octet-stream"),
    ],
)
def test_content_types(name: str, expected: bytes) -> None:
    assert expected == find_content_type(name)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.js", True),
        ("a.svg", True),
        ("README", True),
        ("zip", True),
        ("a.png", False),
        ("a.woff2", False),
        ("a.ZIP", False),
    ],
)
def test_what_is_compressed_in_itself_has_no_compressed_siblings(name: str, expected: bool) -> None:
    assert expected is is_compressible(name)
