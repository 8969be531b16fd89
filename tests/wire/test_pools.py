"""An application in a pool of its own sees what it would see in process, to the byte, and answers as it would."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from penstock import Context, HTTPError, Principal, Stage
from penstock.pipeline.module import Hooks
from penstock.server.thread import ServerThread
from penstock.settings import AppSettings, ErrorSettings, LocationSettings, ModuleSettings, ProxySettings, Settings
from tests.request_handlers.pool_subject import NAME, QUIET, REFERENCE, pooled, settings_for
from tests.wire.raw_client import RawClient

SIGN_IN = "subject:SignIn"
# What cannot be the same: objects of this process, and what stands for the way here.
DIFFERENT = {"wsgi.input", "wsgi.errors", "penstock.context", "penstock.stopping"}


class SignIn:
    """Who names himself is believed."""

    def attach(self, hooks: Hooks) -> None:
        hooks.on(Stage.AUTHENTICATE, self.sign_in)

    def sign_in(self, context: Context) -> None:
        name = context.request.headers.get("x-user")
        if name == "nobody":
            context.principal = Principal()
        elif name:
            context.principal = Principal(name, roles=frozenset(("b", "a")))


async def asgi_dump(scope: Any, receive: Any, send: Any) -> None:
    """Answer with the scope."""
    if scope["type"] == "lifespan":
        for _ in range(2):
            message = await receive()
            scope["state"]["made"] = "at start"
            await send({"type": f"{message['type']}.complete"})
        return
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    extensions = {name: each for name, each in scope.pop("extensions").items() if name not in DIFFERENT}
    told = {**scope, "extensions": extensions, "body": body}
    await send({"type": "http.response.start", "status": 200, "headers": [(b"X-Kind", b"asgi")]})
    await send({"type": "http.response.body", "body": repr(told).encode("latin-1", "backslashreplace")})


def wsgi_dump(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Answer with the environ, and what the context knows of the user."""
    body = environ["wsgi.input"].read()
    principal = environ["penstock.context"].principal
    told = {name: each for name, each in environ.items() if name not in DIFFERENT}
    user = (principal.name, sorted(principal.roles), principal.is_authenticated)
    start_response("200 OK", [("X-Kind", "wsgi")])
    return [repr({**told, "body": body, "user": user}).encode("latin-1", "backslashreplace")]


REQUESTS = {
    "plain": b"GET /app/caf%C3%A9/%2e%2E/x?q=1&q=2 HTTP/1.1\r\nHost: Shop.example:81\r\nAccept: */*\r\n\r\n",
    "a bare question mark": b"GET /app? HTTP/1.1\r\nHost: a\r\n\r\n",
    "absolute form": b"GET http://a/app/x?y HTTP/1.1\r\nHost: a\r\n\r\n",
    "HTTP/1.0": b"GET /app/x HTTP/1.0\r\n\r\n",
    "HTTP/1.0 that stays": b"GET /app/x HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
    "of the connection": b"GET /app HTTP/1.1\r\nHost: a\r\nConnection: close, x-one\r\nX-One: 1\r\nTE: trailers\r\n"
    b"Keep-Alive: 5\r\nUpgrade: h2c\r\nProxy-Authorization: Basic eDp5\r\nTrailer: x\r\n\r\n",
    "a length": b"POST /app HTTP/1.1\r\nA: 1\r\nHost: a\r\nContent-Type: a/b\r\nContent-Length: 5\r\nZ: 2\r\n\r\nhello",
    "chunks": b"PUT /app HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n",
    "an empty body": b"POST /app HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
    "proxied": b"GET /app HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\n"
    b"X-Forwarded-Host: public.example\r\n\r\n",
    "a user": b"GET /app HTTP/1.1\r\nHost: a\r\nX-User: J\xc3\xb6rg\r\n\r\n",
    "a user of no name": b"GET /app HTTP/1.1\r\nHost: a\r\nX-User: nobody\r\n\r\n",
    "odd names": b"GET /app HTTP/1.1\r\nHost: a\r\nX_Y: 1\r\nx-y: 2\r\nX-Y: 3\r\nCookie: a=1\r\nCookie: b=2\r\nEmpty:\r\n"
    b"Latin: \xe9\r\n\r\n",
}


@pytest.fixture(scope="module", params=["asgi", "wsgi"])
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[tuple[str, int]]]:
    """The addresses of a server with the application in process, and of one with it in a pool."""
    key: dict[str, Any] = {request.param: REFERENCE}
    app = asgi_dump if request.param == "asgi" else wsgi_dump
    apps = (AppSettings(at="/", pool=NAME, **key), AppSettings(at="/app", root_path="/below", pool=NAME, **key))
    server = replace(QUIET, proxy=ProxySettings(trusted=("127.0.0.1",)))
    settings = settings_for(*apps, server=server, modules=(ModuleSettings(use=SIGN_IN),))
    objects = {REFERENCE: app, SIGN_IN: SignIn}
    with (
        ServerThread(without_pools(settings), objects=objects) as inside,
        pooled(app, tmp_path_factory.mktemp("pool"), settings, objects=objects) as subject,
    ):
        yield [inside.address, subject.front.address]


def without_pools(settings: Settings) -> Settings:
    sites = [replace(site, apps=tuple([replace(app, pool="") for app in site.apps])) for site in settings.sites]
    return replace(settings, sites=tuple(sites), pools=())


def asked(address: tuple[str, int], request: bytes) -> tuple[int, list[tuple[bytes, bytes]], str]:
    """Status, fields and body, with what belongs to the two connections made alike."""
    with RawClient(address) as client:
        ours = client.socket.getsockname()[1]
        client.send([request])
        answer = client.read_answer("GET")
    fields = [pair for pair in answer.headers if pair[0] != b"date"]
    body = answer.body.decode("latin-1").replace(str(ours), "CLIENT").replace(str(address[1]), "SERVER")
    return answer.status, fields, body


@pytest.mark.parametrize("name", list(REQUESTS))
def test_pipeline_w01_the_application_sees_what_it_would_see_in_process(both: list[tuple[str, int]], name: str) -> None:
    inside, outside = [asked(address, REQUESTS[name]) for address in both]
    assert outside[2] == inside[2]
    assert outside[0] == inside[0] == 200
    assert sorted(outside[1]) == sorted(inside[1])


async def asgi_failing(scope: Any, receive: Any, send: Any) -> None:
    """Fail as the path says."""
    if scope["type"] == "lifespan":
        return
    if scope["path"] == "/refused":
        raise HTTPError(429, "not so fast: é", headers=((b"retry-after", b"7"),))
    if scope["path"] == "/named":
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"server", b"mine"), (b"date", b"never")]}
        )
        await send({"type": "http.response.body", "body": b"not a failure"})
        return
    if scope["path"] == "/own":
        await send({"type": "http.response.start", "status": 500, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": b"my own page"})
        return
    raise RuntimeError("broken")


FAILURES = [
    b"GET /named HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /broken HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /broken HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\n\r\n",
    b"POST /broken HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx",
    b"GET /refused HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\n\r\n",
    b"GET /own HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /paged/broken HTTP/1.1\r\nHost: a\r\n\r\n",
]
SUBJECT_PAGE = "subject:page"


def page(context: Context) -> str:
    """What the location shows for failures."""
    return f"sorry: {context.response.status}"


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[tuple[str, int]]]:
    """As `both`, with an application that fails and a location with an error page of its own."""
    rules = LocationSettings(at="/paged", errors=(ErrorSettings(status=("5xx",), function=SUBJECT_PAGE),))
    settings = settings_for(locations=(rules,))
    objects = {REFERENCE: asgi_failing, SUBJECT_PAGE: page}
    with (
        ServerThread(without_pools(settings), objects=objects) as inside,
        pooled(asgi_failing, tmp_path_factory.mktemp("pool"), settings, objects=objects) as subject,
    ):
        yield [inside.address, subject.front.address]


@pytest.mark.parametrize("request_bytes", FAILURES)
def test_pipeline_x07_failures_are_answered_as_they_would_be_in_process(
    failing: list[tuple[str, int]], request_bytes: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    ids = re.compile("[0-9a-f]{32}|[0-9a-f]{12}")
    inside, outside = [asked(address, request_bytes) for address in failing]
    assert ids.sub("ID", outside[2]) == ids.sub("ID", inside[2])
    assert (outside[0], sorted(outside[1])) == (inside[0], sorted(inside[1]))
    assert (b"server", b"mine") in outside[1] or b"/named" not in request_bytes
    shown = re.search("error id ([0-9a-f]{12})", outside[2])
    if shown:
        told = [record for record in caplog.records if shown[1] in record.getMessage()]
        assert [bool(record.exc_info) for record in told] == [
            True,
            False,
        ]  # the pool's with its traceback, and the front's
