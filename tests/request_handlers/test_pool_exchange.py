"""What is sent again to a pool, how often, and what never; the rest of an exchange is tested with the handler."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.request_handlers.pool_exchange import RETRIES
from tests.request_handlers.test_pool_handler import GET, OK, Scripted, read_head, wait_readable
from tests.wire.raw_client import RawClient


@pytest.fixture
def script(tmp_path: Path) -> Iterator[Scripted]:
    with Scripted(tmp_path) as script:
        yield script


def test_rfc9112_9_3_1_what_nobody_reads_is_not_sent_for_ever(script: Scripted) -> None:
    with RawClient(script.front.address) as client:
        client.send([GET])
        for _ in range(RETRIES + 1):
            with script.accepted() as worker:
                wait_readable(worker)
        assert client.read_answer().status == 502
        assert not script.has_waiting()


def test_rfc9112_9_3_1_a_body_that_has_not_left_whole_is_not_sent_again(script: Scripted) -> None:
    with RawClient(script.front.address) as client:
        client.send([b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello"])
        with script.accepted() as worker:
            wait_readable(worker)
        assert client.read_answer().status == 502
        assert not script.has_waiting()


def test_rfc9112_9_3_1_a_body_that_is_large_is_not_sent_again(script: Scripted) -> None:
    with RawClient(script.front.address) as client:
        client.send([b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 20000\r\n\r\n" + b"x" * 20_000])
        with script.accepted() as worker:
            wait_readable(worker)
        assert client.read_answer().status == 502
        assert not script.has_waiting()


def test_rfc9112_9_3_1_nothing_is_sent_again_behind_the_beginning_of_an_answer(script: Scripted) -> None:
    with RawClient(script.front.address) as client:
        client.send([GET])
        with script.accepted() as worker:
            read_head(worker)
            worker.sendall(OK[:10])
        assert client.read_answer().status == 502
        assert not script.has_waiting()
