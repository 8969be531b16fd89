"""The context: everything known about one request while it is inside."""

from dataclasses import dataclass
from typing import Any

import pytest

from penstock import Context, ContractError, Principal, Stage
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
            context.complete()
            seen.append(context.stage)
            context.fail(ValueError("boom"))
            seen.append(context.stage)

        ask(open_site(on(Stage.AUTHENTICATE, hook), on(Stage.LOG, lambda context: seen.append(context.stage))))
        assert seen == [Stage.AUTHENTICATE, Stage.AUTHENTICATE, Stage.LOG]


class TestErrors:
    def test_without_an_error_there_is_none(self) -> None:
        seen: list[Any] = []
        ask(open_site(on(Stage.END, lambda context: seen.append((context.error, context.errors, context.is_complete)))))
        assert seen == [(None, [], False)]

    def test_fail_does_what_raising_does(self) -> None:
        seen: list[object] = []

        def hook(context: Context) -> None:
            context.fail(PermissionError("first"))
            seen.append("goes on to its own end")

        found = ask(open_site(on(Stage.AUTHORIZE, hook), function=lambda: seen.append("handler")))
        assert (found.status, seen) == (403, ["goes on to its own end"])


class TestPrincipal:
    def test_pipeline_p20_the_anonymous_one_has_no_name_and_no_roles(self) -> None:
        seen: list[Principal] = []
        ask(open_site(on(Stage.BEGIN, lambda context: seen.append(context.principal))))
        assert (seen[0].name, seen[0].roles, seen[0].is_authenticated) == ("", frozenset(), False)

    def test_a_module_says_who_asks(self) -> None:
        def sign_in(context: Context) -> None:
            context.principal = Principal("eva", roles=frozenset({"staff"}))

        def handler(context: Context) -> dict[str, object]:
            principal = context.principal
            return {"name": principal.name, "in": principal.is_authenticated, "roles": sorted(principal.roles)}

        found = ask(open_site(on(Stage.AUTHENTICATE, sign_in), function=handler))
        assert found.text == '{"name":"eva","in":true,"roles":["staff"]}'


class TestRouteValues:
    def test_they_are_the_request_s_own(self) -> None:
        def handler(context: Context, name: str) -> str:
            assert context.route_values is not None
            context.route_values["name"] = "changed"
            return name

        client = open_site(functions={"/{name}": handler})
        assert ask(client, "/eva").text == "eva"
        assert ask(open_site(functions={"/{name}": handler}), "/eva").text == "eva"


class TestStopping:
    def test_pipeline_g06_hooks_and_functions_are_told_when_the_drain_begins(self) -> None:
        log: list[str] = []

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
