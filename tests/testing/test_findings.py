"""What a check found broken: told once, told together; and probes that harm no other."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from penstock.testing.findings import MOST_LATE, Findings, Probe, describe, run_probes
from tests.pipeline.subject import run


class TestFindings:
    def test_nothing_broken_concludes_quietly(self) -> None:
        findings = Findings("Gate")
        assert findings.expect(True, "is never told")
        findings.conclude()

    def test_each_is_told_once_with_what_was_being_done(self) -> None:
        findings = Findings("Gate")
        assert not findings.expect(False, "it is broken")
        findings.add("it is broken")
        findings.doing = "when it stops"
        findings.add("it is broken")
        with pytest.raises(AssertionError) as caught:
            findings.conclude()
        assert str(caught.value).splitlines() == [
            "Gate breaks its contract in 2 places:",
            "  - it is broken",
            "  - when it stops: it is broken",
        ]

    def test_one_place_is_one_place(self) -> None:
        findings = Findings("Gate")
        findings.add("no")
        with pytest.raises(AssertionError, match="in 1 place:"):
            findings.conclude()

    def test_exceptions_are_described_by_kind_and_text(self) -> None:
        assert (describe(KeyError("a")), describe(ValueError())) == ("KeyError: 'a'", "ValueError")


def probing(*probes: Callable[[Findings], Awaitable[None]]) -> Findings:
    findings = Findings("Gate")
    named = [Probe(f"probe {number}", probe, 0.002) for number, probe in enumerate(probes)]
    run(lambda: run_probes(named, findings))
    assert findings.doing == ""
    return findings


async def passes(findings: Findings) -> None:
    """Finds nothing."""


async def fails(findings: Findings) -> None:
    raise OSError("no disk")


async def hangs(findings: Findings) -> None:
    await asyncio.Event().wait()


async def is_cancelled(findings: Findings) -> None:
    raise asyncio.CancelledError


class TestProbes:
    def test_one_that_fails_is_a_finding_and_harms_no_other(self) -> None:
        async def finds(findings: Findings) -> None:
            findings.add("something")

        assert probing(fails, is_cancelled, passes, finds).problems == [
            "probe 0: raised OSError: no disk",
            "probe 1: cancelled who waited for it",
            "probe 3: something",
        ]

    def test_one_that_does_not_end_is_given_up(self) -> None:
        found = probing(hangs, passes)
        assert (found.problems, found.late) == (["probe 0: was not done after 0.01 s"], 1)

    def test_when_too_many_do_not_end_the_rest_is_left_out(self) -> None:
        found = probing(*[hangs] * MOST_LATE, fails)
        assert len(found.problems) == MOST_LATE + 1
        assert found.problems[-1] == "the rest was not tried, since so much does not end"

    def test_who_cancels_the_check_itself_is_obeyed(self) -> None:
        async def journey() -> None:
            findings = Findings("Gate")
            task = asyncio.ensure_future(run_probes([Probe("waits", hangs)], findings))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert findings.problems == []

        run(journey)
