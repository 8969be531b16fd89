"""From settings to sites: every mistake is found before the first request."""

import asyncio
from typing import Any

import pytest

from penstock.errors import ConfigurationError, StartupError
from penstock.pipeline.module import Hooks
from penstock.pipeline.stages import Stage
from penstock.server import open_client
from penstock.server.composition import compose_sites
from penstock.settings import (
    AppSettings,
    LocationSettings,
    ModuleSettings,
    RouteSettings,
    ServerSettings,
    Settings,
    SiteSettings,
)


class Greeting:
    def __init__(self, text: str = "hello") -> None:
        self.text = text

    def attach(self, hooks: Hooks) -> None:
        hooks.on(Stage.BEGIN if self.text == "begin" else Stage.PRE_EXECUTE, self.greet)

    def greet(self, context: Any) -> None:
        context.response.headers["x-greeting"] = self.text


class Failing:
    def attach(self, hooks: Hooks) -> None:
        raise RuntimeError("meant to fail")


async def asgi3(scope: Any, receive: Any, send: Any) -> None: ...


def wsgi(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [])
    return [environ["SCRIPT_NAME"].encode()]


OBJECTS = {
    "x:Greeting": Greeting,
    "x:Failing": Failing,
    "x:asgi": asgi3,
    "x:wsgi": wsgi,
    "x:function": lambda: "function",
    "x:factory": lambda: wsgi,
    "x:needy": lambda needed: wsgi,
    "x:broken": lambda: 1 / 0,
    "x:number": 7,
}


def compose(**site: Any) -> Any:
    return compose_sites(Settings(sites=(SiteSettings(**site),)), OBJECTS)


def problems(**site: Any) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        compose(**site)
    return [problem.message for problem in caught.value.problems]


def ask(path: str, **site: Any) -> Any:
    async def check() -> Any:
        server = ServerSettings(headers={"X-Everywhere": "1"})
        async with open_client(SiteSettings(**site), server=server, objects=OBJECTS) as client:
            return await client.get(path)

    return asyncio.run(check())


def test_module_with_and_without_settings() -> None:
    route = RouteSettings(at="/", function="x:function")
    assert ask("/", routes=(route,), modules=(ModuleSettings(use="x:Greeting"),)).headers["x-greeting"] == "hello"
    module = ModuleSettings(use="x:Greeting", settings={"text": "hi"})
    assert ask("/", routes=(route,), modules=(module,)).headers["x-greeting"] == "hi"


def test_mount_route_and_location() -> None:
    site: dict[str, Any] = {
        "routes": (RouteSettings(at="/function", function="x:function"),),
        "apps": (AppSettings(at="/app", app="x:wsgi", threads=0),),
        "locations": (
            LocationSettings(
                at="/app", headers={"x-frame-options": "DENY"}, modules=(ModuleSettings(use="x:Greeting"),)
            ),
        ),
    }
    app = ask("/app/a", **site)
    assert (app.text, app.headers["x-frame-options"], app.headers["x-greeting"]) == ("/app", "DENY", "hello")
    function = ask("/function", **site)
    assert (function.text, function.headers["x-everywhere"], "x-greeting" in function.headers) == (
        "function",
        "1",
        False,
    )
    assert ask("/none", **site).status == 404


def test_factory() -> None:
    assert ask("/f/", apps=(AppSettings(at="/f", app="x:factory", factory=True, threads=0),)).text == "/f"


def test_every_mistake_at_once() -> None:
    found = problems(
        modules=(ModuleSettings(use="x:Greeting", settings={"txt": "hi"}),),
        routes=(RouteSettings(at="/", function="no.such:thing"),),
        apps=(AppSettings(at="/n", app="x:number"), AppSettings(at="/needy", app="x:needy", factory=True)),
    )
    assert len(found) == 4
    assert any("x:Greeting" in text and "txt" in text for text in found)
    assert any("x:needy" in text for text in found)


@pytest.mark.parametrize(
    "site",
    [
        {"apps": (AppSettings(at="/", asgi="x:number"),)},
        {"apps": (AppSettings(at="/", wsgi="x:number"),)},
        {"apps": (AppSettings(at="/", app="x:number"),)},
        {"routes": (RouteSettings(at="/", function="x:number"),)},
    ],
)
def test_what_cannot_be_called_answers_nothing(site: dict[str, Any]) -> None:
    (found,) = problems(**site)
    assert found.startswith("x:number is 'int', which cannot be called: ")


def test_module_that_hooks_begin_at_a_location() -> None:
    module = ModuleSettings(use="x:Greeting", settings={"text": "begin"})
    assert any("BEGIN" in text for text in problems(locations=(LocationSettings(at="/a", modules=(module,)),)))


@pytest.mark.parametrize(
    "site",
    [{"modules": (ModuleSettings(use="x:Failing"),)}, {"apps": (AppSettings(at="/", app="x:broken", factory=True),)}],
)
def test_what_fails_in_its_own_code_is_a_failed_start(site: dict[str, Any]) -> None:
    with pytest.raises(StartupError):
        compose(**site)
