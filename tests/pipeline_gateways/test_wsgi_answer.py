"""`start_response`, PEP 3333 sections "The start_response() Callable" and "Error Handling"."""

import sys
from typing import Any

import pytest

from penstock.errors import ContractError
from penstock.pipeline.response import Response
from penstock.pipeline_gateways import wsgi_answer
from penstock.pipeline_gateways.wsgi_answer import WsgiAnswer, as_exception, close_result


@pytest.fixture
def answer() -> WsgiAnswer:
    return WsgiAnswer()


class TestStartResponse:
    def test_it_is_remembered_and_names_are_lower_case(self, answer: WsgiAnswer) -> None:
        answer.start_response("404 Not Found", [("X-One", "é"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")])
        assert answer.status == 404
        assert answer.headers == [(b"x-one", b"\xe9"), (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]

    def test_it_returns_write(self, answer: WsgiAnswer) -> None:
        assert answer.start_response("200 OK", []) == answer.write

    def test_it_notes_the_content_length(self, answer: WsgiAnswer) -> None:
        answer.start_response("200 OK", [])
        assert answer.content_length == -1
        WsgiAnswer.start_response(other := WsgiAnswer(), "200 OK", [("CONTENT-LENGTH", "13")])
        assert other.content_length == 13

    def test_a_second_call_needs_exc_info(self, answer: WsgiAnswer) -> None:
        answer.start_response("200 OK", [])
        with pytest.raises(ContractError) as caught:
            answer.start_response("500 Oops", [])
        assert "second time without exc_info" in str(caught.value)

    def test_with_exc_info_it_replaces_what_was_said(self, answer: WsgiAnswer) -> None:
        answer.start_response("200 OK", [("X-One", "1"), ("Content-Length", "3")])
        answer.start_response("500 Oops", [("X-Two", "2")], _exc_info(ValueError("boom")))
        assert (answer.status, answer.headers, answer.content_length) == (500, [(b"x-two", b"2")], -1)

    @pytest.mark.parametrize("exc_info", [True, "text", ValueError("boom"), (), (ValueError,), [None, None, None]])
    def test_exc_info_is_what_sys_exc_info_gives(self, answer: WsgiAnswer, exc_info: Any) -> None:
        with pytest.raises(ContractError, match="exc_info of start_response is what sys"):
            answer.start_response("500 Oops", [], exc_info)

    def test_with_exc_info_behind_the_head_it_raises_the_application_s_error(self, answer: WsgiAnswer) -> None:
        answer.start_response("200 OK", [])
        answer.is_started = True
        with pytest.raises(ValueError, match="boom"):
            answer.start_response("500 Oops", [], _exc_info(ValueError("boom")))
        assert answer.status == 200

    @pytest.mark.parametrize(
        "status",
        [
            "",
            "20",
            "2000",
            "OK",
            "200OK",
            "abc Nope",
            "199 Too Small",
            "600 Too Large",
            "100 Continue",
            "200 O\rK",
            200,
        ],
    )
    def test_a_status_that_is_none_is_refused_at_once(self, answer: WsgiAnswer, status: Any) -> None:
        with pytest.raises((ContractError, TypeError)):  # compiled, it is the call itself that refuses what is no text
            answer.start_response(status, [])
        assert answer.status == 0

    @pytest.mark.parametrize("status", ["200 OK", "200", "299 Anything goes", "204 "])
    def test_a_reason_is_free(self, answer: WsgiAnswer, status: str) -> None:
        answer.start_response(status, [])
        assert answer.status == int(status[:3])

    @pytest.mark.parametrize(
        ("status", "reason"),
        [
            ("200 OK", b""),
            ("204 ", b""),
            ("404", b""),
            ("404 NOT FOUND", b"NOT FOUND"),
            ("299 Anything goes", b"Anything goes"),
        ],
    )
    def test_a_reason_of_its_own_is_sent(self, answer: WsgiAnswer, status: str, reason: bytes) -> None:
        for _ in range(2):  # the second time it is remembered
            answer.start_response(status, [])
            response = Response()
            answer.apply(response)
            assert (answer.reason, response.reason_phrase) == (reason, reason)
            answer.status = 0

    def test_a_reason_does_not_outlive_its_status(self, answer: WsgiAnswer) -> None:
        answer.start_response("404 Nobody Home", [])
        error = RuntimeError("changes its mind")
        answer.start_response("500 Internal Server Error", [], (RuntimeError, error, None))
        assert answer.reason == b""

    def test_pipeline_o10_a_reason_has_512_characters_at_most(self, answer: WsgiAnswer) -> None:
        answer.start_response("200 " + "x" * 512, [])
        answer.status = 0
        with pytest.raises(ContractError, match="512"):
            answer.start_response("200 " + "x" * 513, [])

    @pytest.mark.parametrize(
        "headers",
        [
            [("X-One", "a\r\nX-Two: b")],
            [("X-One", "a\nb")],
            [("X-One", "a\0b")],
            [("X-One", "a\x1b[2Jb")],
            [("X One", "a")],
            [("X-One:", "a")],
            [("", "a")],
            [("X-Önë", "a")],
            [("X-One", "\u20ac")],
            [(b"X-One", b"a")],
            [("X-One", 1)],
            [("X-One", None)],
            [("X-One",)],
            ["X-One: a"],
            [("Content-Length", "-1")],
            [("Content-Length", "1_0")],
            [("Content-Length", "9" * 40)],
            None,
        ],
    )
    def test_row_42_headers_that_http_does_not_allow_are_refused_at_once(
        self, answer: WsgiAnswer, headers: Any
    ) -> None:
        with pytest.raises(ContractError):
            answer.start_response("200 OK", headers)
        assert answer.status == 0

    @pytest.mark.parametrize("value", ["a\tb", "\xa0", "\xad soft", "", "é"])
    def test_unusual_values_that_http_allows_are_kept(self, answer: WsgiAnswer, value: str) -> None:
        answer.start_response("200 OK", [("X-One", value)])
        assert answer.headers == [(b"x-one", value.encode("latin-1"))]

    def test_what_is_remembered_of_fields_and_statuses_is_bounded(self) -> None:
        for number in range(3000):
            WsgiAnswer().start_response(f"200 Reason {number}", [(f"X-{number}", "a")])
        assert len(wsgi_answer._fields) <= 1024
        assert len(wsgi_answer._statuses) <= 1024

    @pytest.mark.parametrize("name", ["Set-Cookie", "ETag", "Location"])
    def test_what_is_one_client_s_is_not_remembered(self, name: str) -> None:
        WsgiAnswer().start_response("200 OK", [(name, "session=secret")])
        assert (name, "session=secret") not in wsgi_answer._fields


class TestCheck:
    def test_the_body_is_bytes(self, answer: WsgiAnswer) -> None:
        answer.start_response("200 OK", [])
        assert answer.check(b"a") == b"a"
        for wrong in ("a", "", None, 1, bytearray(b"a"), memoryview(b"a")):
            with pytest.raises(ContractError):
                answer.check_piece(wrong)

    def test_start_response_comes_before_the_first_piece_that_holds_something(self, answer: WsgiAnswer) -> None:
        assert answer.check_piece(b"") == b""
        with pytest.raises(ContractError) as caught:
            answer.check_piece(b"a")
        assert "without calling start_response" in str(caught.value)
        with pytest.raises(ContractError):
            answer.check(b"")


class TestApply:
    def test_headers_of_modules_stay_where_the_application_says_nothing(self, answer: WsgiAnswer) -> None:
        response = Response()
        response.raw_headers += [(b"x-one", b"module"), (b"x-two", b"module"), (b"set-cookie", b"m=1")]
        answer.start_response("201 Created", [("X-One", "application"), ("Set-Cookie", "a=1")])
        answer.apply(response)
        assert response.status == 201
        assert response.raw_headers == [
            (b"x-two", b"module"),
            (b"set-cookie", b"m=1"),
            (b"x-one", b"application"),
            (b"set-cookie", b"a=1"),
        ]


class TestAsException:
    def test_an_exception_is_itself(self) -> None:
        error = ValueError("boom")
        assert as_exception(error) is error

    def test_what_would_end_the_server_ends_the_request(self) -> None:
        error = SystemExit(3)
        failure = as_exception(error)
        assert isinstance(failure, ContractError)
        assert failure.__cause__ is error


def test_close_result_closes_what_can_be_closed() -> None:
    closed = []

    class Result:
        def close(self) -> None:
            closed.append(True)

    close_result(Result())
    close_result([b"a"])
    close_result(None)
    assert closed == [True]


def _exc_info(error: Exception) -> Any:
    try:
        raise error
    except Exception:
        return sys.exc_info()
