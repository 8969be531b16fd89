"""Sites that were replaced stop when the last of their requests has left (pipeline G-04)."""

import asyncio

from tests.intake.subject import FakeSite, Waits, answer, keep, make_request, started
from tests.pipeline.subject import run, settle


class TestRetired:
    def test_pipeline_g04_the_old_sites_stop_behind_their_last_request_and_the_new_ones_serve_at_once(self) -> None:
        log: list[str] = []

        async def journey() -> None:
            old, new = FakeSite(["*"], log=log, process=keep), FakeSite(["*"], process=keep)
            runtime = await started(old)
            inside = [make_request() for _ in range(2)]
            for each in inside:
                runtime.process(each)
                runtime.inside[each] = Waits(each)
            retired = runtime.replace_sites([new])
            stopping = asyncio.ensure_future(runtime.stop_retired(retired))
            later = make_request()
            runtime.process(later)
            runtime.inside[later] = Waits(later)
            assert (len(old.inside), len(new.inside)) == (2, 1)
            answer(later, runtime)
            answer(inside[0], runtime)
            await settle()
            assert log == ["start *"]
            answer(inside[1], runtime)
            await stopping
            assert log == ["start *", "stop *"]
            await runtime.stop()
            assert log == ["start *", "stop *"]

        run(journey)

    def test_pipeline_g04_without_anybody_inside_they_stop_at_once(self) -> None:
        async def journey() -> None:
            old = FakeSite()
            runtime = await started(old)
            await runtime.stop_retired(runtime.replace_sites([FakeSite()]))
            assert old.log == ["start *", "stop *"]

        run(journey)

    def test_pipeline_g04_work_behind_an_answer_is_waited_for(self) -> None:
        async def journey() -> None:
            gate = asyncio.Event()

            async def wait() -> None:
                await gate.wait()

            old = FakeSite()
            runtime = await started(old)
            runtime.run_behind(asyncio.ensure_future(wait()))
            stopping = asyncio.ensure_future(runtime.stop_retired(runtime.replace_sites([FakeSite()])))
            await settle()
            assert old.log == ["start *"]
            gate.set()
            await stopping
            assert old.log == ["start *", "stop *"]

        run(journey)

    def test_pipeline_g04_at_a_stop_of_the_server_the_old_ones_stop_too(self) -> None:
        log: list[str] = []

        async def journey() -> None:
            runtime = await started(FakeSite(["old"], log=log, process=keep))
            request = make_request(host="old")
            runtime.process(request)
            runtime.inside[request] = Waits(request)
            runtime.replace_sites([FakeSite(["new"], log=log)])
            await runtime.stop()

        run(journey)
        assert log == ["start old", "stop old", "stop new"]
