"""Applications in pools: what passes both ways, and what becomes of a request when its pool is slow, away, or dies."""

import asyncio
import logging
import re
import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

import pytest

from penstock.settings import AppSettings, LocationLimitSettings, LocationSettings, PoolSettings
from tests.request_handlers.pool_subject import NAME, REFERENCE, Pooled, pooled, settings_for
from tests.wire.raw_client import RawClient

GET = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Send every piece back at once."""
    if scope["type"] == "lifespan":
        return
    start = {"type": "http.response.start", "status": 200, "headers": [(b"x-method", scope["method"].encode())]}
    await send({**start, "trailers": True})
    more = True
    while more:
        message = await receive()
        more = message.get("more_body", False)
        await send({"type": "http.response.body", "body": message.get("body", b""), "more_body": more})
    await send({"type": "http.response.trailers", "headers": [(b"x-end", b"1")]})


async def sized(scope: Any, receive: Any, send: Any) -> None:
    """As many bytes as the query says, or of what was sent; early hints first."""
    if scope["type"] == "lifespan":
        return
    received, more = 0, True
    while more:
        message = await receive()
        received += len(message.get("body", b""))
        more = message.get("more_body", False)
    await send({"type": "http.response.early_hint", "links": [b"</style.css>; rel=preload"]})
    body = b"x" * int(scope["query_string"] or received)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
def sizes(tmp_path: Path) -> Iterator[Pooled]:
    with pooled(sized, tmp_path) as subject:
        yield subject


def exchange(subject: Pooled, request: bytes, method: str = "GET") -> tuple[int, bytes]:
    with RawClient(subject.front.address) as client:
        client.send([request])
        answer, _ = client.read_final_answer(method)
        return answer.status, answer.body


# -- both ways -----------------------------------------------------------------------------------------------------------


def test_pipeline_w01_pieces_pass_both_ways_as_they_come_and_trailers_behind_them(tmp_path: Path) -> None:
    with pooled(echo, tmp_path) as subject, RawClient(subject.front.address) as client:
        client.send([b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n"])
        read_until(client, b"3\r\none\r\n")
        client.send([b"3\r\ntwo\r\n"])
        read_until(client, b"3\r\ntwo\r\n")
        client.send([b"0\r\n\r\n"])
        read_until(client, b"0\r\nx-end: 1\r\n\r\n")


def read_until(client: RawClient, mark: bytes) -> None:
    """Wait for `mark`; what came before it is let go."""
    data = bytes(client.buffer)
    client.buffer.clear()
    client.socket.settimeout(5)
    while mark not in data:
        piece = client.socket.recv(65536)
        assert piece, data
        data += piece


@pytest.mark.parametrize("size", [0, 13, 70_000, 3_000_000])
def test_bodies_of_any_size_pass_both_ways(sizes: Pooled, size: int) -> None:
    request = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size + b"y" * size
    assert exchange(sizes, request) == (200, b"x" * size)
    assert exchange(sizes, b"GET /x?%d HTTP/1.1\r\nHost: a\r\n\r\n" % size) == (200, b"x" * size)


def test_rfc9110_9_3_2_head_has_the_length_and_no_body(sizes: Pooled) -> None:
    with RawClient(sizes.front.address) as client:
        client.send([b"HEAD /x?70000 HTTP/1.1\r\nHost: a\r\n\r\n"])
        answer, _ = client.read_final_answer("HEAD")
        assert (answer.status, answer.find(b"content-length"), answer.body) == (200, b"70000", b"")
        client.send([b"GET /x?1 HTTP/1.1\r\nHost: a\r\n\r\n"])
        assert client.read_final_answer()[0].body == b"x"


def test_rfc8297_early_hints_pass(sizes: Pooled) -> None:
    with RawClient(sizes.front.address) as client:
        client.send([b"GET /x?1 HTTP/1.1\r\nHost: a\r\n\r\n"])
        hints = client.read_answer()
        assert (hints.status, hints.find(b"link")) == (103, b"</style.css>; rel=preload")
        assert client.read_answer().status == 200


def test_rfc9110_10_1_1_the_body_is_sent_when_the_application_wants_it(sizes: Pooled) -> None:
    with RawClient(sizes.front.address) as client:
        client.send([b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"])
        assert client.read_answer().status == 100
        client.send([b"hello"])
        assert client.read_final_answer()[0].body == b"xxxxx"


def test_connections_to_the_pool_are_used_again(tmp_path: Path) -> None:
    with Scripted(tmp_path) as script, RawClient(script.front.address) as client:
        client.send([GET])
        with script.accepted() as worker:
            for _ in range(3):
                read_head(worker)
                worker.sendall(OK)
                assert client.read_answer().body == b"ok"
                client.send([GET])
            read_head(worker)
        assert not script.has_waiting()


def test_rfc9112_9_3_1_a_connection_whose_request_may_not_have_been_read_whole_is_not_used_again(
    tmp_path: Path,
) -> None:
    with Scripted(tmp_path) as script, RawClient(script.front.address) as client:
        client.send([b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 20000\r\n\r\n" + b"y" * 20_000])
        with script.accepted() as worker:
            assert worker.recv(100)
            worker.sendall(OK)
            assert client.read_answer().body == b"ok"
            client.send([GET])
            with script.accepted() as other:
                read_head(other)
                other.sendall(OK)
                assert client.read_answer().body == b"ok"


def test_a_request_does_not_wait_for_one_that_was_answered_and_has_not_ended(tmp_path: Path) -> None:
    let_go = asyncio.Event()

    async def lingering(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            return
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok", "more_body": True})
        if scope["path"] == "/lingers":
            await let_go.wait()
        let_go.set()
        await send({"type": "http.response.body", "body": b""})

    with pooled(lingering, tmp_path) as subject, RawClient(subject.front.address) as client:
        for path in (b"/lingers", b"/ends"):
            client.send([b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n" % path])
            assert client.read_answer().body == b"ok"


# -- a worker that is played by the test -----------------------------------------------------------------------------------


class Scripted:
    """A front whose pool is a listening socket of the test's own."""

    def __init__(self, path: Path, **keys: Any) -> None:
        self._path = path
        self._keys = keys

    def __enter__(self) -> Self:
        pool = PoolSettings(name=NAME, **{"read_timeout": 5.0, **self._keys.pop("pool", {})})
        self._context = pooled(echo, self._path, settings_for(pool=pool, **self._keys), with_worker=False)
        self.subject = self._context.__enter__()
        self.front = self.subject.front
        self.subject.listening.settimeout(5)
        return self

    def __exit__(self, *exception: object) -> None:
        self._context.__exit__(None, None, None)

    @contextmanager
    def accepted(self) -> Iterator[socket.socket]:
        """The next connection of the front."""
        worker, _ = self.subject.listening.accept()
        worker.settimeout(5)
        with worker:
            yield worker

    def has_waiting(self) -> bool:
        self.subject.listening.setblocking(False)
        try:
            self.subject.listening.accept()[0].close()
        except BlockingIOError:
            return False
        finally:
            self.subject.listening.settimeout(5)
        return True


@pytest.fixture
def script(tmp_path: Path) -> Iterator[Scripted]:
    with Scripted(tmp_path) as script:
        yield script


def read_head(worker: socket.socket, body: bytes = b"") -> bytes:
    """A whole request, which ends with `body`."""
    data = b""
    while not data.endswith(b"\r\n\r\n" + body):
        piece = worker.recv(65536)
        assert piece, data
        data += piece
    return data


def test_what_the_wire_says_is_no_more_than_it_must(script: Scripted) -> None:
    with RawClient(script.front.address) as client:
        client.send([b"GET /x?y HTTP/1.1\r\nHost: a\r\nA: 1\r\nConnection: close\r\nPenstock-Metadata: 1.x.y\r\n\r\n"])
        with script.accepted() as worker:
            head = read_head(worker)
            metadata = re.search(rb"penstock-metadata: (\S+)\r\n", head)
            assert metadata
            assert head.replace(metadata[1], b"M") == (
                b"GET /x?y HTTP/1.1\r\nhost: a\r\npenstock-metadata: M\r\n"
                b"penstock-was-host: a\r\na: 1\r\npenstock-was-connection: close\r\n\r\n"
            )
            worker.sendall(OK)
        assert client.read_answer().body == b"ok"


@pytest.mark.parametrize("request_bytes", [GET, POST])
def test_rfc9112_9_3_1_a_request_that_nobody_has_read_is_sent_again_whatever_its_method(
    script: Scripted, request_bytes: bytes
) -> None:
    with RawClient(script.front.address) as client:
        client.send([GET])
        with script.accepted() as worker:
            read_head(worker)
            worker.sendall(OK)
            assert client.read_answer().body == b"ok"
            # The worker is about to close this idle connection, and the next request meets it.
            client.send([request_bytes])
            wait_readable(worker)
        with script.accepted() as worker:
            assert read_head(worker, b"hello" if request_bytes is POST else b"")
            worker.sendall(OK)
            assert client.read_answer().body == b"ok"


def wait_readable(worker: socket.socket) -> None:
    assert worker.recv(1, socket.MSG_PEEK)


@pytest.mark.parametrize("request_bytes", [GET, POST])
def test_pipeline_w01_a_worker_that_dies_over_a_request_is_a_502_with_an_id_and_no_other_worker_is_asked(
    script: Scripted, request_bytes: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with RawClient(script.front.address) as client:
        client.send([request_bytes])
        with script.accepted() as worker:
            read_head(worker, b"hello" if request_bytes is POST else b"")
        answer = client.read_answer()
    assert answer.status == 502
    assert b"the process of this application ended" in answer.body
    told = re.search(rb"error id ([0-9a-f]{12})", answer.body)
    assert told
    assert f"pool {NAME}: the connection was closed in front of its answer" in caplog.text
    assert told[1].decode() in caplog.text
    assert not script.has_waiting()


def test_pipeline_w01_the_other_requests_of_a_pool_go_on(script: Scripted) -> None:
    with RawClient(script.front.address) as first, RawClient(script.front.address) as second:
        first.send([GET])
        with script.accepted() as dying:
            second.send([GET])
            with script.accepted() as other:
                read_head(dying)
                read_head(other)
                dying.close()
                assert first.read_answer().status == 502
                other.sendall(OK)
                assert second.read_answer().status == 200
        first.send([GET])
        with script.accepted() as successor:
            read_head(successor)
            successor.sendall(OK)
            assert first.read_answer().status == 200


def test_pipeline_x07_an_answer_that_breaks_off_is_cut(script: Scripted) -> None:
    with RawClient(script.front.address) as client:
        client.send([GET])
        with script.accepted() as worker:
            read_head(worker)
            worker.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n" + b"x" * 70_000)
            assert client.has_answer()
        assert len(client.read_end()) < 100_000


def test_pipeline_w01_a_request_waits_for_a_worker_that_starts(tmp_path: Path) -> None:
    with pooled(sized, tmp_path, with_worker=False) as subject, RawClient(subject.front.address) as client:
        client.send([b"GET /x?3 HTTP/1.1\r\nHost: a\r\n\r\n"])
        with subject.worker():
            assert client.read_final_answer()[0].body == b"xxx"
        # And the next one for the next worker, although the connection to the last is gone.
        client.send([b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nxy"])
        with subject.worker():
            assert client.read_final_answer()[0].body == b"xx"


def test_pipeline_w01_where_nobody_listens_the_answer_is_503_and_when_to_come_again(tmp_path: Path) -> None:
    with pooled(sized, tmp_path, with_worker=False) as subject, RawClient(subject.front.address) as client:
        subject.listening.close()
        for _ in range(5):
            client.send([GET])
            answer = client.read_answer()
            assert (answer.status, answer.find(b"retry-after")) == (503, b"5")


def test_pipeline_t03_a_silent_pool_is_a_504(tmp_path: Path) -> None:
    with (
        Scripted(tmp_path, pool={"read_timeout": 0.05}) as script,
        RawClient(script.front.address) as client,
    ):
        client.send([GET])
        with script.accepted() as worker:
            read_head(worker)
            answer = client.read_answer()
            assert (answer.status, b"did not answer in time" in answer.body) == (504, True)
            assert worker.recv(1) == b""


def test_pipeline_t03_the_deadline_of_the_location_holds(tmp_path: Path) -> None:
    locations = (LocationSettings(at="/", limits=LocationLimitSettings(deadline=0.2)),)
    with Scripted(tmp_path, locations=locations) as script, RawClient(script.front.address) as client:
        client.send([GET])
        with script.accepted() as worker:
            read_head(worker)
            assert client.read_answer().status == 504
            assert worker.recv(1) == b""


def test_a_pool_that_does_not_speak_http_is_a_502(script: Scripted) -> None:
    with RawClient(script.front.address) as client:
        client.send([GET])
        with script.accepted() as worker:
            read_head(worker)
            worker.sendall(b"hello\r\n\r\n")
            assert client.read_answer().status == 502


def test_when_all_connections_are_busy_requests_wait_for_one_and_beyond_the_queue_it_is_503(tmp_path: Path) -> None:
    with ExitStack() as stack:
        script = stack.enter_context(Scripted(tmp_path, pool={"connections": 1, "queue": 1}))
        inside, *others = [stack.enter_context(RawClient(script.front.address)) for _ in range(3)]
        inside.send([GET])
        with script.accepted() as worker:
            read_head(worker)
            for client in others:
                client.send([GET])
            refused = next((client for client in others if client.buffer), None) or first_ready(others)
            assert refused.read_answer().status == 503
            worker.sendall(OK)
            assert inside.read_answer().status == 200
            read_head(worker)
            worker.sendall(OK)
            assert next(client for client in others if client is not refused).read_answer().status == 200


def first_ready(clients: list[RawClient]) -> RawClient:
    ready, _, _ = select.select([client.socket for client in clients], [], [], 5)
    return next(client for client in clients if client.socket in ready)


def test_a_client_that_leaves_takes_its_connection_to_the_pool_along(script: Scripted) -> None:
    with RawClient(script.front.address) as client:
        client.send([GET])
        with script.accepted() as worker:
            read_head(worker)
            client.reset()
            assert worker.recv(1) == b""


def test_the_key_is_shown_nowhere(script: Scripted, caplog: pytest.LogCaptureFixture) -> None:
    from penstock.request_handlers.pool_address import PoolAddress
    from tests.request_handlers.pool_subject import KEY

    caplog.set_level(logging.DEBUG)
    assert exchange_of(script)[0] == 502
    shown = [repr(KEY)[2:-1], KEY.hex()]
    assert not [each for each in shown if each in caplog.text or each in repr(PoolAddress("/run/p.sock", KEY))]


def exchange_of(script: Scripted) -> tuple[int, bytes]:
    with RawClient(script.front.address) as client:
        client.send([GET])
        with script.accepted() as worker:
            read_head(worker)
        answer = client.read_answer()
        return answer.status, answer.body


def test_a_wsgi_application_sees_no_websocket(tmp_path: Path) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [environ["HTTP_UPGRADE"].encode()]

    with pooled(app, tmp_path, settings_for(AppSettings(at="/", wsgi=REFERENCE, pool=NAME))) as subject:
        request = b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        assert exchange(subject, request) == (200, b"websocket")
