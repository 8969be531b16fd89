"""The list of requests that wait inside (pipeline D-05)."""

from tests.intake.subject import FakeSite, Waits, answer, keep, make_request, started
from tests.pipeline.subject import run


class TestInside:
    def test_pipeline_d05_only_those_that_wait_are_listed_with_stage_and_age(self) -> None:
        async def journey() -> None:
            runtime = await started(FakeSite(process=keep))
            request = make_request("/shop?secret=1", method="POST")
            runtime.process(request)
            assert runtime.requests() == []
            runtime.inside[request] = Waits(request)
            assert runtime.requests()[0].age == 0  # nobody has asked for its time yet
            request.started = runtime.loop.time() - 1
            (line,) = runtime.requests()
            assert (line.method, line.path, line.client) == ("POST", "/shop", "127.0.0.1")
            assert (line.stage, line.module, line.trace_id) == ("EXECUTE", "shop", "0" * 32)
            assert 1 <= line.age < 5
            answer(request, runtime)
            assert runtime.requests() == []

        run(journey)
