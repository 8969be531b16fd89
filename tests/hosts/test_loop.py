"""The event loop, and how a task begins on it."""

import asyncio
import contextvars
import sys
from typing import Any

import pytest

from penstock.errors import ConfigurationError
from penstock.hosts.loop import new_event_loop
from penstock.intake.tasks import find_starter

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="outside")


@pytest.mark.parametrize("kind", ["auto", "uvloop", "asyncio"])
def test_kinds(kind: str) -> None:
    loop = new_event_loop(kind)
    try:
        assert (type(loop).__module__.startswith("asyncio")) is (kind == "asyncio")
        assert loop.run_until_complete(asyncio.sleep(0, "done")) == "done"
    finally:
        loop.close()


def test_missing_uvloop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    new_event_loop("auto").close()
    with pytest.raises(ConfigurationError, match="pip install uvloop"):
        new_event_loop("uvloop")


@pytest.mark.parametrize("kind", ["uvloop", "asyncio"])
def test_tasks_see_their_own_variables_and_know_that_they_are_tasks(kind: str) -> None:
    steps: list[Any] = []

    async def work() -> None:
        steps.append(asyncio.current_task() is not None)
        variable.set("inside")
        async with asyncio.timeout(1):
            await asyncio.sleep(0)
        steps.append(variable.get())

    async def check() -> None:
        task = find_starter(asyncio.get_running_loop())(work(), contextvars.copy_context())
        await task
        assert steps == [True, "inside"]
        assert variable.get() == "outside"

    loop = new_event_loop(kind)
    try:
        loop.run_until_complete(check())
    finally:
        loop.close()


def test_first_step_is_taken_at_once_outside_of_tasks() -> None:
    loop = new_event_loop("uvloop")
    steps: list[str] = []

    async def work() -> None:
        steps.append("first")
        await asyncio.sleep(0)
        steps.append("second")

    def begin() -> None:
        tasks.append(find_starter(loop)(work(), contextvars.copy_context()))
        steps.append("started")

    tasks: list[asyncio.Task[None]] = []
    loop.call_soon(begin)
    loop.call_later(0.02, loop.stop)
    loop.run_forever()
    assert steps == ["first", "started", "second"]
    assert tasks[0].done()
    loop.close()
