"""`check_handler`: whether a handler keeps the contract of `penstock.pipeline.handler`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

from penstock.errors import ClientGone
from penstock.pipeline.handler import entry_of
from penstock.pipeline.stages import Stage
from penstock.testing.both_ends import Asked
from penstock.testing.checked_site import (
    BEFORE,
    BODY_LIMIT,
    LOSES,
    MARKS,
    CheckedSite,
    Outcome,
    attach,
    changed_parts,
    marked,
    name_of,
    outcome_of,
)
from penstock.testing.client import ClientResponse
from penstock.testing.findings import Findings, Probe
from penstock.testing.kept_state import kept_for_ever
from penstock.testing.observed import Watch
from penstock.testing.trial import hold_trial

CROWD: Final = 20
_SMALL: Final = 10  # bytes of body that a location takes which takes little
# RFC 9110 section 9.3.2: HEAD answers with the fields of GET, but may leave out those that only making the body would tell.
_OF_THE_BODY: Final = ("body", "header content-length", "header vary")


def check_handler(
    handler: Any, *, requests: Sequence[Asked] = (), modules: Sequence[object] = (), name: str = ""
) -> None:
    """Try a handler in a small site of its own: each request alone, as HEAD, many at once, and with clients that leave.

    `handler` is called with the context, or has `handle` or `handle_async`. `requests` are some that it answers with less than
    500, by default two GETs; `modules` come before it, such as one that provides what it needs. Call it outside of a running loop.

    Raises AssertionError that names each broken rule.
    """
    findings = Findings(name or name_of(handler))
    watch = Watch(findings, allowed=(ClientGone,))
    asked = tuple(requests) or tuple(map(marked, MARKS))
    try:
        call = watch.call(entry_of(handler), "it", may_return=object)
    except TypeError as error:
        findings.add(str(error))
    else:
        for limit, probes in ((BODY_LIMIT, _Checked.probes), (_SMALL, _Checked.probes_of_limits)):
            make = partial(CheckedSite, call, modules=[attach(each) for each in modules], body_limit=limit)
            asyncio.run(hold_trial(make, partial(_probes_in, handler, asked, probes), findings))
        watch.conclude()
    findings.conclude()


def _probes_in(
    handler: object, asked: Sequence[Asked], probes: Callable[[_Checked], list[Probe]], site: CheckedSite
) -> list[Probe]:
    return probes(_Checked(handler, site, asked))


class _Checked:
    """One handler in its site, and what is tried with it."""

    def __init__(self, handler: object, site: CheckedSite, asked: Sequence[Asked]) -> None:
        self._handler = handler
        self._site = site
        self._asked = asked
        self._alone: list[list[Outcome]] = [[] for _ in asked]

    def probes(self) -> list[Probe]:
        """What is tried, in this order."""
        return [
            Probe("alone", self._each_alone),
            Probe("asked with HEAD", self._as_head),
            Probe(f"{CROWD} requests at once", self._crowd),
            Probe("a client that has left", self._client_has_left),
            Probe("a client that leaves while it is answered", self._client_leaves),
            Probe("a client that leaves in the middle of its body", self._body_breaks_off),
            Probe("when all requests have left", self._left),
        ]

    def probes_of_limits(self) -> list[Probe]:
        """What is tried where hardly any body is taken."""
        return [Probe("a body that is too long", self._body_too_long)]

    async def _each_alone(self, findings: Findings) -> None:
        for number, asked in enumerate(self._asked):
            for _ in range(3):
                answer = await self._ask(asked, findings)
                self._alone[number].append(outcome_of(answer))

    async def _as_head(self, findings: Findings) -> None:
        for number, asked in enumerate(self._asked):
            if asked.method != "GET":
                continue
            answer = await self._ask(replace(asked, method="HEAD"), findings)
            findings.expect(answer.body == b"", f"{len(answer.body)} bytes of body were sent")
            self._compare(number, outcome_of(answer), findings, but=_OF_THE_BODY, where="as GET")

    async def _crowd(self, findings: Findings) -> None:
        numbers = [each % len(self._asked) for each in range(CROWD)]
        opened = [self._site.open(self._asked[number]) for number in numbers]
        for number, request in zip(numbers, opened, strict=True):
            await request.wait_finished()
            self._compare(number, outcome_of(ClientResponse(request)), findings, where="alone")
        await self._site.expect_left(findings)

    async def _client_has_left(self, findings: Findings) -> None:
        self._site.director.orders["gone"] = (BEFORE, Stage.BEGIN, LOSES)
        for asked in self._asked:
            await self._site.ask(asked, check="gone")
        await self._site.expect_left(findings)

    async def _client_leaves(self, findings: Findings) -> None:
        for asked in self._asked:
            for turns in (1, 2, 5, 20):
                request = self._site.open(asked)
                for _ in range(turns):
                    await asyncio.sleep(0)
                request.disconnect()
                await request.wait_finished()
        await self._site.expect_left(findings)

    async def _body_breaks_off(self, findings: Findings) -> None:
        for asked in self._asked:
            request = self._site.open(replace(asked, method="POST", body=None))
            for _ in range(20):
                await asyncio.sleep(0)
            request.disconnect()
            await request.wait_finished()
        await self._site.expect_left(findings)

    async def _body_too_long(self, findings: Findings) -> None:
        for asked in self._asked:
            request = self._site.open(replace(asked, method="POST", body=None))
            request.feed(b"x" * (_SMALL + 1))
            request.end_body()
            await request.wait_finished()
            await self._judge(ClientResponse(request), findings)

    async def _left(self, findings: Findings) -> None:
        await self._site.expect_left(findings)
        for each in kept_for_ever(self._handler):
            findings.add(f"it keeps {each}")

    async def _ask(self, asked: Asked, findings: Findings) -> ClientResponse:
        answer = await self._site.ask(asked)
        await self._judge(answer, findings)
        return answer

    async def _judge(self, answer: ClientResponse, findings: Findings) -> None:
        findings.expect(not answer.is_aborted, "the answer was cut off")
        findings.expect(answer.status < 500, f"answered with {answer.status}{self._site.told_errors()}")
        await self._site.expect_left(findings)

    def _compare(
        self, number: int, outcome: Outcome, findings: Findings, *, but: Sequence[str] = (), where: str
    ) -> None:
        """Note what differs from every answer that this request got alone, if those agree."""
        alone = self._alone[number]
        others = [each for at, each in enumerate(self._alone) if at != number]
        for part in changed_parts(alone, outcome, *others):
            if part not in but:
                was, became = alone[0].parts.get(part), outcome.parts.get(part)
                findings.add(f"{part} was {became}, and {was} {where}")
