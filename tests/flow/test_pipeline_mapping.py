"""Whole journeys to what answers: chosen late, remapped, rewritten, released (pipeline sections 3 and 4)."""

from collections.abc import Callable

import pytest

from penstock import Context, ContractError, Hooks, HTTPError, Stage
from tests.pipeline.subject import Attached, Recorder, ask, hello, on, open_site, run


class Answering:
    """A handler that is remapped to."""

    def __init__(self, text: str = "remapped") -> None:
        self.text = text

    def handle(self, context: Context) -> str:
        return f"{self.text} {context.request.path}"


def rewriting(path: str, query: str | None = None) -> Attached:
    def begin(context: Context) -> None:
        if query is None:
            context.rewrite(path)
        else:
            context.rewrite(path, query)

    return on(Stage.BEGIN, begin)


def telling(context: Context) -> dict[str, str]:
    request = context.request
    return {
        "path": request.path,
        "query": request.query_string.decode(),
        "original": context.original_path,
        "target": context.worker_request.head.target.decode(),
    }


class TestHandler:
    def test_pipeline_h01_it_is_there_from_map_handler_on(self) -> None:
        seen: list[tuple[str, bool]] = []

        def look(context: Context) -> None:
            seen.append((f"{context.stage.name}{'+' if context.is_post else ''}", context.handler is None))

        def attach(hooks: Hooks) -> None:
            hooks.on(Stage.BEGIN, look)
            hooks.after(Stage.RESOLVE_CACHE, look)
            hooks.after(Stage.MAP_HANDLER, look)
            hooks.on(Stage.END, look)

        ask(open_site(Attached(attach)))
        assert seen == [("BEGIN", True), ("RESOLVE_CACHE+", True), ("MAP_HANDLER+", False), ("END", False)]

    def test_pipeline_h01_it_is_what_answers(self) -> None:
        seen: list[object] = []
        module = Attached(lambda hooks: hooks.after(Stage.MAP_HANDLER, lambda context: seen.append(context.handler)))
        ask(open_site(module, function=hello))
        assert seen == [hello]


class TestRemap:
    @pytest.mark.parametrize("stage", [each for each in Stage if each < Stage.MAP_HANDLER])
    def test_pipeline_h04_before_map_handler_it_wins(self, stage: Stage) -> None:
        log: list[str] = []
        module = on(stage, lambda context: context.remap(Answering()))
        answer = ask(open_site(module, function=lambda: log.append("mapped")))
        assert (answer.text, log) == ("remapped /", [])

    def test_pipeline_h04_it_answers_where_nothing_is_mapped(self) -> None:
        module = on(Stage.AUTHORIZE, lambda context: context.remap(Answering()))
        assert ask(open_site(module, function=None), "/x").text == "remapped /x"

    def test_pipeline_h04_none_cancels(self) -> None:
        modules = [
            on(Stage.BEGIN, lambda context: context.remap(Answering())),
            on(Stage.AUTHORIZE, lambda context: context.remap(None)),
        ]
        assert ask(open_site(*modules)).text == "hello"

    @pytest.mark.parametrize("is_post", [False, True])
    @pytest.mark.parametrize("stage", [Stage.MAP_HANDLER, Stage.EXECUTE, Stage.LOG])
    def test_pipeline_h04_later_it_raises_and_names_the_stage(self, stage: Stage, is_post: bool) -> None:
        told: list[str] = []

        def late(context: Context) -> None:
            with pytest.raises(ContractError) as caught:
                context.remap(Answering())
            told.append(str(caught.value))

        module = Attached(lambda hooks: hooks.after(stage, late) if is_post else hooks.on(stage, late))
        assert ask(open_site(module)).text == "hello"
        assert len(told) == 1
        assert stage.name in told[0]

    def test_pipeline_h05_it_wins_over_a_rewrite_which_still_counts_for_the_path(self) -> None:
        def begin(context: Context) -> None:
            context.rewrite("/b")
            context.remap(Answering())

        functions: dict[str, Callable[..., object]] = {"/a": lambda: "a", "/b": lambda: "b"}
        assert ask(open_site(on(Stage.BEGIN, begin), functions=functions), "/a").text == "remapped /b"

    def test_pipeline_h05_the_rewritten_path_wins_over_the_original(self) -> None:
        functions: dict[str, Callable[..., object]] = {"/a": lambda: "a", "/b": lambda: "b"}
        assert ask(open_site(rewriting("/b"), functions=functions), "/a").text == "b"

    @pytest.mark.parametrize("fails", [False, True])
    def test_pipeline_r05_release_is_called_once_behind_end(self, fails: bool) -> None:
        log: list[object] = []
        handler = Answering()

        def begin(context: Context) -> None:
            context.remap(handler, release=log.append)

        def execute(context: Context) -> None:
            if fails:
                raise ValueError("boom")

        modules = [on(Stage.BEGIN, begin), on(Stage.EXECUTE, execute), on(Stage.END, lambda _: log.append("END"))]
        assert ask(open_site(*modules)).status == (500 if fails else 200)
        assert log == ["END", handler]

    def test_pipeline_r04_a_release_that_fails_stops_no_other(self, caplog: pytest.LogCaptureFixture) -> None:
        log: list[object] = []

        def broken(handler: object) -> None:
            raise ValueError("broken release")

        def begin(context: Context) -> None:
            context.remap(Answering("first"), release=broken)

        def again(context: Context) -> None:
            if context.request.path == "/":
                context.redispatch("/second")

        async def journey() -> str:
            modules = [on(Stage.BEGIN, begin), on(Stage.PRE_EXECUTE, again)]
            async with open_site(*modules, functions={"/second": hello}) as client:
                await client.get("/")
                answer = await client.get("/")
                assert client.runtime.statistics().executing == 0
                return answer.text

        run(journey)
        assert "broken release" in caplog.text
        assert log == []


class TestRewrite:
    def test_pipeline_h06_path_and_query_change_and_what_came_stays(self) -> None:
        module = rewriting("/new")
        answer = ask(open_site(module, functions={"/new": telling}), "/old?q=1")
        assert answer.text == '{"path":"/new","query":"q=1","original":"/old","target":"/old?q=1"}'

    def test_pipeline_h06_a_query_that_is_given_replaces_the_other(self) -> None:
        answer = ask(open_site(rewriting("/new", "r=2"), functions={"/new": telling}), "/old?q=1")
        assert '"query":"r=2"' in answer.text

    @pytest.mark.parametrize(("to", "expected"), [("c", "/a/c"), ("./c", "/a/c"), ("../c", "/c"), ("/c", "/c")])
    def test_pipeline_h06_a_relative_path_is_taken_from_the_current_one(self, to: str, expected: str) -> None:
        answer = ask(open_site(rewriting(to), functions={"/{rest:path}": telling}), "/a/b")
        assert f'"path":"{expected}"' in answer.text

    @pytest.mark.parametrize("to", ["/../other", "../../../other", "/a/../../other"])
    def test_pipeline_h06_it_stays_inside(self, to: str) -> None:
        log: list[str] = []

        def handler(rest: str) -> None:
            log.append(rest)

        answer = ask(open_site(rewriting(to), functions={"/{rest:path}": handler}), "/a/b")
        assert (answer.status, log) == (500, [])

    def test_pipeline_h06_without_a_handler_it_is_404(self) -> None:
        assert ask(open_site(rewriting("/nothing"))).status == 404

    def test_pipeline_h06_the_rules_are_those_of_the_new_location(self) -> None:
        log: list[str] = []

        def refuse(context: Context) -> None:
            raise HTTPError(403)

        client = open_site(
            rewriting("/admin/x"),
            Recorder(log),
            functions={"/admin/x": lambda: log.append("handler"), "/open": hello},
            locations={"/admin": [on(Stage.AUTHORIZE, refuse)]},
            headers={"/admin": {"x-place": "admin"}},
        )
        answer = ask(client, "/open")
        assert (answer.status, answer.headers["x-place"]) == (403, "admin")
        assert "handler" not in log

    @pytest.mark.parametrize("stage", [each for each in Stage if each > Stage.BEGIN])
    def test_pipeline_h06_behind_begin_it_raises_and_names_the_stage(self, stage: Stage) -> None:
        told: list[str] = []

        def late(context: Context) -> None:
            with pytest.raises(ContractError) as caught:
                context.rewrite("/new")
            told.append(str(caught.value))

        assert ask(open_site(on(stage, late))).text == "hello"
        assert stage.name in told[0]

    def test_pipeline_h06_route_values_are_those_of_the_new_path(self) -> None:
        functions: dict[str, Callable[..., object]] = {
            "/items/{number:int}": lambda number: f"item {number}",
            "/{anything}": lambda anything: anything,
        }
        assert ask(open_site(rewriting("/items/7"), functions=functions), "/x").text == "item 7"
