"""From a `middleware = [...]` of the site file to pieces in stages, and every mistake before the first request."""

from collections.abc import AsyncIterator, Callable
from typing import Any, ClassVar

import pytest

from penstock import ConfigurationError, Context, Stage, StartupError
from penstock.server import open_client
from penstock.server.composition import compose_sites
from penstock.settings import (
    LocationSettings,
    LogSettings,
    MiddlewareSettings,
    ModuleSettings,
    RouteSettings,
    ServerSettings,
    Settings,
    SiteSettings,
)
from penstock.testing import Client
from tests.pipeline.subject import Recorder, ask, on, run


class Adding:
    """ASGI middleware as a class."""

    def __init__(self, app: Any, header: str = "x-class", level: int = 0) -> None:
        self.app = app
        self.header = header.encode()
        self.events: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def wrapped(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], (self.header, b"1")]}
            await send(message)

        await self.app(scope, receive, wrapped)


def factory(app: Any, **settings: Any) -> Any:
    """ASGI middleware as a factory."""
    return Adding(app, **settings)


async def around(context: Context, call_next: Callable[[], Any], *, header: str = "x-around") -> None:
    await call_next()
    context.response.headers[header] = str(context.response.status_code)


async def generating(context: Context) -> AsyncIterator[None]:
    yield
    context.response.headers["x-generator"] = "1"


def for_wsgi(app: Any) -> Any:
    def middleware(environ: Any, start_response: Any) -> Any:
        return app(environ, start_response)

    return middleware


class ForWsgi:
    def __init__(self, app: Any) -> None:
        self.app = app

    def __call__(self, environ: Any, start_response: Any) -> Any:
        return self.app(environ, start_response)


class Failing:
    def __init__(self, app: Any) -> None:
        raise RuntimeError("meant to fail")

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...


class Living:
    """Middleware with a lifespan of its own."""

    log: ClassVar[list[str]] = []

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            scope["state"]["pool"] = "pool"

            async def wrapped(message: Any) -> None:
                self.log.append(message["type"])
                await send(message)

            await self.app(scope, receive, wrapped)
            return
        self.log.append(scope["state"]["pool"])
        await self.app(scope, receive, send)


async def application(scope: Any, receive: Any, send: Any) -> None: ...


OBJECTS: dict[str, object] = {
    "m:Adding": Adding,
    "m:factory": factory,
    "m:around": around,
    "m:generating": generating,
    "m:for_wsgi": for_wsgi,
    "m:ForWsgi": ForWsgi,
    "m:Failing": Failing,
    "m:Living": Living,
    "m:application": application,
    "m:page": lambda: "page",
}


def site_of(*middleware: MiddlewareSettings, **more: Any) -> SiteSettings:
    return SiteSettings(routes=(RouteSettings(at="/", function="m:page"),), middleware=middleware, **more)


def client_of(*middleware: MiddlewareSettings, objects: dict[str, object] | None = None, **more: Any) -> Client:
    server = ServerSettings(log=LogSettings(access=False))
    return open_client(site_of(*middleware, **more), server=server, objects={**OBJECTS, **(objects or {})})


def refusal(*middleware: MiddlewareSettings, **more: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        compose_sites(Settings(sites=(site_of(*middleware, **more),)), OBJECTS)
    return str(caught.value)


class TestForms:
    @pytest.mark.parametrize(
        ("use", "header"),
        [
            ("m:Adding", "x-class"),
            ("m:factory", "x-class"),
            ("m:around", "x-around"),
            ("m:generating", "x-generator"),
        ],
    )
    def test_middleware_py_t01_every_form_waits_in_a_stage(self, use: str, header: str) -> None:
        answer = ask(client_of(MiddlewareSettings(use=use, stage="authenticate")))
        assert (answer.body, header in answer.headers) == (b"page", True)

    def test_settings_are_its_arguments(self) -> None:
        both = (
            MiddlewareSettings(use="m:Adding", settings={"header": "x-one"}),
            MiddlewareSettings(use="m:around", settings={"header": "x-two"}),
        )
        answer = ask(client_of(*both))
        assert (answer.headers["x-one"], answer.headers["x-two"]) == ("1", "200")

    def test_middleware_r_sg_33_it_comes_behind_the_modules_of_its_stage(self) -> None:
        log: list[str] = []

        async def noting(context: Context, following: Callable[[], Any]) -> None:
            log.append("middleware")
            await following()

        objects = {
            "m:noting": noting,
            "m:recorder": Recorder(log),
            "m:inner": on(Stage.AUTHORIZE, Recorder(log).note("inner")),
        }
        client = client_of(
            MiddlewareSettings(use="m:noting", stage="authorize"),
            objects=objects,
            modules=(ModuleSettings(use="m:recorder"),),
            locations=(LocationSettings(at="/", modules=(ModuleSettings(use="m:inner", name="inner"),)),),
        )
        ask(client)
        at = log.index("middleware")
        assert log[at - 2 : at + 2] == ["AUTHORIZE", "inner", "middleware", "AUTHORIZE+"]

    def test_it_belongs_to_its_location(self) -> None:
        location = LocationSettings(at="/a", middleware=(MiddlewareSettings(use="m:Adding"),))
        client = client_of(locations=(location,))

        async def journey() -> list[bool]:
            async with client:
                return ["x-class" in (await client.get(path)).headers for path in ("/", "/a", "/a/b")]

        assert run(journey) == [False, True, True]

    def test_middleware_15_9_it_has_a_lifespan(self) -> None:
        Living.log.clear()
        ask(client_of(MiddlewareSettings(use="m:Living")))
        assert Living.log == ["lifespan.startup.complete", "pool", "lifespan.shutdown.complete"]


class TestMistakes:
    def test_middleware_r_py_01_what_it_needs_is_named(self) -> None:
        told = refusal(MiddlewareSettings(use="m:Adding", settings={"hedaer": "x"}))
        assert "middleware m:Adding: m:Adding(app: Any, header: str = 'x-class', level: int = 0)" in told
        assert "unexpected keyword argument 'hedaer'" in told

    @pytest.mark.parametrize("use", ["m:for_wsgi", "m:ForWsgi"])
    def test_middleware_for_wsgi_stays_around_its_application(self, use: str) -> None:
        told = refusal(MiddlewareSettings(use=use))
        assert "wsgi" in told.lower()

    def test_an_application_is_no_middleware(self) -> None:
        told = refusal(MiddlewareSettings(use="m:application"))
        assert "looks like an application (ASGI 3), and is no middleware" in told

    def test_an_object_is_no_middleware(self) -> None:
        with pytest.raises(ConfigurationError, match="'dict', which is no middleware"):
            compose_sites(Settings(sites=(site_of(MiddlewareSettings(use="m:thing")),)), {**OBJECTS, "m:thing": {}})

    def test_one_that_fails_in_its_own_code_is_told_as_such(self) -> None:
        with pytest.raises(StartupError, match=r"middleware m:Failing failed to start: meant to fail"):
            compose_sites(Settings(sites=(site_of(MiddlewareSettings(use="m:Failing")),)), OBJECTS)

    def test_pipeline_a10_names_are_those_of_modules_too(self) -> None:
        twice = (MiddlewareSettings(use="m:Adding"), MiddlewareSettings(use="m:factory", name="adding"))
        assert "a module named 'adding' is there already as 'Adding'" in refusal(*twice)

    def test_pipeline_a10_also_those_above_a_location(self) -> None:
        location = LocationSettings(at="/a", middleware=(MiddlewareSettings(use="m:Adding"),))
        assert "'Adding' is there already" in refusal(MiddlewareSettings(use="m:Adding"), locations=(location,))
