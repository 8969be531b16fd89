"""How pools can fail, and what of it clients are told."""

import pytest

from penstock.errors import BackendFailed, ClientGone, ContractError
from penstock.request_handlers.pool_failures import pool_failure_of
from penstock.request_handlers.proxy_answer_head import BadAnswer
from penstock.request_handlers.proxy_failures import BrokenConnection, SlowBackend


@pytest.mark.parametrize(
    ("error", "status", "detail"),
    [
        (SlowBackend("silent"), 504, "this application did not answer in time"),
        (BadAnswer("no HTTP"), 502, "this application gave an answer that is not HTTP"),
        (BrokenConnection("was closed"), 502, "the process of this application ended before it had answered"),
        (ConnectionRefusedError(111, "refused"), 503, "this application is not available"),
        (FileNotFoundError(2, "no such file"), 503, "this application is not available"),
        (TimeoutError(), 503, "this application is not available"),
    ],
)
def test_the_client_is_told_what_and_the_log_which_pool(error: Exception, status: int, detail: str) -> None:
    failure = pool_failure_of(error, "reports")
    assert isinstance(failure, BackendFailed)
    assert (failure.status, failure.detail) == (status, detail)
    assert str(failure).startswith("pool reports: ")
    assert (b"retry-after" in dict(failure.headers)) == (status == 503)


@pytest.mark.parametrize(
    "error", [ClientGone("left"), ContractError("ours"), BackendFailed(503, "busy", reason="full")]
)
def test_what_is_not_of_the_pool_stays_as_it_is(error: Exception) -> None:
    assert pool_failure_of(error, "reports") is error


def test_an_answer_that_has_begun_is_broken_off() -> None:
    failure = pool_failure_of(BrokenConnection("was closed"), "reports", has_begun=True)
    assert isinstance(failure, BackendFailed)
    assert failure.detail == "this application broke off its answer"
