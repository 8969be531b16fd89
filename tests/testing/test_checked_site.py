"""The small site in which a subject is tried: what happens in it on order, and what became of a request."""

import pytest

from penstock import Context, Hooks, HTTPError, Response, Stage
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
    Outcome,
    attach,
    changed_parts,
    marked,
    name_of,
    outcome_of,
)
from penstock.testing.client import ClientResponse
from penstock.testing.findings import Findings
from tests.pipeline.subject import run


def hello(context: Context) -> str:
    return "hello"


class TestMarks:
    def test_two_requests_differ_in_everything(self) -> None:
        first, second = (marked(mark) for mark in MARKS)
        assert first.target != second.target
        pairs = zip(first.headers, second.headers, strict=True)
        assert [one[0] for one, two in pairs if one == two] == ["accept"]


class TestOutcomes:
    def test_are_compared_part_by_part(self) -> None:
        def answer(context: Context) -> Response:
            response = Response("hello", headers={"x-one": "1"})
            response.headers.add("x-one", "2")
            return response

        async def journey() -> ClientResponse:
            site = CheckedSite(answer)
            async with site.client:
                return await site.ask(Asked())

        outcome = outcome_of(run(journey))
        assert outcome.parts["status"] == "200"
        assert outcome.parts["body"] == "b'hello'"
        assert outcome.parts["header x-one"] == "'1' '2' "
        assert outcome.parts["whole"] == "True"
        assert outcome.differs(outcome) == []

    def test_a_part_that_one_of_them_lacks_differs(self) -> None:
        assert Outcome({"a": "1", "b": "2"}).differs(Outcome({"a": "1", "c": "3"})) == ["b", "c"]


class TestChanges:
    def test_a_part_that_always_was_the_same_and_is_another_now_is_named(self) -> None:
        alone = [Outcome({"body": "a", "status": "200"})] * 2
        assert changed_parts(alone, Outcome({"body": "b", "status": "200"})) == ["body"]
        assert changed_parts(alone, Outcome({"body": "a", "status": "500"})) == ["status"]
        assert changed_parts(alone, Outcome({"body": "a", "status": "200"})) == []

    def test_a_part_that_changes_by_itself_is_not(self) -> None:
        assert changed_parts([Outcome({"body": "a"}), Outcome({"body": "b"})], Outcome({"body": "c"})) == []

    def test_a_number_may_be_a_time_or_a_count_but_not_that_of_another_request(self) -> None:
        alone, other = [Outcome({"body": "user 1"})] * 2, [Outcome({"body": "user 2"})] * 2
        assert changed_parts(alone, Outcome({"body": "user 3.5"}), other) == []
        assert changed_parts(alone, Outcome({"body": "user 2"}), other) == ["body"]
        assert changed_parts(alone, Outcome({"body": "nobody 3"}), other) == ["body"]


class TestDirector:
    @pytest.mark.parametrize(("what", "status"), [(COMPLETES, 200), (FAILS, 500), (ENDS, 200)])
    @pytest.mark.parametrize("side", [BEFORE, BEHIND])
    def test_lets_happen_what_was_ordered_for_one_request_alone(self, what: str, status: int, side: str) -> None:
        async def journey() -> None:
            site = CheckedSite(hello)
            site.director.orders["one"] = (side, Stage.AUTHORIZE, what)
            async with site.client:
                ordered, other = await site.ask(Asked(), check="one"), await site.ask(Asked(), check="two")
            assert (ordered.status, ordered.text == "hello") == (status, False)
            assert (other.status, other.text) == (200, "hello")
            assert site.told_errors() == ""  # what the check has raised is nobody's fault

        run(journey)

    def test_lets_the_client_leave(self) -> None:
        seen: list[bool] = []

        def look(context: Context) -> str:
            seen.append(bool(context.disconnected))
            return "nobody reads it"

        async def journey() -> None:
            site = CheckedSite(look)
            site.director.orders["one"] = (BEFORE, Stage.BEGIN, LOSES)
            async with site.client:
                await site.ask(Asked(), check="one")

        run(journey)
        assert seen == [True]


class TestSite:
    def test_modules_stand_between_both_sides_of_the_check(self) -> None:
        seen: list[bool] = []

        class Gate:
            def attach(self, hooks: Hooks) -> None:
                hooks.on(Stage.AUTHORIZE, lambda context: seen.append(context.is_complete))

        async def journey() -> None:
            for side in (BEFORE, BEHIND):
                site = CheckedSite(hello, modules=[attach(Gate())])
                site.director.orders["one"] = (side, Stage.AUTHORIZE, COMPLETES)
                async with site.client:
                    await site.ask(Asked(), check="one")

        run(journey)
        assert seen == [False]  # behind it; before it, the module had no turn

    def test_errors_are_told_once(self) -> None:
        def fail(context: Context) -> None:
            raise HTTPError(404, "no such thing")

        async def journey() -> None:
            site = CheckedSite(fail)
            async with site.client:
                for _ in range(2):
                    await site.ask(Asked())
                assert site.told_errors() == " (HTTPError: no such thing)"
                assert site.told_errors() == ""

        run(journey)

    def test_a_body_beyond_the_limit_is_refused(self) -> None:
        async def journey() -> int:
            site = CheckedSite(hello, body_limit=3)
            async with site.client:
                return (await site.ask(Asked(method="POST", body=b"1234"))).status

        assert run(journey) == 413

    def test_all_have_left_when_they_are_answered(self) -> None:
        async def journey() -> list[str]:
            findings = Findings("hello")
            site = CheckedSite(hello)
            async with site.client:
                await site.ask(Asked())
                await site.expect_left(findings)
            return findings.problems

        assert run(journey) == []

    def test_subjects_have_names(self) -> None:
        assert (name_of(hello), name_of(CheckedSite(hello))) == ("hello", "CheckedSite")
