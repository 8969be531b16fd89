"""How a host's answering half is tried: what it finds of a sound host, and of answers that are not as they were sent."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from penstock.settings import LimitSettings
from penstock.testing import Asked, RequestUnderTest
from penstock.testing.both_ends import Received, memory_requests
from penstock.testing.findings import Findings
from penstock.testing.host_answering import ANSWERING, expect_answer, head, send
from tests.pipeline.subject import run

HostProbe = Callable[[RequestUnderTest, Findings], Awaitable[None]]


def found(asked: Asked, probe: HostProbe) -> list[str]:
    findings = Findings("the host")

    async def journey() -> None:
        async with memory_requests(LimitSettings())(asked) as under_test:
            await probe(under_test, findings)

    run(journey)
    return findings.problems


PROBES = {name: probe for name, _, probe in ANSWERING}


def test_each_is_named_once() -> None:
    assert len(PROBES) == len(ANSWERING)


@pytest.mark.parametrize(("asked", "probe"), [each[1:] for each in ANSWERING], ids=list(PROBES))
def test_a_sound_host_passes(asked: Asked, probe: HostProbe) -> None:
    assert found(asked, probe) == []


def test_a_body_where_none_belongs_is_named() -> None:
    (told,) = found(Asked(), PROBES["an answer to HEAD"])
    assert told == "the client received the body b'hello', not b''"


def test_an_answer_as_it_was_sent_is_expected() -> None:
    findings = Findings("the host")
    expect_answer(Received(status=200, body=b"hello", is_whole=True), findings)
    assert findings.problems == []
    expect_answer(Received(status=404, body=b"hell", rest=b"o"), findings)
    assert findings.problems == [
        "the client received status 404, 200 was sent",
        "the client received the body b'hell', not b'hello'",
        "the client cannot tell that the answer is whole",
        "b'o' came behind the answer",
    ]


def test_sending_waits_if_the_host_says_so() -> None:
    class Slow:
        sent = ""

        def send(self, first: object, body: bytes, more: bool) -> Awaitable[None]:
            async def wait() -> None:
                self.sent = f"{body!r} {more}"

            return wait()

    slow: Any = Slow()
    run(lambda: send(slow, head(204, (b"x", b"1")), b"hello", more=False))
    assert slow.sent == "b'hello' False"
