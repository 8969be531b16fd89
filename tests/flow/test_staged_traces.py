"""Middleware of ASGI in stages: the traces of the specification (middleware section 15.6, G1 to G11)."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import pytest

from penstock import Context, Hooks, Stage
from penstock.pipeline_gateways.staged_middleware import StagedMiddleware
from penstock.testing import ClientResponse
from tests.pipeline.subject import ask, on, open_site, raising

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Scope]]
Send = Callable[[Scope], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Staged:
    """A middleware in a stage, as a module."""

    def __init__(self, stage: Stage, wrap: Callable[[App], App], *, relays: bool = False) -> None:
        self.stage = stage
        self.piece = StagedMiddleware(wrap, name=str(getattr(wrap, "__name__", wrap)), relays_errors=relays)

    def attach(self, hooks: Hooks) -> None:
        hooks.has_frame = True
        hooks.on(self.stage, self.piece.step)
        hooks.on(self.stage, self.piece.judge)


class Wrapping:
    """A middleware that writes down what it sees, adds a header, and can do more on its way in."""

    def __init__(self, log: list[str], name: str, **user: Any) -> None:
        self.log, self.name, self.user = log, name, user

    def __call__(self, app: App) -> App:
        async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "lifespan":
                await app(scope, receive, send)
                return
            self.log.append(f"{self.name}>")

            async def wrapped(message: Scope) -> None:
                self.log.append(f"{self.name}.wrap")
                if message["type"] == "http.response.start":
                    message = {**message, "headers": [*message["headers"], (f"x-{self.name}".encode(), b"1")]}
                await send(message)

            try:
                await app({**scope, **self.user}, receive, wrapped)
            finally:
                self.log.append(f"{self.name}<")

        return middleware


def refusing(status: int, log: list[str]) -> Callable[[App], App]:
    def wrap(app: App) -> App:
        async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
            log.append("deny")
            await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"2")]})
            await send({"type": "http.response.body", "body": b"no"})

        return middleware

    return wrap


def failing(app: App) -> App:
    async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
        raise ValueError("boom")

    return middleware


def rescuing(log: list[str]) -> Callable[[App], App]:
    def wrap(app: App) -> App:
        async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
            try:
                await app(scope, receive, send)
            except Exception as error:
                log.append(f"rescue {type(error).__name__}: {error}")
                await send({"type": "http.response.start", "status": 500, "headers": []})
                await send({"type": "http.response.body", "body": b"rescued"})

        return middleware

    return wrap


def noted(log: list[str], *stages: Stage) -> list[object]:
    """A module that writes down the stages."""

    def note(stage: Stage) -> Callable[[Context], None]:
        return lambda context: log.append(stage.name)

    return [on(stage, note(stage)) for stage in stages]


def page(log: list[str]) -> Callable[[Context], str]:
    def handler(context: Context) -> str:
        log.append(f"handler {context.principal.name}")
        return "page"

    return handler


def asked(*modules: object, log: list[str], function: Any = None, **more: Any) -> ClientResponse:
    client = open_site(*modules, *noted(log, Stage.ACQUIRE_STATE, Stage.LOG, Stage.END), function=function or page(log))
    return ask(client, **more)


class TestTraces:
    def test_middleware_trace_a_both_wait_and_the_page_passes_through_them(self) -> None:
        log: list[str] = []
        auth = Staged(Stage.AUTHENTICATE, Wrapping(log, "auth", user="alice"))
        gate = Staged(Stage.AUTHORIZE, Wrapping(log, "gate"))
        answer = asked(auth, gate, log=log)
        assert (answer.status, answer.body) == (200, b"page")
        assert (answer.headers["x-auth"], answer.headers["x-gate"]) == ("1", "1")
        assert log == [
            "auth>", "gate>", "ACQUIRE_STATE", "handler alice", "LOG",
            "gate.wrap", "gate.wrap", "gate<", "auth.wrap", "auth.wrap", "auth<", "END",
        ]  # fmt: skip

    def test_middleware_trace_b_one_that_refuses_lets_nothing_behind_it_run(self) -> None:
        log: list[str] = []
        auth = Staged(Stage.AUTHENTICATE, Wrapping(log, "auth"))
        answer = asked(auth, Staged(Stage.AUTHORIZE, refusing(403, log)), log=log)
        assert (answer.status, answer.body, answer.headers["x-auth"]) == (403, b"no", "1")
        assert log == ["auth>", "deny", "LOG", "auth.wrap", "auth.wrap", "auth<", "END"]

    def test_middleware_trace_c_what_one_raises_is_caught_by_the_one_around_it(self) -> None:
        log: list[str] = []
        answer = asked(Staged(Stage.AUTHENTICATE, rescuing(log)), Staged(Stage.AUTHORIZE, failing), log=log)
        assert (answer.status, answer.body) == (500, b"rescued")
        assert log == ["LOG", "rescue ValueError: boom", "END"]

    def test_middleware_trace_d_what_nobody_catches_is_answered_at_the_outside(self) -> None:
        log: list[str] = []
        auth = Staged(Stage.AUTHENTICATE, Wrapping(log, "auth"))
        answer = asked(auth, Staged(Stage.AUTHORIZE, failing), log=log)
        assert answer.status == 500
        assert "x-auth" not in answer.headers
        assert log == ["auth>", "LOG", "auth<", "END"]

    def test_middleware_trace_e_what_a_module_answers_passes_through_the_middleware(self) -> None:
        log: list[str] = []

        def login(app: App) -> App:
            async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
                async def wrapped(message: Scope) -> None:
                    if message["type"] == "http.response.start" and message["status"] == 401:
                        log.append("401->302")
                        message = {**message, "status": 302, "headers": [(b"location", b"/login")]}
                    await send(message)

                await app(scope, receive, wrapped)

            return middleware

        def refuse(context: Context) -> None:
            context.response.status = 401
            context.complete()

        answer = asked(Staged(Stage.AUTHENTICATE, login), on(Stage.AUTHORIZE, refuse), log=log)
        assert (answer.status, answer.headers["location"]) == (302, "/login")
        assert log == ["LOG", "401->302", "END"]

    def test_middleware_trace_f_a_stream_passes_at_once(self) -> None:
        log: list[str] = []

        async def stream(context: Context) -> None:
            for piece in ("a", "b"):
                context.response.write(piece)
                await context.response.flush()
                log.append(f"flushed {piece}")

        answer = asked(Staged(Stage.AUTHENTICATE, Wrapping(log, "auth")), log=log, function=stream)
        assert (answer.body, answer.headers["x-auth"]) == (b"ab", "1")
        assert log[:8] == [
            "auth>", "ACQUIRE_STATE", "auth.wrap", "auth.wrap", "flushed a", "auth.wrap", "flushed b", "LOG",
        ]  # fmt: skip
        assert log[-2:] == ["auth<", "END"]

    def test_middleware_trace_t_a_timeout_around_the_rest_cancels_it(self) -> None:
        log: list[str] = []

        def limit(app: App) -> App:
            async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
                try:
                    async with asyncio.timeout(0.01):
                        await app(scope, receive, send)
                except TimeoutError:
                    log.append("timeout")
                    await send({"type": "http.response.start", "status": 504, "headers": []})
                    await send({"type": "http.response.body", "body": b"late"})

            return middleware

        async def slow(context: Context) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                log.append("cancelled")

        answer = asked(Staged(Stage.PRE_EXECUTE, limit), log=log, function=slow)
        assert (answer.status, answer.body) == (504, b"late")
        assert log == ["ACQUIRE_STATE", "cancelled", "LOG", "timeout", "END"]

    def test_middleware_trace_q_one_that_relays_from_a_queue(self) -> None:
        log: list[str] = []

        def relay(app: App) -> App:
            async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
                queue: asyncio.Queue[Scope] = asyncio.Queue()
                task = asyncio.ensure_future(app(scope, receive, queue.put))
                start = await queue.get()
                await send({**start, "headers": [*start["headers"], (b"x-relay", b"1")]})
                await send(await queue.get())
                await task

            return middleware

        answer = asked(Staged(Stage.AUTHENTICATE, relay), log=log)
        assert (answer.status, answer.body, answer.headers["x-relay"]) == (200, b"page", "1")
        assert log == ["ACQUIRE_STATE", "handler ", "LOG", "END"]

    def test_middleware_trace_s_one_that_answers_in_place_of_what_it_wraps(self) -> None:
        log: list[str] = []

        def swallow(app: App) -> App:
            async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
                async def nowhere(message: Scope) -> None:
                    log.append("swallowed")

                await app(scope, receive, nowhere)
                await send({"type": "http.response.start", "status": 418, "headers": []})
                await send({"type": "http.response.body", "body": b"teapot"})

            return middleware

        answer = asked(Staged(Stage.AUTHENTICATE, swallow), log=log)
        assert (answer.status, answer.body) == (418, b"teapot")


class TestErrors:
    def test_middleware_g9_an_error_behind_it_looks_like_an_answer(self) -> None:
        log: list[str] = []
        auth = Staged(Stage.AUTHENTICATE, Wrapping(log, "auth"))
        answer = asked(auth, log=log, function=raising(RuntimeError("x")))
        assert (answer.status, answer.headers["x-auth"]) == (500, "1")

    def test_middleware_r_sg_29_unless_it_wants_to_see_errors(self) -> None:
        log: list[str] = []
        rescue = Staged(Stage.AUTHENTICATE, rescuing(log), relays=True)
        answer = asked(rescue, log=log, function=raising(RuntimeError("x")))
        assert (answer.status, answer.body) == (500, b"rescued")
        assert "rescue RuntimeError: x" in log

    def test_middleware_r_sg_28_its_application_is_called_once(self) -> None:
        log: list[str] = []

        def twice(app: App) -> App:
            async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
                await app(scope, receive, send)
                with pytest.raises(Exception, match="twice"):
                    await app(scope, receive, send)

            return middleware

        assert asked(Staged(Stage.AUTHENTICATE, twice), log=log).body == b"page"
