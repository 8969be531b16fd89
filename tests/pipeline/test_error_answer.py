"""How an error becomes an answer and a line in the log: pipeline X-06 to X-08."""

import logging
from collections.abc import AsyncIterator, Callable
from html import unescape

import pytest

from penstock import ClientGone, Context, ContractError, HTTPError, RequestRejected
from penstock.pipeline.error_answer import describe, status_of
from tests.pipeline.subject import ask, open_site, raising

HTML = {"accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}


class TestStatus:
    @pytest.mark.parametrize(
        ("error", "status"),
        [
            (HTTPError(418), 418),
            (RequestRejected(413, "too large"), 413),
            (PermissionError(), 403),
            (TimeoutError(), 504),
            (FileNotFoundError(), 500),
            (ContractError("x"), 500),
            (Exception(), 500),
        ],
    )
    def test_pipeline_x06_of_an_error(self, error: Exception, status: int) -> None:
        assert status_of(error) == status

    @pytest.mark.parametrize("status", [0, 200, 302, 399, 600])
    def test_an_http_error_has_the_status_of_an_error(self, status: int) -> None:
        with pytest.raises(ValueError):
            HTTPError(status)


class TestPage:
    def test_it_is_text_unless_html_is_accepted(self) -> None:
        text = ask(open_site(function=raising(HTTPError(404, "no <such> thing"))))
        assert text.headers["content-type"] == "text/plain; charset=utf-8"
        assert text.text == "404 Not Found\nno <such> thing\n"
        page = ask(open_site(function=raising(HTTPError(404, "no <such> thing"))), headers=HTML)
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert "<h1>404 Not Found</h1>" in page.text
        assert "<p>no &lt;such&gt; thing</p>" in page.text

    def test_it_is_not_kept_by_caches(self) -> None:
        assert ask(open_site(function=raising(HTTPError(404)))).headers.get_all("cache-control") == ["no-store"]

    def test_headers_of_the_error_are_sent(self) -> None:
        error = HTTPError(429, headers=[(b"retry-after", b"5")])
        assert ask(open_site(function=raising(error))).headers["retry-after"] == "5"

    def test_a_status_without_a_name_is_an_error(self) -> None:
        assert ask(open_site(function=raising(HTTPError(499)))).text == "499 Error\n"

    @pytest.mark.parametrize("headers", [{}, HTML])
    def test_text_that_utf_8_cannot_hold_is_shown_all_the_same(self, headers: dict[str, str]) -> None:
        found = ask(open_site(function=raising(HTTPError(400, "half a pair: \ud800"))), headers=headers)
        assert found.status == 400
        assert r"\ud800" in found.text

    @pytest.mark.parametrize("headers", [{}, HTML])
    @pytest.mark.parametrize("error", [ValueError("<script>secret"), HTTPError(500), ContractError("secret")])
    def test_pipeline_x08_in_production_a_bug_shows_its_id_and_nothing_else(
        self, error: Exception, headers: dict[str, str], caplog: pytest.LogCaptureFixture
    ) -> None:
        found = ask(open_site(function=raising(error)), headers=headers)
        assert found.status == 500
        assert not any(word in found.text for word in ("secret", "script", "Traceback", "Error:", "test_error"))
        record = caplog.records[0]
        shown = record.getMessage().split("error id ")[1]
        assert shown in found.text
        assert record.exc_info is not None
        assert record.exc_info[1] is error

    @pytest.mark.parametrize("headers", [{}, HTML])
    def test_pipeline_x08_in_development_a_bug_shows_its_traceback(self, headers: dict[str, str]) -> None:
        found = ask(open_site(function=raising(ValueError("<b>")), mode="development"), headers=headers)
        assert "Traceback (most recent call last)" in found.text
        assert "ValueError: <b>" in unescape(found.text)
        if headers:
            assert "<b>" not in found.text

    def test_in_development_a_refusal_shows_none(self) -> None:
        found = ask(open_site(function=raising(HTTPError(404)), mode="development"))
        assert found.text == "404 Not Found\n"

    def test_two_bugs_have_two_ids(self) -> None:
        texts = {ask(open_site(function=raising(ValueError()))).text for _ in range(2)}
        assert len(texts) == 2


class TestLog:
    """Who is to blame decides what is written."""

    def logged(self, error: Exception, caplog: pytest.LogCaptureFixture, target: str = "/") -> logging.LogRecord:
        with caplog.at_level(logging.DEBUG, "penstock"):
            ask(open_site(functions={"/{x:path}": _raising_with_path(error)}, function=raising(error)), target)
        (record,) = [each for each in caplog.records if each.name == "penstock"]
        return record

    def test_a_bug_is_an_error_with_its_traceback(self, caplog: pytest.LogCaptureFixture) -> None:
        record = self.logged(ValueError("boom"), caplog)
        assert record.levelno == logging.ERROR
        assert record.exc_info
        assert record.getMessage().startswith("GET / failed at EXECUTE")

    def test_a_refused_request_is_one_line(self, caplog: pytest.LogCaptureFixture) -> None:
        record = self.logged(RequestRejected(400, "not JSON: line\nbreak"), caplog)
        assert (record.levelno, record.exc_info) == (logging.INFO, None)
        assert record.getMessage() == r"GET / from 127.0.0.1 refused with 400: not JSON: line\nbreak"

    def test_an_answer_that_is_an_error_is_told_to_those_who_look_closely(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        assert self.logged(HTTPError(404, "no such item"), caplog).levelno == logging.DEBUG

    def test_an_http_error_of_the_server_is_an_error(self, caplog: pytest.LogCaptureFixture) -> None:
        assert self.logged(HTTPError(503), caplog).levelno == logging.ERROR

    @pytest.mark.parametrize("is_wrapped", [False, True])
    def test_a_client_that_left_is_no_error(self, caplog: pytest.LogCaptureFixture, is_wrapped: bool) -> None:
        gone = ClientGone("the client left")
        error: Exception = RuntimeError("of a framework") if is_wrapped else gone
        error.__context__ = gone if is_wrapped else None
        record = self.logged(error, caplog)
        assert (record.levelno, record.exc_info) == (logging.DEBUG, None)

    def test_a_path_cannot_forge_a_line(self, caplog: pytest.LogCaptureFixture) -> None:
        record = self.logged(ValueError("boom"), caplog, "/a%0AGET%20/forged")
        assert r"/a\nGET /forged failed" in record.getMessage()


class TestClientGone:
    def test_nobody_is_answered_and_the_connection_is_cut(self) -> None:
        async def never() -> AsyncIterator[bytes]:
            yield b""

        found = ask(open_site(function=raising(ClientGone("the client left"))), method="POST", body=never())
        assert (found.status, found.is_aborted) == (0, True)


class TestDescribing:
    def test_a_request_is_told_without_its_query_and_with_control_characters_escaped(self) -> None:
        told: list[str] = []
        ask(open_site(function=lambda context: told.append(describe(context)), functions={}), "/?secret=1")
        ask(open_site(functions={"/{x:path}": lambda context, x: told.append(describe(context))}), "/a%0Ab%C3%A9")
        assert told == ["GET /", r"GET /a\nb\xe9"]


def _raising_with_path(error: Exception) -> Callable[..., object]:
    def fail(context: Context, x: str) -> None:
        raise error

    return fail
