"""The small languages of addresses: where to listen, which proxies are trusted, which hosts a site answers for.

Each `judge_x` returns what is wrong with a text, as a sentence that begins with the text; "" means it is right.
"""

import re
from ipaddress import AddressValueError, IPv6Address, ip_network

from penstock.http.grammar import is_host

LISTEN_FORM = '"host:port", "[::]:8000", ":8000", "unix:/run/app.sock" or "fd:3"'
# What stands in front of a place for FastCGI, and what the rest of it is as a place for HTTP.
_FASTCGI = {"fcgi://": "", "fcgi+unix:": "unix:", "fcgi+fd:": "fd:"}
_NEAR_FASTCGI = ("fcgi+", "fcgis:", "fastcgi:", "fcgi:127.", "fcgi:[")
BACKEND_FORM = '"http://127.0.0.1:9000", "https://backend:8443" or "unix:/run/app.sock"'
ORIGIN_FORM = '"https://example.org" or "http://localhost:8000"'
_HOST_NAME = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_DEFAULT_PORTS = {"http": "80", "https": "443"}
_ORIGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?")


def judge_listen(text: str) -> str:
    """What is wrong with a place to listen at."""
    for prefix, plain in _FASTCGI.items():
        if text.startswith(prefix):
            return _judge_fastcgi(text, prefix, plain)
    if text.startswith(_NEAR_FASTCGI):
        return f'"{text}" is no place to listen: write "fcgi://127.0.0.1:9000" or "fcgi+unix:/run/app.sock"'
    if text.startswith("unix:"):  # gunicorn writes unix:///run/app.sock and fd://3
        return (
            "" if text.removeprefix("unix:").removeprefix("//") else f'"{text}" has no path: write "unix:/run/app.sock"'
        )
    if text.startswith("fd:"):
        is_number = _is_decimal(text.removeprefix("fd:").removeprefix("//"))
        return "" if is_number else f'"{text}" has no descriptor number: write "fd:3"'
    host, colon, port = text.rpartition(":")
    if not colon:
        return _judge_portless(text)
    if not _is_decimal(port) or int(port) > 65535:
        if _is_ipv6(text):
            return f'"{text}" has no port: write "[{text}]:8000"'
        return f'"{text}" has a bad port: "{port}" is not a whole number from 0 to 65535'
    if host.startswith("[") or ":" in host:
        return _judge_bracketed(text, host)
    if host and not is_host(host.encode()):
        return f'"{text}" has a bad host: write {LISTEN_FORM}'
    return ""


def judge_trusted(text: str) -> str:
    """What is wrong with an address or network of trusted proxies."""
    if text in {"*", "unix:"}:
        return ""
    try:
        ip_network(text)
    except ValueError:
        return _judge_network(text)
    return ""


def judge_host_pattern(text: str) -> str:
    """What is wrong with a host name or pattern of a site."""
    if text == "*":
        return ""
    name = text.removeprefix("*.")
    if not name.isascii():
        return f'"{text}" is not ASCII: write "{_in_ascii(text)}", which is what browsers send'
    if "*" in name:
        return f'"{text}" has its star in a wrong place: write an exact name, "*.example.org" or "*"'
    if "://" in name or "/" in name:
        return f'"{text}" is more than a host name: leave out the scheme and the path'
    if name.startswith("["):
        return "" if name.endswith("]") and _is_ipv6(name[1:-1]) else f'"{text}" is not an IPv6 address in brackets'
    if _is_ipv6(name):
        return f'"{text}" must stand in brackets: write "[{text}]"'
    if ":" in name:
        return f'"{text}" has a port: a site answers at every port, write "{text.partition(":")[0]}"'
    if not _HOST_NAME.fullmatch(name):
        return f'"{text}" is not a host name'
    return ""


def judge_backend(text: str) -> str:
    """What is wrong with a server that requests are passed on to."""
    if text.startswith("unix:"):
        path = text.removeprefix("unix:").removeprefix("//")
        return "" if path else f'"{text}" has no path: write "unix:/run/app.sock"'
    scheme, colons, rest = text.partition("://")
    if not colons:
        bare = re.split("[/?#]", text)[0]
        is_good = text == bare and is_host(bare.encode("utf-8", "replace"))
        advice = f'"http://{text}"' if is_good else BACKEND_FORM
        return f'"{text}" has no scheme: write {advice}'
    if scheme.lower() in {"ws", "wss"}:
        secure = "https" if scheme.lower() == "wss" else "http"
        return f'"{text}": WebSockets are passed on by {secure}, too: write "{secure}://{rest}"'
    if scheme not in {"http", "https"}:
        return f'"{text}" is not a backend: write {BACKEND_FORM}'
    bare = re.split("[/?#]", rest)[0]
    if rest.removesuffix("/") != bare:
        return (
            f'"{text}" is more than a server: write "{scheme}://{bare}"; strip_prefix says which path it is asked for'
        )
    if "@" in bare:
        return f'"{text}" has a user in it: leave it out, and set request_headers'
    if _is_ipv6(bare):
        return f'"{text}" must have its IPv6 address in brackets: write "{scheme}://[{bare}]:9000"'
    return "" if is_host(bare.encode("utf-8", "replace")) else f'"{text}" is not a backend: write {BACKEND_FORM}'


def judge_origin(text: str) -> str:
    """What is wrong with an origin: what a browser sends as Origin for the pages of one site, or "*" (RFC 6454 section 6.2)."""
    if text == "*":
        return ""
    scheme, colons, rest = text.partition("://")
    if not colons:
        return _judge_schemeless(text)
    if scheme.lower() in {"ws", "wss"}:
        secure = "https" if scheme.lower() == "wss" else "http"
        return f'"{text}" is the scheme of the socket, and an origin is that of the page: write "{secure}://{rest}"'
    host, slash, _ = rest.partition("/")
    if slash or "?" in rest or "#" in rest:
        bare = re.split("[/?#]", rest)[0]
        return f'"{text}" has a path, which no browser sends: write "{scheme}://{bare}"'
    if "*" in host:
        return f'"{text}" has a star: name each origin, or write "*" for any'
    if not host.isascii():
        name, colon, port = host.partition(":")
        return f'"{text}" is not ASCII: write "{scheme}://{_in_ascii(name)}{colon}{port}", which is what browsers send'
    if not _ORIGIN.fullmatch(text) or not is_host(host.encode()):
        return f'"{text}" is not an origin: write {ORIGIN_FORM}'
    name, _, port = text.rpartition(":")
    if port == _DEFAULT_PORTS.get(scheme.lower()):
        return f'"{text}" has the port that {scheme} has anyway, which browsers leave out: write "{name}"'
    return ""


def _judge_schemeless(text: str) -> str:
    if text == "null":
        return '"null" is what every sandboxed page and every file sends: it names nobody; for any page write "*"'
    bare = re.split("[/?#]", text)[0]
    if is_host(bare.encode("utf-8", "replace")) and "*" not in bare:
        return f'"{text}" has no scheme: write "https://{bare}"'
    return f'"{text}" is not an origin: write {ORIGIN_FORM}'


def _judge_fastcgi(text: str, prefix: str, plain: str) -> str:
    """What is wrong with a place where web servers are to speak FastCGI."""
    rest = text.removeprefix(prefix)
    if not plain and (rest.startswith(("unix:", "/"))):
        return f'"{text}" is no host and port: write "fcgi+unix:{rest.removeprefix("unix:")}"'
    found = judge_listen(plain + rest) if plain else judge_listen(rest.removesuffix("/"))
    return f'"{text}" is no place for FastCGI: {found}' if found else ""


def _judge_portless(text: str) -> str:
    if _is_decimal(text):
        return f'"{text}" has no host: write ":{text}" for every address, or "127.0.0.1:{text}"'
    if "/" in text:
        return f'"{text}" is neither host and port nor a socket: write "unix:{text}"'
    return f'"{text}" has no port: write "{text}:8000"'


def _judge_bracketed(text: str, host: str) -> str:
    if not host.startswith("["):
        if _is_ipv6(host):
            return f'"{text}" must have its IPv6 address in brackets: write "[{host}]:{text.rpartition(":")[2]}"'
        if _is_ipv6(text):
            return f'"{text}" has no port: write "[{text}]:8000"'
        return f'"{text}" has a bad host: write {LISTEN_FORM}'
    if not host.endswith("]") or not _is_ipv6(host[1:-1]):
        return f'"{text}" has no IPv6 address in its brackets'
    return ""


def _judge_network(text: str) -> str:
    try:
        return f'"{text}" is an address within a network: write "{ip_network(text, strict=False)}"'
    except ValueError:
        return f'"{text}" is not an IP address or network: write "10.0.0.1", "10.0.0.0/8", "unix:" or "*"'


def _is_decimal(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 10


def _is_ipv6(text: str) -> bool:
    try:
        IPv6Address(text)
    except AddressValueError:
        return False
    return True


def _in_ascii(text: str) -> str:
    star = "*." if text.startswith("*.") else ""
    try:
        return star + text.removeprefix("*.").encode("idna").decode("ascii")
    except UnicodeError:
        return "its xn--... form"
