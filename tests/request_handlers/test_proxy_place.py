"""What the site file calls a backend, taken apart; links to it, and its certificate."""

from pathlib import Path

import pytest

from penstock.errors import ConfigurationError
from penstock.request_handlers.proxy_place import BackendPlace, OwnLinks, make_tls


@pytest.mark.parametrize(
    ("name", "scheme", "where"),
    [
        ("http://localhost", "http", ("localhost", 80, "")),
        ("https://a.example", "https", ("a.example", 443, "")),
        ("https://a.example:8443/", "https", ("a.example", 8443, "")),
        ("https://[::1]", "https", ("::1", 443, "")),
        ("unix:/run/a.sock", "http", ("", 0, "/run/a.sock")),
    ],
)
def test_rfc3986_section_3_2_where_a_backend_is(name: str, scheme: str, where: tuple[str, int, str]) -> None:
    place = BackendPlace(name)
    assert (place.scheme, (place.host, place.port, place.path)) == (scheme, where)


@pytest.mark.parametrize(
    ("link", "seen"),
    [
        (b"http://app:9000/login?next=/#top", b"/login?next=/#top"),
        (b"HTTP://APP:9000/login", b"/login"),
        (b"http://app:9000", b"/"),
        (b"http://app:9000?a", b"/?a"),
        # another origin, or none
        (b"https://app:9000/login", b"https://app:9000/login"),
        (b"http://app/login", b"http://app/login"),
        (b"http://app:9001/", b"http://app:9001/"),
        (b"http://app:9000.evil.example/", b"http://app:9000.evil.example/"),
        (b"http://user@app:9000/", b"http://user@app:9000/"),
        (b"http://app:9000\\@evil.example/", b"http://app:9000\\@evil.example/"),
        (b"http://app:9000/\\evil.example/", b"http://app:9000/\\evil.example/"),
        (b"http://app:9000/\t/evil.example/", b"http://app:9000/\t/evil.example/"),
        (b"http://app:x/", b"http://app:x/"),
        (b"http://\xff/", b"http://\xff/"),
        (b"/login", b"/login"),
        (b"//app:9000/login", b"//app:9000/login"),
        (b"mailto:a@example.org", b"mailto:a@example.org"),
        # what would name another server, were the origin taken off alone (RFC 3986 section 4.2)
        (b"http://app:9000//evil.example/", b"/.//evil.example/"),
    ],
)
def test_rfc9110_section_10_2_2_links_to_the_backend_itself_are_links_to_us(link: bytes, seen: bytes) -> None:
    assert OwnLinks(BackendPlace("http://app:9000"), "").rewrite(link) == seen


@pytest.mark.parametrize(
    ("name", "link", "seen"),
    [
        ("http://app", b"http://app:80/x", b"/api/x"),
        ("http://app:80", b"http://app", b"/api/"),
        ("https://app", b"https://app:443/x", b"/api/x"),
        ("https://[::1]:8443", b"https://[::1]:8443/x", b"/api/x"),
        ("unix:/run/a.sock", b"http://localhost/x", b"/api/x"),
        ("http://app", b"http://app//evil.example", b"/api//evil.example"),
    ],
)
def test_rfc9110_section_10_2_2_the_prefix_that_was_taken_off_is_put_back(name: str, link: bytes, seen: bytes) -> None:
    assert OwnLinks(BackendPlace(name), "/api").rewrite(link) == seen


def test_certificates_that_are_none_are_told(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("-----BEGIN CERTIFICATE-----\nnonsense\n")
    with pytest.raises(ConfigurationError, match=r"ca\.pem cannot be read"):
        make_tls(str(file))
