"""Whole journeys of ASGI applications: what the ASGI specification and the frameworks built on it may rely on."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any

import anyio
import pytest
from fastapi import BackgroundTasks, FastAPI, Request
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route

from penstock import ClientGone, Context, ContractError, Stage, StartupError
from penstock.server import open_client
from penstock.settings import AppSettings, LimitSettings, LogSettings, ServerSettings, SiteSettings
from penstock.testing import ClientResponse
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


async def never_ending() -> AsyncIterator[bytes]:
    yield b"part"
    await asyncio.Event().wait()


class TestScope:
    def scope_of(self, target: str, **question: Any) -> Scope:
        seen: list[Scope] = []

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "lifespan":
                raise RuntimeError("unsupported")
            seen.append(dict(scope))
            await answer(send)

        settings = question.pop("settings", {})
        assert ask(open_app(application, **settings), target, **question).status == 200
        return seen[0]

    def test_every_key_has_the_type_and_value_of_the_specification(self) -> None:
        scope = self.scope_of("/a%20b/%C3%A9?q=%20+1&q", method="PATCH", headers={"X-One": "1", "x-two": "2"})
        headers = scope.pop("headers")
        assert scope == {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": "PATCH",
            "scheme": "http",
            "path": "/a b/é",
            "raw_path": b"/a%20b/%C3%A9",
            "query_string": b"q=%20+1&q",
            "root_path": "",
            "client": ("127.0.0.1", 50000),
            "server": ("127.0.0.1", 80),
        }
        assert list(headers) == [(b"host", b"testserver"), (b"x-one", b"1"), (b"x-two", b"2")]

    def test_repeated_headers_stay_apart_and_in_order(self) -> None:
        seen: list[object] = []

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            seen.extend(pair for pair in scope.get("headers", ()) if pair[0] != b"host")
            await answer(send)

        ask(open_app(application), headers={"accept": "a", "cookie": "x=1", "Accept-": "b"})
        assert seen == [(b"accept", b"a"), (b"cookie", b"x=1"), (b"accept-", b"b")]

    def test_the_query_is_empty_bytes_when_there_is_none(self) -> None:
        assert self.scope_of("/x")["query_string"] == b""

    def test_under_a_mount_the_path_is_whole_and_root_path_its_beginning(self) -> None:
        scope = self.scope_of("/api/items", settings={"at": "/api"})
        assert (scope["root_path"], scope["path"], scope["raw_path"]) == ("/api", "/api/items", b"/api/items")

    def test_behind_a_stripping_proxy_what_it_took_off_is_put_back(self) -> None:
        scope = self.scope_of("/api/items", settings={"at": "/api", "root_path": "/shop"})
        assert (scope["root_path"], scope["path"]) == ("/shop/api", "/shop/api/items")
        assert scope["raw_path"] == b"/shop/api/items"

    def test_what_one_request_changes_in_its_scope_no_other_sees(self) -> None:
        seen: list[Scope] = []

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "lifespan":
                raise RuntimeError("unsupported")
            seen.append({**scope, "headers": list(scope["headers"])})
            scope["headers"].append((b"x-leak", b"yes"))
            scope["path"] = "/changed"
            scope["user"] = "somebody"
            await answer(send)

        async def journey() -> None:
            async with open_app(application) as client:
                await client.get("/same")
                await client.get("/same")

        run(journey)
        assert seen[0] == seen[1]

    def test_pathsend_is_offered_by_setting_only(self) -> None:
        assert "http.response.pathsend" not in self.scope_of("/").get("extensions", {})
        assert self.scope_of("/", settings={"pathsend": True})["extensions"] == {"http.response.pathsend": {}}


class TestReceive:
    def test_a_request_without_a_body_is_one_empty_message(self) -> None:
        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            assert await receive() == {"type": "http.request", "body": b"", "more_body": False}
            await answer(send)

        assert ask(open_app(application)).status == 200

    def test_a_body_that_is_there_is_one_message(self) -> None:
        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            assert await receive() == {"type": "http.request", "body": b"whole", "more_body": False}
            await answer(send)

        assert ask(open_app(application), method="POST", body=b"whole").status == 200

    @pytest.mark.parametrize("loop", LOOPS)
    def test_a_body_that_comes_in_pieces_is_streamed(self, loop: str) -> None:
        pieces: list[bytes] = []

        async def body() -> AsyncIterator[bytes]:
            for piece in (b"one", b"two", b"three"):
                await settle(3)
                yield piece

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            more = scope["type"] == "http"
            while more:
                message = await receive()
                pieces.append(message["body"])
                more = message["more_body"]
            await answer(send, b"".join(pieces))

        assert ask(open_app(application), method="POST", body=body(), loop=loop).text == "onetwothree"
        assert len([piece for piece in pieces if piece]) == 3

    def test_no_disconnect_while_the_client_waits(self) -> None:
        async def journey() -> None:
            async def application(scope: Scope, receive: Receive, send: Send) -> None:
                await receive()
                waiting = asyncio.ensure_future(receive())
                await settle()
                assert not waiting.done()
                await send(START)
                await send({"type": "http.response.body", "body": b"part", "more_body": True})
                await settle()
                assert not waiting.done()
                await send({"type": "http.response.body", "body": b"end"})
                assert await waiting == {"type": "http.disconnect"}
                ended.set()

            ended = asyncio.Event()
            async with open_app(application) as client:
                assert (await client.get("/")).text == "partend"
                await ended.wait()

        run(journey)

    @pytest.mark.parametrize("loop", LOOPS)
    def test_disconnect_when_the_client_leaves(self, loop: str) -> None:
        async def journey() -> None:
            async def application(scope: Scope, receive: Receive, send: Send) -> None:
                if scope["type"] == "lifespan":
                    raise RuntimeError("unsupported")
                await receive()
                first, second = asyncio.ensure_future(receive()), asyncio.ensure_future(receive())
                seen.append((await first)["type"])
                seen.append((await second)["type"])
                seen.append((await receive())["type"])

            seen: list[str] = []
            async with open_app(application) as client:
                request = client.open("GET", "/")
                await settle()
                assert seen == []
                request.disconnect()
                await request.wait_finished()
            assert seen == ["http.disconnect"] * 3

        run(journey, loop)

    def test_disconnect_in_the_middle_of_a_body(self) -> None:
        async def journey() -> None:
            async def application(scope: Scope, receive: Receive, send: Send) -> None:
                message = await receive()
                while message["type"] == "http.request":
                    seen.append(message["body"])
                    message = await receive()
                seen.append(message["type"])

            seen: list[object] = []
            async with open_app(application) as client:
                request = client.open("POST", "/", body=never_ending())
                await settle()
                request.disconnect()
                await request.wait_finished()
                assert request.feeding is not None
                request.feeding.cancel()
                await asyncio.gather(request.feeding, return_exceptions=True)
            assert seen[-2:] == [b"part", "http.disconnect"]

        run(journey)

    def test_disconnect_behind_the_answer_though_the_body_was_never_read(self) -> None:
        async def journey() -> None:
            async def application(scope: Scope, receive: Receive, send: Send) -> None:
                await answer(send)
                seen.append((await receive())["type"])
                ended.set()

            seen: list[str] = []
            ended = asyncio.Event()
            async with open_app(application) as client:
                request = client.open("POST", "/", body=never_ending())
                await request.wait_finished()
                await ended.wait()
                assert request.feeding is not None
                request.feeding.cancel()
                await asyncio.gather(request.feeding, return_exceptions=True)
            assert seen[-1] == "http.disconnect"

        run(journey)

    def test_send_tells_a_streaming_application_that_the_client_has_left(self) -> None:
        async def journey() -> None:
            async def application(scope: Scope, receive: Receive, send: Send) -> None:
                if scope["type"] == "lifespan":
                    raise RuntimeError("unsupported")
                await send(START)
                await send({"type": "http.response.body", "body": b"part", "more_body": True})
                await gone.wait()
                with pytest.raises(OSError) as caught:
                    await send({"type": "http.response.body", "body": b"more", "more_body": True})
                seen.append(caught.value)
                raise caught.value

            gone = asyncio.Event()
            seen: list[BaseException] = []
            log: list[str] = []
            async with open_app(application, Recorder(log)) as client:
                request = client.open("GET", "/")
                await settle()
                request.disconnect()
                gone.set()
                await request.wait_finished()
                statistics = client.runtime.statistics()
                assert (statistics.disconnected, statistics.executing) == (1, 0)
            assert isinstance(seen[0], ClientGone)
            assert log[-3:] == ["LOG", "LOG+", "END"]

        run(journey)

    def test_a_body_beyond_the_limit_is_refused_and_the_application_sees_the_end(self) -> None:
        seen: list[str] = []

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "lifespan":
                raise RuntimeError("unsupported")
            while (message := await receive())["type"] == "http.request":
                pass
            seen.append(message["type"])

        async def body() -> AsyncIterator[bytes]:
            yield b"x" * 8
            yield b"x" * 8

        server = ServerSettings(log=LogSettings(access=False), limits=LimitSettings(body=10))
        assert ask(open_client(application, server=server), method="POST", body=body()).status == 413
        assert seen == ["http.disconnect"]


class TestSend:
    def failing(self, *messages: Any, at_end: Exception | None = None) -> tuple[ClientResponse, list[BaseException]]:
        """The answer to an application that sends `messages`, and what its `send` raised."""
        raised: list[BaseException] = []

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "lifespan":
                raise RuntimeError("unsupported")
            try:
                for message in messages:
                    await send(message)
            except BaseException as error:
                raised.append(error)
                raise
            if at_end is not None:
                raise at_end

        return ask(open_app(application)), raised

    def test_an_exception_before_the_start_is_500(self) -> None:
        assert self.failing(at_end=ValueError("boom"))[0].status == 500

    def test_an_exception_behind_the_start_is_500_while_nothing_has_left(self) -> None:
        found, _ = self.failing(START, at_end=ValueError("boom"))
        assert (found.status, found.is_aborted) == (500, False)
        assert found.headers.get_all("content-type") == ["text/plain; charset=utf-8"]

    def test_an_exception_behind_a_piece_cuts_the_answer_off(self) -> None:
        found, _ = self.failing(
            START, {"type": "http.response.body", "body": b"part", "more_body": True}, at_end=ValueError("boom")
        )
        assert (found.status, found.body, found.is_aborted) == (200, b"part", True)

    def test_an_exception_behind_the_answer_harms_nobody(self, caplog: pytest.LogCaptureFixture) -> None:
        found, _ = self.failing(
            START, {"type": "http.response.body", "body": b"whole"}, at_end=ValueError("behind the answer")
        )
        assert (found.status, found.body, found.is_aborted) == (200, b"whole", False)
        assert "behind the answer" in caplog.text

    @pytest.mark.parametrize("messages", [(), (START,)])
    def test_returning_without_an_answer_is_500(self, messages: tuple[Any, ...]) -> None:
        assert self.failing(*messages)[0].status == 500

    def test_returning_in_the_middle_cuts_the_answer_off(self) -> None:
        found, _ = self.failing(START, {"type": "http.response.body", "body": b"part", "more_body": True})
        assert (found.body, found.is_aborted) == (b"part", True)

    def test_sending_behind_the_answer_is_a_broken_contract(self) -> None:
        end = {"type": "http.response.body", "body": b"whole"}
        for late in (end, START):
            found, raised = self.failing(START, end, late)
            assert (found.status, found.body) == (200, b"whole")
            assert isinstance(raised[0], ContractError)
            assert "after the response was complete" in str(raised[0])

    @pytest.mark.parametrize(
        "messages",
        [
            ({"type": "http.response.body", "body": b"x"},),
            (START, START),
            ({"type": "http.response.starts"},),
            ({"type": "websocket.accept"},),
            ({"type": "http.response.start"},),
            ({"type": "http.response.start", "status": "200"},),
            ({"type": "http.response.start", "status": None},),
            ({"type": "http.response.start", "status": 99},),
            ({"type": "http.response.start", "status": 101},),
            ({"type": "http.response.start", "status": 600},),
            ({"type": "http.response.start", "status": 200, "headers": [b"x-one"]},),
            ({"type": "http.response.start", "status": 200, "headers": 7},),
            ({"type": "http.response.start", "status": 200, "headers": [(7, b"x")]},),
            (START, {"type": "http.response.body", "body": "text"}),
            (START, {"type": "http.response.body", "body": None}),
            (START, {"type": "http.response.body", "body": ["x"]}),
        ],
    )
    def test_a_message_out_of_turn_or_of_wrong_types_is_refused_where_it_is_sent(
        self, messages: tuple[Any, ...]
    ) -> None:
        found, raised = self.failing(*messages)
        assert found.status == 500
        assert isinstance(raised[0], ContractError)

    @pytest.mark.parametrize(
        "headers", [[("x-one", "1")], [(b"x-one", "1")], [(b"x one", b"1")], [(b"x-one", b"a\r\nb")], [(b"x-one", 1)]]
    )
    @pytest.mark.parametrize("more", [False, True])
    def test_headers_that_http_does_not_allow_are_500(self, headers: Any, more: bool) -> None:
        found, _ = self.failing(
            {"type": "http.response.start", "status": 200, "headers": headers},
            {"type": "http.response.body", "body": b"x", "more_body": more},
        )
        assert (found.status, found.is_aborted) == (500, False)

    def test_header_names_are_sent_in_lower_case_and_may_be_any_iterable(self) -> None:
        found, _ = self.failing(
            {"type": "http.response.start", "status": 201, "headers": iter([[b"X-One", b"1"], [b"X-One", b"2"]])},
            {"type": "http.response.body"},
        )
        assert (found.status, found.body, found.headers.get_all("x-one")) == (201, b"", ["1", "2"])

    @pytest.mark.parametrize("body", [bytearray(b"bytes"), memoryview(b"bytes")])
    def test_bodies_may_be_anything_like_bytes(self, body: Any) -> None:
        found, _ = self.failing(START, {"type": "http.response.body", "body": body})
        assert found.body == b"bytes"

    def test_an_answer_of_one_message_leaves_in_one_piece_and_pieces_leave_as_they_come(self) -> None:
        whole, _ = self.failing(START, {"type": "http.response.body", "body": b"whole"})
        assert whole.pieces == [b"whole"]
        pieces, _ = self.failing(
            START,
            {"type": "http.response.body", "more_body": True},
            {"type": "http.response.body", "body": b"one", "more_body": True},
            {"type": "http.response.body", "body": b"two", "more_body": True},
            {"type": "http.response.body"},
        )
        assert pieces.pieces == [b"one", b"two"]

    def test_head_is_answered_like_get_without_the_body(self) -> None:
        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            await send({**START, "headers": [(b"content-length", b"5")]})
            await send({"type": "http.response.body", "body": b"hello"})

        found = ask(open_app(application), method="HEAD")
        assert (found.status, found.body, found.headers["content-length"]) == (200, b"", "5")


class TestStages:
    """DESIGN: EXECUTE of an ASGI application ends at its last body message."""

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
        assert (found.status, found.is_aborted) == (503, False)

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


class TestFrameworks:
    @pytest.mark.parametrize("at", ["/", "/api"])
    def test_starlette_knows_its_own_urls(self, at: str) -> None:
        async def item(request: Any) -> PlainTextResponse:
            return PlainTextResponse(str(request.url_for("item", number=request.path_params["number"])))

        async def inner_item(request: Any) -> PlainTextResponse:
            return PlainTextResponse(str(request.url_for("inner:item", number=request.path_params["number"])))

        inner = Starlette(routes=[Route("/{number:int}", inner_item, name="item")])
        application = Starlette(
            routes=[Route("/items/{number:int}", item, name="item"), Mount("/inner", inner, name="inner")]
        )
        mount = at.rstrip("/")
        found = ask(open_app(application, at=at), f"{mount}/items/7")
        assert found.text == f"http://testserver{mount}/items/7"
        assert ask(open_app(application, at=at), f"{mount}/inner/7").text == f"http://testserver{mount}/inner/7"

    def test_starlette_redirects_to_the_slash_below_its_mount(self) -> None:
        application = Starlette(routes=[Route("/items/", lambda request: PlainTextResponse("items"))])
        found = ask(open_app(application, at="/api"), "/api/items")
        assert (found.status, found.headers["location"]) == (307, "http://testserver/api/items/")

    @pytest.mark.parametrize(("at", "root_path"), [("/", ""), ("/api", ""), ("/api", "/shop")])
    def test_fastapi_finds_its_documentation_below_a_mount(self, at: str, root_path: str) -> None:
        application = FastAPI()
        mount = at.rstrip("/")
        docs = ask(open_app(application, at=at, root_path=root_path), f"{mount}/docs")
        assert docs.status == 200
        assert f"{root_path}{mount}/openapi.json" in docs.text
        description = ask(open_app(FastAPI(), at=at, root_path=root_path), f"{mount}/openapi.json")
        assert description.status == 200

    @pytest.mark.parametrize("loop", LOOPS)
    def test_base_http_middleware(self, loop: str) -> None:
        class Stamp(BaseHTTPMiddleware):
            async def dispatch(self, request: Any, call_next: Any) -> Any:
                response = await call_next(request)
                response.headers["x-stamp"] = "yes"
                return response

        application = FastAPI()
        application.add_middleware(Stamp)

        @application.post("/")
        async def echo(request: Request) -> str:
            return (await request.body()).decode()

        found = ask(open_app(application), method="POST", body=b"text", loop=loop)
        assert (found.status, found.text, found.headers["x-stamp"]) == (200, '"text"', "yes")

    @pytest.mark.parametrize("loop", LOOPS)
    def test_streaming_response(self, loop: str) -> None:
        async def numbers() -> AsyncIterator[str]:
            for number in range(3):
                await asyncio.sleep(0)
                yield str(number)

        application = Starlette(routes=[Route("/", lambda request: StreamingResponse(numbers()))])
        assert ask(open_app(application), loop=loop).pieces == [b"0", b"1", b"2"]

    def test_a_streaming_response_ends_when_its_client_leaves(self, caplog: pytest.LogCaptureFixture) -> None:
        async def journey() -> None:
            gate = asyncio.Event()

            async def endless() -> AsyncIterator[bytes]:
                while True:
                    yield b"tick"
                    await gate.wait()

            async def page(request: Any) -> StreamingResponse:
                return StreamingResponse(endless())

            async with open_app(Starlette(routes=[Route("/", page)])) as client:
                request = client.open("GET", "/")
                await settle()
                assert request.pieces == [b"tick"]
                request.disconnect()
                gate.set()
                await request.wait_finished()
                assert client.runtime.statistics().disconnected == 1

        run(journey)
        assert caplog.records == []  # a client that leaves is nobody's fault

    def test_gzip_middleware(self) -> None:
        import gzip

        application = Starlette(routes=[Route("/", lambda request: PlainTextResponse("text " * 1000))])
        application.add_middleware(GZipMiddleware)
        found = ask(open_app(application), headers={"accept-encoding": "gzip"})
        assert found.headers["content-encoding"] == "gzip"
        assert gzip.decompress(found.body) == b"text " * 1000
        assert int(found.headers["content-length"]) == len(found.body)

    def test_an_error_of_fastapi_is_logged_once_and_answered_by_it(self, caplog: pytest.LogCaptureFixture) -> None:
        application = FastAPI()

        @application.get("/")
        async def page() -> None:
            raise ValueError("boom")

        found = ask(open_app(application))
        assert (found.status, found.text) == (500, "Internal Server Error")
        assert [record.levelno for record in caplog.records] == [logging.ERROR]
