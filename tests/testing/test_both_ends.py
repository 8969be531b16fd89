"""A request of the in-memory host seen from both ends."""

import asyncio

import pytest

from penstock import RequestRejected
from penstock.http.messages import ResponseHead
from penstock.settings import LimitSettings
from penstock.testing import Asked, Received
from penstock.testing.both_ends import memory_request, memory_requests
from tests.pipeline.subject import run

LIMITS = LimitSettings()


def test_what_is_asked_arrives() -> None:
    async def journey() -> None:
        asked = Asked(method="PUT", target="/a%20b?q", headers=(("X-Seen", "one"),), body=b"body")
        async with memory_requests(LIMITS)(asked) as under_test:
            request = under_test.worker_request
            assert (request.head.method, request.head.path, request.head.host) == ("PUT", "/a b", "testserver")
            assert (b"x-seen", b"one") in request.head.headers
            assert request.take() == b"body"

    run(journey)


def test_a_body_none_comes_by_feed() -> None:
    async def journey() -> None:
        async with memory_requests(LIMITS)(Asked(method="POST", body=None)) as under_test:
            assert under_test.worker_request.take() is None
            under_test.feed(b"piece")
            assert under_test.worker_request.take() == b"piece"
            under_test.end_body()
            assert under_test.worker_request.take() == b""

    run(journey)


def test_what_was_answered_is_received() -> None:
    async def journey() -> Received:
        async with memory_requests(LIMITS)(Asked()) as under_test:
            request = under_test.worker_request
            request.inform(103, [(b"link", b"</a>")])
            request.send(ResponseHead(201, [(b"x-one", b"1")]), b"hel", True)
            request.trailers([(b"x-sum", b"1")])
            request.send(None, b"lo", False)
            return await under_test.receive()

    assert run(journey) == Received(
        status=201,
        headers=[(b"x-one", b"1")],
        body=b"hello",
        is_whole=True,
        informed=[(103, [(b"link", b"</a>")])],
        trailers=[(b"x-sum", b"1")],
    )


def test_what_is_cut_off_before_its_head_is_nothing() -> None:
    async def journey() -> Received:
        async with memory_requests(LIMITS)(Asked()) as under_test:
            under_test.worker_request.abort()
            return await under_test.receive()

    assert run(journey) == Received()


def test_the_client_can_leave() -> None:
    async def journey() -> None:
        async with memory_requests(LIMITS)(Asked()) as under_test:
            left = asyncio.Event()
            under_test.worker_request.on_disconnect(left.set)
            under_test.leave()
            await left.wait()
            assert under_test.worker_request.is_disconnected

    run(journey)


@pytest.mark.parametrize("asked", [Asked(target="/a b"), Asked(target="/../a"), Asked(headers=(("x" * 40_000, "1"),))])
def test_what_no_wire_would_carry_is_refused(asked: Asked) -> None:
    async def journey() -> None:
        with pytest.raises(RequestRejected):
            memory_request(asked, LIMITS)

    run(journey)
