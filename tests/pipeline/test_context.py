"""The context: everything known about one request while it is inside."""

from dataclasses import dataclass

import pytest

from penstock import Context, ContractError, Stage
from penstock.pipeline.site import PipelineSite
from tests.pipeline.subject import ask, on, open_site, run, settle


@dataclass
class Session:
    user: str


class Cart:
    pass


class TestFeatures:
    def test_what_is_provided_is_found_by_its_type(self) -> None:
        seen: list[object] = []

        def look(context: Context) -> None:
            seen.append((context.find(Session), context.find(Cart), context.need(Session).user))

        ask(open_site(on(Stage.ACQUIRE_STATE, lambda context: context.provide(Session("eva"))), on(Stage.END, look)))
        assert seen == [(Session("eva"), None, "eva")]

    def test_what_is_missing_is_named_with_the_stage(self) -> None:
        seen: list[str] = []

        def look(context: Context) -> None:
            assert context.find(Session) is None
            with pytest.raises(ContractError) as caught:
                context.need(Session)
            seen.append(str(caught.value))

        ask(open_site(on(Stage.AUTHORIZE, look)))
        assert "no Session at stage AUTHORIZE" in seen[0]
        assert "installed" in seen[0]

    def test_the_last_one_provided_counts(self) -> None:
        def handler(context: Context) -> str:
            context.provide(Session("eva"))
            context.provide(Session("ada"))
            return context.need(Session).user

        assert ask(open_site(function=handler)).text == "ada"


class TestItems:
    def test_they_belong_to_one_request(self) -> None:
        def handler(context: Context) -> int:
            context.items["count"] = context.items.get("count", 0) + 1
            count: int = context.items["count"]
            return count

        client = open_site(on(Stage.BEGIN, lambda context: context.items.update(count=5)), function=handler)
        assert ask(client).text == "6"


class TestStage:
    @pytest.mark.parametrize("stage", Stage)
    def test_it_is_the_one_the_request_is_in(self, stage: Stage) -> None:
        seen: list[Stage] = []
        ask(open_site(on(stage, lambda context: seen.append(context.stage))))
        assert seen == [stage]

    def test_it_stays_while_a_step_goes_on_behind_complete_or_fail(self) -> None:
        seen: list[Stage] = []

        async def hook(context: Context) -> None:
            assert not context.stopping
            await context.stopping
            log.append("hook")

        async def function(context: Context) -> str:
            await context.stopping
            log.append("function")
            return f"{bool(context.stopping)} {context.stopping.for_threads.wait(0)}"

        async def journey() -> None:
            async with open_site(on(Stage.BEGIN, hook), function=function) as client:
                held = client.open("GET", "/")
                await settle()
                assert held.response_head is None
                assert await client.runtime.drain(5)
                assert b"".join(held.pieces) == b"True True"

        run(journey)
        assert log == ["hook", "function"]

    def test_a_site_that_starts_again_is_not_told_yet(self) -> None:
        async def journey() -> None:
            site = PipelineSite()
            for _ in range(2):
                await site.start()
                assert not site.stopping
                site.announce_stop()
                assert site.stopping
                await site.stop()

        run(journey)
