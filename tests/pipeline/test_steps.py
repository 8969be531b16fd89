"""The steps that every plan has: scopes, sending, counting out, and making an answer of an error."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest

from penstock import Context, Hooks, Response, ResponseComplete, Stage
from penstock.http.messages import ResponseHead
from tests.pipeline.subject import LOOPS, Attached, ask, on, open_app, open_site, raising, run, settle


class TestSending:
    """One answer leaves in one call, whatever happened before."""

    @pytest.mark.parametrize("error", [SystemExit(1), GeneratorExit(), ResponseComplete()])
    def test_pipeline_e11_a_filter_that_ends_oddly_is_answered_for(self, error: Exception) -> None:
        class Odd:
            def begin(self, head: ResponseHead) -> bool:
                return True

            def feed(self, piece: bytes) -> bytes:
                raise error

            def finish(self) -> bytes:
                return b""

        answer = ask(open_site(on(Stage.BEGIN, lambda context: context.response.add_filter(Odd()))))
        assert (answer.status, answer.is_aborted) == (500, False)

    def test_pipeline_x01_an_error_recorded_while_the_answer_leaves_is_in_the_log(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        def begin(context: Context) -> None:
            context.response.on_sending_headers(lambda _: context.fail(KeyError("in the callback")))
            context.on_completed(lambda context: context.fail(KeyError("behind it")))

        assert ask(open_site(on(Stage.BEGIN, begin))).text == "hello"
        told = [str(record.exc_info[1]) for record in caplog.records if record.exc_info]
        assert told == ["'in the callback'", "'behind it'"]

    def test_a_buffered_answer_leaves_behind_end_in_one_piece(self) -> None:
        def handler(context: Context) -> None:
            for _ in range(3):
                context.response.write("x" * 1024)

        def look(context: Context) -> None:
            sent.append(context.response.is_started)

        sent: list[bool] = []
        found = ask(open_site(on(Stage.END, look), function=handler))
        assert (sent, found.pieces) == ([False], [b"x" * 3072])

    def test_a_streamed_answer_is_ended_behind_end(self) -> None:
        async def handler(context: Context) -> None:
            context.response.write("one")
            await context.response.flush()
            context.response.write("two")

        found = ask(open_site(function=handler))
        assert (found.pieces, found.is_aborted) == ([b"one", b"two"], False)

    def test_a_file_is_sent_and_closed(self, tmp_path: Path) -> None:
        (tmp_path / "file.txt").write_bytes(b"0123456789")
        descriptor = os.open(tmp_path / "file.txt", os.O_RDONLY)

        def handler(context: Context) -> None:
            context.response.send_file(descriptor, 2, 5)

        found = ask(open_site(function=handler))
        assert (found.body, found.headers["content-length"]) == (b"23456", "5")
        with pytest.raises(OSError):
            os.fstat(descriptor)

    def test_a_file_that_is_not_sent_is_closed_too(self, tmp_path: Path) -> None:
        (tmp_path / "file.txt").write_bytes(b"0123456789")
        descriptor = os.open(tmp_path / "file.txt", os.O_RDONLY)

        def handler(context: Context) -> None:
            context.response.send_file(descriptor)

        found = ask(open_site(on(Stage.END, raising(ValueError("boom"))), function=handler))
        assert found.status == 500
        assert found.headers.get_all("content-length") != ["10"]
        with pytest.raises(OSError):
            os.fstat(descriptor)

    def test_headers_of_a_location_stand_on_every_answer_below_it_and_only_once(self) -> None:
        def handler(context: Context) -> str:
            context.response.headers["x-frame-options"] = "handler"
            return "framed"

        async def stream(context: Context) -> None:
            await context.response.flush()

        functions = {"/in/buffered": handler, "/in/streamed": stream, "/in/failed": raising(ValueError("boom"))}
        for path, status in (("/in/buffered", 200), ("/in/streamed", 200), ("/in/failed", 500), ("/in/nowhere", 404)):
            client = open_site(functions=functions, headers={"/in": {"X-Frame-Options": "DENY"}})
            found = ask(client, path)
            assert (found.status, found.headers.get_all("x-frame-options")) == (status, ["DENY"])
        client = open_site(functions={"/out": handler}, headers={"/in": {"X-Frame-Options": "DENY"}})
        assert ask(client, "/out").headers.get_all("x-frame-options") == ["handler"]


class TestLeaving:
    def test_the_request_is_over_when_it_has_left_and_nothing_runs_again(self) -> None:
        seen: list[object] = []

        async def journey() -> None:
            async def application(scope: Any, receive: Any, send: Any) -> None:
                if scope["type"] == "lifespan":
                    raise RuntimeError("unsupported")
                await send({"type": "http.response.start", "status": 200})
                await send({"type": "http.response.body", "body": b"x"})
                seen.append(contexts[0].is_over)
                raise ValueError("behind the answer")

            contexts: list[Context] = []
            modules = [
                on(Stage.BEGIN, contexts.append),
                on(Stage.END, lambda context: seen.append(context.is_over)),
                Attached(lambda hooks: hooks.on_error(lambda context: seen.append("asked"))),
            ]
            async with open_app(application, *modules) as client:
                assert (await client.get("/")).status == 200

        run(journey)
        assert seen == [False, True]

    def test_an_answer_kept_by_a_handler_cannot_be_sent_behind_the_request(self) -> None:
        kept: list[Response] = []

        async def journey() -> None:
            async with open_site(on(Stage.END, lambda context: kept.append(context.response))) as client:
                await client.get("/")
                with pytest.raises(Exception, match="the answer has ended"):
                    await kept[0].flush()

        run(journey)


class TestScopes:
    @pytest.mark.parametrize("loop", LOOPS)
    def test_pipeline_m07_a_scope_sets_and_resets_a_context_variable(self, loop: str) -> None:
        variable: ContextVar[str] = ContextVar("variable", default="unset")
        seen: list[str] = []

        @contextmanager
        def scope(context: Context) -> Iterator[None]:
            token = variable.set("set")
            yield
            variable.reset(token)

        @asynccontextmanager
        async def scope_later(context: Context) -> AsyncIterator[None]:
            token = variable.set(variable.get() + "!")
            await asyncio.sleep(0)
            yield
            await asyncio.sleep(0)
            variable.reset(token)

        def attach(hooks: Hooks) -> None:
            hooks.around(Stage.BEGIN, Stage.END, scope)
            hooks.around(Stage.AUTHORIZE, Stage.EXECUTE, scope_later)
            hooks.on(Stage.END, lambda context: seen.append(variable.get()))

        async def handler() -> str:
            seen.append(variable.get())
            return "fine"

        assert ask(open_site(Attached(attach), function=handler), loop=loop).status == 200
        assert seen == ["set!", "set"]

    def test_a_scope_may_be_any_object_with_the_methods(self) -> None:
        log: list[str] = []

        class Span:
            def __init__(self, context: Context) -> None:
                self.path = context.request.path

            def __enter__(self) -> None:
                log.append(f"enter {self.path}")

            def __exit__(self, *reason: object) -> None:
                log.append(f"exit {reason[0]}")

        module = Attached(lambda hooks: hooks.around(Stage.BEGIN, Stage.END, Span))
        ask(open_site(module))
        ask(open_site(module, function=raising(PermissionError())))
        assert log == ["enter /", "exit None", "enter /", "exit <class 'PermissionError'>"]

    def test_what_is_no_context_manager_is_an_error_that_is_answered(self) -> None:
        wrong: Any = lambda context: None  # noqa: E731
        assert ask(open_site(Attached(lambda hooks: hooks.around(Stage.BEGIN, Stage.END, wrong)))).status == 500

    def test_a_scope_waits_while_others_go_on(self) -> None:
        async def journey() -> None:
            gate = asyncio.Event()

            @asynccontextmanager
            async def scope(context: Context) -> AsyncIterator[None]:
                if context.request.path == "/slow":
                    await gate.wait()
                yield

            module = Attached(lambda hooks: hooks.around(Stage.BEGIN, Stage.END, scope))
            async with open_site(module, functions={"/slow": lambda: "slow"}) as client:
                slow = client.open("GET", "/slow")
                assert (await client.get("/")).status == 200
                await settle()
                assert not slow.has_sent_all
                gate.set()
                await slow.wait_finished()

        run(journey)
