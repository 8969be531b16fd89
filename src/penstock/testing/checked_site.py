"""The small site in which a module or a handler is tried: one handler for every path, observed from within."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

from penstock.errors import ResponseComplete
from penstock.hosts.memory_host import MemoryRequest
from penstock.pipeline.context import Context
from penstock.pipeline.decorators import attach_module
from penstock.pipeline.handler import execute_step
from penstock.pipeline.location import Location
from penstock.pipeline.module import Hooks
from penstock.pipeline.site import PipelineSite
from penstock.pipeline.stages import Stage
from penstock.pipeline.target import Target
from penstock.settings.model import LimitSettings
from penstock.testing.both_ends import Asked, memory_request
from penstock.testing.client import Client, ClientResponse
from penstock.testing.findings import Findings, describe
from penstock.testing.observed import Disruption

BODY_LIMIT: Final = 1_000_000
LIMITS: Final = LimitSettings()
BEFORE, BEHIND = "before it", "behind it"
COMPLETES, FAILS, ENDS, LOSES = "completes", "fails", "raises ResponseComplete", "loses its client"
WAITS = "waits"
_NUMBER: Final = re.compile(r"\d+(?:\.\d+)?")
_EXACT: Final = ("status", "whole")
MARKS: Final = ("penstock-check-one", "penstock-check-two")


def marked(mark: str) -> Asked:
    """A request that can be told from others by everything in it."""
    fields = (
        ("x-request-id", mark),
        ("cookie", f"session={mark}"),
        ("authorization", f"Bearer {mark}"),
        ("user-agent", mark),
        ("accept", "application/json"),
        ("accept-language", "de" if mark == MARKS[0] else "fr"),
        ("origin", f"https://{mark}.example"),
    )
    return Asked(target=f"/{mark}?mark={mark}", headers=fields)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a request: each part of its answer by name, so that two can be compared part by part."""

    parts: dict[str, str] = field(default_factory=dict)

    def differs(self, other: Outcome) -> list[str]:
        """The names of the parts that are not the same."""
        names = [*dict.fromkeys([*self.parts, *other.parts])]
        return [name for name in names if self.parts.get(name) != other.parts.get(name)]


def changed_parts(alone: Sequence[Outcome], outcome: Outcome, *others: Sequence[Outcome]) -> list[str]:
    """The parts of `outcome` that are not as they always were `alone`, but for numbers, which may be times or counts.

    A number counts, too, where it is what one of the `others`, each of them alone, always had.
    """
    return [
        part
        for part in alone[0].differs(outcome)
        if _is_steady(alone, part)
        and (
            part in _EXACT
            or _without_numbers(alone[0], part) != _without_numbers(outcome, part)
            or any(_is_steady([*other, outcome], part) for other in others)
        )
    ]


def _is_steady(outcomes: Sequence[Outcome], part: str) -> bool:
    return len({each.parts.get(part) for each in outcomes}) == 1


def _without_numbers(outcome: Outcome, part: str) -> str:
    return _NUMBER.sub("#", outcome.parts.get(part, ""))


def outcome_of(answer: ClientResponse) -> Outcome:
    """Status, each header field and the body."""
    parts = {"status": str(answer.status), "body": repr(answer.body), "whole": str(not answer.is_aborted)}
    for name, value in answer.headers.items():
        parts[f"header {name}"] = f"{parts.get(f'header {name}', '')}{value!r} "
    return Outcome(parts)


class Director:
    """A module in front of the checked one, and another behind it, that make things happen to requests.

    `orders` say it by the value of a request's `x-check` field: on which side, at which stage, and what.
    """

    def __init__(self) -> None:
        self.orders: dict[str, tuple[str, Stage, str]] = {}
        self.gates: dict[str, asyncio.Event] = {}
        self.errors: list[Exception] = []

    def attached(self, side: str) -> Hooks:
        """What it subscribes on one side."""
        hooks = Hooks(f"the check, {side}")
        for stage in Stage:
            hooks.on(stage, partial(self._direct, side, stage))
        return hooks

    def _direct(self, side: str, stage: Stage, context: Context) -> Awaitable[Any] | None:
        if side == BEHIND and stage is Stage.END:
            self.errors += context.errors
        key = context.request.headers.get("x-check") or ""
        if not key or self.orders.get(key, ())[:2] != (side, stage):
            return None
        return self._happen(self.orders[key][2], key, context)

    def _happen(self, what: str, key: str, context: Context) -> Awaitable[Any] | None:
        if what == COMPLETES:
            context.complete()
        elif what == FAILS:
            raise Disruption("what the check raises")
        elif what == ENDS:
            raise ResponseComplete
        elif what == LOSES:
            context.worker_request.disconnect()  # type: ignore[attr-defined]
        elif what == WAITS:
            return self.gates[key].wait()
        return None


class CheckedSite:
    """The site: what `modules` subscribed, the checked hooks among them, and `handler` for every path."""

    def __init__(
        self,
        handler: Callable[[Context], object],
        *,
        modules: Sequence[Hooks] = (),
        body_limit: int = BODY_LIMIT,
    ) -> None:
        self.director = Director()
        target = Target("the checked handler", "/", execute_step(handler), handler=handler)
        site = PipelineSite(
            modules=[self.director.attached(BEFORE), *modules, self.director.attached(BEHIND)],
            mounts=[target],
            locations=[Location("/", body_limit=body_limit, access_log=False)],
            is_verified=True,
        )
        self.client = Client([site], limits=LIMITS)

    def open(self, asked: Asked, *, check: str = "") -> MemoryRequest:
        """Hand `asked` over and return at once; `check` is its `x-check` field. A body None never comes, unless it is fed."""
        headers = (*asked.headers, *((("x-check", check),) if check else ()))
        made = memory_request(replace(asked, headers=headers), LIMITS)
        self.client.runtime.process(made)
        return made

    async def ask(self, asked: Asked, *, check: str = "") -> ClientResponse:
        """Ask, and wait for the whole answer."""
        request = self.open(asked, check=check)
        await request.wait_finished()
        return ClientResponse(request)

    def told_errors(self) -> str:
        """The errors of requests since this was called last, for a finding."""
        told = [describe(error) for error in self.director.errors if not isinstance(error, Disruption)]
        self.director.errors.clear()
        return "".join(f" ({each})" for each in dict.fromkeys(told))

    async def expect_left(self, findings: Findings) -> None:
        """Every request has left soon, also as the runtime counts."""
        for _ in range(100):
            if findings.late or not self.client.runtime.statistics().executing:
                return
            await asyncio.sleep(0.001)
        count = self.client.runtime.statistics().executing
        findings.add(f"{count} requests are still inside although they were answered")


def attach(module: object) -> Hooks:
    """What a module subscribes. Raises what its `attach` raises."""
    hooks = Hooks(name_of(module))
    attach_module(module, hooks)
    return hooks


def name_of(subject: object) -> str:
    """How a subject is called in findings."""
    return str(getattr(subject, "__qualname__", type(subject).__qualname__))
