"""Hostile clients at random: bytes, ends, resets, floods, and no descriptors left (bad-input rows 37 and 85)."""

import os
import random
import resource
import select
import socket
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from tests.wire.listener_subject import Serving, eventually, get, post, server_settings, serving
from tests.wire.raw_client import RawClient

SECONDS = 2.5
TARGETS = ("/hello", "/echo", "/unread", "/ticking", "/echo-stream", "/large?70000", "/closing", "/broken")


class Hostile:
    """Sends what nobody should, and leaves as nobody should. What it does is decided by its seed."""

    def __init__(self, address: tuple[str, int], seed: int) -> None:
        self._address = address
        self._random = random.Random(seed)
        self.rounds = 0

    def run(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.rounds += 1
            try:
                self._attack()
            except OSError:
                continue  # the server has had enough

    def _attack(self) -> None:
        chosen = self._random
        with socket.create_connection(self._address, timeout=1) as client:
            stream = b"".join(self._request() for _ in range(chosen.choice((1, 1, 1, 3, 40))))
            if chosen.random() < 0.3:
                stream = self._damaged(stream)
            while stream:
                size = chosen.choice((1, 7, 100, 5000, len(stream)))
                client.sendall(stream[:size])
                stream = stream[size:]
                if chosen.random() < 0.1:
                    break
                if chosen.random() < 0.2:
                    self._read(client, 0.001)
            self._leave(client)

    def _request(self) -> bytes:
        chosen = self._random
        target = chosen.choice(TARGETS)
        kind = chosen.random()
        if kind < 0.3:
            return get(target, version=chosen.choice(("1.0", "1.1")))
        if kind < 0.5:
            return post(chosen.randbytes(chosen.choice((0, 1, 5000, 70_000))), target=target)
        if kind < 0.7:
            chunks = b"".join(b"%x\r\n%b\r\n" % (n, b"x" * n) for n in chosen.choices((1, 5, 3000), k=3))
            return get(target, b"Transfer-Encoding: chunked", method="POST") + chunks + b"0\r\n\r\n"
        if kind < 0.8:
            return get(target, b"Content-Length: 99999999999", method="PUT")
        if kind < 0.9:
            return get(target, b"Expect: 100-continue", b"Content-Length: 10", method="POST") + b"x" * 10
        return chosen.randbytes(chosen.randrange(1, 200))

    def _damaged(self, stream: bytes) -> bytes:
        chosen = self._random
        at = chosen.randrange(len(stream))
        cut = chosen.choice((b"", b"\x00", b"\n", b"\r\n\r\n", b" ", b"\xff", stream[:at]))
        return stream[:at] + cut + stream[at + chosen.choice((0, 1, 10)) :]

    def _leave(self, client: socket.socket) -> None:
        kind = self._random.random()
        if kind < 0.3:
            client.shutdown(socket.SHUT_WR)
            self._read(client, 0.02)
        elif kind < 0.5:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        elif kind < 0.9:
            self._read(client, 0.01)

    def _read(self, client: socket.socket, seconds: float) -> None:
        if select.select([client], [], [], seconds)[0]:
            client.recv(self._random.choice((1, 1000, 1_000_000)))


@pytest.mark.parametrize("loop", ["auto", "asyncio"])
def test_random_clients_leave_nothing_behind(loop: str) -> None:
    with serving(server_settings(loop=loop)):
        pass  # what a loop opens once for the whole process is open now
    before = count_descriptors()
    with serving(server_settings(loop=loop), body=100_000, header_timeout=1.0) as served:
        served.thread.call(served.subject.gate.set)
        hostiles = [Hostile(served.address, seed) for seed in range(4)]
        threads = [threading.Thread(target=hostile.run, args=(SECONDS,)) for hostile in hostiles]
        for thread in threads:
            thread.start()
        check_decent_client(served)
        for thread in threads:
            thread.join()
        check_decent_client(served)
        assert sum(hostile.rounds for hostile in hostiles) > 100
        assert eventually(partial(is_swept_empty, served))
        served.check_empty()
    assert count_descriptors() <= before


def is_swept_empty(served: Serving) -> bool:
    served.sweep()
    return served.is_empty()


def check_decent_client(served: Serving) -> None:
    with RawClient(served.address) as client:
        for _ in range(20):
            client.send([get("/hello?decent")])
            assert client.read_answer().body == b"decent"


def count_descriptors() -> int:
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


def test_connections_that_come_and_go_leave_nothing_behind() -> None:
    with serving() as served:
        for number in range(600):
            with socket.create_connection(served.address) as client:
                if number % 3:
                    client.sendall(get()[: number % 40])
        check_decent_client(served)


SERVER = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (48, 48))
from penstock.server import serve
from penstock.settings import LogSettings, RouteSettings, ServerSettings, Settings, SiteSettings
settings = Settings(
    server=ServerSettings(listen=("127.0.0.1:0",), loop=sys.argv[1], graceful_timeout=0.1, log=LogSettings(access=False)),
    sites=(SiteSettings(routes=(RouteSettings(at="/hello", function="x:hello"),)),),
)
serve(settings, ready=lambda server: print(server.addresses[0], flush=True), objects={"x:hello": lambda: "hello"})
"""


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_row_85_no_descriptors_left_does_not_spin(loop: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, loop], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline().rpartition(":")[2])
        clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(100)]
        threading.Event().wait(0.3)
        before = processor_seconds(process.pid)
        threading.Event().wait(1.0)
        assert processor_seconds(process.pid) - before < 0.3
        for client in clients:
            client.close()
        assert eventually(lambda: is_served(port))
    finally:
        process.terminate()
        _, log = process.communicate(timeout=10)
    assert process.returncode == 0
    assert log.count("\n") < 1000, log[:2000]


def processor_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def is_served(port: int) -> bool:
    with RawClient(("127.0.0.1", port), seconds=2) as client:
        client.send([get()])
        return client.has_answer() and client.read_answer().status == 200


def test_memory_of_many_idle_connections_is_small() -> None:
    limit = min(resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2 - 100, 1500)
    with serving() as served:
        clients = [socket.create_connection(served.address) for _ in range(limit)]
        assert eventually(lambda: len(served.service.connections) == limit)
        check_decent_client(served)
        for client in clients:
            client.close()
