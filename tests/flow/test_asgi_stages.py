"""Whole journeys of ASGI applications through the stages: where they end, in which variables and tasks they run."""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

import anyio
import pytest
from fastapi import BackgroundTasks, FastAPI, Request
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from penstock import Context, Stage
from tests.pipeline.subject import LOOPS, Recorder, ask, on, open_app, run, settle

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

START: dict[str, Any] = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]}


async def answer(send: Send, body: bytes = b"hello", status: int = 200) -> None:
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": body})


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    await answer(send)


class TestStages:
    """EXECUTE of an ASGI application ends at its last body message."""

    @pytest.mark.parametrize("loop", LOOPS)
    def test_the_plan_ends_before_the_application_does(self, loop: str) -> None:
        log: list[str] = []

        async def journey() -> None:
            async def application(scope: Scope, receive: Receive, send: Send) -> None:
                if scope["type"] == "lifespan":
                    raise RuntimeError("unsupported")
                await answer(send)
                log.append("behind")

            async with open_app(application, Recorder(log)) as client:
                await client.get("/")

        run(journey, loop)
        assert log[-4:] == ["LOG", "LOG+", "END", "behind"]
        assert len(log) == 22

    def test_end_changes_the_head_of_a_buffered_answer(self) -> None:
        def change(context: Context) -> None:
            context.response.status = 418
            context.response.headers["x-late"] = "yes"

        found = ask(open_app(hello, on(Stage.END, change)))
        assert (found.status, found.headers["x-late"], found.text) == (418, "yes", "hello")

    def test_pipeline_p13_end_turns_a_401_of_an_application_into_a_redirect(self) -> None:
        def to_login(context: Context) -> None:
            if context.response.status == 401:
                context.response.redirect("/login", 302)

        async def page(request: Any) -> PlainTextResponse:
            return PlainTextResponse("who are you?", 401)

        found = ask(open_app(Starlette(routes=[Route("/", page)]), on(Stage.END, to_login)))
        assert (found.status, found.headers["location"], found.body) == (302, "/login", b"")
        assert found.headers.get("content-length") is None

    def test_headers_of_modules_stay_and_those_of_the_application_win(self) -> None:
        def add(context: Context) -> None:
            context.response.headers["x-module"] = "yes"
            context.response.headers["content-type"] = "module/type"
            context.response.headers.add("set-cookie", "module=1")

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            await send({**START, "headers": [(b"content-type", b"text/plain"), (b"set-cookie", b"app=1")]})
            await send({"type": "http.response.body", "body": b"hello"})

        found = ask(open_app(application, on(Stage.BEGIN, add)))
        assert found.headers["x-module"] == "yes"
        assert found.headers.get_all("content-type") == ["text/plain"]
        assert found.headers.get_all("set-cookie") == ["module=1", "app=1"]

    def test_callbacks_before_the_head_see_what_the_application_said(self) -> None:
        def stamp(context: Context) -> None:
            context.response.on_sending_headers(lambda response: response.headers.add("x-status", str(response.status)))

        async def stream(scope: Scope, receive: Receive, send: Send) -> None:
            await send({**START, "status": 203})
            await send({"type": "http.response.body", "body": b"a", "more_body": True})
            await send({"type": "http.response.body", "body": b"b"})

        assert ask(open_app(stream, on(Stage.BEGIN, stamp))).headers.get_all("x-status") == ["203"]
        assert ask(open_app(hello, on(Stage.BEGIN, stamp))).headers.get_all("x-status") == ["200"]

    @pytest.mark.parametrize("loop", LOOPS)
    def test_async_hooks_behind_the_answer_are_waited_for(self, loop: str) -> None:
        log: list[str] = []

        async def hook(context: Context) -> None:
            await asyncio.sleep(0)
            log.append(context.stage.name)

        hooks = [on(stage, hook) for stage in (Stage.BEGIN, Stage.UPDATE_CACHE, Stage.END)]
        assert ask(open_app(hello, *hooks), loop=loop).text == "hello"
        assert log == ["BEGIN", "UPDATE_CACHE", "END"]

    @pytest.mark.parametrize("loop", LOOPS)
    def test_a_background_task_never_delays_the_answer(self, loop: str) -> None:
        async def journey() -> None:
            gate = asyncio.Event()
            log: list[str] = []
            application = FastAPI()

            async def work() -> None:
                await gate.wait()
                log.append("worked")

            @application.get("/")
            async def page(tasks: BackgroundTasks) -> dict[str, bool]:
                tasks.add_task(work)
                return {"accepted": True}

            async with open_app(application) as client:
                assert (await client.get("/")).text == '{"accepted":true}'
                assert (log, client.runtime.statistics().executing) == ([], 0)
                assert client.runtime.statistics().background == 1
                assert (await client.get("/")).status == 200
                gate.set()
                # Draining waits for what goes on behind the answers.
                assert await client.runtime.drain(10)
                assert log == ["worked", "worked"]

        run(journey, loop)


class TestVariables:
    """A context variable set in one request is never seen in another."""

    @pytest.mark.parametrize("loop", LOOPS)
    @pytest.mark.parametrize("streams", [False, True])
    def test_of_a_plain_application(self, streams: bool, loop: str) -> None:
        variable: ContextVar[str] = ContextVar("variable", default="unset")
        seen: list[str] = []

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "lifespan":
                variable.set("lifespan")
                raise RuntimeError("unsupported")
            seen.append(variable.get())
            variable.set(scope["path"])
            await send(START)
            if streams:
                await send({"type": "http.response.body", "body": b"part", "more_body": True})
                await asyncio.sleep(0)
            assert variable.get() == scope["path"]
            await send({"type": "http.response.body", "body": b"end"})
            variable.set("behind")

        async def journey() -> None:
            async with open_app(application) as client:
                for path in ("/a", "/b"):
                    assert (await client.get(path)).status == 200
                await asyncio.gather(*(client.get(f"/{n}") for n in range(5)))

        run(journey, loop)
        assert seen == ["unset"] * 7

    @pytest.mark.parametrize("loop", LOOPS)
    def test_of_fastapi_plain_and_async_with_middleware(self, loop: str) -> None:
        variable: ContextVar[str] = ContextVar("variable", default="unset")
        seen: list[str] = []
        application = FastAPI()

        @application.middleware("http")
        async def note(request: Request, call_next: Callable[[Request], Awaitable[Any]]) -> Any:
            seen.append(variable.get())
            variable.set(f"middleware {request.url.path}")
            return await call_next(request)

        @application.get("/plain")
        def plain() -> str:
            seen.append(variable.get())
            variable.set("plain")
            return "plain"

        @application.get("/async")
        async def later() -> str:
            seen.append(variable.get())
            variable.set("async")
            return "async"

        async def journey() -> None:
            async with open_app(application) as client:
                for path in ("/plain", "/async", "/plain"):
                    assert (await client.get(path)).status == 200

        run(journey, loop)
        assert seen == ["unset", "middleware /plain", "unset", "middleware /async", "unset", "middleware /plain"]

    @pytest.mark.parametrize("loop", LOOPS)
    def test_those_of_modules_reach_the_application(self, loop: str) -> None:
        variable: ContextVar[str] = ContextVar("variable", default="unset")
        seen: list[str] = []

        def set_it(context: Context) -> None:
            variable.set(context.request.path)

        async def set_later(context: Context) -> None:
            await asyncio.sleep(0)
            variable.set(variable.get() + "!")

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            seen.append(variable.get())
            await answer(send)

        ask(open_app(application, on(Stage.BEGIN, set_it), on(Stage.AUTHORIZE, set_later)), "/here", loop=loop)
        assert seen[-1] == "/here!"


class TestTask:
    """What needs a task works from the first step of an application on."""

    @pytest.mark.parametrize("loop", LOOPS)
    def test_timeouts_current_task_and_task_groups(self, loop: str) -> None:
        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "lifespan":
                raise RuntimeError("unsupported")
            task = asyncio.current_task()
            assert task is not None
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0):
                    await asyncio.Event().wait()
            done: list[int] = []

            async def child(number: int) -> None:
                await anyio.lowlevel.checkpoint()
                done.append(number)

            async with anyio.create_task_group() as group:
                group.start_soon(child, 1)
                group.start_soon(child, 2)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(child(3))
            assert asyncio.current_task() is task
            assert sorted(done) == [1, 2, 3]
            await answer(send)

        found = ask(open_app(application), loop=loop)
        assert (found.status, found.text) == (200, "hello")

    @pytest.mark.parametrize("loop", LOOPS)
    def test_an_answer_may_be_sent_from_a_task_of_the_application(self, loop: str) -> None:
        log: list[str] = []

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            async with anyio.create_task_group() as group:
                group.start_soon(answer, send)

        found = ask(open_app(application, Recorder(log)), loop=loop)
        assert (found.status, found.text, log[-1]) == (200, "hello", "END")

    def test_a_cancelled_future_of_the_application_is_its_own_failure(self) -> None:
        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            future.cancel()
            await future

        found = ask(open_app(application))
        assert (found.status, found.is_aborted) == (500, False)

    def test_stopping_hard_answers_what_is_inside(self) -> None:
        async def journey() -> None:
            async def application(scope: Scope, receive: Receive, send: Send) -> None:
                if scope["type"] == "lifespan":
                    raise RuntimeError("unsupported")
                await answer(send)
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    log.append("cancelled")
                    raise

            log: list[str] = []
            client = open_app(application)
            async with client:
                assert (await client.get("/")).status == 200
                assert not await client.runtime.drain(0)
                await client.runtime.stop()
                await settle()
            assert log == ["cancelled"]

        run(journey)
