"""Disconnected: asked and waited for (pipeline T-04)."""

import asyncio

from penstock import Context
from penstock.pipeline.disconnected import Disconnected
from tests.intake.subject import make_request
from tests.pipeline.subject import ask, open_site, run


def test_pipeline_t04_it_is_false_until_the_client_leaves() -> None:
    async def journey() -> None:
        request = make_request()
        disconnected = Disconnected(request)
        assert not disconnected
        waiting = asyncio.ensure_future(disconnected.wait())
        await asyncio.sleep(0)
        request.disconnect()
        await waiting
        assert disconnected
        await disconnected

    run(journey)


def test_cancelling_one_wait_harms_no_other() -> None:
    async def journey() -> None:
        request = make_request()
        disconnected = Disconnected(request)
        one, other = asyncio.ensure_future(disconnected.wait()), asyncio.ensure_future(disconnected.wait())
        await asyncio.sleep(0)
        one.cancel()
        request.disconnect()
        await other

    run(journey)


def test_the_context_has_one() -> None:
    def function(context: Context) -> str:
        return f"{bool(context.disconnected)} {context.disconnected is context.disconnected}"

    assert ask(open_site(function=function)).text == "False True"
