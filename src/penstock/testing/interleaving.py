"""Two requests at once, one of which waits: each must be answered as if the other were not there."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from penstock.hosts.memory_host import MemoryRequest
from penstock.pipeline.stages import Stage
from penstock.testing.both_ends import Asked
from penstock.testing.checked_site import BEHIND, MARKS, WAITS, CheckedSite, Outcome, changed_parts, outcome_of
from penstock.testing.client import ClientResponse
from penstock.testing.findings import Findings
from penstock.testing.kept_state import kept_now


async def check_interleaved(
    subject: object, site: CheckedSite, asked: Sequence[Asked], *, stages: Sequence[Stage], findings: Findings
) -> None:
    """Let the first of two requests wait behind the subject at each stage while the second passes; look into the subject meanwhile.

    Compared is what does not change from one time to the next, as times and ids do.
    """
    alone: list[list[Outcome]] = [[], []]
    for stage in (*stages, *stages):
        for number in (0, 1):
            alone[number].append(await _alone(site, asked[number], stage))
    together = [await _together(subject, site, asked, stage=stage, findings=findings) for stage in stages]
    for number in (0, 1):
        alone[number].append(await _alone(site, asked[number], stages[0]))
    for number, name in enumerate(("the first", "the second")):
        _compare(alone[number], [each[number] for each in together], alone[1 - number], name=name, findings=findings)


def _compare(
    alone: Sequence[Outcome], together: Sequence[Outcome], others: Sequence[Outcome], *, name: str, findings: Findings
) -> None:
    for outcome in together:
        for part in changed_parts(alone, outcome, others):
            was, became = alone[0].parts.get(part), outcome.parts.get(part)
            findings.add(f"{part} of {name} of two requests became {became} in place of {was}, by the other one")


async def _together(
    subject: object, site: CheckedSite, asked: Sequence[Asked], *, stage: Stage, findings: Findings
) -> tuple[Outcome, Outcome]:
    waiting = _open_waiting(site, asked[0], stage, key="first")
    await _settle()
    for each in kept_now(subject, MARKS[0]):
        findings.add(f"it keeps {each}")
    second = outcome_of(await site.ask(asked[1]))
    site.director.gates["first"].set()
    await waiting.wait_finished()
    return outcome_of(ClientResponse(waiting)), second


async def _alone(site: CheckedSite, asked: Asked, stage: Stage) -> Outcome:
    waiting = _open_waiting(site, asked, stage, key="alone")
    await _settle()
    site.director.gates["alone"].set()
    await waiting.wait_finished()
    return outcome_of(ClientResponse(waiting))


def _open_waiting(site: CheckedSite, asked: Asked, stage: Stage, *, key: str) -> MemoryRequest:
    site.director.orders[key] = (BEHIND, stage, WAITS)
    site.director.gates[key] = asyncio.Event()
    return site.open(asked, check=key)


async def _settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)
