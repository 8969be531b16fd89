"""The WSGI applications of the bench: a greeting, and one that burns CPU."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

GREETING = b"Hello, world!"
TURNS = 300_000


def hello(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    """Thirteen bytes."""
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", "13")])
    return [GREETING]


def burn(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    """Holds its thread's processor for some ten milliseconds of pure Python, as a template or a serializer would."""
    total = 0
    for number in range(TURNS):
        total += number & 7
    body = b"%d" % total
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))])
    return [body]
