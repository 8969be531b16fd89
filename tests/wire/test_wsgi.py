"""WSGI over real sockets: middleware section 15.4 (a) to (f), and what only a wire can show."""

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock.server import ServerThread
from penstock.settings import AppSettings, LogSettings, ServerSettings, SiteSettings
from tests.pipeline_gateways.wsgi_subject import OK, TEXT, Application, Closing, Environ, Start
from tests.wire.raw_client import RawClient

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
BOTH = pytest.mark.parametrize("threads", [0, 2], ids=["inline", "threads"])


def serving(
    application: Application, *, threads: int = 2, queue: int = 64, listen: str = "127.0.0.1:0"
) -> ServerThread:
    settings = AppSettings(at="/", wsgi="tested:application", threads=threads, queue=queue)
    return ServerThread(
        SiteSettings(apps=(settings,)),
        server=ServerSettings(listen=(listen,), log=LogSettings(access=False), graceful_timeout=5.0),
        objects={"tested:application": application},
    )


class Steps:
    """An application that yields a piece whenever the test lets it."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = pieces
        self.turns = threading.Semaphore(0)
        self.made = 0
        self.result = Closing(self._make())

    def _make(self) -> Iterator[bytes]:
        for piece in self.pieces:
            self.turns.acquire(timeout=10)
            self.made += 1
            yield piece

    def __call__(self, environ: Environ, start_response: Start) -> Any:
        start_response(OK, TEXT)
        return self.result


def test_middleware_15_4_a_each_piece_arrives_when_it_is_made() -> None:
    steps = Steps(b"one", b"two", b"three")
    with serving(steps) as server, RawClient(server.address) as client:
        client.send([GET])
        for piece in steps.pieces:
            steps.turns.release()
            _receive_until(client, b"%x\r\n%b\r\n" % (len(piece), piece))
            assert steps.made == steps.pieces.index(piece) + 1
        answer = client.read_answer()
        assert (answer.status, answer.body, answer.framing) == (200, b"onetwothree", "chunked")
    assert steps.result.closed == 1


@BOTH
def test_middleware_15_4_b_a_slow_client_blocks_the_generator(threads: int) -> None:
    made = [0]
    result = Closing(_count_pieces(made, b"x" * 65_536))

    def application(environ: Environ, start_response: Start) -> Any:
        start_response(OK, TEXT)
        return result

    with serving(application, threads=threads) as server:
        with RawClient(server.address, receive_buffer=4096) as client:
            client.send([GET])
            _wait_until_still(made)
            assert (
                0 < made[0] < 400
            )  # what socket buffers, transport and the bound hold together, not the endless answer
        _wait_for(lambda: result.closed == 1)


@BOTH
def test_middleware_15_4_d_a_client_that_leaves_is_noticed_and_close_is_called_once(threads: int) -> None:
    made = [0]
    result = Closing(_count_pieces(made, b"x" * 1000))

    def application(environ: Environ, start_response: Start) -> Any:
        start_response(OK, TEXT)
        return result

    with serving(application, threads=threads) as server:
        with RawClient(server.address) as client:
            client.send([GET])
            assert client.has_answer()
            client.reset()
        _wait_for(lambda: result.closed == 1)
    assert result.closed == 1


def test_middleware_15_4_f_two_threads_and_a_queue_of_one_refuse_the_fourth() -> None:
    may_go = threading.Event()

    def application(environ: Environ, start_response: Start) -> list[bytes]:
        may_go.wait(10)
        start_response(OK, TEXT)
        return [b"done"]

    with serving(application, threads=2, queue=1) as server:
        clients = [RawClient(server.address) for _ in range(4)]
        for client in clients:
            client.send([GET])
        refused = next(iter(_wait_for(lambda: [each for each in clients if _has_bytes(each)])))
        answer = refused.read_answer()
        assert (answer.status, answer.find(b"retry-after")) == (503, b"1")
        may_go.set()
        statuses = [client.read_answer().status for client in clients if client is not refused]
        assert statuses == [200, 200, 200]
        for client in clients:
            client.close()


@BOTH
def test_a_large_upload_is_read_as_it_comes(threads: int) -> None:
    def application(environ: Environ, start_response: Start) -> list[bytes]:
        total = 0
        while block := environ["wsgi.input"].read(100_000):
            total += len(block)
        start_response(OK, TEXT)
        return [b"%d" % total]

    with serving(application, threads=threads) as server, RawClient(server.address) as client:
        for _ in range(2):
            client.send([b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000\r\n\r\n", b"x" * 5_000_000])
            assert client.read_answer().body == b"5000000"
        chunks = b"%x\r\n%b\r\n" % (70_000, b"y" * 70_000)
        client.send([b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", chunks * 3, b"0\r\n\r\n"])
        assert client.read_answer().body == b"210000"


@BOTH
def test_rfc_9110_10_1_1_the_client_is_told_to_go_on_when_somebody_reads(threads: int) -> None:
    def application(environ: Environ, start_response: Start) -> list[bytes]:
        start_response(OK, TEXT)
        return [environ["wsgi.input"].read()]

    with serving(application, threads=threads) as server, RawClient(server.address) as client:
        client.send([b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"])
        assert client.read_answer().status == 100
        client.send([b"body"])
        assert client.read_answer().body == b"body"


def test_an_upload_that_breaks_off_is_an_os_error_where_it_is_read() -> None:
    caught: list[BaseException] = []
    entered = threading.Event()

    def application(environ: Environ, start_response: Start) -> list[bytes]:
        entered.set()
        try:
            environ["wsgi.input"].read()
        except OSError as error:
            caught.append(error)
            raise
        return []

    with serving(application) as server:
        with RawClient(server.address) as client:
            client.send([b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf"])
            assert entered.wait(5)
            client.reset()
        _wait_for(lambda: caught)
    assert len(caught) == 1


@BOTH
def test_requests_one_after_another_and_pipelined_keep_their_answers(threads: int) -> None:
    def application(environ: Environ, start_response: Start) -> list[bytes]:
        start_response(OK, TEXT)
        return [environ["PATH_INFO"].encode("latin-1")]

    with serving(application, threads=threads) as server, RawClient(server.address) as client:
        client.send([b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number for number in range(50))])
        assert [client.read_answer().body for _ in range(50)] == [b"/%d" % number for number in range(50)]


@BOTH
def test_a_file_is_sent_whole(threads: int, tmp_path: Path) -> None:
    content = bytes(range(256)) * 8000
    (tmp_path / "file").write_bytes(content)

    def application(environ: Environ, start_response: Start) -> Any:
        start_response(OK, TEXT)
        return environ["wsgi.file_wrapper"]((tmp_path / "file").open("rb"))

    with serving(application, threads=threads) as server, RawClient(server.address) as client:
        client.send([GET])
        answer = client.read_answer()
        assert (answer.body == content, answer.framing) == (True, "length")
        client.send([b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"])
        assert client.read_answer("HEAD").find(b"content-length") == b"%d" % len(content)
        client.send([GET])
        assert client.read_answer().body == content


@BOTH
def test_http_1_0_streams_until_the_connection_ends(threads: int) -> None:
    def application(environ: Environ, start_response: Start) -> list[bytes]:
        start_response(OK, TEXT)
        return [environ["SERVER_PROTOCOL"].encode(), b" and more"]

    with serving(application, threads=threads) as server, RawClient(server.address) as client:
        client.send([b"GET / HTTP/1.0\r\n\r\n"])
        answer = client.read_answer()
        assert (answer.body, answer.framing) == (b"HTTP/1.0 and more", "close")


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
@BOTH
def test_row_43_no_body_where_there_is_none(threads: int, status: str) -> None:
    def application(environ: Environ, start_response: Start) -> list[bytes]:
        start_response(status, [])
        return [b"body"]

    with serving(application, threads=threads) as server, RawClient(server.address) as client:
        for _ in range(2):
            client.send([GET])
            answer = client.read_answer()
            assert (answer.status, answer.body, answer.framing) == (int(status[:3]), b"", "none")


def test_a_unix_socket_has_no_addresses(tmp_path: Path) -> None:
    seen: dict[str, str] = {}

    def application(environ: Environ, start_response: Start) -> list[bytes]:
        seen.update({key: value for key, value in environ.items() if key.startswith(("SERVER_", "REMOTE_"))})
        start_response(OK, TEXT)
        return [b"done"]

    path = str(tmp_path / "socket")
    with serving(application, listen=f"unix:{path}"), socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        client.connect(path)
        client.sendall(b"GET / HTTP/1.1\r\nHost: example.org:81\r\nConnection: close\r\n\r\n")
        while client.recv(4096):
            pass
    assert (seen["SERVER_NAME"], seen["SERVER_PORT"]) == ("example.org", "80")
    assert [key for key in seen if key.startswith("REMOTE_")] == []


def test_what_is_inside_is_answered_before_the_server_stops() -> None:
    entered, may_go = threading.Event(), threading.Event()
    others = threading.enumerate()  # those that other tests have left behind on purpose may still be ending

    def application(environ: Environ, start_response: Start) -> list[bytes]:
        entered.set()
        may_go.wait(10)
        start_response(OK, TEXT)
        return [b"done"]

    with serving(application) as server, RawClient(server.address) as client:
        client.send([GET])
        assert entered.wait(5)
        server.stop()
        may_go.set()
        assert client.read_answer().body == b"done"
    assert not [each for each in threading.enumerate() if each not in others and each.name.startswith("penstock-wsgi")]


def _count_pieces(made: list[int], piece: bytes) -> Iterator[bytes]:
    while True:
        made[0] += 1
        yield piece


def _receive_until(client: RawClient, mark: bytes) -> None:
    _wait_for(lambda: _has_bytes(client) and mark in client.buffer)


def _has_bytes(client: RawClient) -> bool:
    client._receive_some()
    return bool(client.buffer)


def _wait_for(find: Callable[[], Any]) -> Any:
    pause = threading.Event()
    for _ in range(1000):
        if found := find():
            return found
        pause.wait(0.005)
    raise AssertionError("it did not happen within 5 s")


def _wait_until_still(made: list[int]) -> None:
    pause = threading.Event()
    before = -1
    while before != made[0] or not before:
        before = made[0]
        pause.wait(0.1)
