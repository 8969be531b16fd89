"""Whole journeys of requests that fail: pipeline P-10, P-11 and section 7."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest

from penstock import (
    Context,
    ContractError,
    Hooks,
    HTTPError,
    Response,
    Stage,
)
from tests.pipeline.subject import (
    FINAL,
    RELEASE,
    WHOLE,
    Attached,
    Recorder,
    ask,
    on,
    open_site,
    raising,
    seen_before,
)

WHILE_ACQUIRED = [Stage.ACQUIRE_STATE, Stage.PRE_EXECUTE, Stage.EXECUTE]


def complete(context: Context) -> None:
    context.complete()


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
        assert log == seen_before(stage) + between + FINAL

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
            context.response.headers["etag"] = '"half"'
            context.response.write("half an answer")
            raise ValueError("boom")

        answer = ask(open_site(function=handler))
        assert answer.status == 500
        assert "half" not in answer.text
        assert answer.headers.get("etag") is None

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
