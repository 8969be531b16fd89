"""This file is the test of the commands against a server with real workers: what they show and what they do."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from tests.tools.processes import environment, run
from tests.wire.supervisor.supervised import PATIENCE, Supervised, supervised, write_site

# Requests wait for others, not for a time: /hold until /release, /stuck until there is a file.
APPLICATION = """
import asyncio, os, time

released = asyncio.Event()

async def wait_for_release():
    await released.wait()

def turn_until_there_is_a_file():
    while not os.path.exists("go"):
        time.sleep(0.01)

async def app(scope, receive, send):
    if scope["type"] != "http":
        raise RuntimeError
    if scope["path"] == "/hold":
        await wait_for_release()
    if scope["path"] == "/release":
        released.set()
    if scope["path"] == "/stuck":
        turn_until_there_is_a_file()
    body = str(os.getpid()).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})
"""


def command(server: Supervised, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `penstock` with these words; it finds the server by the site file in its folder."""
    return run(*words, folder=server.folder)


def printed(server: Supervised, *words: str) -> str:
    """What a command prints that succeeds."""
    done = command(server, *words)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@contextlib.contextmanager
def requesting(server: Supervised, path: str) -> Iterator[None]:
    """A request in a thread of its own, which is answered before the block ends."""
    statuses: list[int] = []
    thread = threading.Thread(target=lambda: statuses.append(server.get(path)[0]))
    thread.start()
    try:
        yield
    finally:
        thread.join(PATIENCE)
    assert statuses == [200]


class TestSeeing:
    def test_pipeline_d05_a_request_inside_with_its_stage_and_its_stack(self, tmp_path: Path) -> None:
        (tmp_path / "app.py").write_text(APPLICATION, "utf-8")
        with supervised(tmp_path, workers=1) as server:
            with requesting(server, "/hold?key=hunter2"):
                (inside,) = server.wait(lambda: server.ask("GET", "/v1/requests")[1]["requests"])
                assert (inside["path"], inside["stage"]) == ("/hold", "EXECUTE")
                line = printed(server, "requests").splitlines()[1]
                assert "/hold" in line
                assert "hunter2" not in line
                stacks = printed(server, "stacks", str(inside["worker"]))
                assert stacks.startswith("request GET /hold for ")
                assert "in wait_for_release" in stacks
                server.get("/release")
            assert printed(server, "requests") == "no request waits inside\n"
            assert "penstock.toml" in printed(server, "status")
            assert json.loads(printed(server, "workers", "--json"))["workers"][0]["state"] == "serving"
            assert "1 of 1" in printed(server, "pools")

    def test_pipeline_w04_the_stacks_of_a_worker_whose_loop_does_not_turn(self, tmp_path: Path) -> None:
        (tmp_path / "app.py").write_text(APPLICATION, "utf-8")
        with supervised(tmp_path, workers=1) as server:
            worker = str(server.workers()[0]["id"])
            with requesting(server, "/stuck"):
                server.wait(lambda: "silent for " in printed(server, "workers"), "silence")
                assert f"worker {worker} does not answer" in printed(server, "requests")
                assert "in turn_until_there_is_a_file" in printed(server, "stacks", worker)
                (tmp_path / "go").touch()
            assert server.get()[0] == 200


class TestDoing:
    def test_a_site_file_is_edited_right_and_wrong(self, tmp_path: Path) -> None:
        with supervised(tmp_path, workers=1) as server:
            old = server.pids()
            assert printed(server, "diff") == "nothing differs\n"
            write_site(tmp_path, workers=1, server="limits = { body = 1000 }", control=server.control)
            assert "server.limits.body: 30_000_000 -> 1000" in printed(server, "diff")
            assert "default  replaced" in printed(server, "reload")
            assert not old & server.pids()
            assert server.ask("GET", "/v1/settings")[1]["server"]["limits"]["body"] == 1000
            kept = server.pids()
            write_site(tmp_path, workers=1, server="limits = { bodi = 1 }", control=server.control)
            for words in (("reload",), ("diff",)):
                refused = command(server, *words)
                assert (refused.returncode, refused.stdout) == (1, "")
                assert refused.stderr == command(server, "check").stderr
            status, problem = server.ask("POST", "/v1/reload")
            assert (status, len(problem["problems"])) == (422, 1)
            assert server.pids() == kept

    def test_workers_are_added_taken_away_and_replaced(self, tmp_path: Path) -> None:
        with supervised(tmp_path, workers=1) as server:
            assert printed(server, "scale", "default", "2") == "default is running, 2 of 2 workers serve\n"
            old = server.pids()
            assert len(old) == 2
            printed(server, "recycle", "--worker", str(server.workers()[0]["id"]))
            assert len(old & server.pids()) == 1
            printed(server, "recycle", "--pool", "default")
            assert not old & server.pids()
            printed(server, "scale", "default", "1")
            server.wait(lambda: len(server.pids()) == 1, "one worker")
            refused = command(server, "scale", "defualt", "2")
            assert (refused.returncode, refused.stderr) == (1, 'there is no pool "defualt"; did you mean "default"?\n')

    def test_a_pool_is_drained_and_resumed_and_all_is_stopped(self, tmp_path: Path) -> None:
        with supervised(tmp_path, workers=1) as server:
            assert printed(server, "drain", "default").startswith("default is drained")
            assert server.get()[0] == 503
            assert "drained" in printed(server, "pools")
            printed(server, "resume", "default")
            server.wait(lambda: server.get()[0] == 200, "an answer")
            assert server.ask("POST", "/v1/stop")[0] == 202
            assert server.wait_end() == 0
            assert not os.path.exists(server.control)
            gone = command(server, "status")
            assert (gone.returncode, gone.stdout) == (3, "")
            assert "penstock serve penstock.toml --workers 2" in gone.stderr


class TestAttacks:
    def test_a_thousand_times_garbage_and_the_server_goes_on(self, tmp_path: Path) -> None:
        garbage = (b"\x00" * 99, b"GET / HTTP/9\r\n\r\n", b"POST /v1/stop HTTP/1.1\r\n\r\n", b"x" * 70_000)
        with supervised(tmp_path, workers=1) as server:
            before = server.status()
            with contextlib.ExitStack() as idle:
                for number in range(1000):
                    sender = socket.socket(socket.AF_UNIX)
                    if number % 50:
                        with sender:
                            _send(sender, server.control, garbage[number % 4])
                    else:  # these stay, and are slow
                        idle.enter_context(sender)
                        _send(sender, server.control, b"GET /v1/sta")
                assert server.get()[0] == 200
                # Where the backlog is full still, commands wait for room.
                printed(server, "recycle")
                after = json.loads(printed(server, "status", "--json"))
            assert after["pid"] == before["pid"]
            assert after["rss"] < before["rss"] + 10_000_000


def _send(sender: socket.socket, path: str, content: bytes) -> None:
    sender.connect(path)  # blocking: where the backlog is full, it waits for room
    sender.settimeout(PATIENCE)
    with contextlib.suppress(ConnectionError):
        sender.sendall(content)


def test_without_a_path_it_is_found_by_the_site_file_and_one_of_a_killed_server_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APPLICATION, "utf-8")
    lines = [
        "[server]",
        'listen = ["127.0.0.1:0"]',
        "workers = 1",
        "[[site]]",
        "[[site.app]]",
        'at = "/"',
        'asgi = "app:app"',
    ]
    (tmp_path / "penstock.toml").write_text("\n".join(lines), "utf-8")
    with tempfile.TemporaryDirectory() as runtime:
        variables = environment(XDG_RUNTIME_DIR=runtime)
        for is_last in (False, True):
            arguments = [sys.executable, "-m", "penstock", "serve", "penstock.toml"]
            process = subprocess.Popen(arguments, cwd=tmp_path, env=variables, stdout=subprocess.PIPE, text=True)
            with process:
                assert process.stdout is not None
                assert " serving " in process.stdout.readline()
                told = run("workers", "--json", folder=tmp_path, XDG_RUNTIME_DIR=runtime)
                assert json.loads(told.stdout)["workers"][0]["state"] == "serving"
                if is_last:
                    process.terminate()
                else:
                    process.kill()
            assert process.returncode == (0 if is_last else -9)
            assert len(os.listdir(os.path.join(runtime, "penstock"))) == (0 if is_last else 1)
