"""The site: what answers a path, under which rules, and the life of what it serves."""

import asyncio
from typing import Any

import pytest

from penstock import Context, Hooks, HTTPError, Stage, StartupError
from penstock.pipeline.location import Location
from penstock.pipeline.routes import Template
from penstock.pipeline.site import PipelineSite
from penstock.pipeline.target import Target
from tests.pipeline.subject import ask, hello, on, open_site, raising


def nothing(context: Context) -> None:
    pass


def route(at: str, *methods: str, name: str = "") -> Target:
    return Target(name or f"route {at}", at, nothing, template=Template(at), methods=methods)


def mount(at: str) -> Target:
    return Target(f"mount {at}", at, nothing)


class TestWhatAnswers:
    """A route, else the longest mount, else the files under root, else 404."""

    SITE = PipelineSite(
        routes=[
            route("/exact", "GET"),
            route("/exact", "POST", name="route that takes POST"),
            route("/{name}", "GET"),
            route("/items/{number:int}"),
        ],
        mounts=[mount("/api"), mount("/api/deep")],
        files=Target("files", "/", nothing),
    )

    @pytest.mark.parametrize(
        ("method", "path", "target"),
        [
            ("GET", "/exact", "route /exact"),
            ("POST", "/exact", "route that takes POST"),
            ("GET", "/other", "route /{name}"),
            ("GET", "/items/7", "route /items/{number:int}"),
            ("BREW", "/items/7", "route /items/{number:int}"),
            ("GET", "/items/x", "files"),
            ("GET", "/api/x", "mount /api"),
            ("GET", "/api/deep/x", "mount /api/deep"),
            ("GET", "/apis/x", "files"),
            # A route comes before a mount at the same place.
            ("GET", "/api", "route /{name}"),
            ("POST", "/other", "method not allowed"),
            ("DELETE", "/exact", "method not allowed"),
        ],
    )
    def test_by_method_and_path(self, method: str, path: str, target: str) -> None:
        assert self.SITE.find_plan(method, path)[0].target.name == target

    def test_the_values_of_the_template_come_with_it(self) -> None:
        assert self.SITE.find_plan("GET", "/items/7")[1] == {"number": 7}
        assert not self.SITE.find_plan("GET", "/exact")[1]

    def test_without_files_it_is_nothing(self) -> None:
        assert PipelineSite().find_plan("GET", "/")[0].target.name == "nothing"

    def test_one_plan_serves_all_requests_of_its_kind(self) -> None:
        assert self.SITE.find_plan("GET", "/a")[0] is self.SITE.find_plan("GET", "/b")[0]


class TestMethods:
    def test_pipeline_h03_what_a_path_answers_to_is_told(self) -> None:
        client = open_site(functions={"/a": hello, "/{b}": hello}, methods=("GET", "PUT"))
        refused = ask(client, "/a", method="DELETE")
        assert (refused.status, refused.headers["allow"]) == (405, "GET, PUT, HEAD, OPTIONS")
        assert "GET, PUT, HEAD, OPTIONS" in refused.text

    def test_options_are_answered(self) -> None:
        found = ask(open_site(functions={"/a": hello}, methods=("GET",)), "/a", method="OPTIONS")
        assert (found.status, found.headers["allow"], found.body) == (204, "GET, HEAD, OPTIONS", b"")

    def test_options_may_be_a_route_s_own(self) -> None:
        found = ask(open_site(functions={"/a": lambda: "own"}, methods=("OPTIONS",)), "/a", method="OPTIONS")
        assert (found.status, found.text) == (200, "own")

    def test_a_refusal_passes_the_stages(self) -> None:
        seen: list[object] = []
        module = on(Stage.AUTHORIZE, lambda context: seen.append(context.request.method))
        ask(open_site(module, functions={"/a": hello}), "/a", method="DELETE")
        assert seen == ["DELETE"]

    def test_authorization_comes_before_the_refusal(self) -> None:
        module = on(Stage.AUTHORIZE, raising(HTTPError(401)))
        assert ask(open_site(module, functions={"/a": hello}), "/a", method="DELETE").status == 401
        assert ask(open_site(module, functions={"/a": hello}), "/nowhere").status == 401


class TestLocations:
    def test_the_longest_that_covers_the_path_holds(self) -> None:
        root, admin, users = Location("/"), Location("/admin", body_limit=1), Location("/admin/users", body_limit=2)
        site = PipelineSite(locations=[root, users, admin])
        for path, limit in (("/", 30_000_000), ("/admin", 1), ("/administrator", 30_000_000), ("/admin/users/x", 2)):
            assert site.find_plan("GET", path)[0].body_limit == limit

    def test_without_any_the_defaults_hold(self) -> None:
        plan = PipelineSite(locations=[Location("/a", access_log=False)]).find_plan("GET", "/b")[0]
        assert (plan.access_log, plan.headers, plan.body_limit) == (True, (), 30_000_000)

    def test_modules_of_a_location_take_part_below_it_only(self) -> None:
        log: list[str] = []
        audit = on(Stage.AUTHORIZE, lambda context: log.append(context.request.path))
        for path in ("/in", "/in/x", "/inside", "/out"):
            ask(open_site(functions={path: hello}, locations={"/in": [audit]}), path)
        assert log == ["/in", "/in/x"]

    def test_what_modules_are_frozen(self) -> None:
        site, own = Hooks("Site"), Hooks("Own")
        PipelineSite(modules=[site], locations=[Location("/a", modules=[own])])
        for hooks in (site, own):
            with pytest.raises(Exception, match="attach"):
                hooks.on(Stage.END, nothing)


class TestRemembering:
    """What a request line leads to is remembered, and bounded."""

    def test_the_same_line_gets_values_of_its_own(self) -> None:
        seen: list[str] = []

        def handler(context: Context, name: str) -> str:
            assert context.route_values is not None
            seen.append(context.route_values["name"])
            context.route_values["name"] = "leak"
            return name

        async def journey() -> None:
            async with open_site(functions={"/{name}": handler}) as client:
                for _ in range(3):
                    await client.get("/eva")

        asyncio.run(journey())
        assert seen == ["eva"] * 3

    def test_many_different_lines_do_no_harm(self) -> None:
        async def journey() -> None:
            async with open_site(functions={"/{name}": lambda name: name}) as client:
                for number in range(1500):
                    assert (await client.get(f"/{number}")).text == str(number)
                assert (await client.get("/0")).text == "0"

        asyncio.run(journey())


class TestLife:
    def site(self, log: list[str], *names: str, failing: str = "") -> PipelineSite:
        def target(name: str) -> Target:
            async def start() -> None:
                log.append(f"start {name}")
                if name == failing:
                    raise OSError("no database")

            return Target(name, f"/{name}", nothing, on_start=start, on_stop=lambda: log.append(f"stop {name}"))

        return PipelineSite(mounts=[target(name) for name in names])

    def test_targets_start_in_order_and_stop_in_reverse(self) -> None:
        log: list[str] = []
        site = self.site(log, "a", "b")

        async def journey() -> None:
            await site.start()
            await site.stop()
            await site.stop()

        asyncio.run(journey())
        assert log == ["start a", "start b", "stop b", "stop a"]

    def test_one_that_fails_stops_those_that_had_started(self) -> None:
        log: list[str] = []
        with pytest.raises(StartupError) as caught:
            asyncio.run(self.site(log, "a", "b", "c", failing="b").start())
        assert log == ["start a", "start b", "stop a"]
        assert "b failed to start: no database" in str(caught.value)

    def test_a_startup_error_is_passed_on_as_it_is(self) -> None:
        error = StartupError("said well already")

        def start() -> Any:
            raise error

        site = PipelineSite(mounts=[Target("a", "/a", nothing, on_start=start)])
        with pytest.raises(StartupError) as caught:
            asyncio.run(site.start())
        assert caught.value is error
