"""The head of a response: status, reason, substatus and cookies, guarded by the moment at which it leaves (pipeline O-02)."""

from collections.abc import Callable

import pytest

from penstock import Context, Response, ResponseStarted, Stage
from penstock.pipeline.changeable_head import ChangeableHead
from penstock.pipeline.sending import take_head
from penstock.testing import ClientResponse
from tests.pipeline.subject import ask, on, open_site, run


class TestStatus:
    def test_pipeline_o06_a_status_without_content_needs_more_than_to_be_sent(self) -> None:
        for status in (204, 205, 304):
            head = ChangeableHead()
            assert (head.status, head.is_special) == (200, False)
            head.status = status
            assert (head.status_code, head.is_special) == (status, True)

    def test_an_application_begins_its_head_once(self) -> None:
        head = ChangeableHead()
        head.begin_head(201)
        assert head.status == 201
        head.is_started = True
        with pytest.raises(ResponseStarted, match="the head of the response has left; it can no longer be changed"):
            head.begin_head(500)
        assert head.status == 201

    def test_the_log_has_the_headers_as_they_are_without_a_substatus(self) -> None:
        head = ChangeableHead()
        head.headers["x-one"] = "1"
        assert head.logged_headers is head.raw_headers
        head.substatus = 7
        assert head.logged_headers == [(b"x-one", b"1"), (b":status", b"200.7 by nobody")]
        assert head.raw_headers == [(b"x-one", b"1")]


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


class TestBarrier:
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
        take_head(response)
        before = list(response.raw_headers)
        with pytest.raises(ResponseStarted):
            change(response)
        assert (response.status, response.body, response.raw_headers) == (200, b"x", before)

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


class TestReplacing:
    def test_pipeline_o07_clear_headers_forgets_status_headers_and_cookies(self) -> None:
        response = Response("x", status=404, headers={"x": "1"})
        response.set_cookie("a", "1")
        response.reason = "Gone Fishing"
        response.clear_headers()
        assert (response.status, response.reason, response.raw_headers) == (200, "OK", [])
        assert response.body == b"x"
