"""This file is the test of the token that OWIN tells of an early end with (websockets KA-7, OW-8)."""

import asyncio
import logging

import pytest

from penstock.request_sockets.owin_token import CancellationToken
from tests.pipeline.subject import run, settle


class TestCancellationToken:
    def test_is_fired_once(self) -> None:
        called: list[str] = []
        token = CancellationToken()
        token.register(lambda: called.append("before"))
        assert not token
        token.cancel()
        token.cancel()
        token.register(lambda: called.append("behind"))
        assert token
        assert token.is_cancelled
        assert called == ["before", "behind"]

    def test_websockets_ka7_an_error_of_a_callback_is_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        called: list[str] = []

        def fail() -> None:
            raise ValueError("a bad callback")

        token = CancellationToken()
        token.register(fail)
        token.register(lambda: called.append("the next one"))
        with caplog.at_level(logging.ERROR, "penstock"):
            token.cancel()
        assert called == ["the next one"]
        assert "a bad callback" in caplog.text

    def test_can_be_waited_for_by_several_one_of_whom_gives_up(self) -> None:
        async def wait(token: CancellationToken) -> None:
            await token

        async def journey() -> None:
            token = CancellationToken()
            first, second = [asyncio.ensure_future(wait(token)) for _ in range(2)]
            await settle()
            first.cancel()
            await settle()
            assert not second.done()
            token.cancel()
            await second
            await token

        run(journey)
