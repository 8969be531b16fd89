"""The header fields of a response: guarded once the head has left, and what is added to them by default."""

from collections.abc import Callable

import pytest

from penstock import Context, Response, ResponseStarted
from penstock.pipeline.response_headers import (
    BYTES,
    JSON,
    PRIVATE,
    TEXT,
    add_charset,
    add_defaults,
    drop_default_type,
    drop_fields,
)
from penstock.pipeline.sending import take_head
from tests.pipeline.subject import ask, open_site

Pairs = list[tuple[bytes, bytes]]


class TestFields:
    def test_setting_takes_the_place_of_all_of_the_name_where_the_first_stood(self) -> None:
        response = Response(headers={"x-one": "1"})
        response.headers.add("x-two", "2")
        response.headers.add("X-One", "3")
        response.headers["X-ONE"] = "4"
        assert response.raw_headers == [(b"x-one", b"4"), (b"x-two", b"2")]

    def test_pipeline_o10_what_http_does_not_allow_changes_nothing(self) -> None:
        response = Response(headers={"x-one": "1"})
        for name, value in (("x-one", "a\r\nb"), ("x one", "1"), ("", "1"), ("x-two", "\u20ac")):
            with pytest.raises(ValueError):
                response.headers[name] = value
        assert response.raw_headers == [(b"x-one", b"1")]

    def test_pipeline_o02_behind_the_head_every_change_is_refused_but_one_that_changes_nothing(self) -> None:
        response = Response(headers={"content-type": "text/css"})
        headers = response.headers
        response.is_started = True
        changes: list[Callable[[], object]] = [
            lambda: headers.add("x", "1"),
            lambda: headers.__setitem__("x", "1"),
            lambda: headers.__setitem__("content-type", "text/html"),
            lambda: headers.__delitem__("content-type"),
        ]
        for change in changes:
            with pytest.raises(ResponseStarted):
                change()
        headers["Content-Type"] = "text/css"
        assert response.raw_headers == [(b"content-type", b"text/css")]

    def test_deleting_what_is_not_there_is_a_key_error(self) -> None:
        response = Response(headers={"x-one": "1"})
        del response.headers["X-One"]
        with pytest.raises(KeyError):
            del response.headers["x-one"]


class TestDefaults:
    @pytest.mark.parametrize("defaults", [BYTES, TEXT, JSON])
    def test_pipeline_h10_those_that_are_not_there_are_added(self, defaults: tuple[tuple[bytes, bytes], ...]) -> None:
        headers: Pairs = []
        add_defaults(headers, defaults)
        assert headers == [*defaults]
        assert PRIVATE in headers

    def test_pipeline_h10_what_was_said_wins_each_name_by_itself(self) -> None:
        headers: Pairs = [(b"cache-control", b"no-store")]
        add_defaults(headers, TEXT)
        assert headers == [(b"cache-control", b"no-store"), TEXT[0]]
        headers = [(b"content-type", b"image/png")]
        add_defaults(headers, BYTES)
        assert headers == [(b"content-type", b"image/png"), PRIVATE]

    def test_pipeline_o06_only_a_type_that_nobody_chose_is_taken_back(self) -> None:
        for defaults in (BYTES, TEXT, JSON):
            headers: Pairs = [(b"x", b"1")]
            add_defaults(headers, defaults)
            drop_default_type(headers)
            assert headers == [(b"x", b"1"), PRIVATE]
        chosen = [(b"content-type", bytes(bytearray(TEXT[0][1])))]  # the same text, said by a handler
        drop_default_type(chosen)
        assert chosen == [TEXT[0]]

    def test_fields_are_dropped_by_name_all_of_them(self) -> None:
        headers: Pairs = [(b"a", b"1"), (b"b", b"2"), (b"a", b"3"), (b"c", b"4")]
        drop_fields(headers, (b"a", b"c"))
        assert headers == [(b"b", b"2")]


class TestCharset:
    @pytest.mark.parametrize(
        ("said", "completed"),
        [
            (b"text/html", b"text/html; charset=utf-8"),
            (b"TEXT/css", b"TEXT/css; charset=utf-8"),
            (b"text/html; Charset=ISO-8859-1", b"text/html; Charset=ISO-8859-1"),
            (b"application/json", b"application/json"),
        ],
    )
    def test_pipeline_o06_it_is_added_to_a_text_that_leaves_it_open(self, said: bytes, completed: bytes) -> None:
        headers = [(b"x-text", b"text/html"), (b"content-type", said)]
        add_charset(headers)
        assert headers == [(b"x-text", b"text/html"), (b"content-type", completed)]


class TestBarrier:
    def test_pipeline_o02_the_same_content_type_again_is_no_change(self) -> None:
        response = Response(b"x", content_type="text/plain")
        take_head(response)
        response.headers["Content-Type"] = "text/plain"
        assert response.headers.setdefault("content-type", "text/html") == "text/plain"

    def test_pipeline_o02_a_view_that_was_kept_is_guarded_too(self) -> None:
        response = Response(b"x")
        kept = response.headers
        kept["x-early"] = "1"
        take_head(response)
        with pytest.raises(ResponseStarted):
            kept["x-late"] = "1"
        assert (kept["x-early"], "x-late" in kept) == ("1", False)


class TestNoBody:
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
