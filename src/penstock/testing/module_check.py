"""`check_module`: whether a module keeps the contract of `penstock.pipeline.module.Module`."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Sequence
from functools import partial
from itertools import product

from penstock.pipeline.context import Context
from penstock.pipeline.module import Hooks
from penstock.pipeline.stages import Stage
from penstock.testing.both_ends import Asked
from penstock.testing.checked_site import (
    BEFORE,
    BEHIND,
    COMPLETES,
    ENDS,
    FAILS,
    LOSES,
    MARKS,
    CheckedSite,
    attach,
    marked,
    name_of,
)
from penstock.testing.findings import Findings, Probe, describe
from penstock.testing.input_output import noticed
from penstock.testing.interleaving import check_interleaved
from penstock.testing.kept_state import kept_for_ever
from penstock.testing.observed import Watch
from penstock.testing.trial import hold_trial

Handler = Callable[[Context], object]


def echo(context: Context) -> dict[str, object]:
    """The handler behind a checked module, if there is no other: it shows what a module can have put into the context."""
    items = {str(name): repr(value) for name, value in context.items.items()}
    return {"path": context.request.path, "principal": context.principal.name, "items": items}


def check_module(
    module: object,
    *,
    requests: Sequence[Asked] = (),
    modules: Sequence[object] = (),
    handler: Handler = echo,
    name: str = "",
) -> None:
    """Try a module in a small site of its own: as it is attached, alone, with others that end requests early, and twice at once.

    `module` is an object, configured as in the site file. `requests` are two it has something to do with, by default two GETs with
    all kinds of headers; `modules` come before it, such as one that provides what it needs; `handler` answers every path.
    Call it outside of a running loop. It takes about a second.

    Raises AssertionError that names each broken rule.
    """
    findings = Findings(name or name_of(module))
    watch = Watch(findings)
    hooks = _attach(module, findings)
    if hooks is not None:
        watch.hooks(hooks)
        site = partial(CheckedSite, handler, modules=[*map(attach, modules), hooks])
        asked = [*requests, *map(marked, MARKS)]
        asyncio.run(hold_trial(site, lambda made: _Checked(module, made, asked).probes(), findings))
        watch.conclude()
    findings.conclude()


def _attach(module: object, findings: Findings) -> Hooks | None:
    findings.doing = "attach()"
    if inspect.iscoroutinefunction(getattr(module, "attach", None)):
        findings.add("is async, and nobody awaits it: make it plain")
        return None
    try:
        with noticed() as done:
            hooks = attach(module)
    except Exception as error:
        findings.add(f"raised {describe(error)}")
        return None
    for each in dict.fromkeys(done):
        findings.add(f"{each}: input and output belong into on_start")
    has_any = hooks.subscriptions or hooks.error_hooks or hooks.step_scopes or hooks.start_actions or hooks.stop_actions
    findings.expect(bool(has_any), "subscribed to nothing")
    findings.doing = ""
    return hooks


class _Checked:
    """One module in its site, and what is tried with it."""

    def __init__(self, module: object, site: CheckedSite, asked: Sequence[Asked]) -> None:
        self._module = module
        self._site = site
        self._asked = asked

    def probes(self) -> list[Probe]:
        """What is tried, in this order; nothing of it when the site does not start."""
        endings = [
            Probe(f"when another module {side} {what} at {stage.name}", partial(self._ended_early, (side, stage, what)))
            for side, stage, what in product((BEFORE, BEHIND), Stage, (COMPLETES, FAILS, ENDS, LOSES))
        ]
        return [
            Probe("alone", self._alone),
            *endings,
            Probe("two requests at once", self._interleaved, 4),
            Probe("when all requests have left", self._left),
        ]

    async def _alone(self, findings: Findings) -> None:
        for asked in self._asked:
            answer = await self._site.ask(asked)
            findings.expect(not answer.is_aborted, "an answer was cut off")
        await self._site.expect_left(findings)

    async def _ended_early(self, order: tuple[str, Stage, str], findings: Findings) -> None:
        self._site.director.orders["ended"] = order
        answer = await self._site.ask(self._asked[0], check="ended")
        if order[2] in (COMPLETES, ENDS):
            findings.expect(not answer.is_aborted, "the answer was cut off")
        await self._site.expect_left(findings)

    async def _interleaved(self, findings: Findings) -> None:
        await check_interleaved(self._module, self._site, self._asked, stages=list(Stage), findings=findings)

    async def _left(self, findings: Findings) -> None:
        await self._site.expect_left(findings)
        for each in kept_for_ever(self._module):
            findings.add(f"it keeps {each}")
