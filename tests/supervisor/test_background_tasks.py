"""Tasks beside the caller: they end with it, and what they raise is told once."""

import asyncio
import logging

import pytest

from penstock.errors import StartupError
from penstock.supervisor.background_tasks import BackgroundTasks
from tests.supervisor.on_loop import on_loop


@on_loop
async def test_what_they_raise_is_told_and_whose_it_was(caplog: pytest.LogCaptureFixture) -> None:
    async def fail(error: Exception) -> None:
        raise error

    tasks = BackgroundTasks("pool reports")
    await asyncio.wait([tasks.run(fail(error)) for error in (StartupError("not now"), ValueError("a mistake"))])
    levels = {record.getMessage(): record.levelno for record in caplog.records}
    assert levels == {"not now": logging.ERROR, "pool reports failed in what it was asked to do": logging.CRITICAL}


@on_loop
async def test_all_end_but_the_one_that_ends_them(caplog: pytest.LogCaptureFixture) -> None:
    tasks = BackgroundTasks("pool reports")
    waiting = tasks.run(asyncio.Event().wait())
    await tasks.run(tasks.stop())
    assert waiting.cancelled()
    await tasks.stop()  # there is none
    assert not caplog.records
