"""Cookies as RFC 6265bis has them: the fields of a request read, one Set-Cookie written, nothing let through that browsers drop."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from penstock.http.dates import format_http_date
from penstock.http.grammar import DIGITS, LETTERS, is_token

# RFC 6265bis section 5.6: browsers drop a cookie whose name and value are longer together, and a longer attribute.
LONGEST_COOKIE: Final = 4096
LONGEST_ATTRIBUTE: Final = 1024

# RFC 6265bis section 4.1.1: cookie-octet; no control character, space, double quote, comma, semicolon or backslash.
_OCTETS: Final = bytes(byte for byte in range(0x21, 0x7F) if byte not in b'",;\\')
_PATH: Final = bytes(byte for byte in range(0x20, 0x7F) if byte != 0x3B)
_DOMAIN: Final = b".-" + DIGITS + LETTERS
_SAME_SITE: Final = {"strict": "Strict", "lax": "Lax", "none": "None"}


def parse_cookies(lines: Iterable[bytes]) -> dict[str, str]:
    """The cookies of a request by name; `lines` are the values of its Cookie fields. The first of a name counts.

    Values are as the browser keeps them: neither unquoted nor decoded (RFC 6265bis section 4.1.1). What has no name is left
    out. Text is UTF-8, or else ISO 8859-1.
    """
    cookies: dict[str, str] = {}
    for line in lines:
        for pair in line.split(b";"):
            name, equals, value = pair.partition(b"=")
            name = name.strip(b" \t")
            if equals and name:
                cookies.setdefault(_decode(name), _decode(value.strip(b" \t")))
    return cookies


def write_cookie(
    name: str,
    value: str,
    *,
    max_age: int | timedelta | None = None,
    expires: datetime | int | None = None,
    path: str | None = "/",
    domain: str | None = None,
    secure: bool = False,
    httponly: bool = False,
    samesite: str | None = None,
    partitioned: bool = False,
) -> bytes:
    """The value of a Set-Cookie field.

    `max_age` in seconds, `expires` with a time zone or in seconds since 1970; a cookie with neither ends with the browser.
    `path` None: that of the page. Raises TypeError for flags that are no bool, ValueError, which names the cookie, for all that browsers would drop or read
    differently: see RFC 6265bis sections 4.1 and 5.6.
    """
    _check_flags(name, ("secure", secure), ("httponly", httponly), ("partitioned", partitioned))
    wanted = None if samesite is None else _SAME_SITE.get(samesite.lower(), "")
    _check_pair(name, value)
    _check_place(name, path, domain)
    _check_promises(name, wanted, path=path, domain=domain, secure=secure, partitioned=partitioned)
    parts = [f"{name}={value}"]
    if max_age is not None:
        parts.append(f"Max-Age={_seconds(max_age)}")
    if expires is not None:
        parts.append(f"Expires={_date(name, expires)}")
    parts += [f"{attribute}={text}" for attribute, text in (("Path", path), ("Domain", domain)) if text]
    parts += [word for word, is_set in (("Secure", secure), ("HttpOnly", httponly)) if is_set]
    if wanted:
        parts.append(f"SameSite={wanted}")
    if partitioned:
        parts.append("Partitioned")
    return "; ".join(parts).encode("ascii")


def cookie_identity(line: bytes) -> tuple[bytes, bytes, bytes]:
    """Name, domain and path of a Set-Cookie value: a later one of the same replaces it (RFC 6265bis section 5.7)."""
    pair, *attributes = line.split(b";")
    found = {b"domain": b"", b"path": b""}
    for attribute in attributes:
        key, _, text = attribute.partition(b"=")
        key = key.strip(b" \t").lower()
        if key in found:
            found[key] = text.strip(b" \t")
    return pair.partition(b"=")[0].strip(b" \t"), found[b"domain"].lower().removeprefix(b"."), found[b"path"]


def _decode(text: bytes) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text.decode("latin-1")


def _check_flags(name: str, *flags: tuple[str, object]) -> None:
    # Compiled, nothing else is taken: what passes here must pass there, too.
    for flag, is_set in flags:
        if not isinstance(is_set, bool):
            raise TypeError(f"cookie {name!r}: {flag} is True or False, not {is_set!r}")


def _check_pair(name: str, value: str) -> None:
    encoded = value.encode("utf-8", "surrogatepass")
    if not is_token(name.encode("utf-8", "surrogatepass")):
        raise ValueError(
            f"{name!r} is not the name of a cookie: only letters, digits and !#$%&'*+-.^_`|~ (RFC 6265bis 4.1.1)"
        )
    bare = encoded[1:-1] if len(encoded) >= 2 and encoded[:1] == encoded[-1:] == b'"' else encoded
    if bare.translate(None, _OCTETS):
        raise ValueError(
            f"cookie {name!r}: a value holds visible ASCII without spaces, quotes, commas, semicolons and backslashes, not "
            f"{value!r}: encode it, for example with urllib.parse.quote, and decode it when it comes back (RFC 6265bis 4.1.1)"
        )
    if len(name) + len(encoded) > LONGEST_COOKIE:
        raise ValueError(
            f"cookie {name!r}: name and value have {len(name) + len(encoded)} bytes, and browsers drop what is longer than "
            f"{LONGEST_COOKIE} (RFC 6265bis 5.6)"
        )


def _check_place(name: str, path: str | None, domain: str | None) -> None:
    for attribute, text, allowed in (("path", path, _PATH), ("domain", domain, _DOMAIN)):
        if text is None:
            continue
        if not text.isascii() or text.encode().translate(None, allowed):
            raise ValueError(f"cookie {name!r}: {text!r} cannot stand as a {attribute} (RFC 6265bis 4.1.1)")
        if len(text) > LONGEST_ATTRIBUTE:
            raise ValueError(f"cookie {name!r}: its {attribute} is longer than {LONGEST_ATTRIBUTE} (RFC 6265bis 5.6)")
    if path is not None and path[:1] != "/":
        raise ValueError(f"cookie {name!r}: a path begins with a slash, not {path!r} (RFC 6265bis 5.1.4)")
    if domain is not None and not domain.strip("."):
        raise ValueError(f"cookie {name!r}: {domain!r} is no domain; leave it out for this host alone")


def _check_promises(
    name: str,
    samesite: str | None,
    *,
    path: str | None,
    domain: str | None,
    secure: bool,
    partitioned: bool,
) -> None:
    prefix = name.lower()
    # RFC 6265bis section 5.4: browsers compare the prefixes without regard to case.
    needs_secure = {
        "a name that begins with __Secure- or __Host-": prefix.startswith(("__secure-", "__host-")),
        "SameSite=None": samesite == "None",
        "Partitioned": partitioned,
    }
    for promise, is_given in needs_secure.items():
        if is_given and not secure:
            raise ValueError(f"cookie {name!r}: {promise} needs secure=True, or browsers drop it (RFC 6265bis 5.6)")
    if prefix.startswith("__host-") and (path != "/" or domain is not None):
        raise ValueError(
            f'cookie {name!r}: a name that begins with __Host- needs path="/" and no domain (RFC 6265bis 4.1.3.2)'
        )
    if samesite == "":
        raise ValueError(f'cookie {name!r}: samesite is "Strict", "Lax" or "None" (RFC 6265bis 4.1.2.7)')


def _seconds(age: int | timedelta) -> int:
    return int(age.total_seconds()) if isinstance(age, timedelta) else int(age)


def _date(name: str, moment: datetime | int) -> str:
    if isinstance(moment, datetime):
        if moment.tzinfo is None:
            raise ValueError(f"cookie {name!r}: expires needs a time zone, such as datetime.now(UTC)")
        moment = int(moment.timestamp())
    return format_http_date(moment).decode("ascii")
