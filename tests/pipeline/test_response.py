"""The response: changeable until its head has left, which happens once; pipeline section 9."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstock import (
    Context,
    ContractError,
    Hooks,
    HTTPError,
    Response,
    ResponseCompleted,
    ResponseSealed,
    ResponseStarted,
    Stage,
)
from penstock.hosts.memory_host import MemoryRequest
from penstock.testing import ClientResponse
from tests.pipeline.subject import Attached, ask, on, open_site, run


class TestMaking:
    def test_text_is_utf_8_and_says_so(self) -> None:
        response = Response("é")
        assert (response.status, response.body) == (200, "é".encode())
        assert response.headers["content-type"] == "text/plain; charset=utf-8"

    def test_bytes_say_nothing_of_themselves(self) -> None:
        assert Response(b"x").raw_headers == []

    def test_what_is_said_wins(self) -> None:
        response = Response(b"x", status=201, headers={"X-One": "1"}, content_type="text/html")
        assert (response.status, response.headers["content-type"], response.headers["x-one"]) == (201, "text/html", "1")
        assert Response("x", headers={"Content-Type": "a/b"}).headers.get_all("content-type") == ["a/b"]

    @pytest.mark.parametrize("headers", [{"x": "a\r\nb: c"}, {"x": "a\nb"}, {"x": "a\0"}, {"x y": "a"}, {"x": "€"}])
    def test_pipeline_o10_headers_that_http_does_not_allow_are_refused(self, headers: dict[str, str]) -> None:
        with pytest.raises(ValueError):
            Response("x", headers=headers)
        with pytest.raises(ValueError):
            Response().headers.add(*headers.popitem())


class TestRedirect:
    def test_pipeline_t02_cookies_stay_and_the_body_goes(self) -> None:
        response = Response("body")
        response.set_cookie("a", "1")
        response.redirect("/login?next=/é", 302)
        assert (response.status, response.body) == (302, b"")
        assert response.headers["location"] == "/login?next=/%C3%A9"
        assert response.headers["set-cookie"] == "a=1; Path=/"

    def test_pipeline_t02_it_is_303_unless_said_otherwise(self) -> None:
        response = Response()
        response.redirect("https://example.org/a%20b#c")
        assert (response.status, response.headers["location"]) == (303, "https://example.org/a%20b#c")

    def test_pipeline_t02_what_spoke_of_the_body_goes_with_it(self) -> None:
        response = Response(
            b"zipped", content_type="text/css", headers={"content-length": "6", "content-encoding": "br"}
        )
        response.headers["x-one"] = "1"
        response.redirect("/login")
        assert [name for name, _ in response.raw_headers] == [b"x-one", b"location"]

    @pytest.mark.parametrize("location", ["/a\r\nb", "/a\rb", "/a\nb"])
    def test_pipeline_t02_line_breaks_are_refused(self, location: str) -> None:
        with pytest.raises(ValueError):
            Response().redirect(location)

    @pytest.mark.parametrize("status", [200, 300, 304, 306, 404])
    def test_what_is_no_redirect_is_refused(self, status: int) -> None:
        with pytest.raises(ValueError):
            Response().redirect("/", status)


class TestCookies:
    def test_attributes(self) -> None:
        response = Response()
        response.set_cookie("a", "1", max_age=60, secure=True, httponly=True, samesite="Lax", path="/shop")
        found = response.headers["set-cookie"].split("; ")
        assert found[0] == "a=1"
        assert sorted(found[1:]) == ["HttpOnly", "Max-Age=60", "Path=/shop", "SameSite=Lax", "Secure"]

    def test_an_attribute_that_is_off_is_not_sent(self) -> None:
        response = Response()
        response.set_cookie("a", "1", secure=False)
        assert response.headers["set-cookie"] == "a=1; Path=/"

    @pytest.mark.parametrize("name", ["a b", "a;b", "a=b", "é", "", "a\r\nb"])
    def test_rfc6265_section_4_1_1_a_name_is_a_token(self, name: str) -> None:
        with pytest.raises(ValueError):
            Response().set_cookie(name, "1")

    @pytest.mark.parametrize("value", ["a;b", "a\r\nb", "a b", "é", 'a"b'])
    def test_rfc6265bis_section_4_1_1_a_value_cannot_break_out(self, value: str) -> None:
        response = Response()
        with pytest.raises(ValueError, match="cookie 'a'"):
            response.set_cookie("a", value)
        assert response.raw_headers == []

    def test_an_attribute_cannot_break_out(self) -> None:
        response = Response()
        with pytest.raises(ValueError):
            response.set_cookie("a", "1", path="/\r\nx: y")
        assert response.raw_headers == []

    def test_pipeline_o09_a_cookie_set_twice_is_one_field(self) -> None:
        response = Response()
        for value in ("1", "2", "3"):
            response.set_cookie("a", value)
        response.set_cookie("a", "elsewhere", path="/shop")
        response.set_cookie("b", "1")
        assert response.headers.get_all("set-cookie") == ["a=3; Path=/", "a=elsewhere; Path=/shop", "b=1; Path=/"]

    def test_pipeline_o09_the_request_keeps_its_own(self) -> None:
        seen: list[str] = []

        def handler(context: Context) -> str:
            context.response.set_cookie("a", "2")
            seen.append(context.request.cookies["a"])
            return "ok"

        found = ask(open_site(function=handler), headers={"cookie": "a=1"})
        assert (seen, found.headers["set-cookie"]) == (["1"], "a=2; Path=/")

    def test_a_cookie_is_deleted_where_it_was_set(self) -> None:
        response = Response()
        response.set_cookie("a", "1", path="/shop")
        response.delete_cookie("a", path="/shop")
        response.delete_cookie("__Host-b")
        assert response.headers.get_all("set-cookie") == [
            "a=; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/shop",
            "__Host-b=; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/; Secure",
        ]


class TestStarting:
    """Pipeline O-02: what has left cannot be changed."""

    def test_pipeline_o02_behind_the_head_changes_are_refused(self) -> None:
        refused: list[str] = []

        async def handler(context: Context) -> None:
            response = context.response
            await response.flush()
            for attempt in (
                lambda: response.redirect("/"),
                lambda: response.set_cookie("a", "1"),
                lambda: response.on_sending_headers(lambda _: None),
                lambda: response.send_file(os.devnull),
                response.clear,
                lambda: response.replace_with(Response("other")),
                lambda: response.merge(Response("other")),
                response.take_head,
            ):
                with pytest.raises(ResponseStarted) as caught:
                    attempt()
                refused.append(str(caught.value))
            response.write("unharmed")

        found = ask(open_site(function=handler))
        assert (found.status, found.text, len(refused)) == (200, "unharmed", 8)

    def test_pipeline_o03_flushing_twice_sends_the_head_once(self) -> None:
        async def handler(context: Context) -> None:
            await context.response.flush()
            await context.response.flush()
            context.response.write("x")
            await context.response.flush()
            await context.response.flush()

        assert ask(open_site(function=handler)).pieces == [b"x"]

    def test_a_response_of_no_request_cannot_be_flushed(self) -> None:
        with pytest.raises(ContractError):
            asyncio.run(Response("x").flush())

    def test_pipeline_p18_callbacks_run_in_reverse_and_may_change_the_head(self) -> None:
        response = Response("x")
        order: list[str] = []
        response.on_sending_headers(lambda _: order.append("first registered"))
        response.on_sending_headers(lambda _: order.append("last registered"))
        response.on_sending_headers(lambda given: given.headers.add("x-late", "yes"))
        response.take_head()
        assert order == ["last registered", "first registered"]
        assert (response.headers["x-late"], response.is_started) == ("yes", True)


class TestBarrier:
    """Pipeline O-02: every change of the head behind the head, one by one."""

    @pytest.mark.parametrize(
        "change",
        [
            lambda response: setattr(response, "status", 404),
            lambda response: setattr(response, "status", 200),
            lambda response: setattr(response, "reason", "Fine"),
            lambda response: setattr(response, "suppress_content", True),
            lambda response: response.headers.__setitem__("x", "1"),
            lambda response: response.headers.__setitem__("content-type", "text/html"),
            lambda response: response.headers.__delitem__("content-type"),
            lambda response: response.headers.add("x", "1"),
            lambda response: response.headers.add("content-type", "text/plain"),
            lambda response: response.headers.setdefault("x", "1"),
            lambda response: response.headers.update({"x": "1"}),
            lambda response: response.set_cookie("a", "1"),
            lambda response: response.delete_cookie("a"),
            lambda response: response.clear(),
            lambda response: response.clear_headers(),
            lambda response: response.replace("other"),
            lambda response: response.early_hints({"link": "</a>"}),
        ],
    )
    def test_pipeline_o02_each_is_refused(self, change: Callable[[Response], object]) -> None:
        response = Response("x", content_type="text/plain")
        response.take_head()
        before = list(response.raw_headers)
        with pytest.raises(ResponseStarted):
            change(response)
        assert (response.status, response.body, response.raw_headers) == (200, b"x", before)

    def test_pipeline_o02_the_same_content_type_again_is_no_change(self) -> None:
        response = Response(b"x", content_type="text/plain")
        response.take_head()
        response.headers["Content-Type"] = "text/plain"
        assert response.headers.setdefault("content-type", "text/html") == "text/plain"

    def test_pipeline_o02_a_view_that_was_kept_is_guarded_too(self) -> None:
        response = Response(b"x")
        kept = response.headers
        kept["x-early"] = "1"
        response.take_head()
        with pytest.raises(ResponseStarted):
            kept["x-late"] = "1"
        assert (kept["x-early"], "x-late" in kept) == ("1", False)

    def test_pipeline_z09_the_error_says_who_has_sent_it(self) -> None:
        caught: list[str] = []

        async def early(context: Context) -> None:
            await context.response.flush()

        def late(context: Context) -> None:
            try:
                context.response.status = 404
            except ResponseStarted as error:
                caught.append(str(error))

        ask(open_site(on(Stage.AUTHORIZE, early), on(Stage.END, late)))
        assert "sent by module0@AUTHORIZE" in caught[0]

    @pytest.mark.parametrize("status", [0, 100, 199, 600, 999, -1])
    def test_a_status_that_is_none_is_refused(self, status: int) -> None:
        with pytest.raises(ValueError, match="200 to 599"):
            Response(status=status)
        response = Response()
        with pytest.raises(ValueError, match=f"not {status}"):
            response.status = status
        assert response.status == 200


class TestReason:
    def test_it_is_the_registered_one_unless_said_otherwise(self) -> None:
        response = Response(status=404)
        assert response.reason == "Not Found"
        response.reason = "Nobody Home"
        assert (response.reason, response.reason_phrase) == ("Nobody Home", b"Nobody Home")
        response.status = 410
        assert response.reason == "Gone"

    def test_pipeline_o10_it_has_512_characters_at_most(self) -> None:
        response = Response()
        response.reason = "x" * 512
        with pytest.raises(ValueError, match="512"):
            response.reason = "x" * 513

    @pytest.mark.parametrize("reason", ["a\r\nx: y", "a\n", "a\0", "a\x7f", "€"])
    def test_pipeline_o10_it_holds_no_control_character(self, reason: str) -> None:
        response = Response()
        with pytest.raises(ValueError):
            response.reason = reason
        assert response.reason == "OK"


class TestSubstatus:
    def test_pipeline_x11_it_is_gone_when_the_status_changes(self) -> None:
        response = Response(status=404)
        response.substatus = 7
        assert (response.substatus, response.log_status) == (7, "404.7 by nobody")
        response.status = 404
        assert response.substatus == 7
        response.status = 403
        assert (response.substatus, response.log_status) == (0, "403")

    @pytest.mark.parametrize("substatus", [-1, 1000])
    def test_it_has_three_digits(self, substatus: int) -> None:
        with pytest.raises(ValueError, match="between 0 and 999"):
            Response().substatus = substatus

    def test_pipeline_x11_the_log_has_it_and_the_wire_has_not(self) -> None:
        logged: list[tuple[int, list[tuple[bytes, bytes]]]] = []

        def filtering(context: Context) -> None:
            context.response.status = 404
            context.response.substatus = 7
            context.complete()

        async def journey() -> ClientResponse:
            client = open_site(on(Stage.BEGIN, filtering))
            async with client:
                client.runtime.record = lambda _, status, headers: logged.append((status, headers))
                return await client.get("/")

        found = run(journey)
        assert (found.status, found.headers.items()) == (404, [])
        assert logged == [(404, [(b":status", b"404.7 by module0@BEGIN")])]


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

    def test_pipeline_o03_behind_the_end_it_is_refused(self) -> None:
        kept: list[Response] = []

        async def journey() -> None:
            async with open_site(on(Stage.END, lambda context: kept.append(context.response))) as client:
                await client.get("/")
                response = kept[0]
                attempts: tuple[Callable[[], object], ...] = (
                    lambda: response.write("x"),
                    lambda: setattr(response, "body", b"x"),
                    lambda: response.trailers({"x": "1"}),
                    lambda: response.send_piece(b"x"),
                )
                for attempt in attempts:
                    with pytest.raises(ResponseCompleted):
                        attempt()
                with pytest.raises(ResponseCompleted):
                    await response.flush()

        run(journey)

    def test_pipeline_o03_a_flush_of_an_error_answer_leaves_it_whole(self) -> None:
        async def flush(context: Context) -> None:
            await context.response.flush()

        def fail() -> None:
            raise HTTPError(404, "no such thing")

        found = ask(open_site(on(Stage.LOG, flush), function=fail))
        assert (found.status, found.text, found.is_aborted) == (404, "404 Not Found\nno such thing\n", False)

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

    @pytest.mark.parametrize("value", [b"", "", None])
    def test_pipeline_o06_nothing_has_no_type(self, value: object) -> None:
        found = ask(open_site(function=lambda: value))
        assert (found.status, found.body, found.headers.items()) == (200, b"", [])

    @pytest.mark.parametrize(
        ("content_type", "body", "said"),
        [
            ("text/plain", "é", "text/plain; charset=utf-8"),
            ("text/html;charset=ascii", "e", "text/html;charset=ascii"),
            ("application/json", "{}", "application/json"),
            ("image/png", b"\x89", "image/png"),
            ("text/plain", b"bytes", "text/plain"),
        ],
    )
    @pytest.mark.parametrize("way", ["return", "write", "response"])
    def test_pipeline_o06_a_charset_is_said_of_text_alone(
        self, content_type: str, body: str | bytes, said: str, way: str
    ) -> None:
        def handler(context: Context) -> object:
            if way == "response":
                return Response(body, content_type=content_type)
            context.response.headers["content-type"] = content_type
            if way == "return":
                return body
            context.response.write(body)
            return None

        assert ask(open_site(function=handler)).headers.get_all("content-type") == [said]

    @pytest.mark.parametrize(
        ("body", "said"), [("text", "text/plain; charset=utf-8"), (b"x", "application/octet-stream")]
    )
    def test_pipeline_h10_what_is_written_has_a_type_by_default(self, body: str | bytes, said: str) -> None:
        found = ask(open_site(function=lambda context: context.response.write(body)))
        assert found.headers.items() == [("content-type", said), ("cache-control", "private")]

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


class TestSealing:
    def answer(self, end: Callable[[Context], object]) -> tuple[ClientResponse, list[Exception]]:
        errors: list[Exception] = []

        def attach(hooks: Hooks) -> None:
            hooks.on(Stage.END, end)  # type: ignore[arg-type]
            hooks.on(Stage.END, lambda context: errors.extend(context.errors))

        def fail() -> None:
            raise HTTPError(404)

        return ask(open_site(Attached(attach), function=fail)), errors

    @pytest.mark.parametrize(
        "change",
        [
            lambda context: context.response.write("more"),
            lambda context: setattr(context.response, "body", b"other"),
            lambda context: context.response.send_file(__file__),
        ],
    )
    def test_pipeline_x10_writing_behind_an_error_is_refused_and_recorded(
        self, change: Callable[[Context], object]
    ) -> None:
        found, errors = self.answer(change)
        assert [type(error) for error in errors] == [HTTPError, ResponseSealed]
        assert (found.status, found.text) == (404, "404 Not Found\n")

    @pytest.mark.parametrize("pair", [("x", "1"), (b"x",), "x", None, (b"a b", b"1"), (b"x", b"a\r\nb"), (b"x", None)])
    @pytest.mark.parametrize("hooked", [False, True])
    def test_row_42_raw_headers_that_are_none_never_hold_up_the_error_answer(self, pair: Any, hooked: bool) -> None:
        def attach(hooks: Hooks) -> None:
            hooks.on(Stage.BEGIN, lambda context: context.response.set_cookie("a", "1"))
            hooks.on(Stage.END, lambda context: context.response.raw_headers.append(pair))
            if hooked:
                hooks.on_error(lambda context: Response("hooked", status=500))

        found = ask(open_site(Attached(attach)))
        assert (found.status, found.is_aborted) == (500, False)
        assert hooked == (found.text == "hooked")

    def test_pipeline_x10_headers_may_be_changed(self) -> None:
        found, errors = self.answer(lambda context: context.response.headers.add("x-late", "1"))
        assert (found.headers["x-late"], len(errors)) == ("1", 1)

    def test_pipeline_x10_replace_takes_its_place(self) -> None:
        found, errors = self.answer(lambda context: context.response.replace("<p>gone", content_type="text/html"))
        assert (found.status, found.text, len(errors)) == (404, "<p>gone", 1)
        assert found.headers.get_all("content-type") == ["text/html; charset=utf-8"]

    def test_pipeline_p13_a_refusal_may_still_become_a_redirect(self) -> None:
        found, errors = self.answer(lambda context: context.response.redirect("/login", 302))
        assert (found.status, found.headers["location"], found.body, len(errors)) == (302, "/login", b"", 1)

    def test_replace_drops_what_spoke_of_the_old_body(self) -> None:
        response = Response(b"zipped", headers={"content-encoding": "gzip", "content-length": "6"})
        response.replace("text")
        assert (response.body, response.headers.items()) == (b"text", [("content-type", "text/plain; charset=utf-8")])


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

    @pytest.mark.parametrize(
        "name", ["content-length", "Content-Type", "set-cookie", "transfer-encoding", "vary", "host"]
    )
    def test_rfc9110_section_6_5_1_what_cannot_be_a_trailer_is_refused(self, name: str) -> None:
        with pytest.raises(ValueError, match=r"section 6\.5\.1"):
            Response().trailers({name: "1"})


class TestReplacing:
    def test_what_an_error_hook_returns_takes_the_place_but_for_cookies(self) -> None:
        response, other = Response("old", headers={"x-old": "1"}), Response("new", status=503, headers={"x-new": "1"})
        response.set_cookie("a", "1")
        response.replace_with(other)
        assert (response.status, response.body) == (503, b"new")
        assert sorted(name for name, _ in response.raw_headers) == [b"content-type", b"set-cookie", b"x-new"]

    def test_a_response_may_take_its_own_place(self) -> None:
        response = Response("same")
        response.replace_with(response)
        assert response.body == b"same"

    def test_what_a_handler_returns_is_laid_beside_what_modules_have_set(self) -> None:
        response = Response(headers={"x-module": "1", "content-type": "module/type"})
        response.set_cookie("a", "1")
        other = Response("text", status=201)
        other.set_cookie("b", "2")
        response.merge(other)
        assert (response.status, response.body, response.headers["x-module"]) == (201, b"text", "1")
        assert response.headers.get_all("content-type") == ["text/plain; charset=utf-8"]
        assert response.headers.get_all("set-cookie") == ["a=1; Path=/", "b=2; Path=/"]

    def test_one_response_may_be_returned_for_many_requests(self) -> None:
        kept = Response("kept", headers={"x": "1"})
        for _ in range(2):
            found = ask(open_site(function=lambda: kept))
            assert (found.text, found.headers.get_all("x")) == ("kept", ["1"])
        assert kept.raw_headers == Response("kept", headers={"x": "1"}).raw_headers

    def test_pipeline_o07_clear_forgets_the_body_alone(self) -> None:
        response = Response("x", status=404)
        response.set_cookie("a", "1")
        response.clear()
        assert (response.status, response.body, response.headers["set-cookie"]) == (404, b"", "a=1; Path=/")

    def test_pipeline_o07_clear_headers_forgets_status_headers_and_cookies(self) -> None:
        response = Response("x", status=404, headers={"x": "1"})
        response.set_cookie("a", "1")
        response.reason = "Gone Fishing"
        response.clear_headers()
        assert (response.status, response.reason, response.raw_headers) == (200, "OK", [])
        assert response.body == b"x"


class TestFiles:
    def test_the_rest_of_a_file_by_path(self, tmp_path: Path) -> None:
        (tmp_path / "f").write_bytes(b"0123456789")

        def handler(context: Context) -> None:
            context.response.send_file(tmp_path / "f", 4)

        found = ask(open_site(function=handler))
        assert (found.body, found.headers["content-length"]) == (b"456789", "6")

    def test_a_file_that_is_not_there_is_told_at_once(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            Response().send_file(tmp_path / "missing")

    @pytest.mark.parametrize(("offset", "count"), [(-1, None), (0, 11), (5, 6), (11, None), (0, -1)])
    def test_pipeline_o11_a_part_that_is_not_there_is_told_at_once(
        self, offset: int, count: int | None, tmp_path: Path
    ) -> None:
        (tmp_path / "f").write_bytes(b"0123456789")
        with pytest.raises(ValueError, match="10 bytes"):
            Response().send_file(tmp_path / "f", offset, count)

    def test_a_file_that_was_not_sent_is_closed(self, tmp_path: Path) -> None:
        (tmp_path / "f").write_bytes(b"0123456789")
        descriptors: list[int] = []

        def handler(context: Context) -> None:
            descriptors.append(os.open(tmp_path / "f", os.O_RDONLY))
            context.response.send_file(descriptors[0])
            raise HTTPError(404)

        assert ask(open_site(function=handler)).status == 404
        with pytest.raises(OSError):
            os.fstat(descriptors[0])

    def test_a_head_that_cannot_leave_with_a_file_becomes_an_error_answer(self, tmp_path: Path) -> None:
        (tmp_path / "f").write_bytes(b"0123456789")

        def handler(context: Context) -> None:
            context.response.send_file(tmp_path / "f")
            context.response.raw_headers.append((b"x", b"a\r\nb"))

        found = ask(open_site(function=handler))
        assert (found.status, found.is_aborted) == (500, False)

    def test_writing_takes_the_file_back(self, tmp_path: Path) -> None:
        (tmp_path / "f").write_bytes(b"0123456789")

        def handler(context: Context) -> None:
            context.response.send_file(tmp_path / "f")
            context.response.write("text instead")

        found = ask(open_site(function=handler))
        assert (found.status, found.text) == (200, "text instead")

    def test_a_returned_response_may_hold_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "f").write_bytes(b"0123456789")

        def handler() -> Response:
            response = Response(content_type="image/png")
            response.send_file(tmp_path / "f")
            return response

        found = ask(open_site(function=handler))
        assert (found.body, found.headers["content-type"]) == (b"0123456789", "image/png")
