"""Rerouting: rewrite, remap and re-dispatch (pipeline H-04 to H-06, H-13, F-07, U-06)."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from penstock import Context, Hooks, HTTPError, Stage
from tests.pipeline.subject import Attached, Recorder, ask, on, open_app, open_site, raising


def path_of(context: Context) -> str:
    request = context.request
    return f"{request.path}?{request.query_string.decode()} {request.raw_path.decode()} {context.original_path}"


def rewriting(*arguments: Any) -> Callable[[Context], None]:
    return lambda context: context.rewrite(*arguments)


class TestRewrite:
    @pytest.mark.parametrize(
        ("target", "arguments", "seen"),
        [
            ("/old?q=1", ("/new",), "/new?q=1 /new /old"),
            ("/old?q=1", ("/new", "a=b"), "/new?a=b /new /old"),
            ("/old?q=1", ("/new", b""), "/new? /new /old"),
            ("/old", ("new",), "/new? /new /old"),
            ("/a/old", ("../new",), "/new? /new /a/old"),
            ("/a/old", ("./b/../new",), "/a/new? /a/new /a/old"),
            ("/old", ("/grün und %",), "/grün und %? /gr%C3%BCn%20und%20%25 /old"),
        ],
    )
    def test_pipeline_h06_path_and_query_are_the_new_ones(
        self, target: str, arguments: tuple[Any, ...], seen: str
    ) -> None:
        answer = ask(open_site(on(Stage.BEGIN, rewriting(*arguments)), functions={"/{rest:path}": path_of}), target)
        assert answer.text == seen

    @pytest.mark.parametrize("path", ["/../other", "../../other", "/new?q=1", "/a\nb"])
    def test_pipeline_h06_a_path_that_is_none_is_refused(self, path: str) -> None:
        refused: list[str] = []

        def rewrite(context: Context) -> None:
            with pytest.raises(ValueError) as caught:
                context.rewrite(path)
            refused.append(str(caught.value))

        assert ask(open_site(on(Stage.BEGIN, rewrite))).status == 200
        assert repr(path) in refused[0]

    @pytest.mark.parametrize("query", ["q=a b", "q=\u00fc", "q=\r\nx", b"q=\xfc", b"q=#"])
    def test_pipeline_h06_a_query_that_is_none_is_refused(self, query: str | bytes) -> None:
        refused: list[str] = []

        def rewrite(context: Context) -> None:
            with pytest.raises(ValueError) as caught:
                context.rewrite("/new", query)
            refused.append(str(caught.value))

        assert ask(open_site(on(Stage.BEGIN, rewrite))).status == 200
        assert refused == [f"{query!r} is no query: encode it, for example with urllib.parse.urlencode"]

    def test_pipeline_h06_nothing_there_is_404(self) -> None:
        assert ask(open_site(on(Stage.BEGIN, rewriting("/nowhere")))).status == 404

    def test_pipeline_h06_the_rules_are_those_of_the_new_path(self) -> None:
        client = open_site(
            on(Stage.BEGIN, rewriting("/b/x")),
            functions={"/b/{rest:path}": path_of},
            locations={"/a": [on(Stage.AUTHORIZE, raising(HTTPError(403)))], "/b": []},
            headers={"/b": {"x-place": "b"}},
        )
        answer = ask(client, "/a/x")
        assert (answer.status, answer.headers["x-place"]) == (200, "b")

    def test_pipeline_h06_only_in_begin(self) -> None:
        said: list[str] = []

        def rewrite(context: Context) -> None:
            try:
                context.rewrite("/b")
            except Exception as error:
                said.append(str(error))
                raise

        assert ask(open_site(on(Stage.AUTHENTICATE, rewrite))).status == 500
        assert "in BEGIN, not in AUTHENTICATE" in said[0]

    def test_hooks_behind_it_see_the_new_path_and_it_may_be_done_twice(self) -> None:
        seen: list[str] = []
        client = open_site(
            on(Stage.BEGIN, rewriting("/b")),
            on(Stage.BEGIN, lambda context: seen.append(context.request.path)),
            on(Stage.BEGIN, rewriting("/c")),
            functions={"/c": path_of},
        )
        assert ask(client, "/a").text == "/c? /c /a"
        assert seen == ["/b"]

    @pytest.mark.parametrize("end", [lambda context: context.complete(), raising(HTTPError(410))])
    def test_it_may_be_ended_in_the_same_hook(self, end: Callable[[Context], None]) -> None:
        log: list[str] = []

        def begin(context: Context) -> None:
            context.rewrite("/b/c")
            end(context)

        site = open_site(on(Stage.BEGIN, begin), locations={"/b": [on(Stage.END, lambda context: log.append("END"))]})
        assert ask(site).status in (200, 410)
        assert log == ["END"]

    def test_an_asgi_application_sees_the_new_path(self) -> None:
        async def application(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                await send({"type": "http.response.start", "status": 200})
                await send({"type": "http.response.body", "body": scope["path"].encode() + b" " + scope["raw_path"]})

        assert ask(open_app(application, on(Stage.BEGIN, rewriting("/b c"))), "/a").body == b"/b c /b%20c"


class TestRemap:
    def test_pipeline_h04_the_remapped_handler_answers(self) -> None:
        client = open_site(on(Stage.BEGIN, lambda context: context.remap(lambda context: "other")))
        assert ask(client, "/nowhere").text == "other"

    def test_pipeline_h04_none_takes_it_back(self) -> None:
        def begin(context: Context) -> None:
            context.remap(lambda context: "other")
            context.remap(None)

        assert ask(open_site(on(Stage.BEGIN, begin))).text == "hello"

    @pytest.mark.parametrize("stage", [Stage.MAP_HANDLER, Stage.PRE_EXECUTE, Stage.END])
    def test_pipeline_h04_not_from_map_handler_on(self, stage: Stage) -> None:
        said: list[str] = []

        def remap(context: Context) -> None:
            try:
                context.remap(lambda context: "other")
            except Exception as error:
                said.append(str(error))

        assert ask(open_site(on(stage, remap))).text == "hello"
        assert said == [f"a handler is remapped before MAP_HANDLER, not in {stage.name}"]

    @pytest.mark.parametrize("is_first", [True, False])
    def test_pipeline_h05_remap_wins_over_rewrite(self, is_first: bool) -> None:
        def begin(context: Context) -> None:
            if is_first:
                context.remap(path_of)
            context.rewrite("/b")
            if not is_first:
                context.remap(path_of)

        assert ask(open_site(on(Stage.BEGIN, begin), functions={"/b": lambda: "b"}), "/a").text == "/b? /b /a"

    @pytest.mark.parametrize("fails", [False, True])
    def test_pipeline_r05_it_is_released_once_behind_end(self, fails: bool) -> None:
        log: list[object] = []

        def handler(context: Context) -> str:
            log.append("handler")
            if fails:
                raise ValueError
            return "x"

        def begin(context: Context) -> None:
            context.remap(handler, release=lambda released: log.append(released is handler))

        ask(open_site(on(Stage.BEGIN, begin), on(Stage.END, lambda context: log.append("END"))))
        assert log == ["handler", "END", True]

    def test_pipeline_h11_an_object_s_async_entry_wins(self) -> None:
        class Both:
            def handle(self, context: Context) -> str:
                return "plain"

            async def handle_async(self, context: Context) -> str:
                await asyncio.sleep(0)
                return "async"

        assert ask(open_site(on(Stage.BEGIN, lambda context: context.remap(Both())))).text == "async"

    def test_what_is_no_handler_is_refused(self) -> None:
        def begin(context: Context) -> None:
            with pytest.raises(TypeError, match="7"):
                context.remap(7)

        assert ask(open_site(on(Stage.BEGIN, begin))).text == "hello"

    def test_pipeline_h01_the_handler_shows_from_map_handler_on(self) -> None:
        seen: list[object] = []

        def attach(hooks: Hooks) -> None:
            hooks.on(Stage.BEGIN, lambda context: context.remap(path_of))
            hooks.after(Stage.RESOLVE_CACHE, lambda context: seen.append(context.handler))
            hooks.after(Stage.MAP_HANDLER, lambda context: seen.append(context.handler))

        ask(open_site(Attached(attach)))
        assert seen == [None, path_of]


def redispatching(path: str, *, when: str = "/a") -> Callable[[Context], None]:
    def redispatch(context: Context) -> None:
        if context.request.path == when:
            context.redispatch(path)

    return redispatch


class TestRedispatch:
    @pytest.mark.parametrize("stage", [stage for stage in Stage if Stage.AUTHENTICATE <= stage <= Stage.EXECUTE])
    def test_pipeline_h13_it_comes_in_again_at_authorize(self, stage: Stage) -> None:
        log: list[str] = []
        client = open_site(Recorder(log), on(stage, redispatching("/b")), functions={"/b": path_of})
        assert ask(client, "/a?q=1").text == "/b?q=1 /b /a"
        assert log.count("BEGIN") == log.count("END") == 1
        assert log.count("ACQUIRE_STATE") == log.count("RELEASE_STATE") == (2 if stage >= Stage.ACQUIRE_STATE else 1)
        assert log.count("AUTHENTICATE") == 1
        assert log.count("AUTHORIZE") == (1 if stage < Stage.AUTHORIZE else 2)

    def test_pipeline_h13_from_a_handler_that_waits(self) -> None:
        async def first(context: Context) -> str:
            context.response.headers["x-kept"] = "1"
            await asyncio.sleep(0)
            context.redispatch("/b")
            return "dropped"

        answer = ask(open_site(functions={"/a": first, "/b": path_of}), "/a")
        assert (answer.text, answer.headers["x-kept"]) == ("/b? /b /a", "1")

    def test_pipeline_h14_the_rules_of_the_new_path_hold(self) -> None:
        client = open_site(
            on(Stage.EXECUTE, redispatching("/admin/x", when="/public")),
            functions={"/public": lambda: "p", "/admin/x": lambda: "secret"},
            locations={"/admin": [on(Stage.AUTHORIZE, raising(HTTPError(403)))]},
        )
        answer = ask(client, "/public")
        assert (answer.status, "secret" in answer.text) == (403, False)

    def test_pipeline_h13_a_loop_ends_with_its_chain_in_the_log(self, caplog: pytest.LogCaptureFixture) -> None:
        def turn(context: Context) -> None:
            context.redispatch("/b" if context.request.path == "/a" else "/a")

        answer = ask(open_site(on(Stage.AUTHORIZE, turn)), "/a")
        assert answer.status == 500
        assert "re-dispatch loop" in caplog.text
        assert "/a -> /b -> /a -> /b" in caplog.text

    @pytest.mark.parametrize("stage", [Stage.BEGIN, Stage.RELEASE_STATE, Stage.LOG, Stage.END])
    def test_elsewhere_it_is_refused(self, stage: Stage) -> None:
        said: list[str] = []

        def redispatch(context: Context) -> None:
            try:
                context.redispatch("/b")
            except Exception as error:
                said.append(str(error))

        assert ask(open_site(on(stage, redispatch))).text == "hello"
        assert f"not in {stage.name}" in said[0]

    def test_it_is_refused_when_the_head_has_left(self) -> None:
        async def first(context: Context) -> None:
            context.response.write("half")
            await context.response.flush()
            context.redispatch("/b")

        assert ask(open_site(functions={"/a": first, "/b": path_of}), "/a").is_aborted

    def test_an_error_wins_over_it(self) -> None:
        def both(context: Context) -> None:
            context.redispatch("/b")
            raise HTTPError(410)

        assert ask(open_site(on(Stage.AUTHORIZE, both), functions={"/b": path_of})).status == 410

    def test_open_scopes_stay_open_and_are_left_once(self) -> None:
        log: list[str] = []

        @contextmanager
        def scope(context: Context) -> Iterator[None]:
            log.append(f"enter {context.request.path}")
            yield
            log.append(f"leave {context.request.path}")

        def attach(hooks: Hooks) -> None:
            hooks.around(Stage.AUTHORIZE, Stage.EXECUTE, scope)
            hooks.on(Stage.PRE_EXECUTE, redispatching("/b"))

        assert ask(open_site(functions={"/b": path_of}, locations={"/a": [Attached(attach)]}), "/a").status == 200
        assert log == ["enter /a", "leave /b"]

    def test_the_body_limit_is_that_of_the_new_location(self) -> None:
        async def read(context: Context) -> bytes:
            return await context.request.body()

        client = open_site(on(Stage.AUTHORIZE, redispatching("/b")), functions={"/b": read})
        assert ask(client, "/a", method="POST", body=b"abc").body == b"abc"


class TestDefaultDocument:
    """Tested with files in tests/flow: here, that the rules of another path are applied once (pipeline F-07)."""

    def test_pipeline_f07_authorization_runs_for_the_effective_path(self) -> None:
        seen: list[tuple[str, str]] = []

        def mapped(context: Context) -> None:
            if context.effective_path == "/":
                context.apply_rules_of("/index.html")

        def attach(hooks: Hooks) -> None:
            hooks.on(Stage.AUTHORIZE, lambda context: seen.append((context.request.path, context.effective_path)))
            hooks.on(Stage.MAP_HANDLER, mapped)

        answer = ask(open_site(Attached(attach), headers={"/index.html": {"x-rule": "index"}}))
        assert (answer.text, answer.headers["x-rule"]) == ("hello", "index")
        assert seen == [("/", "/"), ("/", "/index.html")]
