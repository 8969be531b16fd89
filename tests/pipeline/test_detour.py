"""The detour: work is waited for, the first error becomes the answer, the request goes on at the right step."""

import asyncio

import pytest

from penstock import Context, Hooks, HTTPError, Response, ResponseComplete, Stage
from tests.pipeline.subject import FINAL, RELEASE, Attached, Recorder, ask, on, open_site, raising


def test_pipeline_m05_the_next_step_waits_for_what_was_started() -> None:
    log: list[str] = []

    async def work(name: str) -> None:
        await asyncio.sleep(0)
        log.append(name)

    def begin(context: Context) -> None:
        for name in ("one", "two", "three"):
            context.start(work(name))

    module = on(Stage.BEGIN, begin)
    answer = ask(open_site(module, on(Stage.AUTHORIZE, lambda context: log.append("next")), function=lambda: "x"))
    assert answer.text == "x"
    assert log == ["one", "two", "three", "next"]


def test_pipeline_m06_continuations_of_a_request_never_overlap() -> None:
    counted = [0, 0]

    async def work() -> None:
        for _ in range(3):
            before = counted[0]
            counted[1] += 1
            assert counted[1] == 1, "two of them are at work at the same moment"
            counted[0] = before + 1
            counted[1] -= 1
            await asyncio.sleep(0)

    async def begin(context: Context) -> None:
        for _ in range(50):
            context.start(work())
        await asyncio.sleep(0)

    seen: list[int] = []
    ask(open_site(on(Stage.BEGIN, begin), on(Stage.AUTHORIZE, lambda context: seen.append(counted[0]))))
    assert seen == [150]


def test_work_may_start_work() -> None:
    log: list[str] = []

    async def inner() -> None:
        await asyncio.sleep(0)
        log.append("inner")

    def begin(context: Context) -> None:
        async def outer() -> None:
            context.start(inner)
            log.append("outer")

        context.start(outer)

    ask(open_site(on(Stage.BEGIN, begin), on(Stage.AUTHORIZE, lambda context: log.append("next"))))
    assert log == ["outer", "inner", "next"]


@pytest.mark.parametrize("stage", [Stage.BEGIN, Stage.ACQUIRE_STATE, Stage.EXECUTE])
def test_the_error_of_started_work_is_the_request_s(stage: Stage) -> None:
    async def work() -> None:
        await asyncio.sleep(0)
        raise HTTPError(418)

    log: list[str] = []

    def start(context: Context) -> None:
        context.start(work())

    assert (
        ask(open_site(on(stage, start), on(Stage.LOG, lambda context: log.append(str(context.errors))))).status == 418
    )
    assert log == ["[HTTPError('status 418')]"]


def test_work_that_is_started_at_end_is_waited_for_before_the_answer_leaves() -> None:
    async def work(context: Context) -> None:
        await asyncio.sleep(0)
        context.response.headers["x-late"] = "in time"

    def end(context: Context) -> None:
        context.start(work(context))

    answer = ask(open_site(on(Stage.END, end)))
    assert answer.headers["x-late"] == "in time"


class TestErrors:
    def test_pipeline_x03_the_page_is_there_at_the_next_stage(self) -> None:
        seen: list[object] = []
        module = on(Stage.LOG, lambda context: seen.append((context.response.status, context.response.body)))
        ask(open_site(on(Stage.AUTHORIZE, raising(HTTPError(403, "no"))), module))
        assert seen == [(403, b"403 Forbidden\nno\n")]

    @pytest.mark.parametrize("is_async", [False, True])
    def test_pipeline_x02_error_hooks_are_asked_once_for_the_first_error(self, is_async: bool) -> None:
        asked: list[object] = []

        async def later(context: Context) -> None:
            await asyncio.sleep(0)
            asked.append(context.error)

        def attach(hooks: Hooks) -> None:
            hooks.on(Stage.BEGIN, raising(HTTPError(410)))
            hooks.on(Stage.END, raising(ValueError("second")))
            hooks.on_error(later if is_async else lambda context: asked.append(context.error))

        assert ask(open_site(Attached(attach))).status == 410
        assert len(asked) == 1
        assert isinstance(asked[0], HTTPError)

    def test_pipeline_x02_what_error_hooks_raise_is_kept_and_the_next_is_asked(self) -> None:
        seen: list[int] = []

        def attach(hooks: Hooks) -> None:
            hooks.on(Stage.BEGIN, raising(HTTPError(410)))
            hooks.on_error(raising(ValueError("hook")))
            hooks.on_error(lambda context: Response("mine", status=410))
            hooks.on(Stage.LOG, lambda context: seen.append(len(context.errors)))

        assert ask(open_site(Attached(attach))).text == "mine"
        assert seen == [2]

    def test_an_error_in_two_final_steps_leaves_the_others_alone(self) -> None:
        log: list[str] = []

        def attach(hooks: Hooks) -> None:
            hooks.on(Stage.LOG, raising(ValueError("one")))
            hooks.on(Stage.LOG, raising(ValueError("two")))

        answer = ask(open_site(Attached(attach), Recorder(log)))
        assert answer.status == 500
        assert log[-3:] == FINAL

    @pytest.mark.parametrize("is_async", [False, True])
    def test_pipeline_t01_response_complete_in_an_error_hook_is_its_answer(self, is_async: bool) -> None:
        def plain(context: Context) -> None:
            context.response.status = 409
            context.response.body = b"so be it"
            raise ResponseComplete

        async def waiting(context: Context) -> None:
            await asyncio.sleep(0)
            plain(context)

        log: list[str] = []
        refused = on(Stage.BEGIN, raising(HTTPError(403)))
        hook = Attached(lambda hooks: hooks.on_error(waiting if is_async else plain))
        answer = ask(open_site(hook, refused, Recorder(log)))
        assert (answer.status, answer.text, log) == (409, "so be it", FINAL)

    @pytest.mark.parametrize("error", [SystemExit(), GeneratorExit(), asyncio.CancelledError()])
    def test_pipeline_x04_an_error_hook_cannot_hold_a_request_up(self, error: Exception) -> None:
        log: list[str] = []
        refused = on(Stage.BEGIN, raising(HTTPError(403)))
        hook = Attached(lambda hooks: hooks.on_error(raising(error)))
        assert (ask(open_site(hook, refused, Recorder(log))).status, log) == (403, FINAL)

    def test_pipeline_x03_an_error_that_cannot_be_told_is_answered(self) -> None:
        class Mute(PermissionError):
            def __str__(self) -> str:
                raise KeyError("no words")

        log: list[str] = []
        answer = ask(open_site(on(Stage.BEGIN, raising(Mute())), Recorder(log)))
        assert (answer.status, log) == (500, FINAL)


class TestComplete:
    @pytest.mark.parametrize("stage", [Stage.BEGIN, Stage.AUTHORIZE, Stage.MAP_HANDLER])
    def test_pipeline_t01_response_complete_ends_it_from_anywhere(self, stage: Stage) -> None:
        log: list[str] = []

        def deep(context: Context) -> None:
            try:
                context.response.body = b"done"
                raise ResponseComplete
            except Exception:
                log.append("caught")

        assert ask(open_site(on(stage, deep), Recorder(log))).body == b"done"
        assert "caught" not in log
        assert log[-3:] == FINAL
        assert stage.name not in log

    def test_pipeline_t01_also_in_a_handler_that_waits(self) -> None:
        log: list[str] = []

        async def function(context: Context) -> None:
            context.response.write("half")
            await asyncio.sleep(0)
            raise ResponseComplete

        assert ask(open_site(Recorder(log), function=function)).text == "half"
        assert log[-5:] == RELEASE + FINAL

    @pytest.mark.parametrize(
        ("raised", "status"), [(ResponseComplete(), 200), (HTTPError(418), 418), (ValueError(), 500)]
    )
    def test_what_the_only_failing_child_of_a_task_group_says_counts(self, raised: BaseException, status: int) -> None:
        async def child() -> None:
            raise raised

        async def function() -> None:
            async with asyncio.TaskGroup() as outer:
                outer.create_task(child())

        assert ask(open_site(function=function)).status == status

    def test_pipeline_p09_at_end_it_does_nothing(self) -> None:
        log: list[str] = []
        assert ask(open_site(on(Stage.END, raising(ResponseComplete())), Recorder(log))).status == 200  # type: ignore[arg-type]
        assert log[-1] == "END"
