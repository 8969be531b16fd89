"""A builder in the stages of a site: Katana's catalogue of stage markers (middleware section 14.2, R-IP-02 to R-IP-26, R-SG-20 to R-SG-37)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstock import Builder, ConfigurationError, Context, Stage
from penstock.pipeline_gateways.placement import placed, warnings_of
from penstock.server import open_client
from penstock.server.composition import compose_sites
from penstock.settings import LogSettings, ModuleSettings, RouteSettings, ServerSettings, Settings, SiteSettings
from penstock.testing import Client
from tests.pipeline.subject import ask, noted_handler, on, run
from tests.pipeline_gateways.chain_subject import WsgiMarking, answering, asked, scope_of

STAGES = [stage for stage in Stage if stage < Stage.EXECUTE]
NAMES = "abcdefghijk"


class Crumb:
    """Middleware that leaves its name, on its way in and out, and the stage it is in."""

    def __init__(self, app: Any, name: str, log: list[str]) -> None:
        self.app, self.name, self.log = app, name, log

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        self.log.append(self.name)
        await self.app({**scope, "crumbs": scope.get("crumbs", "") + self.name}, receive, send)
        self.log.append(f"/{self.name}")


async def showing(scope: Any, receive: Any, send: Any) -> None:
    await answering(scope.get("crumbs", "").encode())(scope, receive, send)


def crumbs(log: list[str], *parts: str | Stage) -> Builder:
    """A builder of crumbs, by their names, and markers."""
    builder = Builder()
    for part in parts:
        if isinstance(part, Stage):
            builder.use_stage_marker(part)
        else:
            builder.use(Crumb, part, log)
    return builder


def client_of(
    builder: Any, *modules: object, function: Callable[..., object] | None = None, root: str = "", **more: Any
) -> Client:
    objects = {"m:builder": builder, "m:page": function or (lambda: "page")}
    objects |= {f"m:module{number}": module for number, module in enumerate(modules)}
    site = SiteSettings(
        builder="m:builder",
        root=root,
        modules=tuple(ModuleSettings(use=name) for name in objects if name.startswith("m:module")),
        routes=(RouteSettings(at="/", function="m:page"), RouteSettings(at="/{rest:path}", function="m:page"))
        if not root
        else (),
        **more,
    )
    return open_client(site, server=ServerSettings(log=LogSettings(access=False)), objects=objects)


def noting_stages(log: list[str]) -> list[object]:
    def note(stage: Stage) -> Callable[[Context], None]:
        return lambda context: log.append(stage.name)

    return [on(stage, note(stage)) for stage in [*STAGES, Stage.EXECUTE, Stage.LOG, Stage.END]]


def stages_of(builder: Builder) -> dict[str, str]:
    return {
        item.middleware.arguments[0]: stage.name for item, stage in placed(builder.items) if item.middleware is not None
    }


def entered_at(log: list[str]) -> dict[str, str]:
    """In which stage each crumb was entered, and left."""
    found: dict[str, str] = {}
    stage = ""
    for each in log:
        if each in Stage.__members__:
            stage = each
        else:
            found[each] = stage
    return found


class TestPlacement:
    def test_middleware_ip_t01_without_markers_all_run_right_before_the_handler(self) -> None:
        assert stages_of(crumbs([], "a", "b", "c")) == dict.fromkeys("abc", "PRE_EXECUTE")

    def test_middleware_ip_t02_an_unknown_name_is_refused(self) -> None:
        for name in ("Bad", "Unknown", "x y"):
            with pytest.raises(ValueError, match="the stages are BEGIN, AUTHENTICATE"):
                Builder().use_stage_marker(name)

    def test_middleware_r_sg_20_names_are_in_capitals_or_not(self) -> None:
        builder = Builder().use_stage_marker("authenticate")
        assert builder.items[0].stage is Stage.AUTHENTICATE

    @pytest.mark.parametrize("stage", [Stage.EXECUTE, Stage.RELEASE_STATE, Stage.END])
    def test_middleware_r_sg_20_nothing_is_placed_behind_the_handler(self, stage: Stage) -> None:
        with pytest.raises(ValueError, match=f"no middleware is placed at {stage.name}"):
            Builder().use_stage_marker(stage)

    def test_middleware_ip_t03_each_at_its_own_stage(self) -> None:
        parts = [part for name, stage in zip(NAMES, STAGES, strict=False) for part in (name, stage)]
        found = stages_of(crumbs([], *parts))
        assert list(found.values()) == [stage.name for stage in STAGES]

    def test_middleware_ip_t04_repeats_are_one(self) -> None:
        builder = crumbs(
            [], "a", Stage.AUTHENTICATE, "b", Stage.AUTHENTICATE, "c", Stage.AUTHORIZE, "d", Stage.RESOLVE_CACHE,
            Stage.RESOLVE_CACHE, "e", Stage.MAP_HANDLER, "f",
        )  # fmt: skip
        assert list(stages_of(builder).values()) == [
            "AUTHENTICATE", "AUTHENTICATE", "AUTHORIZE", "RESOLVE_CACHE", "MAP_HANDLER", "PRE_EXECUTE",
        ]  # fmt: skip

    def test_middleware_ip_t05_what_is_behind_the_last_marker_runs_before_the_handler(self) -> None:
        assert stages_of(crumbs([], "a", Stage.MAP_HANDLER, "b", "c")) == {
            "a": "MAP_HANDLER", "b": "PRE_EXECUTE", "c": "PRE_EXECUTE",
        }  # fmt: skip

    def test_middleware_ip_t06_scrambled_markers_round_earlier(self) -> None:
        order = [3, 1, 0, 2, 4, 6, 5]
        parts = [part for name, number in zip(NAMES, order, strict=False) for part in (name, STAGES[number])]
        found = stages_of(crumbs([], *parts, "h"))
        assert [Stage[name] for name in found.values()] == [0, 0, 0, 2, 4, 5, 5, 6]

    def test_middleware_ip_t09_markers_out_of_order(self) -> None:
        parts = ("0", Stage.AUTHENTICATE, "1", Stage.AUTHORIZE, "2", Stage.AUTHENTICATE, "3", Stage.AUTHORIZE)
        builder = crumbs([], *parts)
        assert list(stages_of(builder).values()) == ["AUTHENTICATE"] * 3 + ["AUTHORIZE"]
        (told,) = warnings_of(builder.items)
        assert "marker AUTHORIZE has no effect: AUTHENTICATE comes behind it" in told

    def test_middleware_r_ip_03_in_a_branch_it_places_the_branch(self) -> None:
        builder = crumbs([], "1", Stage.AUTHENTICATE)
        builder.map("/b", lambda branch: branch.use(Crumb, "11", []).use_stage_marker(Stage.RESOLVE_CACHE))
        assert [(item.name, stage.name) for item, stage in placed(builder.items)] == [
            ("Crumb", "AUTHENTICATE"),
            ("map /b", "RESOLVE_CACHE"),
        ]

    def test_middleware_r_ip_09_placing_changes_nothing(self) -> None:
        builder = crumbs([], "a", Stage.AUTHORIZE, "b")
        assert stages_of(builder) == stages_of(builder) == {"a": "AUTHORIZE", "b": "PRE_EXECUTE"}


class TestRunning:
    def test_middleware_ip_t07_many_without_markers_and_a_page(self) -> None:
        log: list[str] = []
        answer = ask(client_of(crumbs(log, *NAMES), *noting_stages(log)))
        assert answer.text == "page"
        found = entered_at(log)
        assert [each for each in log if each in NAMES] == list(NAMES)
        assert [each for each in log if each[1:] and each[1:] in NAMES] == [f"/{name}" for name in reversed(NAMES)]
        assert {found[name] for name in NAMES} == {"PRE_EXECUTE"}
        assert log[-1] == "END"

    def test_middleware_ip_t08_each_at_its_stage_and_out_in_reverse(self) -> None:
        log: list[str] = []
        parts = [part for name, stage in zip(NAMES, STAGES, strict=False) for part in (name, stage)]
        answer = ask(client_of(crumbs(log, *parts), *noting_stages(log)))
        assert answer.text == "page"
        found = entered_at(log)
        assert [found[name] for name in NAMES[: len(STAGES)]] == [stage.name for stage in STAGES]
        assert log[-len(STAGES) - 2 :] == ["LOG", *[f"/{name}" for name in reversed(NAMES[: len(STAGES)])], "END"]

    def test_middleware_ip_t10_markers_in_branches(self) -> None:
        log: list[str] = []
        builder = crumbs(log, "1", Stage.AUTHENTICATE)
        builder.map("/b1", lambda branch: branch.use(Crumb, "11", log).use_stage_marker(Stage.RESOLVE_CACHE))
        builder.map("/b2", lambda branch: branch.use(Crumb, "21", log).use_stage_marker(Stage.PRE_EXECUTE))
        builder.use(Crumb, "z", log)
        client = client_of(builder, *noting_stages(log), function=noted_handler(log))

        async def journey() -> list[dict[str, str]]:
            found = []
            async with client:
                for path in ("/b1", "/b2", "/c"):
                    log.clear()
                    assert (await client.get(path)).text == "hello"
                    found.append(entered_at(log))
            return found

        first, second, third = run(journey)
        assert (first["1"], first["11"], "21" in first, "z" in first) == ("AUTHENTICATE", "RESOLVE_CACHE", False, False)
        assert (second["21"], "11" in second, "z" in second) == ("PRE_EXECUTE", False, False)
        assert (third["z"], "11" in third, "21" in third) == ("PRE_EXECUTE", False, False)
        assert (first["/11"], first["/1"], first["handler"]) == ("LOG", "LOG", "EXECUTE")

    def test_middleware_ip_t10_a_page_below_a_branch_is_served(self, tmp_path: Path) -> None:
        (tmp_path / "b1").mkdir()
        (tmp_path / "b1" / "page.txt").write_text("file")
        builder = Builder().map("/b1", lambda branch: branch.use(Crumb, "11", []))
        assert ask(client_of(builder, root=str(tmp_path)), "/b1/page.txt").text == "file"

    def test_middleware_r_ip_26_an_application_of_the_builder_answers_at_its_stage(self) -> None:
        log: list[str] = []
        builder = Builder().map("/foo.txt", answering(b"served")).use_stage_marker(Stage.AUTHORIZE)

        def refuse(context: Context) -> None:
            context.response.status = 404
            context.complete()

        client = client_of(builder, on(Stage.MAP_HANDLER, refuse), *noting_stages(log))

        async def journey() -> list[tuple[int, bytes]]:
            async with client:
                return [
                    ((answer := await client.get(path)).status, answer.body[:6]) for path in ("/foo.txt", "/bar.txt")
                ]

        assert run(journey) == [(200, b"served"), (404, b"")]

    def test_what_runs_to_its_end_leaves_nothing_for_the_handler(self) -> None:
        builder = Builder().use(Crumb, "a", []).run(showing).use(Crumb, "never", [])
        assert ask(client_of(builder)).text == "a"

    def test_a_function_is_given_the_builder(self) -> None:
        def configure(builder: Builder) -> None:
            builder.use(Crumb, "a", log)

        log: list[str] = []
        assert ask(client_of(configure)).text == "page"
        assert log == ["a", "/a"]

    def test_middleware_r_sg_21_pieces_are_made_once(self) -> None:
        made: list[str] = []

        def counting(app: Any) -> Any:
            made.append("made")
            return app

        client = client_of(Builder().use(counting, consumes="asgi3"))

        async def journey() -> None:
            async with client:
                for _ in range(100):
                    assert (await client.get("/")).status == 200

        run(journey)
        assert made == ["made"]

    def test_pieces_of_one_name_are_numbered(self) -> None:
        objects = {"m:b": crumbs([], "a", "b")}
        (site,) = compose_sites(Settings(sites=(SiteSettings(builder="m:b"),)), objects)
        assert [hooks.module for hooks in site.modules] == ["Crumb", "Crumb-2"]


class TestMistakes:
    def refusal(self, found: object) -> str:
        with pytest.raises(ConfigurationError) as caught:
            compose_sites(Settings(sites=(SiteSettings(builder="m:b"),)), {"m:b": found})
        return str(caught.value)

    def test_wsgi_is_for_around_its_application(self) -> None:
        told = self.refusal(Builder().use(WsgiMarking))
        assert "middleware for WSGI, which would hold a thread in its stage" in told

    def test_it_is_a_builder(self) -> None:
        assert "builder m:b is 'int': it is a Builder, or a function that is given one" in self.refusal(7)

    def test_what_the_function_raises_is_told(self) -> None:
        def configure(builder: Builder) -> None:
            builder.use(None)

        assert "the middleware is None" in self.refusal(configure)


class TestElsewhere:
    @pytest.mark.parametrize(
        "parts",
        [
            ("a", "b", "c"),
            tuple(part for name, stage in zip(NAMES, STAGES, strict=False) for part in (name, stage)),
            ("0", Stage.AUTHENTICATE, "1", Stage.AUTHORIZE, "2", Stage.AUTHENTICATE, "3", Stage.AUTHORIZE),
        ],
    )
    def test_middleware_r_sg_37_py_t22_where_there_are_no_stages_markers_do_nothing(self, parts: Any) -> None:
        log: list[str] = []
        answer = asked(crumbs(log, *parts).run(showing).build())
        inside: list[str] = []
        staged = ask(client_of(crumbs(inside, *parts).run(showing)))
        assert answer.body == staged.body == "".join(part for part in parts if isinstance(part, str)).encode()
        assert log == inside

    def test_a_built_chain_is_an_application(self) -> None:
        from penstock.settings import AppSettings

        app = Builder().use(Crumb, "a", []).run(showing).build()
        site = SiteSettings(apps=(AppSettings(at="/", app="m:built"),))
        assert ask(open_client(site, objects={"m:built": app})).text == "a"

    def test_middleware_r_py_11_a_chain_of_wsgi_takes_one_thread_of_its_place(self) -> None:
        import threading

        from penstock.settings import AppSettings

        threads: list[str] = []

        class Threaded(WsgiMarking):
            def __call__(self, environ: Any, start_response: Any) -> Any:
                threads.append(threading.current_thread().name)
                return super().__call__(environ, start_response)

        def page(environ: Any, start_response: Any) -> list[bytes]:
            threads.append(threading.current_thread().name)
            start_response("200 OK", [])
            return [environ["SCRIPT_NAME"].encode()]

        builder = Builder().use(Threaded, "x-a").use(Threaded, "x-b").use(Threaded, "x-c").run(page)
        site = SiteSettings(apps=(AppSettings(at="/shop", app="m:built", threads=1),))
        client = open_client(site, objects={"m:built": builder.build()})
        answer = ask(client, "/shop/a")
        assert (answer.text, [name for name, _ in answer.headers.raw if name.startswith(b"x-")]) == (
            "/shop", [b"x-c", b"x-b", b"x-a"],
        )  # fmt: skip
        assert len(set(threads)) == 1
        assert len(threads) == 4
        assert scope_of()["type"] == "http"
