"""What an application waits on that wants to know when its client leaves."""

import asyncio

from penstock.pipeline_gateways.disconnect import Disconnect
from tests.intake.subject import make_request
from tests.pipeline.subject import run, settle


class TestWaiting:
    def test_all_who_wait_are_told_when_the_client_leaves(self) -> None:
        async def journey() -> None:
            request = make_request()
            disconnect = Disconnect(asyncio.get_running_loop(), request)
            waiting = [asyncio.create_task(disconnect.wait()) for _ in range(3)]
            await settle()
            assert not any(each.done() for each in waiting)
            request.disconnect()
            await asyncio.gather(*waiting)
            await disconnect.wait()

        run(journey)

    def test_one_who_gives_up_harms_no_other(self) -> None:
        async def journey() -> None:
            request = make_request()
            disconnect = Disconnect(asyncio.get_running_loop(), request)
            first, second = asyncio.create_task(disconnect.wait()), asyncio.create_task(disconnect.wait())
            await settle()
            first.cancel()
            await settle()
            assert first.cancelled()
            assert not second.done()
            disconnect.resolve()
            await second

        run(journey)

    def test_a_client_that_had_left_before_is_told_too(self) -> None:
        async def journey() -> None:
            request = make_request()
            request.disconnect()
            await Disconnect(asyncio.get_running_loop(), request).wait()

        run(journey)

    def test_resolving_twice_does_nothing(self) -> None:
        async def journey() -> None:
            request = make_request()
            disconnect = Disconnect(asyncio.get_running_loop(), request)
            disconnect.resolve()
            disconnect.resolve()
            request.disconnect()
            await disconnect.wait()

        run(journey)
