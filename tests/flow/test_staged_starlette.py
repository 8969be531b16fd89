"""Middleware of Starlette in stages, as it is published (middleware PY-T27, PY-T28, PY-T31)."""

import gzip
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend, SimpleUser
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from penstock import Context
from penstock.server import ServerThread, open_client
from penstock.settings import (
    AppSettings,
    FilesSettings,
    LocationSettings,
    LogSettings,
    MiddlewareSettings,
    RouteSettings,
    ServerSettings,
    SiteSettings,
)
from penstock.testing import Client, ClientResponse
from tests.pipeline.subject import ask, run, settle

CORS = MiddlewareSettings(
    use="starlette.middleware.cors:CORSMiddleware",
    stage="authenticate",
    settings={"allow_origins": ["https://a.example"], "allow_methods": ["*"]},
)
GZIP = MiddlewareSettings(use="starlette.middleware.gzip:GZipMiddleware", settings={"minimum_size": 100})
SESSIONS = MiddlewareSettings(
    use="starlette.middleware.sessions:SessionMiddleware", stage="acquire_state", settings={"secret_key": "k"}
)
ORIGIN = {"origin": "https://a.example"}


def client_of(*middleware: MiddlewareSettings, objects: dict[str, object] | None = None, **site: Any) -> Client:
    server = ServerSettings(log=LogSettings(access=False))
    return open_client(SiteSettings(middleware=middleware, **site), server=server, objects=objects or {})


def asked(
    *middleware: MiddlewareSettings, path: str = "/", method: str = "GET", headers: Any = None, **site: Any
) -> ClientResponse:
    return ask(client_of(*middleware, **site), path, method=method, headers=headers or {})


def function(page: Callable[..., object], *methods: str) -> dict[str, Any]:
    return {
        "routes": (RouteSettings(at="/", function="m:page", methods=methods or ("GET",)),),
        "objects": {"m:page": page},
    }


class TestCors:
    def test_middleware_py_t27_a_native_404_has_its_header(self) -> None:
        answer = asked(CORS, path="/nowhere", headers=ORIGIN)
        assert (answer.status, answer.headers["access-control-allow-origin"]) == (404, "https://a.example")

    def test_a_preflight_is_answered_by_it_and_by_nobody_else(self) -> None:
        called: list[str] = []
        preflight = {**ORIGIN, "access-control-request-method": "POST"}
        answer = asked(CORS, method="OPTIONS", headers=preflight, **function(lambda: called.append("page"), "*"))
        assert (answer.status, answer.text, called) == (200, "OK", [])

    def test_an_error_page_has_its_header(self) -> None:
        def failing() -> None:
            raise ValueError("x")

        answer = asked(CORS, headers=ORIGIN, **function(failing))
        assert (answer.status, answer.headers["access-control-allow-origin"]) == (500, "https://a.example")

    def test_headers_of_locations_come_once(self) -> None:
        location = LocationSettings(at="/", headers={"x-frame-options": "DENY"})
        answer = asked(CORS, headers=ORIGIN, locations=(location,), **function(lambda: "page"))
        assert [value for name, value in answer.headers.raw if name == b"x-frame-options"] == [b"DENY"]


class TestGzip:
    def test_middleware_py_t28_a_static_file_is_compressed(self, tmp_path: Path) -> None:
        (tmp_path / "page.txt").write_text("text " * 1000)
        answer = asked(GZIP, path="/page.txt", root=str(tmp_path), headers={"accept-encoding": "gzip"})
        assert answer.headers["content-encoding"] == "gzip"
        assert gzip.decompress(answer.body).decode() == "text " * 1000

    def test_without_it_being_asked_for_the_file_passes(self, tmp_path: Path) -> None:
        (tmp_path / "page.txt").write_text("text " * 1000)
        answer = asked(GZIP, path="/page.txt", root=str(tmp_path), files=FilesSettings(precompressed=()))
        assert (answer.headers["content-length"], len(answer.body)) == ("5000", 5000)

    def test_a_large_file_passes_in_pieces(self, tmp_path: Path) -> None:
        (tmp_path / "large.bin").write_bytes(b"x" * 3_000_000)
        answer = asked(GZIP, path="/large.bin", root=str(tmp_path), headers={"accept-encoding": "gzip"})
        assert len(gzip.decompress(answer.body)) == 3_000_000

    def test_head_has_no_body(self, tmp_path: Path) -> None:
        (tmp_path / "page.txt").write_text("text " * 1000)
        answer = asked(GZIP, path="/page.txt", method="HEAD", root=str(tmp_path))
        assert (answer.status, answer.body) == (200, b"")

    def test_a_304_passes(self, tmp_path: Path) -> None:
        (tmp_path / "page.txt").write_text("text " * 1000)
        client = client_of(GZIP, root=str(tmp_path))

        async def journey() -> int:
            async with client:
                first = await client.get("/page.txt")
                again = await client.get("/page.txt", headers={"if-none-match": first.headers["etag"]})
                return again.status

        assert run(journey) == 304


class TestSessions:
    def test_what_one_request_writes_the_next_one_reads(self) -> None:
        async def counting(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "lifespan":
                raise RuntimeError
            session = scope["session"]
            session["count"] = session.get("count", 0) + 1
            await PlainTextResponse(str(session["count"]))(scope, receive, send)

        client = client_of(SESSIONS, apps=(AppSettings(at="/", asgi="m:app"),), objects={"m:app": counting})

        async def journey() -> list[str]:
            async with client:
                first = await client.get("/")
                cookie = first.headers["set-cookie"].partition(";")[0]
                return [first.text, (await client.get("/", headers={"cookie": cookie})).text]

        assert run(journey) == ["1", "2"]

    def test_a_wsgi_application_finds_it_in_its_environ(self) -> None:
        def page(environ: Any, start_response: Any) -> list[bytes]:
            start_response("200 OK", [])
            return [repr(environ.get("REMOTE_USER")).encode()]

        objects = {"m:app": page, "m:Basic": Basic}
        basic = MiddlewareSettings(
            use="starlette.middleware.authentication:AuthenticationMiddleware",
            stage="authenticate",
            settings={"backend": Basic()},
        )
        client = client_of(basic, apps=(AppSettings(at="/", wsgi="m:app"),), objects=objects)
        assert ask(client, headers={"x-user": "alice"}).text == "'alice'"


class Basic(AuthenticationBackend):
    async def authenticate(self, conn: Any) -> Any:
        name = conn.headers.get("x-user")
        return None if name is None else (AuthCredentials(["authenticated"]), SimpleUser(name))


AUTHENTICATION = MiddlewareSettings(
    use="starlette.middleware.authentication:AuthenticationMiddleware",
    stage="authenticate",
    settings={"backend": Basic()},
)


class TestAuthentication:
    def test_middleware_r_sg_22_who_it_found_is_the_principal(self) -> None:
        def page(context: Context) -> str:
            return f"{context.principal.name} {context.principal.is_authenticated}"

        assert asked(AUTHENTICATION, headers={"x-user": "alice"}, **function(page)).text == "alice True"
        assert asked(AUTHENTICATION, **function(page)).text == " False"


def based(dispatch: Any) -> tuple[MiddlewareSettings, dict[str, object]]:
    use = "starlette.middleware.base:BaseHTTPMiddleware"
    return MiddlewareSettings(use=use, stage="authorize", settings={"dispatch": dispatch}), {}


class TestBaseHTTPMiddleware:
    def test_middleware_trace_q_it_relays_what_passes_through_its_queue(self) -> None:
        async def dispatch(request: Request, call_next: Callable[[Request], Awaitable[Any]]) -> Any:
            response = await call_next(request)
            response.headers["x-seen"] = request.url.path
            return response

        middleware, _ = based(dispatch)
        answer = asked(middleware, **function(lambda: "page"))
        assert (answer.text, answer.headers["x-seen"]) == ("page", "/")

    def test_it_reads_the_body_and_offers_it_again(self) -> None:
        seen: list[bytes] = []

        async def dispatch(request: Request, call_next: Callable[[Request], Awaitable[Any]]) -> Any:
            seen.append(await request.body())
            return await call_next(request)

        async def echo(context: Context) -> bytes:
            return await context.request.body()

        middleware, _ = based(dispatch)
        client = client_of(middleware, **function(echo, "POST"))
        assert ask(client, method="POST", body=b"hello").body == b"hello"
        assert seen == [b"hello"]

    def test_it_may_answer_itself(self) -> None:
        async def dispatch(request: Request, call_next: Callable[[Request], Awaitable[Any]]) -> Any:
            return PlainTextResponse("no", 403)

        middleware, _ = based(dispatch)
        answer = asked(middleware, **function(lambda: "page"))
        assert (answer.status, answer.text) == (403, "no")

    def test_background_tasks_run_behind_the_answer(self) -> None:
        log: list[str] = []

        async def page(request: Request) -> Any:
            return PlainTextResponse("page", background=BackgroundTask(log.append, "background"))

        async def dispatch(request: Request, call_next: Callable[[Request], Awaitable[Any]]) -> Any:
            response = await call_next(request)
            log.append("behind")
            return response

        middleware, _ = based(dispatch)
        app = Starlette(routes=[Route("/", page)])
        client = client_of(middleware, apps=(AppSettings(at="/", asgi="m:app"),), objects={"m:app": app})

        async def journey() -> str:
            async with client:
                answer = await client.get("/")
                await settle(50)
                return answer.text

        assert run(journey) == "page"
        assert sorted(log) == ["background", "behind"]

    def test_a_stream_passes(self) -> None:
        async def dispatch(request: Request, call_next: Callable[[Request], Awaitable[Any]]) -> Any:
            return await call_next(request)

        async def pieces() -> Any:
            for number in range(5):
                yield f"{number}"

        async def page(request: Request) -> Any:
            return StreamingResponse(pieces())

        middleware, _ = based(dispatch)
        app = Starlette(routes=[Route("/", page)])
        client = client_of(middleware, GZIP, apps=(AppSettings(at="/", asgi="m:app"),), objects={"m:app": app})
        assert ask(client).body == b"01234"


def test_all_of_them_over_a_real_socket(tmp_path: Path) -> None:
    import http.client

    (tmp_path / "page.txt").write_text("text " * 1000)
    site = SiteSettings(middleware=(CORS, GZIP, SESSIONS, AUTHENTICATION), root=str(tmp_path))
    with ServerThread(site) as server:
        connection = http.client.HTTPConnection(*server.address, timeout=10)
        for _ in range(3):
            connection.request("GET", "/page.txt", headers={**ORIGIN, "accept-encoding": "gzip"})
            answer = connection.getresponse()
            assert gzip.decompress(answer.read()).decode() == "text " * 1000
            assert answer.headers["access-control-allow-origin"] == "https://a.example"
        connection.close()
