"""Whole journeys through the lifespan of ASGI applications."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fastapi import FastAPI, Request

from penstock import StartupError
from penstock.server import open_client
from penstock.settings import AppSettings, SiteSettings
from tests.pipeline.subject import ask, open_app, run

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


async def answer(send: Send, body: bytes = b"hello", status: int = 200) -> None:
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": body})


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    await answer(send)


class TestLifespan:
    def application(self, log: list[object]) -> Callable[..., Awaitable[None]]:
        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                log.append(scope["state"])
                scope["state"]["own"] = True
                scope["state"]["shared"].append(scope["path"])
                await answer(send)
                return
            assert scope["asgi"] == {"version": "3.0", "spec_version": "2.0"}
            assert await receive() == {"type": "lifespan.startup"}
            scope["state"]["shared"] = []
            log.append("startup")
            await send({"type": "lifespan.startup.complete"})
            assert await receive() == {"type": "lifespan.shutdown"}
            log.append("shutdown")
            await send({"type": "lifespan.shutdown.complete"})

        return application

    def test_it_starts_before_and_stops_behind_the_requests(self) -> None:
        log: list[object] = []

        async def journey() -> None:
            async with open_app(self.application(log)) as client:
                assert log == ["startup"]
                await client.get("/a")
                await client.get("/b")

        run(journey)
        assert log[0] == "startup"
        assert log[-1] == "shutdown"

    def test_every_request_has_a_shallow_copy_of_its_state(self) -> None:
        log: list[object] = []

        async def journey() -> None:
            async with open_app(self.application(log)) as client:
                await client.get("/a")
                await client.get("/b")

        run(journey)
        first, second = log[1], log[2]
        assert first == second == {"shared": ["/a", "/b"], "own": True}
        assert first is not second

    def test_without_a_lifespan_there_is_no_state(self) -> None:
        seen: list[bool] = []

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            assert scope["type"] == "http"
            seen.append("state" in scope)
            await answer(send)

        assert ask(open_app(application)).status == 200
        assert seen == [False]

    def test_an_application_that_returns_on_it_is_served(self) -> None:
        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                await answer(send)

        assert ask(open_app(application)).status == 200

    def test_a_startup_that_failed_keeps_the_server_from_starting(self) -> None:
        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            await receive()
            await send({"type": "lifespan.startup.failed", "message": "no database"})

        with pytest.raises(StartupError) as caught:
            ask(open_app(application))
        assert "no database" in str(caught.value)
        assert "tested:app" in str(caught.value)

    def test_the_cause_of_a_failed_startup_is_kept(self) -> None:
        @asynccontextmanager
        async def lifespan(application: FastAPI) -> AsyncIterator[None]:
            if application.title:
                raise OSError("no database")
            yield

        with pytest.raises(StartupError) as caught:
            ask(open_app(FastAPI(lifespan=lifespan)))
        assert isinstance(caught.value.__cause__, OSError)

    def test_an_application_that_waits_behind_its_failure_is_left_at_once(self) -> None:
        cancelled: list[bool] = []

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            await receive()
            await send({"type": "lifespan.startup.failed"})
            try:
                await receive()
            except asyncio.CancelledError:
                cancelled.append(True)
                raise

        with pytest.raises(StartupError):
            ask(open_app(application))
        assert cancelled == [True]

    def test_shutdown_runs_in_reverse_order_behind_the_modules_start(self) -> None:
        log: list[str] = []

        def application(name: str) -> Callable[..., Awaitable[None]]:
            async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
                await receive()
                log.append(f"{name} up")
                await send({"type": "lifespan.startup.complete"})
                await receive()
                log.append(f"{name} down")
                await send({"type": "lifespan.shutdown.complete"})

            return asgi

        site = SiteSettings(apps=(AppSettings(at="/a", asgi="t:a"), AppSettings(at="/b", asgi="t:b")))
        ask(open_client(site, objects={"t:a": application("A"), "t:b": application("B")}))
        assert log == ["A up", "B up", "B down", "A down"]

    def test_a_shutdown_that_fails_is_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.failed", "message": "disk full"})

        ask(open_app(application))
        assert "disk full" in caplog.text

    def test_a_lifespan_that_breaks_while_it_serves_is_logged_and_stops_in_peace(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                return await answer(send)
            await receive()
            await send({"type": "lifespan.startup.complete"})
            raise ValueError("broken")

        assert ask(open_app(application)).status == 200
        assert "broken" in caplog.text

    def test_fastapi_sees_what_its_lifespan_yields(self) -> None:
        @asynccontextmanager
        async def lifespan(application: FastAPI) -> AsyncIterator[dict[str, str]]:
            yield {"database": "open"}

        application = FastAPI(lifespan=lifespan)

        @application.get("/")
        async def page(request: Request) -> str:
            return str(request.state.database)

        assert ask(open_app(application)).text == '"open"'
