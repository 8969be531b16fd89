"""What a check found broken: collected, so that one run tells of everything, and raised as one AssertionError."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, TypeVar

T = TypeVar("T")

PATIENCE = 5.0  # seconds that anything may take
MOST_LATE = 3


class Findings:
    """The broken rules of one subject, in the order in which they were found; each is told once."""

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.problems: list[str] = []
        self.doing = ""
        self.late = 0  # so many things did not end in time

    def add(self, problem: str) -> None:
        """Note a broken rule; what is being done at the moment is named with it."""
        told = f"{self.doing}: {problem}" if self.doing else problem
        if told not in self.problems:
            self.problems.append(told)

    def expect(self, is_kept: bool, problem: str) -> bool:  # noqa: FBT001 - what is expected reads as a condition
        """Note `problem` unless the rule is kept; whether it is."""
        if not is_kept:
            self.add(problem)
        return is_kept

    def conclude(self) -> None:
        """Raises AssertionError that names every broken rule, if there is any."""
        if self.problems:
            count = len(self.problems)
            head = f"{self.subject} breaks its contract in {count} {'place' if count == 1 else 'places'}:"
            raise AssertionError("\n".join([head, *(f"  - {problem}" for problem in self.problems)]))


class Probe(NamedTuple):
    """One thing that is tried: what it is called in a finding, what is done, and how many times as long as others it may take."""

    name: str
    run: Callable[[Findings], Awaitable[None]]
    patience: float = 1


async def run_probes(probes: Sequence[Probe], findings: Findings) -> None:
    """Run one after the other. One that raises, or does not end in time, is a finding and harms no other.

    When three have not ended, the rest is left out: it would take minutes.
    """
    for probe in probes:
        if findings.late == MOST_LATE:
            findings.doing = ""
            findings.add("the rest was not tried, since so much does not end")
            return
        findings.doing = probe.name
        try:
            async with asyncio.timeout(PATIENCE * probe.patience):
                await probe.run(findings)
        except TimeoutError:
            findings.late += 1
            findings.add(f"was not done after {PATIENCE * probe.patience:g} s")
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise  # somebody wants the check itself to end
            findings.add("cancelled who waited for it")
        except Exception as error:
            findings.add(f"raised {describe(error)}")
    findings.doing = ""


def describe(error: BaseException) -> str:
    """Kind and text of an exception, for a finding."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
