"""The task of a request: parking, going on, and the end of it at a hard stop."""

import asyncio
import threading
from typing import Any

import pytest

from penstock import Context, Response, Stage
from penstock.pipeline.handler import PARKED, Signal
from penstock.pipeline.task import resume
from penstock.server import open_client
from penstock.settings import AppSettings, LogSettings, ModuleSettings, ServerSettings, SiteSettings
from tests.pipeline.subject import FINAL, LOOPS, Attached, Recorder, ask, on, open_site, run, settle


class TestParking:
    """A step that hands the request on returns PARKED, and calls `resume` on the loop when it is done."""

    @pytest.mark.parametrize("loop", LOOPS)
    @pytest.mark.parametrize("has_task", [False, True])
    def test_pipeline_m03_a_request_goes_on_where_it_was_parked_on_the_loop(self, has_task: bool, loop: str) -> None:
        threads: list[int] = []

        async def wait(context: Context) -> None:
            await asyncio.sleep(0)

        def park(context: Context) -> Signal:
            running = asyncio.get_running_loop()

            def work() -> None:
                threads.append(threading.get_ident())
                context.response.body = b"from a thread"
                running.call_soon_threadsafe(resume, context)

            worker = threading.Thread(target=work)
            worker.start()
            return PARKED

        def look(context: Context) -> None:
            threads.append(threading.get_ident())

        modules = [on(Stage.PRE_EXECUTE, park), on(Stage.END, look)]
        if has_task:
            modules.insert(0, on(Stage.BEGIN, wait))
        found = ask(open_site(*modules, function=lambda context: None), loop=loop)
        assert (found.status, found.text) == (200, "from a thread")
        assert threads[0] != threading.get_ident() == threads[1]

    def test_a_handler_may_park(self) -> None:
        def handler(context: Context) -> Signal:
            asyncio.get_running_loop().call_soon(resume, context)
            return PARKED

        assert ask(open_site(function=handler)).status == 200

    def test_a_parked_request_that_failed_goes_on_with_its_error(self) -> None:
        def handler(context: Context) -> Signal:
            def fail() -> None:
                context.fail(PermissionError())
                resume(context)

            asyncio.get_running_loop().call_soon(fail)
            return PARKED

        assert ask(open_site(function=handler)).status == 403


class TestStopping:
    """A request whose task is cancelled, as at a hard stop, is answered and passes what always runs."""

    @pytest.mark.parametrize("loop", LOOPS)
    def test_it_is_answered_with_503_and_passes_the_final_stages(self, loop: str) -> None:
        log: list[str] = []

        async def journey() -> None:
            tasks: list[asyncio.Task[None]] = []

            async def wait(context: Context) -> None:
                task = asyncio.current_task()
                assert task is not None
                tasks.append(task)
                await asyncio.Event().wait()

            async def slow(context: Context) -> None:
                log.append("slow hook")
                await asyncio.Event().wait()
                log.append("never")

            async with open_site(on(Stage.AUTHORIZE, wait), on(Stage.LOG, slow), Recorder(log)) as client:
                request = client.open("GET", "/")
                await settle()
                tasks[0].cancel()
                await request.wait_finished()
                assert request.response_head is not None
                assert request.response_head.status == 503
                await settle()
                assert tasks[0].cancelled()
                assert client.runtime.statistics().executing == 0

        run(journey, loop)
        assert log[-3:] == ["LOG", "LOG+", "END"]
        assert "never" not in log

    @pytest.mark.parametrize("loop", LOOPS)
    @pytest.mark.parametrize("is_waiting", [False, True])
    def test_pipeline_m05_work_that_was_started_does_not_hold_a_hard_stop_up(self, is_waiting: bool, loop: str) -> None:
        log: list[str] = []

        async def work() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                log.append("work has ended")

        async def start(context: Context) -> None:
            context.start(work())
            if is_waiting:
                await asyncio.Event().wait()

        async def journey() -> None:
            async with open_site(on(Stage.AUTHORIZE, start), Recorder(log)) as client:
                request = client.open("GET", "/")
                await settle()
                for task in asyncio.all_tasks() - {asyncio.current_task()}:
                    if task.get_name() == "penstock-request":
                        task.cancel()
                await request.wait_finished()
                assert request.response_head is not None
                assert request.response_head.status == 503
                await settle()

        run(journey, loop)
        assert log[-4:] == ["LOG", "LOG+", "END", "work has ended"]

    def test_an_error_hook_that_waits_is_not_asked_at_a_hard_stop(self) -> None:
        async def answer(context: Context) -> Response:
            return Response("never")

        async def begin(context: Context) -> None:
            context.response.write("half")
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await asyncio.Event().wait()

        found = ask(open_site(Attached(lambda hooks: hooks.on_error(answer)), on(Stage.BEGIN, begin)))
        assert (found.status, "half" in found.text) == (503, False)

    def test_a_hook_cannot_end_the_server(self) -> None:
        def leave(context: Context) -> None:
            raise SystemExit(1)

        async def leave_later(context: Context) -> None:
            await asyncio.sleep(0)
            raise SystemExit(1)

        assert ask(open_site(on(Stage.BEGIN, leave))).status == 500
        assert ask(open_site(on(Stage.BEGIN, leave_later))).status == 500

    @pytest.mark.parametrize("loop", LOOPS)
    def test_pipeline_x02_who_awaits_what_was_cancelled_has_failed_and_the_server_goes_on(self, loop: str) -> None:
        async def wait(context: Context) -> None:
            other = asyncio.ensure_future(asyncio.Event().wait())
            other.cancel()
            await other

        answer = ask(open_site(function=wait), loop=loop)
        assert answer.status == 500
        assert "stopping" not in answer.text


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("is_behind_a_wait", [False, True])
def test_pipeline_p11_a_request_that_is_parked_passes_its_last_stages_at_a_hard_stop(
    is_behind_a_wait: bool, loop: str
) -> None:
    log: list[str] = []
    inside, released = threading.Event(), threading.Event()

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        inside.set()
        released.wait(20)
        start_response("200 OK", [])
        return [b"too late"]

    async def wait(context: Context) -> None:
        if is_behind_a_wait:
            await asyncio.sleep(0)

    async def journey() -> None:
        objects = {"tested:app": application, "tested:wait": on(Stage.BEGIN, wait), "tested:log": Recorder(log)}
        modules = tuple(ModuleSettings(use=name) for name in ("tested:wait", "tested:log"))
        site = SiteSettings(apps=(AppSettings(at="/", wsgi="tested:app"),), modules=modules)
        server = ServerSettings(log=LogSettings(access=False))
        async with open_client(site, server=server, objects=objects) as client:
            request = client.open("GET", "/")
            await asyncio.to_thread(inside.wait)
            stopping = asyncio.ensure_future(client.runtime.stop())
            await request.wait_finished()
            released.set()
            await stopping
            assert request.response_head is not None
            assert request.response_head.status_code == 503
            assert client.runtime.statistics().executing == 0

    run(journey, loop)
    assert log[-3:] == FINAL
