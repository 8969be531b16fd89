"""A whole server in a thread."""

import threading
from typing import Any

import httpx
import pytest

from penstock.errors import StartupError
from penstock.server import ServerThread
from tests.wire.listener_subject import Subject, server_settings


def test_serves_until_the_block_ends() -> None:
    with ServerThread(Subject()) as server:
        assert server.url == "http://{}:{}".format(*server.address)
        assert httpx.get(server.url + "/hello").text == "hello"
        assert server.runtime.statistics().succeeded == 1
        assert server.call(threading.current_thread) is server._thread
        url = server.url
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)
    server.stop()  # again, and nothing happens


def test_is_not_running_outside_of_its_block() -> None:
    server = ServerThread(Subject())
    for look in (lambda: server.url, lambda: server.runtime, lambda: server.call(int)):
        with pytest.raises(RuntimeError, match="with block"):
            look()


def test_failing_start_is_raised() -> None:
    async def failing(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    with pytest.raises(StartupError, match="no database"), ServerThread(failing, server=server_settings()):
        pass


def test_error_of_the_block_goes_first() -> None:
    with pytest.raises(ZeroDivisionError), ServerThread(Subject()):
        raise ZeroDivisionError
