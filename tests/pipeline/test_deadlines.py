"""Deadlines: whose time is over is answered for, whatever it hangs in (pipeline T-03)."""

import asyncio

import pytest

from penstock import Context, Hooks, Stage
from tests.pipeline.subject import FINAL, LOOPS, RELEASE, Attached, Recorder, ask, on, open_site, run, settle


async def hang(context: Context) -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize("loop", LOOPS)
def test_pipeline_t03_a_handler_that_hangs_is_cancelled_and_answered_for(loop: str) -> None:
    log: list[str] = []

    async def function(context: Context) -> None:
        try:
            await hang(context)
        except asyncio.CancelledError:
            log.append("cancelled")
            raise

    async def journey() -> tuple[int, float, int]:
        running = asyncio.get_running_loop()
        async with open_site(Recorder(log), function=function, deadline=0.1) as client:
            began = running.time()
            answer = await client.get("/")
            return answer.status, running.time() - began, client.runtime.statistics().executing

    status, seconds, executing = run(journey, loop)
    assert status == 504
    assert seconds < 1
    assert executing == 0
    assert log[-6:] == ["cancelled", *RELEASE, *FINAL]


@pytest.mark.parametrize("stage", [stage for stage in Stage if stage is not Stage.EXECUTE])
def test_a_hook_that_hangs_too(stage: Stage) -> None:
    log: list[str] = []
    assert ask(open_site(on(stage, hang), Recorder(log), deadline=0.05)).status == 504
    assert log[-1] == "END"


def test_what_hangs_next_is_ended_too() -> None:
    assert ask(open_site(on(Stage.BEGIN, hang), on(Stage.LOG, hang), on(Stage.END, hang), deadline=0.05)).status == 504


def test_an_error_hook_that_hangs_is_cancelled() -> None:
    def attach(hooks: Hooks) -> None:
        hooks.on(Stage.BEGIN, hang)
        hooks.on_error(hang)

    assert ask(open_site(Attached(attach), deadline=0.05)).status == 504


def test_what_does_not_let_itself_be_cancelled_is_left_behind(caplog: pytest.LogCaptureFixture) -> None:
    released = asyncio.Event()
    log: list[str] = []

    async def function(context: Context) -> str:
        while not released.is_set():
            try:
                await released.wait()
            except asyncio.CancelledError:
                log.append("no")
        return "too late"

    async def journey() -> int:
        async with open_site(Recorder(log), function=function, deadline=0.05) as client:
            answer = await client.get("/")
            assert client.runtime.statistics().background == 1
            released.set()
            return answer.status

    assert run(journey) == 504
    assert "does not let itself be cancelled" in caplog.text
    assert log.count("END") == 1


def test_an_answer_that_has_begun_is_left_alone() -> None:
    async def function(context: Context) -> None:
        context.response.write("a")
        await context.response.flush()
        await asyncio.sleep(0.3)
        context.response.write("b")

    assert ask(open_site(function=function, deadline=0.1)).text == "ab"


@pytest.mark.parametrize("answers", [False, True])
def test_what_an_application_sends_after_it_comes_too_late(answers: bool) -> None:
    said: list[str] = []

    async def application(scope: dict[str, object], receive: object, send: object) -> None:
        if scope["type"] == "lifespan":
            return
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if not answers:
                raise
            try:
                await send({"type": "http.response.start", "status": 200, "headers": []})  # type: ignore[operator]
                await send({"type": "http.response.body", "body": b"late"})  # type: ignore[operator]
            except OSError as error:
                said.append(str(error))

    assert ask(open_site(apps={"/": application}, deadline=0.05)).status == 504
    assert said == (["this request has been answered already"] if answers else [])


def test_it_can_be_asked_for() -> None:
    seen: list[object] = []

    def function(context: Context) -> str:
        loop = context.runtime.loop
        deadline = context.deadline
        seen.append(deadline is not None and 4.9 < deadline - loop.time() <= 5)
        return "x"

    ask(open_site(function=function, deadline=5))
    ask(open_site(function=lambda context: seen.append(context.deadline), deadline=0))
    assert seen == [True, None]


def test_pipeline_t04_only_who_wants_it_is_cancelled_when_the_client_leaves() -> None:
    log: list[str] = []

    async def function(context: Context) -> None:
        try:
            await context.disconnected
            log.append("told")
            await asyncio.sleep(0)
            log.append("went on")
        finally:
            log.append("ended")

    async def journey() -> int:
        async with open_site(Recorder(log), function=function) as client:
            request = client.open("GET", "/")
            await settle()
            request.disconnect()
            await request.wait_finished()
            return client.runtime.statistics().disconnected

    assert run(journey) == 1
    assert [entry for entry in log if entry in ("told", "went on", "ended", "END")] == [
        "told",
        "went on",
        "ended",
        "END",
    ]
