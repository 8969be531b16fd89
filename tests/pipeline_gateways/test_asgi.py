"""The gateway of ASGI: how an application's messages and the stages meet. The journeys are in tests/flow."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import pytest

from penstock import ClientGone, Context, ContractError, Hooks, HTTPError, RequestRejected, Stage
from tests.pipeline.subject import LOOPS, Attached, Recorder, ask, on, open_app, open_site, run, settle

START: dict[str, Any] = {"type": "http.response.start", "status": 200}
END: dict[str, Any] = {"type": "http.response.body", "body": b"hello"}


def http_only(application: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            raise RuntimeError("http only")
        await application(scope, receive, send)

    return asgi


class TestMounting:
    def test_two_applications_have_their_own_paths_and_states(self) -> None:
        seen: list[tuple[str, str]] = []

        def application(name: str) -> Callable[..., Awaitable[None]]:
            async def asgi(scope: Any, receive: Any, send: Any) -> None:
                if scope["type"] == "lifespan":
                    scope["state"]["name"] = name
                    await receive()
                    await send({"type": "lifespan.startup.complete"})
                    await receive()
                    return
                seen.append((scope["root_path"], scope["state"]["name"]))
                await send(START)
                await send(END)

            return asgi

        async def journey() -> None:
            async with open_site(
                apps={"/a": application("A"), "/b": application("B"), "/": application("R")}
            ) as client:
                for path in ("/a/x", "/b", "/c", "/ab"):
                    await client.get(path)

        run(journey)
        assert seen == [("/a", "A"), ("/b", "B"), ("", "R"), ("", "R")]

    def test_a_slash_at_the_end_of_a_mount_means_nothing(self) -> None:
        async def application(scope: Any, receive: Any, send: Any) -> None:
            await send(START)
            await send({"type": "http.response.body", "body": scope["root_path"].encode()})

        assert ask(open_app(http_only(application), at="/api", root_path="/shop"), "/api/x").text == "/shop/api"


class TestTurns:
    def test_an_empty_first_piece_lets_the_head_go(self) -> None:
        """An `EventSource` is open when it has the head: an application says so before it has anything to tell."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await send(START)
            await send({"type": "http.response.body", "body": b"", "more_body": True})
            raise ValueError("boom")

        found = ask(open_app(http_only(application)))
        assert (found.status, found.is_aborted) == (200, True)

    def test_an_application_may_catch_what_send_raises_and_answer_properly(self) -> None:
        async def application(scope: Any, receive: Any, send: Any) -> None:
            with pytest.raises(ContractError):
                await send(END)
            with pytest.raises(ContractError):
                await send({**START, "status": 99})
            await send(START)
            with pytest.raises(ContractError):
                await send(START)
            with pytest.raises(ContractError):
                await send({"type": "http.response.body", "body": "text"})
            await send(END)

        found = ask(open_app(http_only(application)))
        assert (found.status, found.text) == (200, "hello")

    def test_an_answer_that_another_hook_gave_makes_send_tell(self) -> None:
        """A module that fails in END gives the client a 500; the application is told that its turn is over."""
        raised: list[BaseException] = []

        def fail(context: Context) -> None:
            raise HTTPError(503, "closed")

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await send(START)
            await send(END)
            try:
                await send(END)
            except Exception as error:
                raised.append(error)

        found = ask(open_app(http_only(application), on(Stage.END, fail)))
        assert found.status == 503
        assert isinstance(raised[0], ClientGone)

    def test_a_body_that_breaks_its_length_is_500_while_nothing_has_left(self) -> None:
        async def application(scope: Any, receive: Any, send: Any) -> None:
            await send({**START, "headers": [(b"content-length", b"99")]})
            await send(END)

        found = ask(open_app(http_only(application)))
        assert (found.status, found.is_aborted) == (500, False)

    def test_a_body_that_breaks_its_length_on_the_way_is_cut_off(self) -> None:
        async def application(scope: Any, receive: Any, send: Any) -> None:
            await send({**START, "headers": [(b"content-length", b"7")]})
            await send({**END, "more_body": True})
            await send({**END, "more_body": True})

        found = ask(open_app(http_only(application)))
        assert (found.status, found.is_aborted) == (200, True)
        assert len(found.body) <= 7

    def test_a_response_without_a_body_has_none(self) -> None:
        async def application(scope: Any, receive: Any, send: Any) -> None:
            await send({**START, "status": 204})
            await send({"type": "http.response.body"})

        found = ask(open_app(http_only(application)))
        assert (found.status, found.body) == (204, b"")


class TestRefusing:
    async def pieces(self) -> AsyncIterator[bytes]:
        for _ in range(2):
            yield b"x" * 8
            await settle(2)

    def test_a_body_refused_behind_a_head_that_has_left_cuts_the_answer_off(self) -> None:
        async def application(scope: Any, receive: Any, send: Any) -> None:
            await send(START)
            await send({**END, "more_body": True})
            while (await receive())["type"] == "http.request":
                pass

        found = ask(open_site(apps={"/": http_only(application)}, body=10), method="POST", body=self.pieces())
        assert (found.status, found.is_aborted) == (200, True)

    def test_a_refused_body_ends_the_request_once_whatever_the_application_does(self) -> None:
        log: list[str] = []
        seen: list[str] = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            while (message := await receive())["type"] == "http.request":
                pass
            seen.extend([message["type"], (await receive())["type"]])
            with pytest.raises(ClientGone):
                await send(START)
            raise ValueError("of a framework that did not expect it")

        client = open_site(Recorder(log), apps={"/": http_only(application)}, body=10)
        found = ask(client, method="POST", body=self.pieces())
        assert (found.status, seen) == (413, ["http.disconnect"] * 2)
        assert log[-3:] == ["LOG", "LOG+", "END"]
        assert log.count("END") == 1

    def test_an_announced_body_is_refused_before_the_application_is_called(self) -> None:
        seen: list[str] = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            seen.append(scope["type"])

        client = open_site(apps={"/": http_only(application)}, body=10)
        assert ask(client, method="POST", body=b"x" * 11).status == 413
        assert seen == []

    def test_an_error_hook_may_word_the_refusal(self) -> None:
        seen: list[object] = []
        module = Attached(lambda hooks: hooks.on_error(lambda context: seen.append(context.error)))

        async def application(scope: Any, receive: Any, send: Any) -> None:
            while (await receive())["type"] == "http.request":
                pass

        client = open_site(module, apps={"/": http_only(application)}, body=10)
        ask(client, method="POST", body=self.pieces())
        assert isinstance(seen[0], RequestRejected)


@pytest.mark.parametrize("loop", LOOPS)
class TestTasksOfTheApplication:
    """An application may send from tasks of its own; the steps behind EXECUTE are the request's all the same."""

    @pytest.mark.parametrize("streams", [False, True])
    def test_pipeline_m07_the_steps_run_in_the_request_s_variables(self, streams: bool, loop: str) -> None:
        variable: ContextVar[str] = ContextVar("variable", default="unset")
        seen: list[str] = []

        @contextmanager
        def scope(context: Context) -> Iterator[None]:
            token = variable.set("set")
            yield
            variable.reset(token)
            seen.append("reset")

        async def later(context: Context) -> None:
            seen.append(variable.get())
            await asyncio.sleep(0)
            seen.append(variable.get())

        def attach(hooks: Hooks) -> None:
            hooks.around(Stage.BEGIN, Stage.END, scope)
            hooks.on(Stage.LOG, later)

        async def application(scope: Any, receive: Any, send: Any) -> None:
            async def child() -> None:
                variable.set("the child's own")
                await send(START)
                if streams:
                    await send({**END, "body": b"", "more_body": True})
                await send(END)

            async with asyncio.TaskGroup() as group:
                group.create_task(child())

        found = ask(open_app(http_only(application), Attached(attach)), loop=loop)
        assert (found.status, found.text, seen) == (200, "hello", ["set", "set", "reset"])

    def test_cancelling_the_child_does_not_cancel_the_steps(self, loop: str) -> None:
        async def journey() -> list[str]:
            gate = asyncio.Event()
            log: list[str] = []

            async def wait(context: Context) -> None:
                await gate.wait()
                log.append("waited")

            async def application(scope: Any, receive: Any, send: Any) -> None:
                async def child() -> None:
                    await send(START)
                    await send(END)

                task = asyncio.create_task(child())
                await settle()
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                log.append(f"child cancelled: {task.cancelled()}")
                gate.set()

            async with open_app(http_only(application), on(Stage.LOG, wait)) as client:
                found = await client.get("/")
                assert (found.status, found.text) == (200, "hello")
            return log

        assert run(journey, loop) == ["child cancelled: True", "waited"]

    def test_whoever_sends_behind_the_end_of_the_request_is_told(self, loop: str) -> None:
        """The application returned, and was answered for; a task it left behind still sends."""

        async def journey() -> None:
            raised: list[BaseException] = []
            left: list[asyncio.Task[None]] = []
            gate = asyncio.Event()

            async def application(scope: Any, receive: Any, send: Any) -> None:
                async def child() -> None:
                    await gate.wait()
                    try:
                        await send(START)
                        await send(END)
                    except Exception as error:
                        raised.append(error)

                left.append(asyncio.create_task(child()))

            log: list[str] = []
            async with open_app(http_only(application), Recorder(log)) as client:
                assert (await client.get("/")).status == 500
                gate.set()
                await left[-1]
                assert isinstance(raised[0], ClientGone)
                assert log.count("END") == 1
                statistics = client.runtime.statistics()
                assert (statistics.total, statistics.failed, statistics.executing) == (1, 1, 0)

        run(journey, loop)
