"""Whole journeys of ASGI applications: what the ASGI specification says of scope, receive and send."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from penstock import ClientGone, Context, ContractError, ResponseStarted, Stage
from penstock.server import open_client
from penstock.settings import LimitSettings, LogSettings, ServerSettings
from penstock.testing import ClientResponse
from tests.pipeline.subject import LOOPS, Recorder, ask, on, open_app, run, settle

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

START: dict[str, Any] = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]}


async def answering(scope: Scope, receive: Receive, send: Send) -> None:
    await answer(send)


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
        extensions = scope.pop("extensions")
        assert extensions.pop("penstock.stopping").is_set()  # the site has stopped meanwhile
        assert extensions == {"http.response.early_hint": {}, "http.response.trailers": {}}
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
        assert self.scope_of("/", settings={"pathsend": True})["extensions"]["http.response.pathsend"] == {}


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

    @pytest.mark.parametrize(
        "headers",
        [
            [("x-one", "1")],
            [(b"x-one", "1")],
            [(b"x-one", None)],
            {"x-one": "1"},
            [(b"x-one", bytearray(b"1"))],
            ["ab"],
        ],
    )
    def test_headers_that_are_no_pairs_of_bytes_are_refused_before_a_module_looks_at_them(self, headers: Any) -> None:
        seen: list[object] = []

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            try:
                await send({"type": "http.response.start", "status": 200, "headers": headers})
            except ContractError as error:
                seen.append(str(error))
                raise

        def look(context: Context) -> None:
            seen.append(context.response.headers.get("x-one"))
            context.response.headers["x-module"] = "1"

        found = ask(open_app(application, on(Stage.UPDATE_CACHE, look), on(Stage.LOG, look)))
        assert (found.status, found.is_aborted, found.headers["x-module"]) == (500, False, "1")
        assert "headers as pairs of bytes" in str(seen[0])
        assert seen[1:] == [None]

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


class TestHead:
    def test_pipeline_o02_a_head_that_a_module_has_sent_is_not_sent_again(self) -> None:
        caught: list[Exception] = []

        async def flush(context: Context) -> None:
            await context.response.flush()

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            try:
                await send(START)
            except ResponseStarted as error:
                caught.append(error)
                raise

        found = ask(open_app(application, on(Stage.PRE_EXECUTE, flush)))
        assert "sent by module0@PRE_EXECUTE" in str(caught[0])
        assert found.is_aborted

    def test_pipeline_x11_what_a_module_said_of_another_status_goes(self) -> None:
        def begin(context: Context) -> None:
            context.response.status = 404
            context.response.reason = "Nobody Home"
            context.response.substatus = 7

        seen: list[str] = []
        end = on(Stage.END, lambda context: seen.append(f"{context.response.log_status} {context.response.reason}"))
        ask(open_app(answering, on(Stage.PRE_EXECUTE, begin), end))
        assert seen == ["200 OK"]


class TestExtensions:
    """`http.response.early_hint` and `http.response.trailers`, where the host can carry them."""

    def ask_memory(self, application: Any, **question: Any) -> Any:
        found: list[Any] = []

        async def journey() -> None:
            async with open_app(application) as client:
                request = client.open(question.pop("method", "GET"), "/", **question)
                await request.wait_finished()
                found.append(request)

        run(journey)
        return found[0]

    def test_early_hints_leave_before_the_head(self) -> None:
        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            await send(
                {"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload", b"</b.js>; rel=preload"]}
            )
            await send(START)
            await send({"type": "http.response.early_hint", "links": [b"</c.js>; rel=preload"]})
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
            await send({"type": "http.response.early_hint", "links": [b"too late"]})
            await send({"type": "http.response.body", "body": b"y"})

        request = self.ask_memory(application)
        assert request.informed == [
            (103, [(b"link", b"</a.css>; rel=preload"), (b"link", b"</b.js>; rel=preload")]),
            (103, [(b"link", b"</c.js>; rel=preload")]),
        ]
        assert b"".join(request.pieces) == b"xy"

    @pytest.mark.parametrize("links", [b"</a.css>", "</a.css>", ["</a.css>"], [b"a\r\nb"], [1]])
    def test_early_hints_that_are_none_are_the_application_s_fault(self, links: Any) -> None:
        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            await send({"type": "http.response.early_hint", "links": links})

        request = self.ask_memory(application)
        assert (request.response_head.status, request.informed) == (500, [])

    @pytest.mark.parametrize("pieces", [[], [b"one"], [b"one", b"two"]])
    def test_trailers_follow_the_body(self, pieces: list[bytes]) -> None:
        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            await send({**START, "trailers": True})
            for piece in pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b"end"})
            await send({"type": "http.response.trailers", "headers": [(b"X-One", b"1")], "more_trailers": True})
            await send({"type": "http.response.trailers", "headers": [(b"server-timing", b"db;dur=1")]})

        request = self.ask_memory(application)
        assert b"".join(request.pieces) == b"".join(pieces) + b"end"
        assert request.trailer == [(b"x-one", b"1"), (b"server-timing", b"db;dur=1")]
        assert not request.is_aborted

    def test_trailers_that_were_not_announced_are_refused(self) -> None:
        errors: list[Exception] = []

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            await send(START)
            try:
                await send({"type": "http.response.trailers", "headers": []})
            except ContractError as error:
                errors.append(error)
            await send({"type": "http.response.body", "body": b"x"})

        assert self.ask_memory(application).pieces == [b"x"]
        assert "says trailers=True" in str(errors[0])

    def test_trailers_that_never_come_leave_no_whole_answer(self) -> None:
        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            await send({**START, "trailers": True})
            await send({"type": "http.response.body", "body": b"x"})

        assert self.ask_memory(application).response_head.status == 500

    @pytest.mark.parametrize(
        "field", [(b"content-length", b"1"), (b"set-cookie", b"a=1"), (b"x", b"a\r\nb"), ("x", "1")]
    )
    def test_rfc9110_section_6_5_1_what_cannot_be_a_trailer_is_refused(self, field: Any) -> None:
        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            await send({**START, "trailers": True})
            await send({"type": "http.response.body", "body": b"x"})
            await send({"type": "http.response.trailers", "headers": [field]})

        request = self.ask_memory(application)
        assert (request.response_head.status, request.trailer) == (500, [])
