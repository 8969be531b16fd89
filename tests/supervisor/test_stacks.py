"""This file is the test of stacks: of processes that cannot tell them any more, and of requests in a process that can."""

import asyncio
import faulthandler
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from penstock.server import open_client
from penstock.settings import AppSettings, RouteSettings, Settings, SiteSettings
from penstock.supervisor.stacks import SIGNAL, install_stacks, stacks_of_tasks, take_stacks
from penstock.testing import Client

STUCK = """
import sys
from penstock.supervisor.stacks import install_stacks

def turn_for_ever():
    print("turning", flush=True)
    while True:
        pass

install_stacks(int(sys.argv[1]))
turn_for_ever()
"""
WITHOUT = "import sys; print('there', flush=True); sys.stdin.read()"


@contextmanager
def process(program: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A process that has said its first line, and the file of its stacks."""
    with tempfile.TemporaryFile() as file:
        number = file.fileno()
        arguments = [sys.executable, "-c", program, str(number)]
        started = subprocess.Popen(
            arguments, pass_fds=[number], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        try:
            assert started.stdout is not None
            assert started.stdout.readline()
            yield started, number
        finally:
            started.kill()
            started.communicate()


class TestOfAnotherProcess:
    def test_pipeline_w04_a_process_whose_loop_does_not_turn(self) -> None:
        with process(STUCK) as (stuck, file):
            told = asyncio.run(take_stacks(stuck.pid, file, within=20))
            assert "in turn_for_ever" in told
            again = asyncio.run(take_stacks(stuck.pid, file, within=20))
            assert again.count("in turn_for_ever") == 1, "what was told before is gone"
            assert stuck.poll() is None

    def test_one_that_would_be_killed_by_the_signal_is_not_asked(self) -> None:
        with process(WITHOUT) as (other, file):
            assert f"{other.pid} cannot be asked" in asyncio.run(take_stacks(other.pid, file, within=20))
            assert other.poll() is None

    def test_one_that_has_ended(self) -> None:
        with process(WITHOUT) as (other, file):
            other.kill()
            other.wait()
            assert "has ended" in asyncio.run(take_stacks(other.pid, file, within=20))

    def test_one_that_was_stopped_does_not_hold_up_who_asks(self) -> None:
        with process(STUCK) as (stuck, file):
            os.kill(stuck.pid, signal.SIGSTOP)
            assert "within 0.1 seconds" in asyncio.run(take_stacks(stuck.pid, file, within=0.1))

    def test_its_file_is_not_inherited_by_what_it_starts(self) -> None:
        assert SIGNAL is not None
        before = signal.getsignal(SIGNAL)
        with tempfile.TemporaryFile() as file:
            os.set_inheritable(file.fileno(), True)
            try:
                install_stacks(file.fileno())
                assert not os.get_inheritable(file.fileno())
            finally:
                faulthandler.unregister(SIGNAL)
                signal.signal(SIGNAL, before)


class Asked:
    """An application, a function in threads and an asynchronous generator that wait; each says when it does."""

    def __init__(self) -> None:
        self.waits = asyncio.Event()
        self.may_go = asyncio.Event()
        self.may_go_in_thread = threading.Event()
        self.loop = asyncio.get_running_loop()

    async def hold_application(self) -> None:
        self.waits.set()
        await self.may_go.wait()

    async def application(self, scope: Any, receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        if scope["type"] != "http":
            raise RuntimeError
        await self.hold_application()
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    async def pieces(self) -> AsyncIterator[int]:
        await self.hold_application()
        yield 1

    async def generating(self) -> str:
        async for _ in self.pieces():
            pass
        return ""

    def hold_thread(self) -> str:
        self.loop.call_soon_threadsafe(self.waits.set)
        self.may_go_in_thread.wait()
        return ""

    def wsgi(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        start_response("200 OK", [])
        return [self.hold_thread().encode()]

    def client(self) -> Client:
        routes = (
            RouteSettings(at="/generating", function="subject:generating"),
            RouteSettings(at="/thread", function="subject:hold_thread", threads=1),
        )
        apps = (AppSettings(at="/", asgi="subject:application"), AppSettings(at="/wsgi", wsgi="subject:wsgi"))
        site = SiteSettings(routes=routes, apps=apps)
        names = ("application", "wsgi", "generating", "hold_thread")
        objects = {f"subject:{name}": getattr(self, name) for name in names}
        return open_client(Settings(sites=(site,)), objects=objects)


async def stacks_inside(path: str) -> str:
    asked = Asked()
    async with asked.client() as client:
        asking = asyncio.ensure_future(client.get(path))
        await asked.waits.wait()
        told = stacks_of_tasks(client.runtime)
        asked.may_go.set()
        asked.may_go_in_thread.set()
        assert (await asking).status in (200, 204)
    return told


class TestOfItself:
    def test_pipeline_d05_a_request_with_its_stage_and_stack(self) -> None:
        told = asyncio.run(stacks_inside("/cart%1b?key=hunter2"))
        lines = told.splitlines()
        assert lines[0].startswith("request GET /cart")
        assert " in EXECUTE" in lines[0]
        assert "hunter2" not in told
        assert "\x1b" not in told
        assert "in Asked.hold_application" in told
        assert "await self.may_go.wait()" in told

    def test_what_waits_in_an_asynchronous_generator(self) -> None:
        told = asyncio.run(stacks_inside("/generating"))
        assert (
            told.index("in Asked.generating") < told.index("in Asked.pieces") < told.index("in Asked.hold_application")
        )

    @pytest.mark.parametrize("path", ["/thread", "/wsgi"])
    def test_a_request_that_was_handed_to_a_thread_and_that_thread(self, path: str) -> None:
        told = asyncio.run(stacks_inside(path))
        assert f"request GET {path} for " in told
        assert ("handed on" in told) == (path == "/wsgi")
        assert "in hold_thread" in told

    def test_without_requests_there_are_tasks(self) -> None:
        async def told() -> str:
            never = asyncio.get_running_loop().create_future()

            async def wait_for_nothing() -> None:
                await never

            task = asyncio.create_task(wait_for_nothing(), name="idler")
            await asyncio.sleep(0)
            text = stacks_of_tasks()
            task.cancel()
            return text

        text = asyncio.run(told())
        assert text.startswith("task idler\n")
        assert "wait_for_nothing" in text

    def test_of_very_many_tasks_not_all(self) -> None:
        async def told() -> str:
            tasks = [asyncio.create_task(asyncio.Event().wait()) for _ in range(203)]
            await asyncio.sleep(0)
            text = stacks_of_tasks()
            for task in tasks:
                task.cancel()
            return text

        assert "and 3 more tasks" in asyncio.run(told())
