"""Whole journeys through the stages, one for each rule of the pipeline's specification that the core has to keep."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import Any

import pytest

from penstock import (
    ClientGone,
    ConfigurationError,
    Context,
    ContractError,
    Hooks,
    HTTPError,
    RegistrationClosed,
    Response,
    Stage,
    StartupError,
)
from tests.pipeline.subject import LOOPS, Attached, Recorder, ask, hello, on, open_site, raising, run, settle

WHOLE = [
    "BEGIN",
    "AUTHENTICATE",
    "AUTHENTICATE+",
    "AUTHORIZE",
    "AUTHORIZE+",
    "RESOLVE_CACHE",
    "RESOLVE_CACHE+",
    "MAP_HANDLER",
    "MAP_HANDLER+",
    "ACQUIRE_STATE",
    "ACQUIRE_STATE+",
    "PRE_EXECUTE",
    "EXECUTE",
    "EXECUTE+",
    "RELEASE_STATE",
    "RELEASE_STATE+",
    "UPDATE_CACHE",
    "UPDATE_CACHE+",
    "LOG",
    "LOG+",
    "END",
]
FINAL = ["LOG", "LOG+", "END"]
RELEASE = ["RELEASE_STATE", "RELEASE_STATE+"]

BEFORE_ACQUIRE = [each for each in Stage if each < Stage.ACQUIRE_STATE]
WHILE_ACQUIRED = [Stage.ACQUIRE_STATE, Stage.PRE_EXECUTE, Stage.EXECUTE]


def complete(context: Context) -> None:
    context.complete()


async def complete_later(context: Context) -> None:
    await asyncio.sleep(0)
    context.complete()


def noting(log: list[str], text: str) -> Callable[[Context], None]:
    return lambda context: log.append(text)


def noting_later(log: list[str], text: str) -> Callable[[Context], Awaitable[None]]:
    async def note(context: Context) -> None:
        log.append(f"{text}(")
        await asyncio.sleep(0)
        log.append(f"{text})")

    return note


class TestOrder:
    @pytest.mark.parametrize("loop", LOOPS)
    def test_pipeline_p01_the_stages_run_in_order_each_once(self, loop: str) -> None:
        log: list[str] = []

        def handler() -> str:
            log.append("handler")
            return "hello"

        answer = ask(open_site(Recorder(log), function=handler), loop=loop)
        assert (answer.status, answer.text) == (200, "hello")
        # The handler is the last of its stage: modules that subscribe to EXECUTE come before it.
        assert log == [*WHOLE[:13], "handler", *WHOLE[13:]]

    def test_pipeline_p01_every_request_passes_the_stages_anew(self) -> None:
        log: list[str] = []

        async def journey() -> None:
            async with open_site(Recorder(log)) as client:
                await client.get("/")
                await client.get("/")

        run(journey)
        assert log == WHOLE * 2

    def test_pipeline_p02_what_is_refused_before_begin_is_seen_by_a_scope_wholly_or_not_at_all(self) -> None:
        log: list[str] = []

        @contextmanager
        def scope(context: Context) -> Iterator[None]:
            log.append("enter")
            yield
            log.append("exit")

        module = Attached(lambda hooks: hooks.around(Stage.BEGIN, Stage.END, scope))
        answer = ask(open_site(module, Recorder(log), body=10), method="POST", body=b"x" * 11)
        assert answer.status == 413
        assert log == FINAL

    def test_pipeline_p03_the_half_behind_a_stage_runs_after_all_modules(self) -> None:
        log: list[str] = []

        def module(name: str) -> Attached:
            def attach(hooks: Hooks) -> None:
                hooks.after(Stage.AUTHORIZE, noting(log, f"{name}.post"))
                hooks.on(Stage.AUTHORIZE, noting(log, f"{name}.auth"))

            return Attached(attach)

        ask(open_site(module("A"), module("B")))
        assert log == ["A.auth", "B.auth", "A.post", "B.post"]

    def test_pipeline_p04_modules_run_as_configured_and_those_of_a_location_behind_them(self) -> None:
        log: list[str] = []
        hooks = [on(Stage.AUTHORIZE, noting(log, name)) for name in "ABC"]
        ask(open_site(hooks[0], hooks[1], functions={"/in/here": hello}, locations={"/in": [hooks[2]]}), "/in/here")
        assert log == ["A", "B", "C"]

    def test_pipeline_p04_the_callbacks_before_the_head_run_in_reverse_order(self) -> None:
        log: list[str] = []

        def module(name: str) -> Attached:
            return on(Stage.BEGIN, lambda context: context.response.on_sending_headers(lambda _: log.append(name)))

        ask(open_site(module("A"), module("B"), module("C")))
        assert log == ["C", "B", "A"]

    @pytest.mark.parametrize("loop", LOOPS)
    def test_pipeline_p05_hooks_of_one_module_run_in_their_order_plain_and_async_mixed(self, loop: str) -> None:
        log: list[str] = []

        def attach(hooks: Hooks) -> None:
            hooks.on(Stage.BEGIN, noting_later(log, "a1"))
            hooks.on(Stage.BEGIN, noting(log, "s1"))
            hooks.on(Stage.BEGIN, noting_later(log, "a2"))

        assert ask(open_site(Attached(attach)), loop=loop).status == 200
        assert log == ["a1(", "a1)", "s1", "a2(", "a2)"]


class TestSubscribing:
    def test_pipeline_p06_hooks_are_frozen_once_the_plans_stand(self) -> None:
        kept: list[Hooks] = []
        seen: list[str] = []

        def handler(context: Context) -> str:
            for attempt in (
                lambda: kept[0].on(Stage.BEGIN, complete),
                lambda: kept[0].after(Stage.AUTHORIZE, complete),
                lambda: kept[0].around(Stage.BEGIN, Stage.END, lambda _: contextmanager(lambda: iter([None]))()),
                lambda: kept[0].on_error(lambda _: None),
                lambda: kept[0].on_start(lambda: None),
                lambda: kept[0].on_stop(lambda: None),
            ):
                with pytest.raises(RegistrationClosed) as caught:
                    attempt()
                seen.append(str(caught.value))
            return "unharmed"

        assert ask(open_site(Attached(kept.append), function=handler)).text == "unharmed"
        assert len(seen) == 6
        assert all("attach()" in text for text in seen)

    def test_pipeline_p06_what_is_kept_from_attach_cannot_be_cancelled_later(self) -> None:
        log: list[str] = []
        kept: list[Any] = []
        module = Attached(lambda hooks: kept.append(hooks.on(Stage.END, noting(log, "end"))))

        def handler() -> str:
            with pytest.raises(RegistrationClosed):
                kept[0].cancel()
            return "hello"

        assert ask(open_site(module, function=handler)).status == 200
        assert log == ["end"]

    def test_hooks_of_begin_belong_to_the_site(self) -> None:
        """DESIGN, «Which plan»: the location is chosen behind BEGIN."""
        module = on(Stage.BEGIN, complete)
        with pytest.raises(ConfigurationError) as caught:
            open_site(functions={"/in": hello}, locations={"/in": [module]})
        assert "hooks BEGIN" in str(caught.value)
        assert "/in" in str(caught.value)

    def test_pipeline_p07_a_cancelled_subscription_is_never_called_and_no_other_suffers(self) -> None:
        log: list[str] = []

        def attach(hooks: Hooks) -> None:
            hooks.on(Stage.MAP_HANDLER, noting(log, "first"))
            token = hooks.after(Stage.MAP_HANDLER, noting(log, "cancelled"))
            hooks.after(Stage.MAP_HANDLER, noting(log, "second"))
            token.cancel()

        ask(open_site(Attached(attach)))
        assert log == ["first", "second"]


class TestComplete:
    @pytest.mark.parametrize("hook", [complete, complete_later])
    @pytest.mark.parametrize("stage", BEFORE_ACQUIRE)
    def test_pipeline_p08_complete_skips_to_the_final_stages(
        self, stage: Stage, hook: Callable[[Context], Any]
    ) -> None:
        log: list[str] = []

        def attach(hooks: Hooks) -> None:
            hooks.on(stage, hook)
            hooks.on(stage, noting(log, "the same module, the same stage"))

        ask(open_site(Attached(attach), Recorder(log)))
        assert log == _seen_before(stage) + FINAL

    @pytest.mark.parametrize("stage", WHILE_ACQUIRED)
    def test_pipeline_p08_once_state_was_acquired_it_is_released(self, stage: Stage) -> None:
        log: list[str] = []
        ask(open_site(on(stage, complete), Recorder(log)))
        assert log == _seen_before(stage) + RELEASE + FINAL

    def test_pipeline_p08_completing_in_the_half_behind_acquire_releases_too(self) -> None:
        log: list[str] = []
        ask(open_site(Recorder(log), Attached(lambda hooks: hooks.after(Stage.ACQUIRE_STATE, complete))))
        assert log == WHOLE[: WHOLE.index("ACQUIRE_STATE+") + 1] + RELEASE + FINAL

    def test_pipeline_p08_completing_while_state_is_released_releases_all_of_it(self) -> None:
        log: list[str] = []
        ask(open_site(on(Stage.RELEASE_STATE, complete), Recorder(log)))
        assert log == WHOLE[: WHOLE.index("RELEASE_STATE+") + 1] + FINAL

    def test_pipeline_p08_completing_in_update_cache_goes_on_to_log(self) -> None:
        log: list[str] = []
        ask(open_site(Recorder(log), on(Stage.UPDATE_CACHE, complete)))
        assert log == WHOLE[: WHOLE.index("UPDATE_CACHE") + 1] + FINAL

    def test_pipeline_p08_the_caller_goes_on_and_what_it_set_is_delivered(self) -> None:
        log: list[str] = []

        def refuse(context: Context) -> None:
            context.complete()
            assert context.is_complete
            assert context.stage is Stage.AUTHORIZE
            context.response.status = 403
            context.response.write("not you")

        answer = ask(open_site(on(Stage.AUTHORIZE, refuse), function=lambda: log.append("handler")))
        assert (answer.status, answer.text, log) == (403, "not you", [])

    def test_pipeline_p08_completing_twice_is_completing_once(self) -> None:
        log: list[str] = []

        def hook(context: Context) -> None:
            context.complete()
            context.complete()

        ask(open_site(on(Stage.BEGIN, hook), Recorder(log)))
        assert log == FINAL

    def test_pipeline_p08_the_cache_is_not_updated_where_nobody_releases_state(self) -> None:
        log: list[str] = []
        module = on(Stage.UPDATE_CACHE, noting(log, "stored"))
        assert ask(open_site(module, function=raising(ValueError("boom")))).status == 500
        assert ask(open_site(module, on(Stage.PRE_EXECUTE, complete))).status == 200
        assert log == []

    @pytest.mark.parametrize("stage", [Stage.LOG, Stage.END])
    def test_pipeline_p09_complete_in_a_final_stage_does_nothing(self, stage: Stage) -> None:
        log: list[str] = []
        answer = ask(open_site(on(stage, complete), Recorder(log)))
        assert (answer.status, answer.text) == (200, "hello")
        assert log == WHOLE


class TestFailure:
    @pytest.mark.parametrize("is_async", [False, True])
    @pytest.mark.parametrize("stage", [each for each in Stage if each < Stage.LOG])
    def test_pipeline_p10_an_exception_behaves_like_complete(self, stage: Stage, is_async: bool) -> None:
        log: list[str] = []

        async def fail_later(context: Context) -> None:
            await asyncio.sleep(0)
            raise ValueError("boom")

        hook = fail_later if is_async else raising(ValueError("boom"))
        answer = ask(open_site(on(stage, hook), Recorder(log)))
        between: list[str] = []
        if stage in WHILE_ACQUIRED:
            between = RELEASE
        if stage is Stage.RELEASE_STATE:
            between = RELEASE  # its other steps run, whatever happened
        assert answer.status == 500
        assert log == _seen_before(stage) + between + FINAL

    def test_pipeline_p10_the_final_stages_see_the_error(self) -> None:
        error = ValueError("boom")
        seen: list[object] = []

        def look(context: Context) -> None:
            seen.append((context.stage, context.error))

        modules = [on(Stage.BEGIN, raising(error)), on(Stage.LOG, look), on(Stage.END, look)]
        assert ask(open_site(*modules)).status == 500
        assert seen == [(Stage.LOG, error), (Stage.END, error)]

    @pytest.mark.parametrize("stage", Stage)
    def test_pipeline_p10_failing_and_going_on_answers_with_the_first_error(self, stage: Stage) -> None:
        log: list[str] = []

        def hook(context: Context) -> None:
            context.fail(PermissionError("first"))
            context.complete()
            assert context.stage is stage
            context.fail(ValueError("second"))
            raise KeyError("third")

        def attach(hooks: Hooks) -> None:
            hooks.on(stage, hook)
            hooks.on_error(lambda context: log.append(str(context.error)))

        assert ask(open_site(Attached(attach))).status == 403
        assert log == ["first"]

    @pytest.mark.parametrize("stage", [Stage.LOG, Stage.END])
    def test_pipeline_p11_each_step_of_the_final_stages_stands_alone(self, stage: Stage) -> None:
        log: list[str] = []
        answer = ask(open_site(on(stage, raising(ValueError("boom"))), Recorder(log)))
        assert answer.status == 500
        assert log == WHOLE

    def test_pipeline_p11_behind_a_head_that_has_left_the_answer_is_cut_off(self) -> None:
        log: list[str] = []

        async def stream(context: Context) -> None:
            context.response.write("part")
            await context.response.flush()

        answer = ask(open_site(on(Stage.END, raising(ValueError("boom"))), Recorder(log), function=stream))
        assert (answer.status, answer.is_aborted, log) == (200, True, WHOLE)

    def test_pipeline_x01_the_first_error_counts_and_all_are_kept(self) -> None:
        first, second = ValueError("first"), ValueError("second")
        seen: list[object] = []

        def look(context: Context) -> None:
            seen.append((context.error, list(context.errors)))

        modules = [on(Stage.BEGIN, raising(first)), on(Stage.LOG, raising(second)), on(Stage.END, look)]
        assert ask(open_site(*modules)).status == 500
        assert seen == [(first, [first, second])]

    def test_pipeline_x01_a_later_error_is_in_the_log_too(self, caplog: pytest.LogCaptureFixture) -> None:
        modules = [on(Stage.BEGIN, raising(ValueError("first"))), on(Stage.END, raising(ValueError("second")))]
        with caplog.at_level(logging.DEBUG, "penstock"):
            ask(open_site(*modules))
        failures = [record.getMessage() for record in caplog.records if record.exc_info]
        assert len(failures) == 2
        assert "failed at BEGIN" in failures[0]
        assert "failed at END" in failures[1]

    def test_pipeline_x02_error_hooks_are_called_once_with_the_first_error(self) -> None:
        seen: list[object] = []

        def hook(context: Context) -> None:
            seen.append((str(context.error), context.stage))

        modules = [
            Attached(lambda hooks: hooks.on_error(hook)),
            on(Stage.AUTHORIZE, raising(ValueError("first"))),
            on(Stage.END, raising(ValueError("second"))),
        ]
        ask(open_site(*modules))
        assert seen == [("first", Stage.AUTHORIZE)]

    def test_pipeline_x02_an_error_hook_that_fails_is_recorded_and_the_next_is_asked(self) -> None:
        seen: list[object] = []

        async def fail_later(context: Context) -> None:
            await asyncio.sleep(0)
            raise ValueError("of an async hook")

        def attach(hooks: Hooks) -> None:
            hooks.on_error(raising(ValueError("of a hook")))
            hooks.on_error(fail_later)
            hooks.on_error(lambda context: Response("sorry", status=503))
            hooks.on_error(lambda context: seen.append("asked though there was an answer"))
            hooks.on(Stage.END, lambda context: seen.extend(str(each) for each in context.errors))

        answer = ask(open_site(Attached(attach), function=raising(ValueError("of the handler"))))
        assert (answer.status, answer.text) == (503, "sorry")
        assert seen == ["of the handler", "of a hook", "of an async hook"]

    def test_pipeline_x03_the_answer_stands_at_the_end_of_the_failing_stage(self) -> None:
        seen: list[object] = []

        def look(context: Context) -> None:
            seen.append((context.response.status, bool(context.response.body)))

        ask(open_site(on(Stage.AUTHORIZE, raising(ValueError("boom"))), on(Stage.LOG, look)))
        assert seen == [(500, True)]

    @pytest.mark.parametrize("is_async", [False, True])
    def test_pipeline_x04_an_error_hook_answers_and_never_resumes(self, is_async: bool) -> None:
        log: list[str] = []

        async def answer_later(context: Context) -> Response:
            await asyncio.sleep(0)
            return Response("please sign in", status=401, headers={"www-authenticate": "Basic"})

        def attach(hooks: Hooks) -> None:
            hooks.on(Stage.AUTHORIZE, raising(PermissionError()))
            hooks.on_error(answer_later if is_async else lambda _: Response("please sign in", status=401))

        answer = ask(open_site(Attached(attach), Recorder(log), function=lambda: log.append("handler")))
        assert (answer.status, answer.text) == (401, "please sign in")
        assert log == ["BEGIN", "AUTHENTICATE", "AUTHENTICATE+", *FINAL]

    def test_pipeline_x04_an_error_hook_that_swallows_changes_nothing(self) -> None:
        log: list[str] = []

        def attach(hooks: Hooks) -> None:
            hooks.on(Stage.AUTHORIZE, raising(PermissionError()))
            hooks.on_error(lambda context: None)

        assert ask(open_site(Attached(attach), function=lambda: log.append("handler"))).status == 403
        assert log == []

    @pytest.mark.parametrize("is_async", [False, True])
    def test_pipeline_x04_what_is_no_response_is_no_answer(self, is_async: bool) -> None:
        async def later(context: Context) -> Any:
            return "ok"

        hook: Any = later if is_async else lambda context: "ok"
        module = Attached(lambda hooks: hooks.on_error(hook))
        assert ask(open_site(module, function=raising(ValueError("boom")))).status == 500

    def test_pipeline_x05_an_error_behind_an_answered_one_does_not_make_it_a_success(self) -> None:
        def attach(hooks: Hooks) -> None:
            hooks.on(Stage.AUTHENTICATE, raising(ValueError("first")))
            hooks.on(Stage.LOG, raising(ValueError("second")))
            hooks.on_error(lambda context: Response("sorry", status=502))

        answer = ask(open_site(Attached(attach)))
        assert (answer.status, answer.text) == (502, "sorry")

    @pytest.mark.parametrize(
        ("error", "status"),
        [
            (HTTPError(401, headers=[(b"www-authenticate", b"Basic")]), 401),
            (HTTPError(503), 503),
            (PermissionError(), 403),
            (TimeoutError(), 504),
            (ValueError(), 500),
            (KeyError("x"), 500),
            (ContractError("broken"), 500),
        ],
    )
    def test_pipeline_x06_the_status_of_an_error(self, error: Exception, status: int) -> None:
        answer = ask(open_site(function=raising(error)))
        assert answer.status == status
        assert answer.headers.get("www-authenticate") == ("Basic" if status == 401 else None)

    def test_pipeline_x06_a_body_beyond_the_limit_is_413(self) -> None:
        async def read(context: Context) -> int:
            return len(await context.request.body())

        async def pieces() -> AsyncIterator[bytes]:
            yield b"x" * 6
            yield b"x" * 6

        assert ask(open_site(function=read, body=10), method="POST", body=b"x" * 11).status == 413
        assert ask(open_site(function=read, body=10), method="POST", body=pieces()).status == 413
        assert ask(open_site(function=read, body=12), method="POST", body=pieces()).text == "12"

    def test_pipeline_x07_a_half_written_answer_is_dropped(self) -> None:
        def handler(context: Context) -> None:
            context.response.status = 201
            context.response.headers["x-half"] = "yes"
            context.response.write("half an answer")
            raise ValueError("boom")

        answer = ask(open_site(function=handler))
        assert answer.status == 500
        assert "half" not in answer.text
        assert answer.headers.get("x-half") is None

    def test_pipeline_x07_behind_a_flush_the_client_can_tell_that_it_is_not_whole(self) -> None:
        async def handler(context: Context) -> None:
            context.response.write("half")
            await context.response.flush()
            raise ValueError("boom")

        answer = ask(open_site(function=handler))
        assert (answer.status, answer.text, answer.is_aborted) == (200, "half", True)

    def test_pipeline_x08_production_shows_an_id_and_no_details(self, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.DEBUG, "penstock"):
            answer = ask(open_site(function=raising(ValueError("the password is swordfish"))))
        record = next(each for each in caplog.records if each.exc_info)
        shown = answer.text.split("error id ")[1].split()[0]
        assert shown in record.getMessage()
        assert not any(word in answer.text for word in ("swordfish", "ValueError", "Traceback", ".py"))
        assert "swordfish" in caplog.text

    def test_pipeline_x08_development_shows_the_traceback(self) -> None:
        answer = ask(open_site(function=raising(ValueError("<b>boom</b>")), mode="development"))
        assert "Traceback" in answer.text
        assert "ValueError: <b>boom</b>" in answer.text
        page = ask(
            open_site(function=raising(ValueError("<b>boom</b>")), mode="development"), headers={"accept": "text/html"}
        )
        assert "Traceback" in page.text
        assert "&lt;b&gt;boom&lt;/b&gt;" in page.text
        assert "<b>boom" not in page.text


class TestScopes:
    @pytest.mark.parametrize("loop", LOOPS)
    @pytest.mark.parametrize("is_async", [False, True])
    def test_pipeline_p12_scopes_nest_and_are_left_in_reverse(self, is_async: bool, loop: str) -> None:
        log: list[str] = []
        modules = [_scoped(log, name, is_async=is_async) for name in "ABC"]
        assert ask(open_site(*modules, function=lambda: log.append("handler")), loop=loop).status == 200
        assert log == ["A(", "B(", "C(", "handler", "C)", "B)", "A)"]

    @pytest.mark.parametrize("is_async", [False, True])
    def test_pipeline_p12_a_scope_is_left_only_if_it_was_entered(self, is_async: bool) -> None:
        log: list[str] = []
        modules = [
            _scoped(log, "A", is_async=is_async),
            on(Stage.BEGIN, complete),
            _scoped(log, "B", is_async=is_async),
        ]
        assert ask(open_site(*modules)).status == 200
        assert log == ["A(", "A)"]

    @pytest.mark.parametrize("is_async", [False, True])
    @pytest.mark.parametrize(
        "last", [Stage.AUTHORIZE, Stage.EXECUTE, Stage.RELEASE_STATE, Stage.UPDATE_CACHE, Stage.END]
    )
    @pytest.mark.parametrize(
        "failing", [Stage.AUTHENTICATE, Stage.PRE_EXECUTE, Stage.UPDATE_CACHE, Stage.LOG, Stage.END]
    )
    def test_pipeline_p12_whatever_fails_an_entered_scope_is_left_once(
        self, failing: Stage, last: Stage, is_async: bool
    ) -> None:
        log: list[str] = []
        modules = [
            _scoped(log, "A", is_async=is_async),
            _scoped(log, "B", last=last, is_async=is_async),
            on(failing, raising(ValueError("boom"))),
        ]
        assert ask(open_site(*modules)).status == 500
        assert log == ["A(", "B(", "B)", "A)"]

    @pytest.mark.parametrize("is_async", [False, True])
    def test_pipeline_p12_a_scope_sees_the_error_and_cannot_make_the_request_go_on(self, is_async: bool) -> None:
        log: list[str] = []

        class Swallow:
            def __enter__(self) -> None:
                log.append("enter")

            def __exit__(self, *reason: object) -> bool:
                log.append(f"exit {reason[1]}")
                return True

        class SwallowLater:
            async def __aenter__(self) -> None:
                log.append("enter")

            async def __aexit__(self, *reason: object) -> bool:
                log.append(f"exit {reason[1]}")
                return True

        scope: Any = (lambda context: SwallowLater()) if is_async else (lambda context: Swallow())
        modules = [
            Attached(lambda hooks: hooks.around(Stage.BEGIN, Stage.AUTHORIZE, scope)),
            on(Stage.AUTHORIZE, raising(PermissionError("no"))),
        ]
        assert ask(open_site(*modules, function=lambda: log.append("handler"))).status == 403
        assert log == ["enter", "exit no"]

    @pytest.mark.parametrize("is_async", [False, True])
    @pytest.mark.parametrize("last", [Stage.AUTHORIZE, Stage.EXECUTE, Stage.LOG, Stage.END])
    def test_pipeline_p12_a_scope_that_fails_when_left_keeps_no_other_from_being_left(
        self, last: Stage, is_async: bool
    ) -> None:
        log: list[str] = []
        modules = [
            _scoped(log, "A", last=last, is_async=is_async),
            _scoped(log, "B", last=last, is_async=is_async, error=ValueError("boom")),
            _scoped(log, "C", last=last, is_async=is_async),
        ]
        assert ask(open_site(*modules)).status == 500
        assert log == ["A(", "B(", "C(", "C)", "B)", "A)"]

    @pytest.mark.parametrize("is_async", [False, True])
    @pytest.mark.parametrize("last", [Stage.AUTHORIZE, Stage.EXECUTE, Stage.LOG, Stage.END])
    def test_pipeline_p12_scopes_that_all_fail_when_left_are_answered_with_the_first_error(
        self, last: Stage, is_async: bool
    ) -> None:
        log: list[str] = []
        errors: list[str] = []
        modules = [
            Attached(lambda hooks: hooks.on_error(lambda context: errors.append(str(context.error)))),
            _scoped(log, "A", last=last, is_async=is_async, error=ValueError("of A")),
            _scoped(log, "B", last=last, is_async=is_async, error=ValueError("of B")),
        ]
        assert ask(open_site(*modules)).status == 500
        assert log == ["A(", "B(", "B)", "A)"]
        assert errors == ["of B"]

    @pytest.mark.parametrize("is_async", [False, True])
    def test_pipeline_p12_a_scope_that_fails_when_entered_is_not_left(self, is_async: bool) -> None:
        log: list[str] = []

        class Broken:
            def __enter__(self) -> None:
                raise ValueError("boom")

            def __exit__(self, *args: object) -> None:
                log.append("left")

        class BrokenLater:
            async def __aenter__(self) -> None:
                raise ValueError("boom")

            async def __aexit__(self, *args: object) -> None:
                log.append("left")

        scope: Any = (lambda context: BrokenLater()) if is_async else (lambda context: Broken())
        modules = [
            _scoped(log, "A", is_async=is_async),
            Attached(lambda hooks: hooks.around(Stage.BEGIN, Stage.END, scope)),
        ]
        assert ask(open_site(*modules)).status == 500
        assert log == ["A(", "A)"]

    @pytest.mark.parametrize("is_async", [False, True])
    def test_pipeline_p12_a_scope_is_left_when_the_client_leaves(self, is_async: bool) -> None:
        log: list[str] = []

        async def read(context: Context) -> None:
            try:
                await context.request.body()
            except ClientGone:
                log.append("gone")
                raise

        async def never() -> AsyncIterator[bytes]:
            yield b"part"
            await asyncio.Event().wait()

        async def journey() -> None:
            client = open_site(_scoped(log, "A", is_async=is_async), function=read)
            async with client:
                request = client.open("POST", "/", body=never())
                await settle()
                request.disconnect()
                await request.wait_finished()
                await _stop_feeding(request.feeding)
                assert client.runtime.statistics().disconnected == 1

        run(journey)
        assert log == ["A(", "gone", "A)"]

    def test_pipeline_p12_ranges_that_overlap_without_nesting_are_refused(self) -> None:
        log: list[str] = []
        modules = [
            _scoped(log, "A", first=Stage.BEGIN, last=Stage.AUTHORIZE),
            _scoped(log, "B", first=Stage.AUTHENTICATE, last=Stage.EXECUTE),
        ]
        with pytest.raises(ConfigurationError) as caught:
            open_site(*modules)
        assert "BEGIN to AUTHORIZE and AUTHENTICATE to EXECUTE" in str(caught.value)

    def test_pipeline_p12_ranges_beside_each_other_are_left_and_entered_in_turn(self) -> None:
        log: list[str] = []
        modules = [
            _scoped(log, "A", first=Stage.BEGIN, last=Stage.AUTHENTICATE),
            _scoped(log, "B", first=Stage.AUTHORIZE, last=Stage.EXECUTE),
        ]
        ask(open_site(*modules))
        assert log == ["A(", "A)", "B(", "B)"]


class TestAnswer:
    def test_pipeline_p13_end_can_still_change_the_head(self) -> None:
        def to_login(context: Context) -> None:
            if context.response.status == 401:
                context.response.redirect("/login", 302)

        answer = ask(open_site(on(Stage.END, to_login), function=raising(HTTPError(401))))
        assert (answer.status, answer.headers["location"], answer.body) == (302, "/login", b"")

    def test_pipeline_p13_what_is_recorded_is_what_was_sent(self) -> None:
        recorded: list[int] = []

        async def journey() -> None:
            async with open_site(on(Stage.END, _redirect), function=raising(HTTPError(401))) as client:
                client.runtime.record = lambda request, status, headers: recorded.append(status)
                await client.get("/")

        run(journey)
        assert recorded == [302]

    def test_pipeline_p18_the_callback_before_the_head_is_called_once(self) -> None:
        calls: list[int] = []

        def change(response: Response) -> None:
            calls.append(response.status)
            response.status = 202
            response.headers["x-late"] = "yes"

        async def handler(context: Context) -> None:
            context.response.on_sending_headers(change)
            for _ in range(2):
                context.response.write("x")
                await context.response.flush()

        answer = ask(open_site(function=handler))
        assert (answer.status, answer.headers["x-late"], answer.text, calls) == (202, "yes", "xx", [200])

    def test_pipeline_e11_a_callback_that_fails_becomes_an_error_answer_once(self) -> None:
        log: list[str] = []

        def attach(hooks: Hooks) -> None:
            hooks.on(Stage.BEGIN, lambda context: context.response.on_sending_headers(_boom))
            hooks.on_error(lambda context: log.append(str(context.error)))

        answer = ask(open_site(Attached(attach)))
        assert (answer.status, log) == (500, ["boom"])

    def test_pipeline_e11_a_head_that_cannot_be_sent_becomes_an_error_answer(self) -> None:
        def spoil(context: Context) -> None:
            context.response.raw_headers.append((b"not a token", b"x"))

        answer = ask(open_site(on(Stage.END, spoil)))
        assert (answer.status, answer.is_aborted) == (500, False)

    def test_pipeline_e11_an_error_answer_that_cannot_be_sent_becomes_a_plain_one(self) -> None:
        answer = ask(open_site(function=raising(HTTPError(401, headers=[(b"not a token", b"x")]))))
        assert (answer.status, answer.is_aborted) == (500, False)

    def test_pipeline_e11_a_callback_that_fails_behind_an_error_does_not_cost_the_client_its_answer(self) -> None:
        module = on(Stage.BEGIN, lambda context: context.response.on_sending_headers(_boom))
        answer = ask(open_site(module, function=raising(HTTPError(404))))
        assert (answer.status, answer.is_aborted) == (500, False)

    def test_pipeline_e11_a_streamed_head_that_cannot_be_sent_becomes_an_error_answer(self) -> None:
        async def handler(context: Context) -> None:
            context.response.raw_headers.append((b"x", b"a\r\nb"))
            context.response.write("part")
            await context.response.flush()

        answer = ask(open_site(function=handler))
        assert (answer.status, answer.is_aborted) == (500, False)

    def test_pipeline_p20_somebody_always_asks(self) -> None:
        seen: list[tuple[str, bool]] = []
        module = Attached(
            lambda hooks: hooks.after(
                Stage.AUTHORIZE,
                lambda context: seen.append((context.principal.name, context.principal.is_authenticated)),
            )
        )
        ask(open_site(module))
        assert seen == [("", False)]


class TestMachine:
    def test_pipeline_m01_plain_steps_need_no_task(self) -> None:
        tasks: list[object] = []

        def look(context: Context) -> None:
            tasks.append(context.task)

        ask(open_site(on(Stage.BEGIN, look), on(Stage.END, look)))
        assert tasks == [None, None]

    @pytest.mark.parametrize("loop", LOOPS)
    def test_pipeline_m01_async_steps_share_one_task(self, loop: str) -> None:
        tasks: list[object] = []

        async def look(context: Context) -> None:
            tasks.append(asyncio.current_task())
            await asyncio.sleep(0)
            tasks.append(asyncio.current_task())

        ask(open_site(on(Stage.BEGIN, look), on(Stage.AUTHORIZE, look), on(Stage.END, look)), loop=loop)
        assert len(tasks) == 6
        assert len(set(tasks)) == 1
        assert tasks[0] is not None

    @pytest.mark.parametrize("loop", LOOPS)
    def test_pipeline_m02_a_timeout_works_within_the_first_step(self, loop: str) -> None:
        async def hook(context: Context) -> None:
            async with asyncio.timeout(0):
                await asyncio.Event().wait()

        assert ask(open_site(on(Stage.BEGIN, hook)), loop=loop).status == 504

    def test_pipeline_m02_an_error_keeps_its_traceback(self) -> None:
        seen: list[str] = []

        async def hook(context: Context) -> None:
            await asyncio.sleep(0)
            _boom(context)

        def look(context: Context) -> None:
            trace = None if context.error is None else context.error.__traceback__
            while trace is not None:
                seen.append(trace.tb_frame.f_code.co_name)
                trace = trace.tb_next

        ask(open_site(on(Stage.BEGIN, hook), on(Stage.END, look)))
        assert seen[-2:] == ["hook", "_boom"]

    @pytest.mark.parametrize("loop", LOOPS)
    def test_pipeline_m07_context_variables_last_for_one_request(self, loop: str) -> None:
        variable: ContextVar[str] = ContextVar("variable", default="unset")
        seen: list[str] = []

        def set_it(context: Context) -> None:
            seen.append(variable.get())
            variable.set(context.request.path)

        async def change_it(context: Context) -> None:
            await asyncio.sleep(0)
            variable.set(variable.get() + "!")

        def look(context: Context) -> None:
            seen.append(variable.get())

        modules = [on(Stage.BEGIN, set_it), on(Stage.AUTHORIZE, change_it), on(Stage.END, look)]

        async def journey() -> None:
            async with open_site(*modules, functions={"/a": hello, "/b": hello}) as client:
                await client.get("/a")
                await client.get("/b")
                await asyncio.gather(client.get("/a"), client.get("/b"))
            assert variable.get() == "unset"

        run(journey, loop)
        assert seen[:4] == ["unset", "/a!", "unset", "/b!"]
        assert sorted(seen[4:]) == ["/a!", "/b!", "unset", "unset"]

    def test_pipeline_p16_a_hook_returns_nothing_or_an_awaitable(self) -> None:
        log: list[str] = []
        answer = ask(open_site(on(Stage.AUTHORIZE, lambda context: True), function=lambda: log.append("handler")))
        assert (answer.status, log) == (500, [])

    @pytest.mark.parametrize("loop", LOOPS)
    def test_pipeline_p16_while_a_step_waits_the_loop_is_free(self, loop: str) -> None:
        async def journey() -> list[str]:
            gate = asyncio.Event()
            order: list[str] = []

            async def wait(context: Context) -> None:
                if context.request.path == "/slow":
                    await gate.wait()

            def note(context: Context) -> None:
                order.append(context.request.path)

            modules = [on(Stage.AUTHORIZE, wait), on(Stage.END, note)]
            async with open_site(*modules, functions={"/slow": hello, "/quick": hello}) as client:
                slow = client.open("GET", "/slow")
                await client.get("/quick")
                gate.set()
                await slow.wait_finished()
            return order

        assert run(journey, loop) == ["/quick", "/slow"]


class TestLife:
    def test_pipeline_a01_one_module_serves_all_requests(self) -> None:
        made: list[object] = []

        async def journey() -> None:
            gate = asyncio.Event()

            class Counting:
                def __init__(self) -> None:
                    made.append(self)

                def attach(self, hooks: Hooks) -> None:
                    hooks.on(Stage.BEGIN, self.begin)

                async def begin(self, context: Context) -> None:
                    context.items["path"] = context.request.path
                    await gate.wait()
                    assert context.items["path"] == context.request.path

            async with open_site(Counting, functions={"/{n}": lambda n: n}) as client:
                requests = [client.open("GET", f"/{n}") for n in range(100)]
                await settle()
                assert client.runtime.statistics().executing == 100
                gate.set()
                for request in requests:
                    await request.wait_finished()
                assert [b"".join(each.pieces) for each in requests] == [b"%d" % n for n in range(100)]

        run(journey)
        assert len(made) == 1

    def test_pipeline_a02_a_module_of_a_location_is_made_once_though_children_inherit_it(self) -> None:
        made: list[object] = []
        log: list[str] = []

        class Counting:
            def __init__(self) -> None:
                made.append(self)

            def attach(self, hooks: Hooks) -> None:
                hooks.on_start(lambda: log.append("start"))
                hooks.on_stop(lambda: log.append("stop"))
                hooks.on(Stage.AUTHORIZE, noting(log, "request"))

        client = open_site(functions={"/a/b/c": hello}, locations={"/a": [Counting], "/a/b": []})
        assert ask(client, "/a/b/c").status == 200
        assert log == ["start", "request", "stop"]
        assert len(made) == 1

    def test_pipeline_a04_start_and_stop_run_once_stop_in_reverse(self) -> None:
        log: list[str] = []

        def module(name: str) -> Attached:
            async def start() -> None:
                await asyncio.sleep(0)
                log.append(f"start {name}")

            def attach(hooks: Hooks) -> None:
                hooks.on_start(start)
                hooks.on_stop(lambda: log.append(f"stop {name}"))

            return Attached(attach)

        async def journey() -> None:
            async with open_site(module("A"), module("B")) as client:
                log.append("requests")
                await asyncio.gather(*(client.get("/") for _ in range(10)))

        run(journey)
        assert log == ["start A", "start B", "requests", "stop B", "stop A"]

    def test_pipeline_a05_a_module_that_fails_to_start_keeps_the_server_from_starting(self) -> None:
        log: list[str] = []

        def good(hooks: Hooks) -> None:
            hooks.on_start(lambda: log.append("start"))
            hooks.on_stop(lambda: log.append("stop"))

        def bad(hooks: Hooks) -> None:
            hooks.on_start(_fail_to_start)
            hooks.on_stop(lambda: log.append("never started"))

        with pytest.raises(StartupError) as caught:
            ask(open_site(Attached(good), Attached(bad), Attached(good)))
        assert "no database" in str(caught.value)
        assert isinstance(caught.value.__cause__, OSError)
        assert log == ["start", "stop"]

    def test_pipeline_a06_stop_runs_once_though_asked_twice(self) -> None:
        log: list[str] = []

        async def journey() -> None:
            async with open_site(Attached(lambda hooks: hooks.on_stop(lambda: log.append("stop")))) as client:
                await client.runtime.stop()

        run(journey)
        assert log == ["stop"]

    def test_pipeline_a08_a_module_that_fails_to_stop_harms_no_other(self, caplog: pytest.LogCaptureFixture) -> None:
        log: list[str] = []
        modules = [
            Attached(lambda hooks: hooks.on_stop(lambda: log.append("A"))),
            Attached(lambda hooks: hooks.on_stop(_fail_to_start)),
            Attached(lambda hooks: hooks.on_stop(lambda: log.append("C"))),
        ]
        ask(open_site(*modules))
        assert log == ["C", "A"]
        assert "no database" in caplog.text


class TestMapping:
    def test_pipeline_h02_the_first_that_fits_path_and_method_answers(self) -> None:
        functions: dict[str, Callable[..., object]] = {"/{name}": lambda name: f"any {name}", "/exact": lambda: "exact"}
        assert ask(open_site(functions=functions), "/exact").text == "exact"
        assert ask(open_site(functions=functions), "/other").text == "any other"

    def test_pipeline_h03_no_path_is_404_another_method_405(self) -> None:
        client = open_site(functions={"/a": hello}, methods=("GET",))
        refused = ask(client, "/a", method="POST")
        assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
        assert ask(open_site(functions={"/a": hello}), "/b").status == 404

    def test_pipeline_h03_a_failure_is_counted_once(self) -> None:
        async def journey() -> int:
            async with open_site(functions={"/a": hello}) as client:
                await client.get("/b")
                return client.runtime.statistics().failed

        assert run(journey) == 1

    def test_pipeline_h08_without_anything_it_is_404_and_the_modules_take_part(self) -> None:
        log: list[str] = []
        assert ask(open_site(Recorder(log), function=None)).status == 404
        assert log[0] == "BEGIN"
        assert log[-3:] == FINAL

    def test_pipeline_h10_defaults_of_a_plain_answer(self) -> None:
        answer = ask(open_site(function=lambda: "x"))
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert answer.headers["cache-control"] == "private"

        def public(context: Context) -> str:
            context.response.headers["cache-control"] = "public, max-age=60"
            return "x"

        assert ask(open_site(function=public)).headers.get_all("cache-control") == ["public, max-age=60"]


def _seen_before(stage: Stage) -> list[str]:
    """What a recorder has seen when a module in front of it acts at `stage`."""
    return WHOLE[: WHOLE.index(stage.name)]


def _scoped(
    log: list[str],
    name: str,
    *,
    first: Stage = Stage.BEGIN,
    last: Stage = Stage.END,
    is_async: bool = False,
    error: Exception | None = None,
) -> Attached:
    @contextmanager
    def scope(context: Context) -> Iterator[None]:
        log.append(f"{name}(")
        try:
            yield
        finally:
            log.append(f"{name})")
            if error is not None:
                raise error

    @asynccontextmanager
    async def scope_later(context: Context) -> AsyncIterator[None]:
        await asyncio.sleep(0)
        log.append(f"{name}(")
        try:
            yield
        finally:
            await asyncio.sleep(0)
            log.append(f"{name})")
            if error is not None:
                raise error

    chosen: Any = scope_later if is_async else scope
    return Attached(lambda hooks: hooks.around(first, last, chosen))


async def _stop_feeding(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _redirect(context: Context) -> None:
    context.response.redirect("/login", 302)


def _boom(_: object) -> None:
    raise ValueError("boom")


def _fail_to_start() -> None:
    raise OSError("no database")
