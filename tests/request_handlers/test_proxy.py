"""A site that passes requests on: keys of the site file, places beside other answers, and its life."""

import asyncio
from typing import Any

import pytest

from penstock import Context, HTTPError, Stage
from penstock.server import open_client
from penstock.settings import (
    AppSettings,
    BackendSettings,
    ErrorSettings,
    LocationSettings,
    MiddlewareSettings,
    ModuleSettings,
    RouteSettings,
    SiteSettings,
)
from tests.pipeline.subject import on, raising, run
from tests.pipeline_gateways.wsgi_subject import wait_until
from tests.request_handlers.proxy_subject import OK, Backend, Conversation, logged, proxy_site, proxying, quiet, saying


async def mirror(conversation: Conversation) -> None:
    """Answers with the head it got."""
    while True:
        head = await conversation.head()
        await conversation.say(
            b"HTTP/1.1 200 OK\r\nserver: mirror\r\nx-frame-options: SAMEORIGIN\r\ncontent-length: %d\r\n\r\n%b"
            % (len(head), head)
        )


def test_what_the_keys_of_the_site_file_do() -> None:
    async def journey() -> None:
        keys = {
            "at": "/api",
            "strip_prefix": True,
            "host": "backend",
            "forwarded": "both",
            "request_headers": {"X-Key": "s3cret", "cookie": ""},
            "response_headers": {"Server": "", "X-Frame-Options": "DENY"},
        }
        async with proxying(mirror, **keys) as (client, backend):
            for _ in range(2):
                answer = await client.get("/api/x?y", headers={"cookie": "a=b", "x-key": "guess"})
                lines = answer.text.split("\r\n")
                assert lines[:2] == ["GET /x?y HTTP/1.1", f"host: 127.0.0.1:{backend.port}"]
                assert "x-key: s3cret" in lines
                assert "x-forwarded-host: testserver" in lines
                assert 'forwarded: for=127.0.0.1;proto=http;host="testserver"' in lines
                assert "cookie" not in answer.text
                assert answer.headers.items() == [
                    ("content-length", str(len(answer.body))),
                    ("x-frame-options", "DENY"),
                ]
            assert (await client.get("/apix")).status == 404

    run(journey)


def test_pipeline_h02_a_proxy_is_a_mount_beside_routes_and_applications() -> None:
    async def application(scope: object, receive: object, send: object) -> None:
        raise HTTPError(418)

    async def journey() -> None:
        async with Backend(mirror) as backend:
            site = SiteSettings(
                routes=(RouteSettings(at="/api/own", function="t:own"),),
                apps=(AppSettings(at="/api/app", asgi="t:app"),),
                proxies=(BackendSettings(at="/api", to=(backend.url,)),),
            )
            objects = {"t:own": lambda: "own", "t:app": application}
            async with open_client(site, server=quiet(), objects=objects) as client:
                assert (await client.get("/api/own")).text == "own"
                assert (await client.get("/api/app/x")).status == 418
                assert (await client.request("PROPFIND", "/api/own/x")).text.startswith(
                    "PROPFIND /api/own/x HTTP/1.1\r\n"
                )

    run(journey)


def test_the_rules_of_the_location_hold() -> None:
    async def journey() -> None:
        async with Backend(saying(OK)) as backend:
            site = SiteSettings(
                proxies=proxy_site(backend).proxies,
                locations=(
                    LocationSettings(at="/", headers={"x-location": "1"}),
                    LocationSettings(at="/files", access=("read",)),
                    LocationSettings(at="/closed", modules=(ModuleSettings(use="t:closed"),)),
                ),
            )
            objects = {"t:closed": on(Stage.AUTHORIZE, raising(HTTPError(403)))}
            async with open_client(site, server=quiet(), objects=objects) as client:
                assert (await client.get("/")).headers["x-location"] == "1"
                assert (await client.get("/files")).status == 403
                assert (await client.get("/closed")).status == 403
                assert len(backend.heads) == 1

    run(journey)


def test_pipeline_x07_errors_have_the_pages_of_the_location() -> None:
    async def journey() -> None:
        async with Backend(saying(then="close")) as backend:
            page = ErrorSettings(status=(502,), function="t:page")
            site = SiteSettings(
                proxies=proxy_site(backend, retries=0).proxies, locations=(LocationSettings(at="/", errors=(page,)),)
            )
            async with open_client(site, server=quiet(), objects={"t:page": lambda: "back soon"}) as client:
                for _ in range(2):
                    answer = await client.get("/")
                    assert (answer.status, answer.text) == (502, "back soon")

    run(journey)


def test_row_82_a_path_that_is_refused_takes_no_connection() -> None:
    async def journey() -> None:
        async with proxying(saying(OK), connections=1) as (client, backend):
            for target in ("/", "/..;/x", "/..;/x", "/"):
                assert (await client.get(target)).status == (400 if ";" in target else 200)
            assert len(backend.heads) == 2

    run(journey)


def test_hooks_that_wait_in_front_of_it_do_no_harm() -> None:
    async def wait(context: Context) -> None:
        await asyncio.sleep(0)

    async def journey() -> None:
        async with Backend(saying(OK)) as backend:
            site = SiteSettings(proxies=proxy_site(backend).proxies, modules=(ModuleSettings(use="t:wait"),))
            objects = {"t:wait": on(Stage.BEGIN, wait)}
            async with open_client(site, server=quiet(), objects=objects) as client:
                for _ in range(4):
                    assert (await client.get("/")).body == b"ok"
                assert backend.connections == 1

    run(journey)


@pytest.mark.parametrize("allow", [True, False])
def test_pipeline_p21_whether_everybody_is_let_in(allow: bool) -> None:
    seen: list[bool] = []

    async def journey() -> None:
        async with Backend(saying(OK)) as backend:
            site = SiteSettings(
                proxies=proxy_site(backend, allow_anonymous=allow).proxies, modules=(ModuleSettings(use="t:note"),)
            )
            objects = {"t:note": on(Stage.AUTHORIZE, lambda context: seen.append(context.allow_anonymous))}
            async with open_client(site, server=quiet(), objects=objects) as client:
                await client.get("/")

    run(journey)
    assert seen == [allow]


def test_it_starts_without_its_backends_and_again() -> None:
    async def journey() -> None:
        backend = Backend(saying(OK))
        await backend.listen()
        await backend.vanish()
        site = proxy_site(backend)
        for _ in range(2):
            async with open_client(site, server=quiet()) as client:
                with logged() as lines:
                    assert (await client.get("/")).status == 502
                assert "no connection: " in lines[0]

    run(journey)


@pytest.mark.parametrize("is_warm", [False, True])
def test_a_request_that_is_inside_ends_when_the_server_is_stopped_hard(is_warm: bool) -> None:
    async def script(conversation: Conversation) -> None:
        if is_warm:
            await conversation.head()
            await conversation.say(OK)
        await conversation.head()
        await conversation.wait_end()

    async def journey() -> None:
        async with proxying(script) as (client, backend):
            if is_warm:
                await client.get("/")
            request = client.open("GET", "/")
            await wait_until(lambda: len(backend.heads) == 1 + is_warm)
            await client.runtime.drain(0.01)
            await client.runtime.stop()
            await request.wait_finished()
            assert request.response_head is not None
            assert request.response_head.status == 503
            await backend.ended.wait()

    run(journey)


@pytest.mark.parametrize(
    "pieces",
    [(OK,), (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"1\r\no\r\n", b"1\r\nk\r\n0\r\n\r\n")],
    ids=["whole", "pieces"],
)
def test_middleware_g1_a_proxy_answers_through_middleware_in_a_stage(pieces: tuple[bytes, ...]) -> None:
    class Marking:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            async def marked(message: Any) -> None:
                if message["type"] == "http.response.start":
                    message["headers"] = [*message["headers"], (b"x-marked", b"1")]
                await send(message)

            await self.app(scope, receive, marked)

    async def journey() -> None:
        async with Backend(saying(*pieces)) as backend:
            middleware = (MiddlewareSettings(use="t:marking", stage="authorize"),)
            site = SiteSettings(proxies=proxy_site(backend).proxies, middleware=middleware)
            async with open_client(site, server=quiet(), objects={"t:marking": Marking}) as client:
                for method in ("GET", "GET", "POST", "HEAD"):
                    answer = await client.request(method, "/", body=b"x" if method == "POST" else b"")
                    assert (answer.body, answer.headers["x-marked"]) == (b"" if method == "HEAD" else b"ok", "1")

    run(journey)
