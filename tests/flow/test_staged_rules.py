"""Middleware in stages, rule by rule (middleware section 15.6, R-SG-20 to R-SG-37, and the tests PY-T23 to PY-T34)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import ContextVar
from typing import Any

import pytest

from penstock import Context, HTTPError, Stage
from penstock.pipeline_gateways.staged_around import Generating
from penstock.pipeline_gateways.staged_middleware import StagedMiddleware
from penstock.pipeline_gateways.staged_native import NativeMiddleware
from penstock.request_handlers.request_list import count_parked
from penstock.server.composition import compose_sites
from penstock.settings import ModuleSettings, Settings, SiteSettings
from penstock.testing import ClientResponse
from tests.flow.test_staged_traces import Staged, Wrapping, failing, noted, refusing, rescuing
from tests.pipeline.subject import Recorder, ask, on, open_app, open_site, raising, run, settle

VARIABLE: ContextVar[str] = ContextVar("VARIABLE", default="nothing")
NEXT = Callable[[], Awaitable[None]]


class Native:
    """A middleware (context, next) in a stage, as a module."""

    def __init__(self, stage: Stage, around: Callable[[Context, NEXT], Any], *, relays: bool = False) -> None:
        self.stage = stage
        self.piece = NativeMiddleware(around, name=getattr(around, "__name__", "generator"), relays_errors=relays)

    def attach(self, hooks: Any) -> None:
        hooks.has_frame = True
        hooks.on(self.stage, self.piece.step)


def passing(app: Any) -> Any:
    async def middleware(scope: Any, receive: Any, send: Any) -> None:
        await app(scope, receive, send)

    return middleware


def asked(*modules: object, function: Any = None, mode: str = "production", **more: Any) -> ClientResponse:
    return ask(open_site(*modules, function=function or (lambda: "page"), mode=mode), **more)


class TestScope:
    def test_middleware_r_sg_22_stages_see_what_it_changed_and_only_inside(self) -> None:
        seen: list[str] = []

        def wrap(app: Any) -> Any:
            async def middleware(scope: Any, receive: Any, send: Any) -> None:
                await app({**scope, "path": "/other", "query_string": b"a=1"}, receive, send)

            return middleware

        def note(context: Context) -> None:
            seen.append(f"{context.stage.name} {context.request.path}?{context.request.query.get('a', [''])[0]}")

        modules = [on(stage, note) for stage in (Stage.BEGIN, Stage.AUTHORIZE, Stage.LOG, Stage.END)]
        asked(Staged(Stage.AUTHENTICATE, wrap), *modules)
        assert seen == ["BEGIN /?", "AUTHORIZE /other?1", "LOG /other?1", "END /?"]

    def test_middleware_r_sg_22_what_it_puts_in_comes_to_the_application(self) -> None:
        found: list[Any] = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                found.append((scope["mark"], scope["state"], "penstock.frame" in scope))
                await send({"type": "http.response.start", "status": 200, "headers": []})
                await send({"type": "http.response.body", "body": b""})

        def marking(name: str) -> Callable[[Any], Any]:
            def wrap(app: Any) -> Any:
                async def middleware(scope: Any, receive: Any, send: Any) -> None:
                    state = {**scope.get("state", {}), name: 1}
                    await app({**scope, "mark": name, "state": state}, receive, send)

                return middleware

            return wrap

        modules = Staged(Stage.AUTHENTICATE, marking("a")), Staged(Stage.AUTHORIZE, marking("b"))
        ask(open_app(application, *modules))
        assert found == [("b", {"a": 1, "b": 1}, False)]

    def test_middleware_r_sg_23_a_principal_of_a_module_touches_no_scope(self) -> None:
        scopes: list[Any] = []

        def wrap(app: Any) -> Any:
            async def middleware(scope: Any, receive: Any, send: Any) -> None:
                scopes.append(scope)
                await app(scope, receive, send)

            return middleware

        from penstock import Principal

        def sign_in(context: Context) -> None:
            context.principal = Principal("bob")

        asked(Staged(Stage.AUTHENTICATE, wrap), on(Stage.AUTHORIZE, sign_in))
        assert "user" not in scopes[0]

    def test_a_scope_of_its_own_making_is_refused(self) -> None:
        def wrap(app: Any) -> Any:
            async def middleware(scope: Any, receive: Any, send: Any) -> None:
                await app({"type": "http"}, receive, send)

            return middleware

        assert asked(Staged(Stage.AUTHENTICATE, wrap)).status == 500


class TestBody:
    @pytest.mark.parametrize(("offers", "body"), [(True, b"hello"), (False, b"")])
    def test_middleware_r_sg_24_one_that_reads_the_body_offers_it_again(self, offers: bool, body: bytes) -> None:
        def wrap(app: Any) -> Any:
            async def middleware(scope: Any, receive: Any, send: Any) -> None:
                message = await receive()
                waiting = [message] if offers else [{"type": "http.request", "body": b"", "more_body": False}]

                async def again() -> Any:
                    return waiting.pop(0) if waiting else await receive()

                await app(scope, again, send)

            return middleware

        async def echo(context: Context) -> bytes:
            return b"".join([piece async for piece in context.request.stream()])

        piece = Staged(Stage.AUTHENTICATE, wrap)
        assert asked(piece, function=echo, method="POST", body=b"hello").body in (body, b"")
        if offers:
            assert asked(piece, function=echo, method="POST", body=b"hello").body == b"hello"

    def test_a_large_body_passes_in_pieces(self) -> None:
        async def pieces() -> AsyncIterator[bytes]:
            for _ in range(50):
                yield b"x" * 10_000

        async def size(context: Context) -> str:
            return str(len(await context.request.body()))

        assert asked(Staged(Stage.AUTHENTICATE, passing), function=size, method="POST", body=pieces()).text == "500000"


class TestAnswers:
    def test_middleware_r_sg_25_two_answers_are_an_error(self, caplog: pytest.LogCaptureFixture) -> None:
        def wrap(app: Any) -> Any:
            async def middleware(scope: Any, receive: Any, send: Any) -> None:
                await send({"type": "http.response.start", "status": 200, "headers": []})
                await app(scope, receive, send)

            return middleware

        assert asked(Staged(Stage.AUTHENTICATE, wrap)).status == 500
        assert "http.response.start was sent twice" in caplog.text

    def test_middleware_r_sg_26_callbacks_run_last_in_first_out_and_once(self) -> None:
        log: list[str] = []

        def register(name: str) -> Callable[[Context], None]:
            def hook(context: Context) -> None:
                context.response.on_sending_headers(lambda response: log.append(name))

            return hook

        asked(
            on(Stage.AUTHORIZE, register("1")),
            on(Stage.MAP_HANDLER, register("2")),
            Staged(Stage.AUTHENTICATE, passing),
        )
        assert log == ["2", "1"]

    def test_middleware_py_t29_across_two_pieces(self) -> None:
        log: list[str] = []

        def register(name: str) -> Callable[[Context], None]:
            def hook(context: Context) -> None:
                context.response.on_sending_headers(lambda response: log.append(name))

            return hook

        asked(
            on(Stage.BEGIN, register("begin")),
            Staged(Stage.AUTHENTICATE, passing),
            on(Stage.AUTHORIZE, register("authorize")),
            Staged(Stage.MAP_HANDLER, passing),
            on(Stage.PRE_EXECUTE, register("execute")),
        )
        assert log == ["execute", "authorize", "begin"]

    @pytest.mark.parametrize(("mode", "status"), [("production", 200), ("development", 500)])
    def test_middleware_r_sg_27_one_that_says_nothing(self, mode: str, status: int) -> None:
        def wrap(app: Any) -> Any:
            async def middleware(scope: Any, receive: Any, send: Any) -> None: ...

            return middleware

        log: list[str] = []
        answer = asked(Staged(Stage.AUTHORIZE, wrap), *noted(log, Stage.MAP_HANDLER, Stage.END), mode=mode)
        assert answer.status == status
        assert log == ["END"]

    def test_end_can_still_change_the_head(self) -> None:
        def change(context: Context) -> None:
            context.response.headers["x-end"] = context.response.headers["x-auth"] + "!"

        answer = asked(Staged(Stage.AUTHENTICATE, Wrapping([], "auth")), on(Stage.END, change))
        assert answer.headers["x-end"] == "1!"

    def test_headers_of_modules_come_once(self) -> None:
        def add(context: Context) -> None:
            context.response.headers["x-module"] = "1"

        answer = asked(on(Stage.BEGIN, add), Staged(Stage.AUTHENTICATE, passing), Staged(Stage.AUTHORIZE, passing))
        assert [name for name, _ in answer.headers.raw if name == b"x-module"] == [b"x-module"]

    def test_headers_of_modules_are_on_what_it_answers(self) -> None:
        def add(context: Context) -> None:
            context.response.headers["x-module"] = "1"

        answer = asked(on(Stage.BEGIN, add), Staged(Stage.AUTHENTICATE, refusing(403, [])))
        assert (answer.status, answer.headers["x-module"]) == (403, "1")

    def test_cookies_of_both_are_kept(self) -> None:
        def wrap(app: Any) -> Any:
            async def middleware(scope: Any, receive: Any, send: Any) -> None:
                async def wrapped(message: Any) -> None:
                    if message["type"] == "http.response.start":
                        message["headers"] = [*message["headers"], (b"set-cookie", b"a=1")]
                    await send(message)

                await app(scope, receive, wrapped)

            return middleware

        def page(context: Context) -> str:
            context.response.set_cookie("b", "2")
            return "page"

        answer = asked(Staged(Stage.AUTHENTICATE, wrap), function=page)
        cookies = [value.partition(b";")[0] for name, value in answer.headers.raw if name == b"set-cookie"]
        assert cookies == [b"b=2", b"a=1"]


class TestCalls:
    def test_middleware_r_sg_28_called_at_once_by_two(self) -> None:
        found: list[BaseException] = []

        def wrap(app: Any) -> Any:
            async def middleware(scope: Any, receive: Any, send: Any) -> None:
                results = await asyncio.gather(*[app(scope, receive, send) for _ in range(2)], return_exceptions=True)
                found.extend(each for each in results if each is not None)

            return middleware

        assert asked(Staged(Stage.AUTHENTICATE, wrap)).body == b"page"
        assert [str(each) for each in found] == ["wrap calls its application twice".replace("calls", "called")]

    def test_middleware_r_sg_28_called_when_the_request_has_left(self) -> None:
        kept: list[Any] = []

        def wrap(app: Any) -> Any:
            async def middleware(scope: Any, receive: Any, send: Any) -> None:
                kept.append((app, scope, receive, send))
                await send({"type": "http.response.start", "status": 200, "headers": []})
                await send({"type": "http.response.body", "body": b""})

            return middleware

        async def journey() -> None:
            async with open_site(Staged(Stage.AUTHENTICATE, wrap)) as client:
                await client.get("/")
                app, scope, receive, send = kept[0]
                with pytest.raises(Exception, match="called its application when the request had left it"):
                    await app(scope, receive, send)

        run(journey)

    def test_middleware_r_sg_31_the_stage_is_its_own_and_later_end(self) -> None:
        stages: list[str] = []

        async def noting(context: Context, following: NEXT) -> None:
            stages.append(context.stage.name)
            await following()
            stages.append(context.stage.name)

        asked(Native(Stage.AUTHENTICATE, noting))
        assert stages == ["AUTHENTICATE", "END"]

    def test_middleware_r_sg_32_state_is_there_between_its_stages_only(self) -> None:
        """A session, say: what is acquired and released by a module is closed behind the await, and says so."""

        class Closed(Exception):
            pass

        state = {"is_open": False}
        seen: list[tuple[str, bool, bool]] = []

        def write() -> str:
            if not state["is_open"]:
                raise Closed("the session has been released")
            return "written"

        def noting(name: str) -> Any:
            async def around(context: Context, following: NEXT) -> None:
                before = state["is_open"]
                await following()
                seen.append((name, before, state["is_open"]))
                with pytest.raises(Closed):
                    write()

            return around

        modules = [
            on(Stage.ACQUIRE_STATE, lambda context: state.update(is_open=True)),
            on(Stage.RELEASE_STATE, lambda context: state.update(is_open=False)),
            Native(Stage.AUTHENTICATE, noting("early")),
            Native(Stage.PRE_EXECUTE, noting("late")),
        ]
        assert asked(*modules, function=write).text == "written"
        assert seen == [("late", True, False), ("early", False, False)]

    def test_middleware_r_sg_34_complete_before_the_handler_skips_it(self) -> None:
        log: list[str] = []

        def complete(context: Context) -> None:
            context.response.body = b"module"
            context.complete()

        pieces = [
            Staged(stage, Wrapping(log, name)) for name, stage in (("a", Stage.AUTHENTICATE), ("b", Stage.AUTHORIZE))
        ]
        answer = asked(*pieces, on(Stage.PRE_EXECUTE, complete), function=lambda: log.append("handler"))
        assert (answer.body, "handler" in log) == (b"module", False)
        assert [each for each in log if each[-1] in "<>"] == ["a>", "b>", "b<", "a<"]

    def test_middleware_g4_every_stage_runs_once(self) -> None:
        log: list[str] = []
        asked(Recorder(log), Staged(Stage.AUTHENTICATE, passing), Staged(Stage.PRE_EXECUTE, passing))
        assert len(log) == len(set(log))
        assert (log[0], log[-1]) == ("BEGIN", "END")

    def test_a_redispatch_enters_nobody_twice(self) -> None:
        log: list[str] = []

        def lead(context: Context) -> None:
            if context.request.path == "/":
                context.redispatch("/other")

        client = open_site(
            Staged(Stage.AUTHORIZE, Wrapping(log, "a")),
            on(Stage.MAP_HANDLER, lead),
            functions={"/other": lambda: "other"},
        )
        assert ask(client).body == b"other"
        assert log == ["a>", "a.wrap", "a.wrap", "a<"]


class TestErrors:
    @pytest.mark.parametrize("relays", [False, True])
    def test_middleware_r_sg_29_an_http_error_behind_it(self, relays: bool) -> None:
        log: list[str] = []
        piece = Staged(Stage.AUTHENTICATE, rescuing(log), relays=relays)
        answer = asked(piece, function=raising(HTTPError(404, "no such thing")))
        assert (answer.status, bool(log)) == ((500, True) if relays else (404, False))

    def test_middleware_r_sg_29_what_it_raises_is_answered_at_the_outside(self) -> None:
        log: list[str] = []
        answer = asked(Staged(Stage.AUTHENTICATE, failing), *noted(log, Stage.AUTHORIZE, Stage.LOG, Stage.END))
        assert answer.status == 500
        assert log == ["LOG", "END"]

    def test_middleware_r_ip_16_an_error_behind_its_await_crosses_too(self) -> None:
        log: list[str] = []

        def late(app: Any) -> Any:
            async def middleware(scope: Any, receive: Any, send: Any) -> None:
                await app(scope, receive, send)
                raise ValueError("late")

            return middleware

        answer = asked(Staged(Stage.AUTHENTICATE, rescuing(log)), Staged(Stage.AUTHORIZE, late))
        assert "rescue ValueError: late" in log
        assert answer.status in (200, 500)

    def test_middleware_py_t33_a_request_that_ended_early_leaves_nothing_behind(self) -> None:
        log: list[str] = []
        calls = 0

        def wrap(app: Any) -> Any:
            async def middleware(scope: Any, receive: Any, send: Any) -> None:
                nonlocal calls
                calls += scope["type"] == "http"
                await (refusing(403, []) if calls % 2 else passing)(app)(scope, receive, send)

            return middleware

        async def journey() -> list[int]:
            async with open_site(
                Staged(Stage.AUTHENTICATE, wrap), Staged(Stage.AUTHORIZE, Wrapping(log, "b"))
            ) as client:
                return [(await client.get("/")).status for _ in range(4)]

        assert run(journey) == [403, 200, 403, 200]
        assert log.count("b>") == log.count("b<") == 2

    def test_middleware_py_t34_neither_does_one_that_failed_at_its_end(self) -> None:
        fails = iter([True, False])

        def end(context: Context) -> None:
            if next(fails):
                raise ValueError("at the end")

        async def journey() -> list[int]:
            async with open_site(Staged(Stage.AUTHENTICATE, passing), on(Stage.END, end)) as client:
                return [(await client.get("/")).status for _ in range(2)]

        assert run(journey) == [500, 200]


class TestClients:
    @pytest.mark.parametrize("where", ["waiting", "handler", "unwinding"])
    def test_middleware_py_t31_one_that_leaves_ends_everything_once(self, where: str) -> None:
        log: list[str] = []
        reached, gate = asyncio.Event(), asyncio.Event()

        async def stop_at(place: str) -> None:
            if place == where:
                reached.set()
                await gate.wait()

        def wrap(app: Any) -> Any:
            async def middleware(scope: Any, receive: Any, send: Any) -> None:
                try:
                    await stop_at("waiting")
                    await app(scope, receive, send)
                    await stop_at("unwinding")
                finally:
                    log.append("finally")

            return middleware

        async def handler(context: Context) -> str:
            await stop_at("handler")
            return "page"

        async def journey() -> None:
            modules = Staged(Stage.AUTHENTICATE, wrap), *noted(log, Stage.LOG, Stage.END)
            async with open_site(*modules, function=handler) as client:
                request = client.open("GET", "/")
                await reached.wait()
                request.disconnect()
                gate.set()
                await settle(50)
                assert client.runtime.statistics().executing == 0

        run(journey)
        assert sorted(log) == ["END", "LOG", "finally"]

    def test_it_is_told_that_the_client_left(self) -> None:
        told: list[str] = []

        def wrap(app: Any) -> Any:
            async def middleware(scope: Any, receive: Any, send: Any) -> None:
                if scope["type"] == "http":
                    told.append((await receive())["type"])
                    told.append((await receive())["type"])

            return middleware

        async def journey() -> None:
            async with open_site(Staged(Stage.AUTHENTICATE, wrap)) as client:
                request = client.open("GET", "/")
                await settle()
                request.disconnect()
                await settle()

        run(journey)
        assert told == ["http.request", "http.disconnect"]

    def test_middleware_py_t32_a_thousand_at_once(self) -> None:
        gate = asyncio.Event()

        async def handler() -> str:
            await gate.wait()
            return "page"

        async def journey() -> set[int]:
            pieces = Staged(Stage.AUTHENTICATE, passing), Staged(Stage.AUTHORIZE, Wrapping([], "b"))
            async with open_site(*pieces, function=handler, requests_inside=2000) as client:
                tasks = [asyncio.ensure_future(client.get("/")) for _ in range(1000)]
                await settle(5)
                assert client.runtime.statistics().executing == 1000
                assert count_parked(client.runtime.inside.values()) == 1000
                gate.set()
                found = {(await task).status for task in tasks}
                assert client.runtime.statistics().executing == 0
                assert count_parked(client.runtime.inside.values()) == 0
                return found

        assert run(journey) == {200}


class TestVariables:
    def test_middleware_py_t23_what_it_sets_is_seen_inside_and_by_no_other_request(self) -> None:
        def wrap(app: Any) -> Any:
            async def middleware(scope: Any, receive: Any, send: Any) -> None:
                if scope["type"] == "http" and scope["query_string"]:
                    VARIABLE.set("set")
                await app(scope, receive, send)

            return middleware

        def page() -> str:
            return VARIABLE.get()

        client = open_site(Staged(Stage.AUTHENTICATE, wrap), function=page)

        async def journey() -> list[str]:
            async with client:
                return [(await client.get(path)).text for path in ("/?a", "/", "/?a", "/")]

        assert run(journey) == ["set", "nothing", "set", "nothing"]

    def test_middleware_r_sg_35_all_of_it_is_one_task(self) -> None:
        tasks: list[Any] = []

        def wrap(app: Any) -> Any:
            async def middleware(scope: Any, receive: Any, send: Any) -> None:
                if scope["type"] == "http":
                    tasks.append(asyncio.current_task())
                await app(scope, receive, send)

            return middleware

        async def handler() -> str:
            tasks.append(asyncio.current_task())
            return "page"

        stages = [stage for stage in Stage if stage < Stage.EXECUTE]
        asked(*[Staged(stage, wrap) for stage in stages], function=handler)
        assert len(tasks) == len(stages) + 1
        assert len(set(tasks)) == 1

    def test_middleware_r_sg_35_without_any_there_is_no_step_more(self) -> None:
        def rules(*modules: object) -> list[str]:
            objects = {f"m:{number}": each for number, each in enumerate(modules)}
            settings = SiteSettings(modules=tuple(ModuleSettings(use=name) for name in objects))
            (site,) = compose_sites(Settings(sites=(settings,)), objects)
            return [step.hook for step in site.find_plan("GET", "/")[0].steps]

        assert rules(Staged(Stage.AUTHORIZE, passing)).count("unwind") == 2
        assert "unwind" not in rules(on(Stage.AUTHORIZE, lambda context: None))


class TestNative:
    def test_it_sees_the_answer_and_may_change_it(self) -> None:
        async def doubling(context: Context, following: NEXT) -> None:
            await following()
            context.response.body = context.response.body * 2

        assert asked(Native(Stage.AUTHENTICATE, doubling)).body == b"pagepage"

    def test_without_its_next_nobody_is_asked(self) -> None:
        async def refuse(context: Context, following: NEXT) -> None:
            context.response.status = 403

        log: list[str] = []
        answer = asked(Native(Stage.AUTHORIZE, refuse), *noted(log, Stage.MAP_HANDLER, Stage.END))
        assert (answer.status, log) == (403, ["END"])

    def test_next_is_called_once(self, caplog: pytest.LogCaptureFixture) -> None:
        async def twice(context: Context, following: NEXT) -> None:
            await following()
            await following()

        assert asked(Native(Stage.AUTHORIZE, twice)).status == 500
        assert "twice called next twice" in caplog.text

    @pytest.mark.parametrize("relays", [False, True])
    def test_middleware_r_sg_29_errors_behind_it(self, relays: bool) -> None:
        log: list[str] = []

        async def catching(context: Context, following: NEXT) -> None:
            try:
                await following()
            except ValueError as error:
                log.append(str(error))
                context.response.status = 418

        answer = asked(Native(Stage.AUTHORIZE, catching, relays=relays), function=raising(ValueError("x")))
        assert (answer.status, log) == ((418, ["x"]) if relays else (500, []))

    def test_an_error_of_its_own_is_answered(self) -> None:
        async def failing_late(context: Context, following: NEXT) -> None:
            await following()
            raise ValueError("late")

        log: list[str] = []
        assert asked(Native(Stage.AUTHORIZE, failing_late), *noted(log, Stage.END)).status == 500
        assert log == ["END"]

    def test_it_crosses_to_the_one_around_it(self) -> None:
        log: list[str] = []

        async def failing_early(context: Context, following: NEXT) -> None:
            raise ValueError("early")

        answer = asked(Staged(Stage.AUTHENTICATE, rescuing(log)), Native(Stage.AUTHORIZE, failing_early))
        assert (answer.body, log) == (b"rescued", ["rescue ValueError: early"])

    def test_a_generator_has_the_rest_at_its_yield(self) -> None:
        log: list[str] = []

        async def generator(context: Context) -> AsyncIterator[None]:
            log.append("before")
            yield
            log.append(f"behind {context.response.status_code}")

        asked(Native(Stage.AUTHORIZE, Generating(generator, "generator")))
        assert log == ["before", "behind 200"]

    def test_a_generator_that_yields_twice_is_told(self, caplog: pytest.LogCaptureFixture) -> None:
        async def generator(context: Context) -> AsyncIterator[None]:
            yield
            yield

        assert asked(Native(Stage.AUTHORIZE, Generating(generator, "generator"))).status == 500
        assert "generator yielded twice" in caplog.text

    def test_a_generator_has_errors_thrown_in(self) -> None:
        log: list[str] = []

        async def generator(context: Context) -> AsyncIterator[None]:
            try:
                yield
            except ValueError:
                log.append("caught")
                context.response.status = 418

        piece = Native(Stage.AUTHORIZE, Generating(generator, "generator"), relays=True)
        assert asked(piece, function=raising(ValueError("x"))).status == 418
        assert log == ["caught"]

    def test_it_waits_around_an_application_that_streams(self) -> None:
        log: list[str] = []

        async def around(context: Context, following: NEXT) -> None:
            await following()
            log.append(f"behind {context.response.is_started}")

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            for _ in range(3):
                await send({"type": "http.response.body", "body": b"x", "more_body": True})
            await send({"type": "http.response.body", "body": b""})

        assert ask(open_app(application, Native(Stage.AUTHENTICATE, around))).body == b"xxx"
        assert log == ["behind True"]


def test_the_pieces_are_what_the_plan_shows() -> None:
    piece = StagedMiddleware(passing, name="passing")
    assert (piece.name, piece.relays_errors) == ("passing", False)


@pytest.mark.parametrize("flushes", [False, True])
def test_middleware_py_t30_a_callback_of_one_that_waits_runs_when_the_head_leaves(flushes: bool) -> None:
    log: list[str] = []

    async def registering(context: Context, following: NEXT) -> None:
        context.response.on_sending_headers(lambda response: log.append("head"))
        await following()
        log.append("behind")

    async def handler(context: Context) -> None:
        context.response.write("page")
        if flushes:
            await context.response.flush()
        log.append("handler")

    assert asked(Native(Stage.AUTHENTICATE, registering), function=handler).body == b"page"
    assert log == (["head", "handler", "behind"] if flushes else ["handler", "behind", "head"])


class TestReplays:
    def test_middleware_r_sg_24_a_body_that_is_offered_for_ever_is_read_once(self) -> None:
        def wrap(app: Any) -> Any:
            async def middleware(scope: Any, receive: Any, send: Any) -> None:
                message = await receive()

                async def again() -> Any:
                    return message

                await app(scope, again, send)

            return middleware

        async def application(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] != "http":
                raise RuntimeError("no lifespan")
            body = (await receive())["body"]
            leaving = asyncio.ensure_future(receive())
            await settle(5)
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": body, "more_body": True})
            await send({"type": "http.response.body", "body": b"!"})
            leaving.cancel()

        pieces = Staged(Stage.AUTHENTICATE, wrap), Staged(Stage.AUTHORIZE, passing)
        assert ask(open_app(application, *pieces), method="POST", body=b"hello").body == b"hello!"
        assert ask(open_app(application, pieces[0]), method="POST", body=b"hello").body == b"hello!"
