"""Two requests at once: who mixes them up is found, who does not is left in peace."""

from collections.abc import Callable
from typing import Any

import pytest

from penstock import Context, Stage
from penstock.pipeline.module import Hooks
from penstock.testing.checked_site import MARKS, CheckedSite, marked
from penstock.testing.findings import Findings
from penstock.testing.interleaving import check_interleaved
from tests.pipeline.subject import run


class Names:
    """Says at EXECUTE who asked at BEGIN; how it remembers is its subclass's."""

    def remember(self, context: Context, name: str) -> None:
        context.items["name"] = name

    def recall(self, context: Context) -> str:
        name: str = context.items["name"]
        return name

    def attach(self, hooks: Hooks) -> None:
        hooks.on(
            Stage.BEGIN,
            lambda context: self.remember(context, context.request.headers.get("x-request-id") or ""),
        )

    def answer(self, context: Context) -> str:
        return self.recall(context)


class InOneBox(Names):
    def __init__(self) -> None:
        self.box = [""]

    def remember(self, context: Context, name: str) -> None:
        self.box[0] = name

    def recall(self, context: Context) -> str:
        return self.box[0]


class InItself(InOneBox):
    name = ""

    def remember(self, context: Context, name: str) -> None:
        self.name = name


def found(make: Callable[[], Any]) -> list[str]:
    findings = Findings("names")

    async def journey() -> None:
        subject = make()
        hooks = Hooks("names")
        subject.attach(hooks)
        site = CheckedSite(subject.answer, modules=[hooks])
        async with site.client:
            asked = [marked(mark) for mark in MARKS]
            await check_interleaved(subject, site, asked, stages=[Stage.AUTHENTICATE], findings=findings)

    run(journey)
    return findings.problems


def test_who_keeps_them_apart_passes() -> None:
    assert found(Names) == []


def test_an_answer_that_another_request_has_changed_is_named() -> None:
    (told,) = found(InOneBox)
    one, two = (repr(mark.encode()) for mark in MARKS)
    assert told == f"body of the first of two requests became {two} in place of {one}, by the other one"


def test_what_is_kept_meanwhile_is_named() -> None:
    assert found(InItself) == [f"it keeps {MARKS[0]!r}, which belongs to a request, in self.name"]


def test_what_is_another_every_time_is_not_compared() -> None:
    class Counts(Names):
        count = 0

        def recall(self, context: Context) -> str:
            self.count += 1
            return f"answer {self.count}"

    assert found(Counts) == []


@pytest.mark.parametrize("stages", [[Stage.BEGIN], [Stage.AUTHENTICATE, Stage.LOG]])
def test_every_stage_is_waited_at(stages: list[Stage]) -> None:
    seen: list[str] = []

    class Sees(Names):
        def answer(self, context: Context) -> str:
            seen.append(self.recall(context))
            return "same"

    findings = Findings("sees")

    async def journey() -> None:
        subject, hooks = Sees(), Hooks("sees")
        subject.attach(hooks)
        site = CheckedSite(subject.answer, modules=[hooks])
        async with site.client:
            asked = [marked(mark) for mark in MARKS]
            await check_interleaved(subject, site, asked, stages=stages, findings=findings)

    run(journey)
    # Alone twice at each stage and once more, and once at each stage with the other.
    assert (len(seen), findings.problems) == (2 * (2 * len(stages) + len(stages) + 1), [])
