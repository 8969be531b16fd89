"""An answer while it arrives: what is kept of it, and when the backend has to wait."""

from typing import Any

from penstock.request_handlers.proxy_answer import ArrivingAnswer


class Connection:
    def __init__(self, exchange: Any) -> None:
        self.exchange = exchange
        self.is_read_paused: Any = False

    def pause_reading(self) -> None:
        self.is_read_paused = True

    def resume_reading(self) -> None:
        self.is_read_paused = False


def test_a_backend_waits_while_too_much_waits_for_the_client() -> None:
    answer: Any = ArrivingAnswer(10, is_head=False)
    connection = answer.connection = Connection(answer)
    answer.feed([b"12345", b"67890"])
    assert not connection.is_read_paused
    answer.feed([b"!"])
    assert connection.is_read_paused
    assert answer.take() == b"1234567890!"
    assert not connection.is_read_paused
    assert answer.take() == b""
    answer.feed([b"1234567890"])
    assert not connection.is_read_paused, "what was taken counts no more"


def test_the_connection_of_another_exchange_is_left_alone() -> None:
    answer: Any = ArrivingAnswer(1, is_head=False)
    connection = answer.connection = Connection(answer)
    answer.feed([b"123"])
    connection.exchange = "another one, for the answer was whole"
    assert answer.take() == b"123"
    assert connection.is_read_paused


def test_a_head_begins_it() -> None:
    answer: Any = ArrivingAnswer(1, is_head=True)
    assert not answer.has_begun
    answer.begin_answer("head")
    assert (answer.has_begun, answer.answer) == (True, "head")
