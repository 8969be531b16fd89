"""How a host's reading half is tried: what it finds of a sound host, and of what was not asked."""

from collections.abc import Awaitable, Callable

import pytest

from penstock.settings import LimitSettings
from penstock.testing import Asked, RequestUnderTest
from penstock.testing.both_ends import memory_requests
from penstock.testing.findings import Findings
from penstock.testing.host_reading import READING
from tests.pipeline.subject import run

HostProbe = Callable[[RequestUnderTest, Findings], Awaitable[None]]


def found(asked: Asked, probe: HostProbe) -> list[str]:
    findings = Findings("the host")

    async def journey() -> None:
        async with memory_requests(LimitSettings())(asked) as under_test:
            await probe(under_test, findings)

    run(journey)
    return findings.problems


PROBES = {name: probe for name, _, probe in READING}


def test_each_is_named_once() -> None:
    assert len(PROBES) == len(READING)


@pytest.mark.parametrize(("asked", "probe"), [each[1:] for each in READING], ids=list(PROBES))
def test_a_sound_host_passes(asked: Asked, probe: HostProbe) -> None:
    assert found(asked, probe) == []


@pytest.mark.parametrize(
    ("name", "asked", "told"),
    [
        (
            "what was asked",
            Asked(),
            ["head.method is 'GET'", "head.path is '/'", "head.query is b''", "head.headers lacks"],
        ),
        ("a body that is there", Asked(method="POST", body=b"short"), ["read 5 bytes of a body of 10240"]),
        ("no body", Asked(method="POST", body=b"x"), ["take() gave b'x' for a request without a body"]),
        (
            "a body announced as longer than the limit",
            Asked(),
            ["limit_body() said nothing although more was announced"],
        ),
    ],
)
def test_what_differs_from_what_was_asked_is_named(name: str, asked: Asked, told: list[str]) -> None:
    problems = found(asked, PROBES[name])
    assert [words for words in told if not any(each.startswith(words) for each in problems)] == []
