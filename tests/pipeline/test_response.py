"""The response: its making, redirects, its body until it is sealed, and what takes its place; pipeline section 9."""

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


class TestStarting:
    """Pipeline O-02: what has left cannot be changed."""

    def test_pipeline_o02_behind_the_head_changes_are_refused(self) -> None:
        refused: list[str] = []

        async def handler(context: Context) -> None:
            response = context.response
            await response.flush()
            attempts: tuple[Callable[[], object], ...] = (
                lambda: response.redirect("/"),
                lambda: response.set_cookie("a", "1"),
                lambda: response.on_sending_headers(lambda _: None),
                lambda: response.send_file(os.devnull),
                response.clear,
                lambda: response.replace_with(Response("other")),
                lambda: response.merge(Response("other")),
            )
            for attempt in attempts:
                with pytest.raises(ResponseStarted) as caught:
                    attempt()
                refused.append(str(caught.value))
            response.write("unharmed")

        found = ask(open_site(function=handler))
        assert (found.status, found.text, len(refused)) == (200, "unharmed", 7)

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


class TestFlush:
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


class TestNoBody:
    @pytest.mark.parametrize("value", [b"", "", None])
    def test_pipeline_o06_nothing_has_no_type(self, value: object) -> None:
        found = ask(open_site(function=lambda: value))
        assert (found.status, found.body, found.headers.items()) == (200, b"", [])

    @pytest.mark.parametrize(
        ("body", "said"), [("text", "text/plain; charset=utf-8"), (b"x", "application/octet-stream")]
    )
    def test_pipeline_h10_what_is_written_has_a_type_by_default(self, body: str | bytes, said: str) -> None:
        found = ask(open_site(function=lambda context: context.response.write(body)))
        assert found.headers.items() == [("content-type", said), ("cache-control", "private")]


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


class TestFiles:
    def test_the_rest_of_a_file_by_path(self, tmp_path: Path) -> None:
        (tmp_path / "f").write_bytes(b"0123456789")

        def handler(context: Context) -> None:
            context.response.send_file(tmp_path / "f", 4)

        found = ask(open_site(function=handler))
        assert (found.body, found.headers["content-length"]) == (b"456789", "6")

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


class TestWrongTypes:
    """What a handler hands over that is no body, or that nobody can call, is its 500, never half an answer."""

    @pytest.mark.parametrize("body", [None, 5, ["text"], bytearray(b"x"), object()])
    @pytest.mark.parametrize(
        "answer",
        [
            lambda context, body: Response(body),
            lambda context, body: setattr(context.response, "body", body),
            lambda context, body: context.response.replace(body),
        ],
    )
    def test_what_is_no_body(self, body: object, answer: Callable[[Context, object], Any]) -> None:
        def handler(context: Context) -> Any:
            return answer(context, body)

        found = ask(open_site(function=handler))
        assert (found.status, found.is_aborted) == (500, False)

    @pytest.mark.parametrize("body", [None, 5, bytearray(b"x"), memoryview(b"x")])
    def test_what_cannot_be_written(self, body: Any) -> None:
        with pytest.raises(TypeError, match="bytes"):
            Response().write(body)

    def test_text_is_written_not_assigned(self) -> None:
        with pytest.raises(TypeError, match="bytes"):
            Response().body = "text"  # type: ignore[assignment]

    def test_a_callback_is_judged_where_it_is_given(self) -> None:
        with pytest.raises(TypeError, match="on_sending_headers takes what can be called, not 'int'"):
            Response().on_sending_headers(5)  # type: ignore[arg-type]

    @pytest.mark.parametrize("leaves", ["flush", "file", "whole"])
    def test_pep_479_a_callback_that_raises_stop_iteration_has_failed(self, leaves: str, tmp_path: Path) -> None:
        (tmp_path / "f").write_bytes(b"x" * 100_000)

        def stops(response: Response) -> None:
            raise StopIteration

        async def handler(context: Context) -> None:
            context.response.on_sending_headers(stops)
            if leaves == "file":
                context.response.send_file(tmp_path / "f")
            else:
                context.response.write("part")
            if leaves == "flush":
                await context.response.flush()

        found = ask(open_site(function=handler))
        assert (found.status, found.is_aborted) == (500, False)
