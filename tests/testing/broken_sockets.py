"""This file is the in-memory host with something broken about its upgrades, for the tests of what `check_host` finds."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from penstock.http.messages import ResponseHead
from penstock.intake.frame_transport import UpgradeTerms
from penstock.settings import LimitSettings
from penstock.testing import Asked, AskHost
from penstock.testing.both_ends import MemoryRequestUnderTest, memory_requests
from penstock.testing.findings import Findings, Probe, run_probes
from tests.pipeline.subject import run

Probes = Sequence[tuple[str, Asked, Callable[[Any, Findings], Awaitable[None]]]]


class Broken:
    """An object, with something put in place of what it has."""

    def __init__(self, whole: Any, **instead: Any) -> None:
        self.whole = whole
        self.instead = instead

    def __getattr__(self, name: str) -> Any:
        instead = self.__dict__["instead"]
        return instead[name] if name in instead else getattr(self.__dict__["whole"], name)


class BrokenUnderTest(MemoryRequestUnderTest):
    """Its `upgrade` is `upgrade`, and of what that gives `broken` is put in place."""

    def __init__(self, made: Any, broken: Callable[[Any], dict[str, Any]], upgrade: Any) -> None:
        super().__init__(made)
        self.broken = broken
        self.instead = upgrade

    @property
    def worker_request(self) -> Any:
        return Broken(self._made, upgrade=self.upgrade)

    def upgrade(self, head: ResponseHead, terms: UpgradeTerms) -> Any:
        socket = self.instead(self._made, head, terms)
        return socket and Broken(socket, **self.broken(socket))


def sound(socket: Any) -> dict[str, Any]:
    return {}


def soundly(made: Any, head: ResponseHead, terms: UpgradeTerms) -> Any:
    return made.upgrade(head, terms)


def problems_of(probes: Probes, ask: AskHost | None = None, *, broken: Any = sound, upgrade: Any = soundly) -> str:
    """What `probes` find of a host, the broken one unless told, each on a line."""

    @asynccontextmanager
    async def ask_broken(asked: Asked) -> AsyncIterator[BrokenUnderTest]:
        async with memory_requests(LimitSettings())(asked) as made:
            yield BrokenUnderTest(made.worker_request, broken, upgrade)

    def asking(asked: Asked, probe: Any) -> Callable[[Findings], Awaitable[None]]:
        async def try_it(findings: Findings) -> None:
            async with (ask or ask_broken)(asked) as under_test:
                await probe(under_test, findings)

        return try_it

    findings = Findings("the host")
    patience = 1.0 if ask else 0.1
    run(lambda: run_probes([Probe(name, asking(asked, probe), patience) for name, asked, probe in probes], findings))
    return "\n".join(findings.problems)
