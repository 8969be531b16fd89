"""The response: changeable until its head has left, which happens once; pipeline section 9."""

import asyncio
import os
from pathlib import Path

import pytest

from penstock import Context, ContractError, Response, ResponseStarted
from tests.pipeline.subject import ask, open_site


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
