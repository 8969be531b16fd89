"""The built-in error answers: which form a client gets (RFC 9110 section 12.5.1), and what stands in each (RFC 9457)."""

import json

import pytest

from penstock.pipeline.error_formats import ErrorFacts, choose_format, render

FORMATS = ("html", "json", "problem", "text")
BROWSER = b"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
AXIOS = b"application/json, text/plain, */*"


class TestChoosing:
    """RFC 9110 section 12.5.1"""

    @pytest.mark.parametrize(
        ("accept", "form"),
        [
            (b"", "text"),
            (b"*/*", "text"),
            (BROWSER, "html"),
            (AXIOS, "json"),
            (b"application/problem+json", "problem"),
            (b"application/problem+json, application/json", "problem"),
            (b"application/json, application/problem+json;q=0.9", "json"),
            (b"application/*", "problem"),
            (b"text/*", "text"),
            (b"text/html;level=1;q=0.3, text/plain;q=0.2", "html"),
            (b"text/html;q=0.3, application/json;q=0.31", "json"),
            (b"TEXT/HTML", "html"),
            (b"text/html;q=0.5, */*;q=0.8", "text"),
            (b"text/html, */*", "html"),
            (b"text/html;q=0, application/json", "json"),
            (b"text/plain;q=0, */*", "problem"),
            (b"text/plain;q=0, text/*", "html"),
        ],
    )
    def test_the_greatest_weight_wins_and_what_is_named_wins_over_what_is_covered(
        self, accept: bytes, form: str
    ) -> None:
        assert choose_format("negotiated", accept) == form

    @pytest.mark.parametrize(
        "accept", [b"image/png", b"*/*;q=0", b"text/html;q=0", b"text/html;q=2", b";;,,", b"\xff", b"text/html;q=a"]
    )
    def test_an_error_is_told_in_plain_text_when_nothing_can_be_had(self, accept: bytes) -> None:
        assert choose_format("negotiated", accept) == "text"

    def test_the_choice_is_the_same_however_many_ask(self) -> None:
        for number in range(1000):
            assert choose_format("negotiated", b"application/json;q=0.%d" % number) == ("json" if number else "text")
            assert choose_format("negotiated", BROWSER) == "html"
        assert choose_format("negotiated", b"image/png, " * 100 + b"text/html") == "text"  # the first 64 are read
        assert choose_format("negotiated", b"image/png;" + b" " * 1000 + b", text/html") == "html"

    @pytest.mark.parametrize("form", FORMATS)
    def test_a_location_decides_over_the_client(self, form: str) -> None:
        assert choose_format(form, BROWSER) == form
        assert choose_format(form, AXIOS) == form


class TestForms:
    FACTS = ErrorFacts(500, "Internal Server Error", "no <such> thing", "a1b2c3", "0af7651916cd43dd")

    def test_text_has_a_line_for_each_fact(self) -> None:
        assert render("text", self.FACTS) == (
            b"text/plain; charset=utf-8",
            b"500 Internal Server Error\nno <such> thing\nerror id a1b2c3\n",
        )

    def test_a_page_is_escaped(self) -> None:
        content_type, body = render("html", self.FACTS)
        assert content_type == b"text/html; charset=utf-8"
        assert b"<h1>500 Internal Server Error</h1><p>no &lt;such&gt; thing</p><p>Error id <code>a1b2c3</code>" in body

    @pytest.mark.parametrize(
        ("form", "name"), [("problem", b"application/problem+json"), ("json", b"application/json")]
    )
    def test_json_has_the_members_of_rfc_9457(self, form: str, name: bytes) -> None:
        content_type, body = render(form, self.FACTS)
        assert content_type == name
        assert json.loads(body) == {
            "type": "about:blank",
            "title": "Internal Server Error",
            "status": 500,
            "detail": "no <such> thing",
            "instance": "urn:penstock:error:a1b2c3",
            "error_id": "a1b2c3",
            "trace_id": "0af7651916cd43dd",
        }

    def test_members_that_say_nothing_are_left_out(self) -> None:
        _, body = render("problem", ErrorFacts(404, "Not Found"))
        assert json.loads(body) == {"type": "about:blank", "title": "Not Found", "status": 404}

    @pytest.mark.parametrize("form", FORMATS)
    def test_text_that_utf_8_cannot_hold_is_shown_all_the_same(self, form: str) -> None:
        _, body = render(form, ErrorFacts(400, "Bad Request", "half a pair: \ud800", trace="line \udfff"))
        shown = json.loads(body)["detail"] if form in ("json", "problem") else body.decode()
        assert r"\ud800" in shown
        assert rb"\udfff" in body

    @pytest.mark.parametrize("form", FORMATS)
    def test_a_traceback_is_shown_where_it_may_be(self, form: str) -> None:
        _, body = render(form, ErrorFacts(500, "Internal Server Error", trace="Traceback:\n  <b>"))
        assert b"Traceback:" in body
        assert (b"&lt;b&gt;" if form == "html" else b"<b>") in body
