"""The trial of a subject in its site: started, probed, stopped, and what is left behind it."""

import asyncio
import logging
import os
from collections.abc import Callable
from threading import Event, Thread
from typing import Any

import pytest

from penstock import Context
from penstock.pipeline.module import Hooks
from penstock.testing import Asked
from penstock.testing.checked_site import CheckedSite
from penstock.testing.findings import Findings, Probe
from penstock.testing.observed import Disruption
from penstock.testing.trial import hold_trial


def tried(
    handler: Callable[[Context], Any] = lambda context: "hello",
    *,
    attach: Callable[[Hooks], object] = lambda hooks: None,
) -> list[str]:
    """What is found when `handler` is asked once."""
    findings = Findings("handler")

    def make() -> CheckedSite:
        hooks = Hooks("handler")
        attach(hooks)
        return CheckedSite(handler, modules=[hooks])

    def probes(site: CheckedSite) -> list[Probe]:
        async def ask(findings: Findings) -> None:
            await site.ask(Asked())

        return [Probe("asked", ask)]

    asyncio.run(hold_trial(make, probes, findings))
    assert findings.doing == ""
    return findings.problems


def test_a_sound_one_leaves_nothing() -> None:
    assert tried() == []


def test_a_start_that_fails_is_a_finding_and_nothing_is_probed() -> None:
    def fail() -> None:
        raise OSError("no database")

    assert tried(attach=lambda hooks: hooks.on_start(fail)) == ["its site did not start: OSError: no database"]


def test_a_site_that_cannot_be_made_is_a_finding() -> None:
    def fail(hooks: Hooks) -> None:
        raise TypeError("no module")

    assert tried(attach=fail) == ["its site did not start: TypeError: no module"]


def test_a_task_that_still_runs_is_named() -> None:
    tasks: list[Any] = []

    async def leave(context: Context) -> None:
        tasks.append(asyncio.create_task(asyncio.Event().wait(), name="left"))

    outlived, left = tried(leave)
    assert outlived.startswith("asked: the checked handler at EXECUTE began a task that outlived its stage")
    assert left.startswith("when the site has stopped: the task left (")
    assert left.endswith("still runs: end it in on_stop")


def test_a_thread_that_still_runs_is_named() -> None:
    go = Event()
    thread = Thread(target=go.wait, name="left")
    try:
        told = tried(lambda context: thread.start())
    finally:
        go.set()
        thread.join()
    assert told == ["when the site has stopped: the thread 'left' still runs: end it in on_stop"]


def test_a_file_that_is_still_open_is_counted() -> None:
    opened: list[int] = []
    told = tried(lambda context: opened.append(os.open(os.devnull, os.O_RDONLY)))
    os.close(opened[0])
    if os.path.isdir("/proc/self/fd"):
        assert told == ["when the site has stopped: 1 files are still open: close them in on_stop, or with defer()"]


def test_what_nobody_heard_is_a_finding() -> None:
    def leave(context: Context) -> None:
        asyncio.get_running_loop().call_soon(os.environ.__getitem__, "NOTHING OF THIS NAME")

    (told,) = tried(leave)
    assert told.endswith("KeyError: 'NOTHING OF THIS NAME'")


def test_what_the_verifier_says_is_a_finding_and_what_the_check_raises_is_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def warn(context: Context) -> None:
        logging.getLogger("penstock").warning("verifier: Gate did it, in GET /")
        try:
            raise Disruption("the check's own")
        except Disruption:
            logging.getLogger("penstock").exception("of no interest")

    assert tried(warn) == ["asked: Gate did it"]
    assert [record.getMessage() for record in caplog.records] == ["verifier: Gate did it, in GET /"]
