"""What the client is told of a backend that failed, and what the log."""

import pytest

from penstock.errors import BackendFailed, ClientGone, ContractError, RequestRejected
from penstock.request_handlers.proxy_answer_head import BadAnswer
from penstock.request_handlers.proxy_failures import BrokenConnection, SlowBackend, describe_error, failure_of

NAME = "http://10.0.0.7:9000"


@pytest.mark.parametrize(
    ("error", "status", "logged"),
    [
        (SlowBackend("said nothing"), 504, "said nothing"),
        (BadAnswer("two lengths"), 502, "two lengths"),
        (BrokenConnection("reset"), 502, "reset"),
        (ConnectionRefusedError(111, "refused"), 502, "no connection: [Errno 111] refused"),
        (TimeoutError(), 504, "no connection in time"),
        (TimeoutError(110, "timed out"), 504, "no connection: [Errno 110] timed out"),
        (FileNotFoundError(2, "no such socket"), 502, "no connection: [Errno 2] no such socket"),
    ],
)
def test_the_client_is_told_what_and_the_log_where(error: Exception, status: int, logged: str) -> None:
    failure = failure_of(error, NAME)
    assert isinstance(failure, BackendFailed)
    assert failure.status == status
    assert str(failure) == f"{NAME}: {logged}"
    assert failure.detail.startswith("the server behind this one ")
    assert "10.0.0.7" not in failure.detail


@pytest.mark.parametrize("error", [ClientGone("left"), ContractError("ours"), RequestRejected(413, "too large")])
def test_what_is_no_backends_fault_stays_what_it_is(error: Exception) -> None:
    assert failure_of(error, NAME) is error


def test_why_there_is_no_connection() -> None:
    assert describe_error(OSError("x")) == "no connection: x"
