"""From settings to sites: every mistake is found before the first request."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from penstock import after, on
from penstock.errors import ConfigurationError, StartupError
from penstock.pipeline.module import Hooks
from penstock.pipeline.stages import Stage
from penstock.request_sockets.options import SocketRules
from penstock.server import open_client
from penstock.server.composition import _SOCKET_RULES, compose_sites
from penstock.settings import (
    AppSettings,
    ErrorSettings,
    FilteringSettings,
    LocationLimitSettings,
    LocationSettings,
    ModuleSettings,
    RouteSettings,
    ServerSettings,
    Settings,
    SiteSettings,
    WebSocketSettings,
)
from penstock.settings.catalog import fields_of


class Greeting:
    def __init__(self, text: str = "hello") -> None:
        self.text = text

    def attach(self, hooks: Hooks) -> None:
        hooks.on(Stage.BEGIN if self.text == "begin" else Stage.PRE_EXECUTE, self.greet)

    def greet(self, context: Any) -> None:
        context.response.headers["x-greeting"] = self.text


class Decorated:
    @on("begin")
    def begin(self, context: Any) -> None:
        context.items["greeting"] = "decorated"

    @after(Stage.MAP_HANDLER)
    async def mapped(self, context: Any) -> None:
        context.response.headers["x-greeting"] = context.items["greeting"]


class Plain:
    pass


class Failing:
    def attach(self, hooks: Hooks) -> None:
        raise RuntimeError("meant to fail")


async def asgi3(scope: Any, receive: Any, send: Any) -> None: ...


def wsgi(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [])
    return [environ["SCRIPT_NAME"].encode()]


OBJECTS = {
    "x:Decorated": Decorated,
    "x:Plain": Plain,
    "y:greeting": Greeting(),
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


def ask(path: str, *, method: str = "GET", **site: Any) -> Any:
    async def check() -> Any:
        server = ServerSettings(headers={"X-Everywhere": "1"})
        async with open_client(SiteSettings(**site), server=server, objects=OBJECTS) as client:
            return await client.request(method, path)

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


def test_pipeline_a09_modules_without_attach_have_decorated_methods() -> None:
    route = RouteSettings(at="/", function="x:function")
    answer = ask("/", routes=(route,), modules=(ModuleSettings(use="x:Decorated"),))
    assert answer.headers["x-greeting"] == "decorated"


def test_pipeline_a09_modules_that_subscribe_to_nothing_are_a_mistake() -> None:
    (found,) = problems(modules=(ModuleSettings(use="x:Plain"),))
    assert found.startswith("module x:Plain: ")
    assert "attach" in found


class TestNames:
    """pipeline A-10"""

    def test_pipeline_a10_two_modules_of_one_name(self) -> None:
        (found,) = problems(
            modules=(ModuleSettings(use="x:Greeting"), ModuleSettings(use="x:Decorated", name="GREETING"))
        )
        assert found == "a module named 'GREETING' is there already as 'Greeting': give one of them a `name` of its own"

    def test_pipeline_a10_the_default_is_the_class(self) -> None:
        (found,) = problems(modules=(ModuleSettings(use="x:Greeting"), ModuleSettings(use="y:greeting")))
        assert "'greeting' is there already as 'Greeting'" in found

    def test_pipeline_a10_a_location_and_what_is_above_it(self) -> None:
        greeting = ModuleSettings(use="x:Greeting")
        inner = LocationSettings(at="/a/b", modules=(ModuleSettings(use="x:Greeting"),))
        assert len(problems(modules=(greeting,), locations=(inner,))) == 1
        assert len(problems(locations=(LocationSettings(at="/a", modules=(greeting,)), inner))) == 1

    def test_pipeline_a10_locations_beside_one_another(self) -> None:
        greeting = ModuleSettings(use="x:Greeting")
        compose(locations=tuple(LocationSettings(at=at, modules=(greeting,)) for at in ("/a", "/b")))

    def test_pipeline_a10_names_of_their_own(self) -> None:
        one, other = ModuleSettings(use="x:Greeting", name="one"), ModuleSettings(use="x:Greeting")
        (site,) = compose(modules=(one, other))
        assert [hooks.module for hooks in site.modules] == ["one", "Greeting"]


class TestLocations:
    def test_get_the_limits_of_the_server_where_they_say_nothing(self) -> None:
        (site,) = compose(locations=(LocationSettings(at="/a"),))
        for location in site.locations:
            assert (location.deadline, location.form_fields, location.form_memory) == (110.0, 1000, 81_920)
            assert location.access == ("read", "script")
            assert (location.error_format, location.error_pages, location.filtering) == ("negotiated", None, None)

    def test_get_what_they_say(self) -> None:
        limits = LocationLimitSettings(body=1, deadline=2.0, form_fields=3, form_memory=4)
        refined = LocationSettings(at="/a", limits=limits, access=("read",), error_format="json")
        (site,) = compose(locations=(refined, LocationSettings(at="/a/b")))
        for location in site.locations[1:]:
            assert (location.body_limit, location.deadline, location.form_fields, location.form_memory) == (
                1,
                2.0,
                3,
                4,
            )
            assert (location.access, location.error_format) == (("read",), "json")

    def test_pipeline_l01_filtering_comes_before_begin(self) -> None:
        rules = FilteringSettings(characters="<", extensions=(".py",), methods=("GET",))
        site: dict[str, Any] = {
            "modules": (ModuleSettings(use="x:Decorated"),),
            "routes": (RouteSettings(at="/{rest:path}", function="x:function", methods=("*",)),),
            "locations": (
                LocationSettings(at="/a", filtering=rules),
                LocationSettings(at="/a/b", filtering=FilteringSettings(extensions=(), methods=())),
            ),
        }
        asked = [("/a/x", 200), ("/a/<", 400), ("/a/x.py", 404), ("/a/b/x.py", 200), ("/a/b/<", 400), ("/x.py", 200)]
        for path, status in asked:
            answer = ask(path, **site)
            assert answer.status == status
            assert ("x-greeting" in answer.headers) is (status == 200)
        assert ask("/a/x", method="POST", **site).headers["allow"] == "GET"
        assert ask("/a/b/x", method="POST", **site).status == 200


class TestWebSockets:
    def test_rules_are_inherited_and_the_defaults_hold_where_nothing_is_said(self) -> None:
        everywhere = WebSocketSettings(origins=("https://a.example",), max_message=1000, keep_alive=0.0)
        below = WebSocketSettings(origins=("*",), same_origin=True, per_client=3, compression=True)
        (site,) = compose(
            locations=(
                LocationSettings(at="/", websockets=everywhere),
                LocationSettings(at="/a", websockets=below),
            )
        )
        found = {plan.location.at: plan.location.sockets for plan in site.plans}
        rules, inner = found["/"], found["/a"]
        assert (rules.allowed_origins, rules.max_message_size, rules.keepalive_interval) == (
            ("https://a.example",),
            1000,
            0.0,
        )
        assert (rules.require_same_origin, rules.per_client, rules.compression) == (False, 0, False)
        assert (rules.keepalive_timeout, rules.close_timeout, rules.max_ratio) == (20.0, 10.0, 100)
        assert (inner.allowed_origins, inner.max_message_size) == (None, 1000)
        assert (inner.require_same_origin, inner.per_client, inner.compression) == (True, 3, True)

    def test_every_rule_of_python_has_a_key(self) -> None:
        keys = dict.fromkeys(fields_of(WebSocketSettings))
        rules = SocketRules()
        names = {name for name in dir(rules) if not name.startswith("_")}  # compiled classes have no __slots__
        assert {_SOCKET_RULES.get(key, key) for key in keys} == names


class TestErrorPages:
    """pipeline X-07"""

    def test_files_functions_and_paths(self, tmp_path: Path) -> None:
        (tmp_path / "404.html").write_text("<p>a file</p>")
        pages = (
            ErrorSettings(status=(404,), file=str(tmp_path / "404.html")),
            ErrorSettings(status=("405",), function="x:function"),
            ErrorSettings(status=("400-599",), path="/oops"),
        )
        site: dict[str, Any] = {
            "routes": (
                RouteSettings(at="/oops", function="x:function"),
                RouteSettings(at="/gone", status=410),
                RouteSettings(at="/get", function="x:function"),
            ),
            "locations": (LocationSettings(at="/", errors=pages), LocationSettings(at="/a")),
        }
        for path, status, text in (("/a/none", 404, "<p>a file</p>"), ("/gone", 410, "function")):
            answer = ask(path, **site)
            assert (answer.status, answer.text) == (status, text)
        answer = ask("/get", method="POST", **site)
        assert (answer.status, answer.text) == (405, "function")

    def test_mistakes_are_told_once_and_at_their_place(self) -> None:
        broken = ErrorSettings(status=(404,), function="x:number")
        settings = Settings(
            sites=(SiteSettings(locations=(LocationSettings(at="/", errors=(broken,)), LocationSettings(at="/a"))),)
        )
        with pytest.raises(ConfigurationError) as caught:
            compose_sites(settings, OBJECTS, where=lambda path: "/".join(str(part) for part in path))
        ((message, where),) = caught.value.problems
        assert where == "site/0/location/0/errors/0"
        assert message == "x:number is 'int', which cannot be called: name a function"
