"""What may be written where a place to listen is asked for: "host:port", ":8000", "unix:/run/app.sock", "fd:3"."""

from __future__ import annotations

from typing import Final, NamedTuple

from penstock.errors import ConfigurationError, Problem

_FORMS: Final = '"127.0.0.1:8000", ":8000" (every address), "[::1]:8000", "unix:/run/app.sock" or "fd:3"'
# What stands in front of a place where web servers speak FastCGI, and what the rest of it is as a place for HTTP.
_FASTCGI: Final = (("fcgi://", ""), ("fcgi+unix:", "unix:"), ("fcgi+fd:", "fd:"))


class Bind(NamedTuple):
    """One place to listen: `fd` (not negative), else the Unix socket `path` (not empty), else TCP `host` and `port`.

    `host` "" is every address, IPv4 and IPv6. `port` 0 is any free one. `text` is the spec as written, `where` its origin.
    `is_fastcgi`: it is for web servers that speak FastCGI.
    """

    text: str
    where: str = ""
    host: str = ""
    port: int = 0
    path: str = ""
    fd: int = -1
    is_fastcgi: bool = False


def parse_bind(text: str, *, where: str = "") -> Bind:
    """The place that `text` names: host:port, :port, [IPv6]:port, unix:path or fd:number.

    `fcgi://host:port`, `fcgi+unix:path` and `fcgi+fd:number` are the same for FastCGI. `where` is the option, variable or line
    it was written in. Raises ConfigurationError when it is none of these.
    """
    for prefix, plain in _FASTCGI:
        if text.startswith(prefix):
            rest = text.removeprefix(prefix)
            try:
                bind = parse_bind(plain + rest if plain else rest.removesuffix("/"), where=where)
            except ConfigurationError as error:
                raise refusal(f'"{text}" is no place for FastCGI: {error.problems[0].message}', where) from None
            return bind._replace(text=text, is_fastcgi=True)
    kind, _, rest = text.partition(":")
    if kind == "unix":
        return Bind(text=text, where=where, path=_parse_path(text, rest, where=where))
    if kind == "fd":
        return Bind(text=text, where=where, fd=_parse_fd(text, rest, where=where))
    host, _, port = text.rpartition(":")
    if not _ or "/" in text:
        raise refusal(f'"{text}" does not say where to listen: write {_FORMS}', where)
    if not (port.isascii() and port.isdigit() and int(port) <= 65535):
        raise refusal(f'"{text}" does not end in a port from 0 to 65535: write {_FORMS}', where)
    return Bind(text=text, where=where, host=_parse_host(text, host, where=where), port=int(port))


def refusal(message: str, where: str) -> ConfigurationError:
    """The error for one place that cannot be had."""
    return ConfigurationError([Problem(message, where)])


def _parse_path(text: str, rest: str, *, where: str) -> str:
    path = rest.removeprefix("//")  # gunicorn's spelling: unix:///run/app.sock
    if not path:
        raise refusal(f'"{text}" names no path: write "unix:/run/app.sock"', where)
    return path


def _parse_fd(text: str, rest: str, *, where: str) -> int:
    number = rest.removeprefix("//")  # gunicorn's spelling: fd://3
    if not (number.isascii() and number.isdigit() and len(number) < 10):
        raise refusal(f'"{text}" names no descriptor: write "fd:3"', where)
    return int(number)


def _parse_host(text: str, host: str, *, where: str) -> str:
    if host.startswith("[") and host.endswith("]") and ":" in host:
        return host[1:-1]
    if ":" in host:
        raise refusal(f'"{text}" holds an IPv6 address without brackets: write "[::1]:8000"', where)
    if not host.isprintable() or any(character in host for character in "[]@%, "):
        raise refusal(f'"{text}" holds no host name or address: write {_FORMS}', where)
    return host
