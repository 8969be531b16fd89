"""The own listener, from open to close."""

import asyncio
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from penstock.hosts.listener import BoundSocket, open_sockets, parse_bind
from penstock.hosts.loop import new_event_loop
from penstock.hosts.socket_host import SocketHost
from tests.hosts.wired import Wired


async def serve(bound: list[BoundSocket], *, opens: bool = True) -> SocketHost:
    wired = await Wired().begin()
    wired.service.connections.clear()
    wired.answer_at_once()
    host = SocketHost(wired.service, bound)
    if opens:
        await host.open()
    return host


def connect(*address: Any) -> socket.socket:
    """A client that is connected as far as the kernel goes, and does not block."""
    client = socket.socket(socket.AF_INET if len(address) > 1 else socket.AF_UNIX)
    client.connect(address if len(address) > 1 else address[0])
    client.setblocking(False)
    return client


@pytest.mark.parametrize("kind", ["uvloop", "asyncio"])
class TestSocketHost:
    def run(self, kind: str, coroutine: object) -> None:
        loop = new_event_loop(kind)
        try:
            loop.run_until_complete(coroutine)  # type: ignore[arg-type]
        finally:
            loop.close()

    def test_serves_every_socket_and_closes_them(self, kind: str, tmp_path: Path) -> None:
        async def check() -> None:
            wired = await Wired().begin()
            wired.service.connections.clear()
            wired.answer_at_once()
            path = str(tmp_path / "app.sock")
            host = SocketHost(wired.service, open_sockets([parse_bind("127.0.0.1:0"), parse_bind(f"unix:{path}")]))
            urls = await host.open()
            port = int(urls[0].rpartition(":")[2])
            for opening in (asyncio.open_connection("127.0.0.1", port), asyncio.open_unix_connection(path)):
                reader, writer = await opening
                writer.write(b"GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                assert (await reader.read()).endswith(b"\r\n\r\n/a")
                writer.close()
                await writer.wait_closed()
            assert [request.connection.is_unix for request in wired.requests] == [False, True]
            await host.stop_accepting()
            with pytest.raises(OSError):
                await asyncio.open_connection("127.0.0.1", port)
            assert os.listdir(tmp_path) == []
            await host.serve_expected()
            await host.wait_sent(0.1)
            await host.close()
            await host.close()

        self.run(kind, check())

    def test_cuts_what_is_left(self, kind: str) -> None:
        async def check() -> None:
            wired = await Wired().begin()
            wired.service.connections.clear()
            host = SocketHost(wired.service, open_sockets([parse_bind("127.0.0.1:0")]))
            (url,) = await host.open()
            reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
            writer.write(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
            for _ in range(1000):
                if wired.requests:
                    break
                await asyncio.sleep(0.001)
            await host.close()
            assert await reader.read() == b""
            writer.close()
            await asyncio.sleep(0)
            assert wired.requests[0].is_disconnected
            assert wired.service.connections == set()

        self.run(kind, check())

    def test_what_waits_is_left_to_a_successor(self, kind: str, tmp_path: Path) -> None:
        """Both have the same sockets; whoever is not accepted by the first is by the second, and nobody is refused."""

        async def check() -> None:
            path = str(tmp_path / "app.sock")
            bound = open_sockets([parse_bind("127.0.0.1:0"), parse_bind(f"unix:{path}")])
            port = bound[0].socket.getsockname()[1]
            copies = [BoundSocket(each.socket.dup(), each.bind, tls=False) for each in bound]
            first, second = await serve(copies), await serve(bound, opens=False)
            clients = [connect("127.0.0.1", port) for _ in range(20)] + [connect(path) for _ in range(20)]
            await first.stop_accepting(leave_waiting=True)
            assert first.connections == len(first._service.connections)
            clients += [connect("127.0.0.1", port), connect(path)]
            accepted = len(first._service.connections)
            assert accepted < len(clients)
            await second.open()
            for client in clients:
                client.sendall(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
            loop = asyncio.get_running_loop()
            answers = [await loop.sock_recv(client, 1000) for client in clients]
            assert all(answer.endswith(b"\r\n\r\n/a") for answer in answers)
            assert sum(b"connection: close" in answer for answer in answers) == accepted
            for client in clients:
                client.close()
            await first.close()
            assert os.listdir(tmp_path) == ["app.sock"]
            await second.close()
            assert os.listdir(tmp_path) == []

        self.run(kind, check())

    def test_silent_clients_are_probed(self, kind: str) -> None:
        async def check() -> None:
            wired = await Wired().begin()
            wired.service.connections.clear()
            bound = open_sockets([parse_bind("127.0.0.1:0")])
            host = SocketHost(wired.service, bound, backlog=77)
            await host.open()
            assert bound[0].socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            await host.close()

        self.run(kind, check())
