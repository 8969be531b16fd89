"""How an error is reported: the status it stands for, and a line in the log (pipeline X-06, X-08)."""

import logging
from collections.abc import Callable

import pytest

from penstock import ClientGone, Context, ContractError, HTTPError, PenstockError, RequestRejected
from penstock.pipeline.error_report import describe, status_of
from tests.pipeline.subject import ask, open_site, raising


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

    def test_pipeline_x06_causes_that_lead_back_to_where_they_began_are_500(self) -> None:
        error = PenstockError("wrapped in itself")
        error.__cause__ = error
        assert status_of(error) == 500
        assert ask(open_site(function=raising(error))).status == 500

    def test_pipeline_x06_however_many_causes_there_are(self) -> None:
        error = PenstockError("the innermost")
        for _ in range(100_000):
            outer = PenstockError("wraps another")
            outer.__cause__ = error
            error = outer
        assert status_of(error) == 500

    @pytest.mark.parametrize("status", [0, 200, 302, 399, 600])
    def test_an_http_error_has_the_status_of_an_error(self, status: int) -> None:
        with pytest.raises(ValueError):
            HTTPError(status)


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
