"""Large files over real sockets: slow clients, clients that vanish, files that shrink; no descriptor is left open."""

import hashlib
import os
import random
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from penstock.hosts.http1_service import Http1Service
from penstock.server import ServerThread
from penstock.settings import Settings, SiteSettings
from tests.wire.listener_subject import Errors, eventually, get, server_settings
from tests.wire.raw_client import RawClient

MIB = 1 << 20
SIZE = 24 * MIB + 17


@dataclass(frozen=True, slots=True)
class Files:
    thread: ServerThread
    folder: Path
    digest: str

    @property
    def service(self) -> Http1Service:
        host = self.thread.server._host
        assert host is not None
        return host._service

    def is_empty(self) -> bool:
        return not self.service.connections

    def sweep(self, seconds: float) -> None:
        self.thread.call(lambda: self.service.sweep(self.service.loop.time() + seconds))

    def open_files(self) -> int:
        """Descriptors of this process that lead into the folder, and sockets that are connected to the server."""
        links = [os.readlink(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd") if _exists(name)]
        return sum(link.startswith(str(self.folder)) for link in links)


def _exists(name: str) -> bool:
    return os.path.lexists(f"/proc/self/fd/{name}")


@pytest.fixture(scope="module", params=["auto", "asyncio"])
def files(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Files]:
    folder = tmp_path_factory.mktemp("files")
    content = random.Random(1).randbytes(MIB) * 24 + b"the end, 17 bytes"
    (folder / "large.bin").write_bytes(content)
    (folder / "small.txt").write_bytes(b"small")
    settings = Settings(server=server_settings(loop=request.param), sites=(SiteSettings(root=str(folder)),))
    errors = Errors()
    with errors, ServerThread(settings) as thread:
        served = Files(thread, folder, hashlib.sha256(content).hexdigest())
        yield served
        assert eventually(served.is_empty)
        assert served.open_files() == 0
    assert errors.lines == []


def test_whole_file_and_what_comes_behind_it(files: Files) -> None:
    with RawClient(files.thread.address) as client:
        client.send([get("/large.bin") + get("/small.txt")])
        answer = client.read_answer()
        assert (answer.framing, hashlib.sha256(answer.body).hexdigest()) == ("length", files.digest)
        assert client.read_answer().body == b"small"


def test_range_and_head(files: Files) -> None:
    with RawClient(files.thread.address) as client:
        client.send([get("/large.bin", b"Range: bytes=-17")])
        assert client.read_answer().body == b"the end, 17 bytes"
        client.send([get("/large.bin", method="HEAD")])
        assert client.read_answer("HEAD").find(b"content-length") == b"%d" % SIZE
        client.send([get("/small.txt")])
        assert client.read_answer().body == b"small"


def test_half_closed_client_gets_the_whole_file(files: Files) -> None:
    with RawClient(files.thread.address) as client:
        client.send([get("/large.bin")])
        client.send_end()
        assert hashlib.sha256(client.read_answer().body).hexdigest() == files.digest
        assert client.read_end() == b""


def test_slow_client_gets_the_whole_file_while_others_are_served(files: Files) -> None:
    with RawClient(files.thread.address, receive_buffer=65_536) as slow, RawClient(files.thread.address) as other:
        slow.send([get("/large.bin")])
        assert slow.has_answer()
        for second in range(15):
            slow._receive_some()
            other.send([get("/small.txt")])
            assert other.read_answer().body == b"small"
            threading.Event().wait(0.01)
            files.sweep(second)  # slow, and steady enough
        assert hashlib.sha256(slow.read_answer().body).hexdigest() == files.digest


def test_client_that_stands_still_is_cut_off(files: Files) -> None:
    with RawClient(files.thread.address, receive_buffer=65_536) as client:
        client.send([get("/large.bin")])
        assert client.has_answer()
        assert eventually(lambda: any(each.file_ready for each in files.service.connections))
        for second in range(8):
            files.sweep(second)
        assert eventually(files.is_empty)
    assert eventually(lambda: files.open_files() == 0)


def test_row_37_vanishing_clients_leave_no_descriptor(files: Files) -> None:
    for number in range(60):
        client = RawClient(files.thread.address, receive_buffer=65_536)
        client.send([get("/large.bin")])
        if number % 3:
            assert client.has_answer()
        client.reset() if number % 2 else client.close()
    assert eventually(files.is_empty)
    assert eventually(lambda: files.open_files() == 0)


def test_fast_client_does_not_keep_others_waiting(files: Files) -> None:
    is_over = threading.Event()

    def load() -> None:
        with socket.create_connection(files.thread.address) as client:
            client.settimeout(5)
            request = get("/large.bin") * 4
            client.sendall(request)
            while not is_over.is_set():
                client.recv(4 * MIB)

    thread = threading.Thread(target=load)
    thread.start()
    with RawClient(files.thread.address) as client:
        times = []
        for _ in range(20):
            started = time.monotonic()
            client.send([get("/small.txt")])
            assert client.read_answer().body == b"small"
            times.append(time.monotonic() - started)
    is_over.set()
    thread.join()
    assert sorted(times)[10] < 0.25


def test_file_that_shrinks_under_way_cuts_the_connection(files: Files) -> None:
    path = files.folder / "shrinking.bin"
    path.write_bytes(b"x" * SIZE)
    with RawClient(files.thread.address, receive_buffer=65_536) as client:
        client.send([get("/shrinking.bin")])
        assert client.has_answer()
        os.truncate(path, MIB)
        with pytest.raises(AssertionError, match="the connection ended within"):
            client.read_answer()
    assert eventually(files.is_empty)
