"""How a response leaves: callbacks and the location's headers last, no body where there is none, hints and trailers."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstock import Context, ContractError, Response, ResponseComplete, Stage
from penstock.hosts.memory_host import MemoryRequest
from penstock.intake.worker_request import Capability
from penstock.pipeline.sending import inform, take_head
from tests.intake.subject import make_request
from tests.pipeline.subject import ask, on, open_site, run


class TestHead:
    def test_taking_it_starts_the_response(self) -> None:
        response = Response("x")
        assert take_head(response) is response
        assert (response.is_started, response.is_special) == (True, True)

    def test_pipeline_o06_205_takes_the_body_and_204_only_the_type_that_nobody_chose(self) -> None:
        response = Response(b"x", status=205)
        take_head(response)
        assert response.content == b""
        response = Response(b"", status=204, content_type="text/css")
        take_head(response)
        assert response.headers["content-type"] == "text/css"

    def test_pipeline_e11_a_callback_that_fails_is_not_called_for_the_answer_to_its_error(self) -> None:
        called: list[str] = []

        def fail(response: Response) -> None:
            called.append("fails")
            raise RuntimeError("in the callback")

        found = ask(open_site(on(Stage.BEGIN, lambda context: context.response.on_sending_headers(fail))))
        assert (found.status, called) == (500, ["fails"])

    def test_a_response_is_sent_again_when_the_host_has_refused_its_head(self) -> None:
        async def handler(context: Context) -> None:
            response = context.response
            response.raw_headers.append((b"x", b"a\r\nb"))
            with pytest.raises(ContractError):
                response.send_piece(b"piece")
            response.clear_headers()
            response.write("whole")

        assert ask(open_site(function=handler)).text == "whole"

    def test_what_a_location_says_comes_last(self) -> None:
        def set_both(response: Response) -> None:
            response.headers["x-one"] = "callback"
            response.headers["x-two"] = "callback"

        found = ask(
            open_site(
                on(Stage.BEGIN, lambda context: context.response.on_sending_headers(set_both)),
                headers={"/": {"x-one": "location"}},
            )
        )
        assert (found.headers.get_all("x-one"), found.headers["x-two"]) == (["location"], "callback")

    def test_rfc9110_section_6_6_2_trailers_are_announced_once_unless_said_otherwise(self) -> None:
        response = Response(b"x")
        response.trailers({"x-sum": "1"})
        response.trailers({"x-sum": "2", "x-count": "3"})
        assert take_head(response).headers.get_all("trailer") == ["x-sum, x-count"]
        response = Response(b"x", headers={"trailer": "x-sum"})
        response.trailers({"x-sum": "1", "x-count": "3"})
        assert take_head(response).headers.get_all("trailer") == ["x-sum"]


class Holding:
    """A filter that keeps everything until the end."""

    def __init__(self) -> None:
        self.kept = b""

    def begin(self, head: object) -> bool:
        return True

    def feed(self, piece: bytes) -> bytes:
        self.kept += piece
        return b""

    def finish(self) -> bytes:
        return self.kept


class TestStreaming:
    def test_pipeline_o08_a_piece_that_filters_keep_is_not_sent_but_the_head_is(self) -> None:
        async def handler(context: Context) -> None:
            response = context.response
            response.add_filter(Holding())
            started = [response.is_started]
            response.send_piece(b"one")
            assert [*started, response.is_started] == [False, True]
            assert response.send_piece(b"two") is None
            assert context.worker_request.bytes_sent == 0

        found = ask(open_site(function=handler))
        assert (found.status, found.pieces) == (200, [b"onetwo"])

    def test_pipeline_o05_a_suppressed_stream_is_a_head_alone(self) -> None:
        async def handler(context: Context) -> None:
            context.response.suppress_content = True
            for _ in range(3):
                context.response.send_piece(b"never seen")

        found = ask(open_site(function=handler))
        assert (found.status, found.pieces, found.is_aborted) == (200, [], False)

    def test_pipeline_t01_a_callback_may_end_the_request_which_has_ended_already(self) -> None:
        def callback(response: Response) -> None:
            response.headers["x-callback"] = "ran"
            raise ResponseComplete

        found = ask(open_site(on(Stage.BEGIN, lambda context: context.response.on_sending_headers(callback))))
        assert (found.status, found.text, found.headers["x-callback"]) == (200, "hello", "ran")

    def test_pipeline_o08_a_long_file_passes_its_filters_and_head_reads_none_of_it(self, tmp_path: Path) -> None:
        content = bytes(range(256)) * 600
        (tmp_path / "f").write_bytes(content)
        filters: list[Holding] = []

        def handler(context: Context) -> None:
            filters.append(Holding())
            context.response.add_filter(filters[-1])
            context.response.send_file(tmp_path / "f")

        get, head = (ask(open_site(function=handler, methods=("GET", "HEAD")), method=each) for each in ("GET", "HEAD"))
        assert (get.status, get.body, "content-length" in get.headers) == (200, content, False)
        assert (head.status, head.body, head.headers.items()) == (200, b"", get.headers.items())
        assert [len(each.kept) for each in filters] == [len(content), 0]


class WithoutHints:
    """The host's side of a request over a protocol that carries no interim answers."""

    capabilities = Capability.SEND_FILE

    def inform(self, status: int, headers: object) -> None:
        raise AssertionError("this host cannot")


class TestInforming:
    def test_a_host_that_cannot_is_not_asked_and_fields_are_judged_all_the_same(self) -> None:
        host: Any = WithoutHints()
        inform(host, {"link": "</a.css>"})
        with pytest.raises(ValueError):
            inform(host, {"link": "a\r\nb"})

    def test_a_list_is_a_field_for_each(self) -> None:
        async def journey() -> list[Any]:
            request = make_request()
            inform(request, {"Link": ["</a>", "</b>"], "x-one": "1"})
            return request.informed

        assert run(journey) == [(103, [(b"link", b"</a>"), (b"link", b"</b>"), (b"x-one", b"1")])]


class TestLongFiles:
    """A file longer than a piece of 64 KiB passes its filters piece by piece."""

    def test_one_that_becomes_shorter_on_its_way_is_cut_off(self, tmp_path: Path) -> None:
        path = tmp_path / "f"
        path.write_bytes(b"x" * 200_000)

        class Shortens:
            def begin(self, head: object) -> bool:
                return True

            def feed(self, piece: bytes) -> bytes:
                os.truncate(path, 100_000)
                return piece

            def finish(self) -> bytes:
                return b""

        def handler(context: Context) -> None:
            context.response.add_filter(Shortens())
            context.response.send_file(path)

        found = ask(open_site(function=handler))
        assert (found.status, found.is_aborted, len(found.body)) == (200, True, 100_000)


class TestStarting:
    def test_pipeline_p18_callbacks_run_in_reverse_and_may_change_the_head(self) -> None:
        response = Response("x")
        order: list[str] = []
        response.on_sending_headers(lambda _: order.append("first registered"))
        response.on_sending_headers(lambda _: order.append("last registered"))
        response.on_sending_headers(lambda given: given.headers.add("x-late", "yes"))
        take_head(response)
        assert order == ["last registered", "first registered"]
        assert (response.headers["x-late"], response.is_started) == ("yes", True)


class TestFlush:
    def test_pipeline_o03_in_a_callback_nothing_is_sent(self) -> None:
        refused: list[str] = []

        def callback(response: Response) -> None:
            for attempt in (
                lambda: response.flush().send(None),
                lambda: response.write("x"),
                lambda: setattr(response, "body", b"x"),
                lambda: response.replace("x"),
                lambda: response.send_file(os.devnull),
            ):
                with pytest.raises(ContractError) as caught:
                    attempt()
                refused.append(str(caught.value))
            response.headers["x-callback"] = "ran"

        found = ask(open_site(on(Stage.BEGIN, lambda context: context.response.on_sending_headers(callback))))
        assert (found.text, found.headers["x-callback"]) == ("hello", "ran")
        assert len(refused) == 5
        assert all("a callback of on_sending_headers" in text for text in refused)

    @pytest.mark.parametrize("status", [200, 201, 404, 503])
    def test_pipeline_o04_whatever_the_status_a_flush_streams(self, status: int) -> None:
        async def handler(context: Context) -> None:
            context.response.status = status
            for word in ("one", "two"):
                context.response.write(word)
                await context.response.flush()

        found = ask(open_site(function=handler))
        assert (found.status, found.pieces, "content-length" in found.headers) == (status, [b"one", b"two"], False)


class TestNoBody:
    @pytest.mark.parametrize("status", [204, 205, 304])
    @pytest.mark.parametrize("body", ["text", b"bytes", {"a": 1}])
    def test_pipeline_o06_a_status_without_content_has_neither_body_nor_type(self, status: int, body: object) -> None:
        def handler(context: Context) -> object:
            context.response.status = status
            return body

        found = ask(open_site(function=handler))
        assert (found.status, found.body, "content-type" in found.headers) == (status, b"", False)

    def test_pipeline_o06_also_when_it_becomes_one_late(self) -> None:
        found = ask(open_site(on(Stage.END, lambda context: setattr(context.response, "status", 204))))
        assert (found.status, found.body, "content-type" in found.headers) == (204, b"", False)

    def test_pipeline_o06_a_type_that_was_set_stays(self) -> None:
        def handler(context: Context) -> str:
            context.response.status = 204
            context.response.headers["content-type"] = "text/css"
            return ""

        assert ask(open_site(function=handler)).headers["content-type"] == "text/css"

    def test_pipeline_o05_suppressed_content_is_dropped(self, tmp_path: Path) -> None:
        (tmp_path / "f").write_bytes(b"0123456789")

        def text(context: Context) -> str:
            context.response.suppress_content = True
            return "text"

        def file(context: Context) -> None:
            context.response.send_file(tmp_path / "f")
            context.response.suppress_content = True

        async def stream(context: Context) -> None:
            context.response.suppress_content = True
            context.response.write("part")
            await context.response.flush()

        for handler in (text, file, stream):
            found = ask(open_site(function=handler))
            assert (found.status, found.body, found.headers.get("content-length") in (None, "0")) == (200, b"", True)

    @pytest.mark.parametrize("way", ["return", "write", "flush", "file"])
    def test_pipeline_o05_head_has_no_body_whatever_the_handler_does(self, way: str, tmp_path: Path) -> None:
        (tmp_path / "f").write_bytes(b"0123456789")

        async def handler(context: Context) -> object:
            if way == "return":
                return "text"
            if way == "file":
                context.response.send_file(tmp_path / "f")
                return None
            context.response.write("text")
            if way == "flush":
                await context.response.flush()
                context.response.write("more")
            return None

        get, head = (ask(open_site(function=handler, methods=("GET", "HEAD")), method=each) for each in ("GET", "HEAD"))
        assert (head.status, head.body, head.headers.items(), head.is_aborted) == (200, b"", get.headers.items(), False)


class TestEarlyHintsAndTrailers:
    def ask_memory(self, function: Callable[..., object], target: str = "/") -> MemoryRequest:
        async def journey() -> MemoryRequest:
            async with open_site(function=function) as client:
                request = client.open("GET", target)
                await request.wait_finished()
                return request

        return run(journey)

    def test_early_hints_leave_at_once(self) -> None:
        def handler(context: Context) -> str:
            context.response.early_hints({"Link": ["</a.css>; rel=preload", "</b.js>; rel=preload"]})
            context.response.early_hints({"link": "</c.css>; rel=preload"})
            return "page"

        request = self.ask_memory(handler)
        assert request.informed == [
            (103, [(b"link", b"</a.css>; rel=preload"), (b"link", b"</b.js>; rel=preload")]),
            (103, [(b"link", b"</c.css>; rel=preload")]),
        ]
        assert request.pieces == [b"page"]

    def test_early_hints_that_http_does_not_allow_are_refused(self) -> None:
        def handler(context: Context) -> None:
            context.response.early_hints({"link": "a\r\nb"})

        request = self.ask_memory(handler)
        assert request.informed == []
        assert request.response_head is not None
        assert request.response_head.status == 500

    @pytest.mark.parametrize("flushes", [False, True])
    def test_trailers_follow_the_body(self, flushes: bool) -> None:
        async def handler(context: Context) -> None:
            context.response.trailers({"Server-Timing": "db;dur=1"})
            context.response.write("body")
            if flushes:
                await context.response.flush()
            context.response.trailers({"x-count": "4"})

        request = self.ask_memory(handler)
        assert b"".join(request.pieces) == b"body"
        assert request.trailer == [(b"server-timing", b"db;dur=1"), (b"x-count", b"4")]
        assert request.response_head is not None
        assert "server-timing" in request.response_head.headers["trailer"]


class TestFiles:
    def test_a_head_that_cannot_leave_with_a_file_becomes_an_error_answer(self, tmp_path: Path) -> None:
        (tmp_path / "f").write_bytes(b"0123456789")

        def handler(context: Context) -> None:
            context.response.send_file(tmp_path / "f")
            context.response.raw_headers.append((b"x", b"a\r\nb"))

        found = ask(open_site(function=handler))
        assert (found.status, found.is_aborted) == (500, False)
