"""The trial of a subject in its site: started, probed, stopped, and what is left behind it."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from penstock.testing.checked_site import CheckedSite
from penstock.testing.findings import Findings, Probe, describe, run_probes
from penstock.testing.observed import Disruption

_DESCRIPTORS: Final = "/proc/self/fd"
_GRACE: Final = 0.05  # seconds for what ends by itself


async def hold_trial(
    make: Callable[[], CheckedSite], probes: Callable[[CheckedSite], Sequence[Probe]], findings: Findings
) -> None:
    """Make the site and start it, run its probes, stop it, and see what is left. A start that fails is a finding."""
    before = _Remains()
    asyncio.get_running_loop().set_exception_handler(lambda loop, seen: _note_unheard(seen, findings))
    try:
        site = make()
        await site.client.__aenter__()
    except Exception as error:
        findings.add(f"its site did not start: {describe(error.__cause__ or error)}")
        return
    logger = logging.getLogger("penstock")
    hears = partial(_hear, findings)
    logger.addFilter(hears)
    try:
        await run_probes(probes(site), findings)
    finally:
        findings.doing = "when the site has stopped"
        await site.client.runtime.drain(_GRACE)
        await site.client.runtime.stop()
        await asyncio.sleep(_GRACE)
        logger.removeFilter(hears)
    remains = _Remains()
    if remains.are_more(before):
        gc.collect()  # what nobody holds is not left behind
        remains = _Remains()
    remains.compare(before, findings)
    findings.doing = ""


def _hear(findings: Findings, record: logging.LogRecord) -> bool:
    """What the verifier says is a finding (pipeline M-08); of what the check itself has raised, nobody need read."""
    text = record.getMessage()
    if text.startswith("verifier: "):
        findings.add(text.removeprefix("verifier: ").partition(", in ")[0])
    return record.exc_info is None or not isinstance(record.exc_info[1], Disruption)


def _note_unheard(seen: dict[str, Any], findings: Findings) -> None:
    error = seen.get("exception")
    findings.add(f"{seen.get('message')}: {describe(error)}" if error is not None else str(seen.get("message")))


class _Remains:
    """The tasks, threads and open files of this moment."""

    def __init__(self) -> None:
        # Requests that did not end are told of already.
        self.tasks = {task for task in asyncio.all_tasks() if task.get_name() != "penstock-request"}
        self.threads = {thread for thread in threading.enumerate() if not thread.daemon}
        self.files = len(os.listdir(_DESCRIPTORS)) if os.path.isdir(_DESCRIPTORS) else 0

    def are_more(self, before: _Remains) -> bool:
        """Whether anything is there now that was not then."""
        return bool(self.tasks - before.tasks or self.threads - before.threads or self.files > before.files)

    def compare(self, before: _Remains, findings: Findings) -> None:
        """Note what is there now and was not then."""
        for task in self.tasks - before.tasks:
            findings.add(f"the task {task.get_name()} ({task.get_coro()}) still runs: end it in on_stop")
        for thread in self.threads - before.threads:
            findings.add(f"the thread {thread.name!r} still runs: end it in on_stop")
        if self.files > before.files:
            findings.add(f"{self.files - before.files} files are still open: close them in on_stop, or with defer()")
