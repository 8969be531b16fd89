"""Whole journeys of what is answered: the barrier, filters, cookies, framing, substatus (pipeline section 9, X-11)."""

from collections.abc import Callable
from typing import Any

import pytest

from penstock import Context, HTTPError, ResponseCompleted, ResponseStarted, Stage
from penstock.http.messages import ResponseHead
from tests.pipeline.subject import ask, on, open_site

CHANGES: dict[str, Callable[[Context], object]] = {
    "status": lambda context: setattr(context.response, "status", 201),
    "reason": lambda context: setattr(context.response, "reason", "Fine"),
    "header": lambda context: context.response.headers.__setitem__("x-late", "yes"),
    "cookie": lambda context: context.response.set_cookie("late", "yes"),
    "redirect": lambda context: context.response.redirect("/elsewhere"),
    "clear_headers": lambda context: context.response.clear_headers(),
    "callback": lambda context: context.response.on_sending_headers(lambda response: None),
}


class Tagging:
    """A filter that shows what it was fed, and when it ended."""

    def __init__(self, tag: str, log: list[str]) -> None:
        self.tag = tag.encode()
        self.log = log

    def begin(self, head: ResponseHead) -> bool:
        head.raw_headers.append((b"x-tag", self.tag))
        return True

    def feed(self, piece: bytes) -> bytes:
        return self.tag + b"(" + piece + b")"

    def finish(self) -> bytes:
        self.log.append(f"{self.tag.decode()} finished")
        return b"." + self.tag


class TestBarrier:
    @pytest.mark.parametrize("change", CHANGES)
    def test_pipeline_o02_behind_the_head_every_change_is_refused(self, change: str) -> None:
        told: list[str] = []

        async def handler(context: Context) -> None:
            context.response.write("whole")
            await context.response.flush()
            with pytest.raises(ResponseStarted) as caught:
                CHANGES[change](context)
            told.append(str(caught.value))

        answer = ask(open_site(function=handler))
        assert (answer.status, answer.text, len(told)) == (200, "whole", 1)

    def test_pipeline_o02_the_same_content_type_again_is_no_change(self) -> None:
        async def handler(context: Context) -> None:
            headers = context.response.headers
            headers["content-type"] = "text/html"
            await context.response.flush()
            headers["content-type"] = "text/html"
            with pytest.raises(ResponseStarted):
                headers["content-type"] = "text/plain"

        answer = ask(open_site(function=handler))
        assert (answer.headers["content-type"], answer.is_aborted) == ("text/html", False)

    def test_pipeline_o03_behind_the_end_nothing_can_be_sent(self) -> None:
        kept: list[Context] = []
        assert ask(open_site(on(Stage.END, kept.append))).text == "hello"
        response = kept[0].response
        with pytest.raises(ResponseCompleted):
            response.write("late")
        with pytest.raises(ResponseCompleted):
            response.flush().send(None)


class TestBody:
    def test_pipeline_o05_head_has_the_headers_of_get(self) -> None:
        def handler(context: Context) -> None:
            context.response.headers["x-mine"] = "yes"
            context.response.write("hello")

        whole, head = ask(open_site(function=handler)), ask(open_site(function=handler), method="HEAD")
        assert head.body == b""
        assert list(head.headers.items()) == list(whole.headers.items())

    def test_pipeline_o05_suppressed_content_is_not_sent(self) -> None:
        def handler(context: Context) -> None:
            context.response.write("hello")
            context.response.suppress_content = True

        answer = ask(open_site(function=handler))
        assert (answer.status, answer.body) == (200, b"")

    @pytest.mark.parametrize(
        ("value", "content_type", "expected"),
        [
            ("text", None, "text/plain; charset=utf-8"),
            (b"\x89PNG", "image/png", "image/png"),
            ("<p>", "text/html; charset=utf-8", "text/html; charset=utf-8"),
        ],
    )
    def test_pipeline_o06_a_charset_is_for_text(self, value: Any, content_type: str | None, expected: str) -> None:
        def handler(context: Context) -> Any:
            if content_type is not None:
                context.response.headers["content-type"] = content_type
            return value

        assert ask(open_site(function=handler)).headers["content-type"] == expected

    def test_pipeline_o06_nothing_has_no_type(self) -> None:
        def handler(context: Context) -> None:
            context.response.status = 204

        assert ask(open_site(function=handler)).headers.get("content-type") is None

    def test_pipeline_o07_clear_drops_the_body_clear_headers_the_rest(self) -> None:
        def filled(context: Context) -> None:
            context.response.status = 404
            context.response.set_cookie("a", "1")
            context.response.write("body")

        def clear(context: Context) -> None:
            filled(context)
            context.response.clear()

        def clear_headers(context: Context) -> None:
            filled(context)
            context.response.clear_headers()

        answer = ask(open_site(function=clear))
        assert (answer.status, answer.body, answer.headers.get("set-cookie") is None) == (404, b"", False)
        answer = ask(open_site(function=clear_headers))
        assert (answer.status, answer.text, answer.headers.get("set-cookie")) == (200, "body", None)


class TestFilters:
    def test_pipeline_o08_the_last_added_is_outermost_and_each_ends_once(self) -> None:
        log: list[str] = []

        def begin(context: Context) -> None:
            context.response.add_filter(Tagging("a", log))
            context.response.add_filter(Tagging("b", log))

        answer = ask(open_site(on(Stage.BEGIN, begin)))
        assert answer.text.startswith("b(a(hello)")
        assert answer.headers.get_all("x-tag") == ["a", "b"]
        assert log == ["a finished", "b finished"]

    def test_pipeline_o08_a_flush_in_between_passes_them_without_ending_them(self) -> None:
        log: list[str] = []

        async def handler(context: Context) -> None:
            context.response.add_filter(Tagging("a", log))
            context.response.write("one")
            await context.response.flush()
            assert log == []
            context.response.write("two")

        answer = ask(open_site(function=handler))
        assert answer.text == "a(one)a(two).a"
        assert log == ["a finished"]

    def test_pipeline_o08_what_is_stored_has_passed_them(self) -> None:
        stored: list[bytes] = []

        def store(context: Context) -> None:
            stored.append(context.response.body)

        begin = on(Stage.BEGIN, lambda context: context.response.add_filter(Tagging("a", [])))
        answer = ask(open_site(begin, on(Stage.UPDATE_CACHE, store)))
        assert stored == [answer.body] == [b"a(hello).a"]


class TestCookies:
    def test_pipeline_o09_those_of_the_request_never_change(self) -> None:
        seen: list[str] = []

        def handler(context: Context) -> str:
            context.response.set_cookie("a", "2")
            context.response.set_cookie("a", "3")
            seen.append(context.request.cookies["a"])
            with pytest.raises(TypeError):
                context.request.cookies["a"] = "4"  # type: ignore[index]
            return "hello"

        answer = ask(open_site(function=handler), headers={"cookie": "a=1"})
        assert seen == ["1"]
        assert [line.partition(";")[0] for line in answer.headers.get_all("set-cookie")] == ["a=3"]


class TestSubstatus:
    def test_pipeline_x11_it_is_for_the_log_and_never_sent(self) -> None:
        seen: list[str] = []

        def hide(context: Context) -> None:
            context.response.status = 404
            context.response.substatus = 7
            context.complete()

        modules = [on(Stage.BEGIN, hide), on(Stage.LOG, lambda context: seen.append(context.response.log_status))]
        answer = ask(open_site(*modules))
        assert answer.status == 404
        assert seen == ["404.7 by module0@BEGIN"]

    def test_pipeline_x11_it_is_forgotten_when_the_status_changes(self) -> None:
        seen: list[str] = []

        def handler(context: Context) -> None:
            context.response.status = 404
            context.response.substatus = 7
            context.response.status = 403

        ask(open_site(on(Stage.LOG, lambda context: seen.append(context.response.log_status)), function=handler))
        assert seen == ["403"]


def test_pipeline_t02_a_redirect_keeps_cookies_and_answers_at_once() -> None:
    def handler(context: Context) -> None:
        context.response.set_cookie("a", "1")
        context.response.write("dropped")
        context.response.redirect("/b", 302)

    answer = ask(open_site(function=handler))
    assert (answer.status, answer.headers["location"], "dropped" in answer.text) == (302, "/b", False)
    assert answer.headers["set-cookie"].startswith("a=1")


def test_pipeline_t02_line_breaks_never_leave() -> None:
    def handler(context: Context) -> None:
        context.response.redirect("a\r\nb")

    assert ask(open_site(function=handler)).status == 500


@pytest.mark.parametrize("status", [400, 404, 503])
def test_pipeline_x06_an_error_keeps_its_own_status(status: int) -> None:
    def handler() -> None:
        raise HTTPError(status)

    assert ask(open_site(function=handler)).status == status
