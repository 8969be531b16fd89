"""The small languages of addresses: where to listen, which proxies are trusted, which hosts a site answers for.

Each `judge_x` returns what is wrong with a text, as a sentence that begins with the text; "" means it is right.
"""

import re
from ipaddress import AddressValueError, IPv6Address, ip_network

from penstock.http.grammar import is_host

LISTEN_FORM = '"host:port", "[::]:8000", ":8000", "unix:/run/app.sock" or "fd:3"'
_HOST_NAME = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")


def judge_listen(text: str) -> str:
    """What is wrong with a place to listen at."""
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
