"""`check_host`: whether a host gives its requests the shape that `penstock.intake.worker_request` promises."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from penstock.testing.both_ends import Asked, AskHost, RequestUnderTest
from penstock.testing.findings import Findings, Probe, run_probes
from penstock.testing.host_answering import ANSWERING
from penstock.testing.host_endings import HOLDING_BACK, LEAVING, NOTICING
from penstock.testing.host_reading import READING
from penstock.testing.host_socket_endings import SOCKET_ENDINGS
from penstock.testing.host_upgrading import UPGRADING

HostProbe = Callable[[RequestUnderTest, Findings], Awaitable[None]]


def check_host(ask: AskHost, *, holds_back: bool = True, notices_leaving: bool = True, name: str = "the host") -> None:
    """Try a host's requests from both ends: reading, answering, wrong answers, clients that leave or read slowly, WebSockets.

    `ask(asked)` is an async context manager: it sends the request that `asked` describes, and gives a `RequestUnderTest`, or
    an `UpgradeUnderTest` where the host can upgrade.
    `holds_back=False` is for a host without a wire, which takes everything at once, `notices_leaving=False` for one that
    learns only from reading and writing that its client has left. What a host need not be able to do (files,
    interim answers, trailers, WebSockets) is tried when its `capabilities` say so. Takes seconds; call it outside of a running loop.

    Raises AssertionError that names each broken rule.
    """
    findings = Findings(name)
    endings = [*LEAVING, *(NOTICING if notices_leaving else []), *(HOLDING_BACK if holds_back else [])]
    table = [*READING, *ANSWERING, *endings, *UPGRADING, *SOCKET_ENDINGS]
    probes = [Probe(named, _asking(ask, asked, probe)) for named, asked, probe in table]
    asyncio.run(run_probes(probes, findings))
    findings.conclude()


def _asking(ask: AskHost, asked: Asked, probe: HostProbe) -> Callable[[Findings], Awaitable[None]]:
    async def run(findings: Findings) -> None:
        async with ask(asked) as under_test:
            await probe(under_test, findings)

    return run
