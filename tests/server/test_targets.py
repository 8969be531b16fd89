"""From settings to targets: what a route or an application becomes, and which mistakes are found on the way."""

import asyncio
from typing import Any

import pytest

from penstock import ConfigurationError, StartupError
from penstock.pipeline.body_preload import preload_body
from penstock.server.targets import app_target, files_target, function_step, route_target
from penstock.settings import AppSettings, FilesSettings, RouteSettings


class Cart:
    def __init__(self, currency: str = "EUR") -> None:
        self.currency = currency

    def handle(self, context: Any) -> str:
        return self.currency


class Carts:
    def get(self, context: Any) -> Cart:
        return Cart()


async def application(scope: Any, receive: Any, send: Any) -> None: ...


def function() -> str:
    return ""


async def prices(websocket: Any, name: str = "") -> None: ...


OBJECTS: dict[str, object] = {
    "x:function": function,
    "x:Cart": Cart,
    "x:cart": Cart(),
    "x:Carts": Carts,
    "x:app": application,
    "x:number": 7,
    "x:prices": prices,
}


def target(**keys: Any) -> Any:
    return route_target(RouteSettings(at="/{name}", **keys), OBJECTS.__getitem__)


class TestRoutes:
    @pytest.mark.parametrize(
        ("keys", "name", "methods"),
        [
            ({"function": "x:function"}, "function x:function", ("GET", "HEAD")),
            ({"handler": "x:Cart", "methods": ("*",)}, "handler x:Cart", ()),
            ({"factory": "x:Carts", "methods": ("POST",)}, "factory x:Carts", ("POST",)),
            ({"status": 410}, "status 410", ()),
            ({"websocket": "x:prices", "subprotocols": ("v1",)}, "websocket x:prices", ("GET",)),
        ],
    )
    def test_have_names_and_methods(self, keys: dict[str, Any], name: str, methods: tuple[str, ...]) -> None:
        made = target(**keys)
        assert (made.name, made.methods, made.at, made.template.names) == (name, methods, "/{name}", ("name",))
        assert made.needs == "script"

    def test_pass_on_what_they_say(self) -> None:
        made = target(function="x:function", allow_anonymous=True, cancel_on_disconnect=True)
        assert (made.allow_anonymous, made.cancel_on_disconnect, made.handler) == (True, True, function)
        plain = target(function="x:function")
        assert (plain.allow_anonymous, plain.cancel_on_disconnect) == (False, False)

    def test_pipeline_h12_bodies_are_preloaded_for_threads_or_on_request(self) -> None:
        assert target(function="x:function").preload is None
        assert target(function="x:function", threads=1).preload is preload_body
        assert target(handler="x:Cart", preload=True).preload is preload_body

    def test_pipeline_h01_handlers_of_each_request_are_mapped(self) -> None:
        assert target(handler="x:Cart").map_handler is None
        assert target(handler="x:Cart", lifetime="per_request").map_handler is not None
        assert target(factory="x:Carts").map_handler is not None

    @pytest.mark.parametrize(
        ("keys", "told"),
        [
            ({"function": "x:number"}, "x:number is 'int', which cannot be called"),
            ({"handler": "x:number"}, "handler x:number has neither"),
            ({"handler": "x:cart", "lifetime": "per_request"}, "handler x:cart is no class"),
            ({"handler": "x:cart", "settings": {"currency": "CHF"}}, "handler x:cart is no class"),
            ({"handler": "x:Cart", "settings": {"currenzy": "CHF"}}, "handler x:Cart cannot be constructed with"),
            ({"factory": "x:Cart"}, "factory x:Cart has no `get`"),
            ({"websocket": "x:number"}, "websocket x:number is 'int', which cannot be called"),
            ({"websocket": "x:app"}, "websocket x:app looks like an ASGI application"),
        ],
    )
    def test_mistakes(self, keys: dict[str, Any], told: str) -> None:
        with pytest.raises(ConfigurationError) as caught:
            target(**keys)
        (problem,) = caught.value.problems
        assert problem.message.startswith(told)


class TestLife:
    def test_pipeline_r02_a_handler_is_made_before_its_threads_start_and_outlives_them(self) -> None:
        made = target(handler="x:Cart", threads=1)
        assert made.handler is None

        async def journey() -> None:
            assert made.on_start is not None
            await made.on_start()
            assert isinstance(made.handler, Cart)
            await made.on_stop()

        asyncio.run(journey())

    def test_what_lives_for_a_request_alone_neither_starts_nor_stops(self) -> None:
        made = target(handler="x:Cart", lifetime="per_request")
        assert (made.on_start, made.on_stop, made.handler) == (None, None, None)


def wsgi(environ: Any, start_response: Any) -> list[bytes]:
    return []


def asgi2(scope: Any) -> Any: ...


async def owin(environment: Any) -> None: ...


def fails() -> None:
    raise OSError("no database")


APPLICATIONS: dict[str, object] = {
    **OBJECTS,
    "x:wsgi": wsgi,
    "x:asgi2": asgi2,
    "x:owin": owin,
    "x:make": lambda: wsgi,
    "x:make_of": lambda name: wsgi,
    "x:fails": fails,
}


def mounted(**keys: Any) -> Any:
    return app_target(AppSettings(at="/a", **keys), APPLICATIONS.__getitem__)


class TestApplications:
    @pytest.mark.parametrize(
        ("keys", "name"),
        [
            ({"asgi": "x:app"}, "ASGI x:app"),
            ({"wsgi": "x:wsgi"}, "WSGI x:wsgi"),
            ({"app": "x:app"}, "ASGI x:app"),
            ({"app": "x:wsgi"}, "WSGI x:wsgi"),
            ({"owin": "x:owin"}, "OWIN x:owin"),
            ({"app": "x:owin"}, "OWIN x:owin"),
            ({"app": "x:function"}, "function x:function"),
            ({"app": "x:prices"}, "websocket x:prices"),
            ({"app": "x:make", "factory": True}, "WSGI x:make"),
            ({"wsgi": "x:make", "factory": True}, "WSGI x:make"),
        ],
    )
    def test_their_shape_is_said_or_detected(self, keys: dict[str, Any], name: str) -> None:
        made = mounted(**keys)
        assert (made.name, made.at, made.methods, made.needs) == (name, "/a", (), "script")
        assert (made.on_start is None) == name.startswith(("function", "websocket", "OWIN"))

    @pytest.mark.parametrize(
        ("keys", "told"),
        [
            ({"app": "x:asgi2"}, "x:asgi2 is an ASGI2 application; Penstock serves ASGI 3, WSGI, OWIN and functions"),
            ({"app": "x:make_of", "factory": True}, "the factory x:make_of cannot be called without arguments"),
            ({"wsgi": "x:number"}, "x:number"),
        ],
    )
    def test_mistakes(self, keys: dict[str, Any], told: str) -> None:
        with pytest.raises(ConfigurationError) as caught:
            mounted(**keys)
        (problem,) = caught.value.problems
        assert problem.message.startswith(told)

    def test_a_factory_that_fails_is_a_failed_start(self) -> None:
        with pytest.raises(StartupError, match="the factory x:fails failed: no database") as caught:
            mounted(app="x:fails", factory=True)
        assert isinstance(caught.value.__cause__, OSError)


class TestOthers:
    def test_applications_pass_on_what_they_say(self) -> None:
        made = app_target(AppSettings(at="/a", asgi="x:app", allow_anonymous=True), OBJECTS.__getitem__)
        assert (made.handler, made.allow_anonymous, made.needs) == (application, True, "script")

    def test_pipeline_h09_files_are_read(self, tmp_path: Any) -> None:
        assert files_target(str(tmp_path), FilesSettings()).needs == "read"

    def test_steps_of_functions(self) -> None:
        with pytest.raises(ConfigurationError, match="cannot be called"):
            function_step("x:number", OBJECTS.__getitem__)
