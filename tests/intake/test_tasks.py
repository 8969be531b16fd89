"""How the one task of a request begins."""

import asyncio
from contextvars import ContextVar, copy_context

import pytest

from penstock.intake.tasks import find_starter
from tests.pipeline.subject import LOOPS, run, settle


@pytest.mark.parametrize("loop", LOOPS)
class TestStarting:
    def test_the_coroutine_has_a_task_from_its_first_step_on(self, loop: str) -> None:
        async def journey() -> None:
            seen: list[object] = []

            async def coroutine() -> None:
                seen.append(asyncio.current_task())
                await asyncio.sleep(0)
                seen.append(asyncio.current_task())

            task = find_starter(asyncio.get_running_loop())(coroutine(), copy_context())
            await task
            assert seen == [task, task]

        run(journey, loop)

    def test_it_runs_in_the_given_variables(self, loop: str) -> None:
        variable: ContextVar[str] = ContextVar("variable", default="unset")

        async def journey() -> None:
            async def coroutine() -> None:
                assert variable.get() == "given"
                variable.set("changed")

            variables = copy_context()
            variables.run(variable.set, "given")
            await find_starter(asyncio.get_running_loop())(coroutine(), variables)
            assert variables[variable] == "changed"
            assert variable.get() == "unset"

        run(journey, loop)

    def test_what_it_raises_is_the_task_s(self, loop: str) -> None:
        async def journey() -> None:
            async def coroutine() -> None:
                raise ValueError("boom")

            task = find_starter(asyncio.get_running_loop())(coroutine(), copy_context())
            await settle()
            assert isinstance(task.exception(), ValueError)

        run(journey, loop)


class TestEagerness:
    def test_from_a_callback_the_first_step_runs_before_the_starter_returns(self) -> None:
        order: list[str] = []

        async def journey() -> None:
            loop = asyncio.get_running_loop()
            ended = loop.create_future()
            start = find_starter(loop)

            async def coroutine() -> None:
                order.append("first step")
                await asyncio.sleep(0)
                ended.set_result(None)

            def callback() -> None:
                tasks.append(start(coroutine(), copy_context()))
                order.append("starter returned")

            tasks: list[asyncio.Task[None]] = []
            loop.call_soon(callback)
            await ended
            await tasks[0]

        run(journey, "uvloop")
        assert order == ["first step", "starter returned"]
