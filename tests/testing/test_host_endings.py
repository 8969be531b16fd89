"""How the endings of a host's requests are tried: what it finds of a sound host, and of one that keeps everything."""

from collections.abc import Awaitable, Callable

import pytest

from penstock.settings import LimitSettings
from penstock.testing import Asked, RequestUnderTest
from penstock.testing.both_ends import memory_requests
from penstock.testing.findings import Findings
from penstock.testing.host_endings import HOLDING_BACK, LEAVING, NOTICING
from tests.pipeline.subject import run

HostProbe = Callable[[RequestUnderTest, Findings], Awaitable[None]]


def found(asked: Asked, probe: HostProbe) -> list[str]:
    findings = Findings("the host")

    async def journey() -> None:
        async with memory_requests(LimitSettings())(asked) as under_test:
            await probe(under_test, findings)

    run(journey)
    return findings.problems


ENDINGS = [*LEAVING, *NOTICING]
PROBES = {name: probe for name, _, probe in (*ENDINGS, *HOLDING_BACK)}


def test_each_is_named_once() -> None:
    assert len(PROBES) == len(ENDINGS) + len(HOLDING_BACK)


@pytest.mark.parametrize(("asked", "probe"), [each[1:] for each in ENDINGS], ids=[each[0] for each in ENDINGS])
def test_a_sound_host_passes(asked: Asked, probe: HostProbe) -> None:
    assert found(asked, probe) == []


def test_a_host_that_takes_everything_is_named_once() -> None:
    """The host in memory has no wire that could be full."""
    told = [found(asked, probe) for _, asked, probe in HOLDING_BACK]
    assert told == [["send() never asked to wait: 64 MiB are kept for a client that does not read"], []]
