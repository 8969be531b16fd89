"""The rules of hosting as a client and an operator see them: overlap, notice, drain, idle pools, settings that change, pages of maintenance."""

import contextlib
import http.client
import os
import signal
import threading
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.wire.supervisor.supervised import PATIENCE, Supervised, supervised
from tests.wire.supervisor.test_workers import Load

GATED = """
import asyncio, os, pathlib, time

while not os.path.exists("start"):
    time.sleep(0.01)

async def wait_file(name):
    while not os.path.exists(name):
        await asyncio.sleep(0.01)

async def swallow():
    while True:
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            pathlib.Path("cancelled").touch()

async def stream(scope, send):
    stopping = scope["extensions"]["penstock.stopping"]
    while not stopping.is_set():
        await send({"type": "http.response.body", "body": b"tick", "more_body": True})
        try:
            await asyncio.wait_for(stopping.wait(), 0.1)
        except TimeoutError:
            pass
    await send({"type": "http.response.body", "body": b"bye"})

async def app(scope, receive, send):
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await receive()
        return
    if scope["type"] != "http":
        raise RuntimeError("no lifespan, no sockets")
    path = scope["path"].removeprefix(scope["root_path"])
    if path == "/hold":
        await wait_file("go")
    if path == "/swallow":
        pathlib.Path("swallows").touch()
        await swallow()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if path == "/events":
        return await stream(scope, send)
    await send({"type": "http.response.body", "body": f"{os.environ.get('WHO', 'one')} {os.getpid()}".encode()})
    if path == "/work":
        await wait_file("go")
        pathlib.Path("worked").write_text(str(os.getpid()))
"""
POOL = """
[[site.app]]
at = "/out"
asgi = "app:app"
pool = "reports"
offline_file = "offline.html"
[[pool]]
name = "reports"
environment = { WHO = "first" }
"""


@contextlib.contextmanager
def gated(folder: Path, *, graceful: float = 60, **said: Any) -> Iterator[Supervised]:
    """A server whose workers start while there is a file `start`, with time to drain for longer than a test may take."""
    (folder / "app.py").write_text(GATED)
    (folder / "start").touch()
    with supervised(folder, graceful=graceful, **said) as server:
        try:
            yield server
        finally:
            (folder / "start").touch()
            (folder / "go").touch()


class Asked:
    """A request in a thread; `answer` is what came of it."""

    def __init__(self, server: Supervised, path: str) -> None:
        self.answer: Any = None
        self._thread = threading.Thread(target=self._ask, args=(server, path))
        self._thread.start()

    def _ask(self, server: Supervised, path: str) -> None:
        connection = http.client.HTTPConnection(*server.address, timeout=PATIENCE)
        with contextlib.closing(connection):
            try:
                connection.request("GET", path)
                answer = connection.getresponse()
                self.answer = (answer.status, answer.read().decode(), answer.headers)
            except (OSError, http.client.HTTPException) as error:
                self.answer = error

    def wait(self) -> Any:
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()
        return self.answer


def inside(server: Supervised, path: str) -> int:
    """How many requests for `path` are inside now."""
    requests = server.ask("GET", "/v1/requests")[1]["requests"]
    return sum(each["path"] == path for each in requests)


def leaving(server: Supervised, pid: int) -> bool:
    """Whether a worker drains."""
    return pid in {each["pid"] for each in server.workers(state="draining")}


def state_of(server: Supervised, pool: str) -> str:
    """Of a pool, by its name."""
    return str({each["name"]: each["state"] for each in server.status()["pools"]}[pool])


def wait_beats(server: Supervised, number: int) -> None:
    """Until the first worker of the pool `reports` has told so many times how it is."""
    ages = [0.0]

    def have_come() -> bool:
        ages.extend(each["last_beat"] for each in server.workers("reports")[:1])
        return sum(later < earlier for earlier, later in pairwise(ages)) >= number

    server.wait(have_come)


def is_gone(pid: int) -> bool:
    return not os.path.exists(f"/proc/{pid}")


def test_pipeline_g01_two_reasons_replace_a_worker_once_and_both_are_logged(tmp_path: Path) -> None:
    with gated(tmp_path, workers=1) as server:
        (worker,) = server.workers()
        (tmp_path / "start").unlink()
        path = f"/v1/workers/{worker['id']}/recycle"
        for reason in ("the first of two", "the second of two"):
            assert server.ask("POST", path, {"wait": False, "reason": reason})[0] == 202
        server.wait_line("the first of two")
        server.wait_line("the second of two")
        (tmp_path / "start").touch()
        server.wait(partial(is_gone, worker["pid"]))
        assert server.status()["recycles"] == {"Operator": 1}


def test_pipeline_g04_who_is_inside_ends_in_the_old_worker_while_the_new_one_serves(tmp_path: Path) -> None:
    with gated(tmp_path, workers=1) as server:
        (old,) = server.pids()
        held = Asked(server, "/hold")
        server.wait(lambda: inside(server, "/hold"))
        assert server.ask("POST", "/v1/recycle", {"wait": False})[0] == 202
        server.wait(partial(leaving, server, old))
        (new,) = server.pids()
        for _ in range(5):
            assert server.get() == (200, f"one {new}")
        assert leaving(server, old)
        (tmp_path / "go").touch()
        assert held.wait()[:2] == (200, f"one {old}")
        server.wait(partial(is_gone, old))


def test_pipeline_g06_ten_streams_of_a_worker_that_is_replaced_end_politely(tmp_path: Path) -> None:
    with gated(tmp_path, workers=1) as server:
        (old,) = server.pids()
        streams = [Asked(server, "/events") for _ in range(10)]
        server.wait(lambda: inside(server, "/events") == 10)
        assert server.ask("POST", "/v1/recycle", {"wait": True})[0] == 200
        # Not told, they would go on for the 60 seconds of graceful_timeout.
        for stream in streams:
            status, body, _ = stream.wait()
            assert (status, body[-7:]) == (200, "tickbye")
        server.wait(partial(is_gone, old))


@pytest.mark.parametrize("pool", ["default", "reports"])
def test_pipeline_g06_websockets_of_workers_that_are_replaced_are_told_1001(tmp_path: Path, pool: str) -> None:
    with gated(tmp_path, workers=1, more=POOL) as server:
        host, port = server.address
        with connect(f"ws://{host}:{port}{'/out' if pool == 'reports' else '/'}", open_timeout=PATIENCE) as client:
            (old,) = server.pids(pool)
            assert server.ask("POST", f"/v1/pools/{pool}/recycle", {"wait": True})[0] == 200
            with pytest.raises(ConnectionClosed) as caught:
                client.recv(timeout=PATIENCE)
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == 1001
        server.wait(partial(is_gone, old))


def test_pipeline_g07_who_swallows_cancellation_is_left_behind_and_who_waits_is_sent_away(tmp_path: Path) -> None:
    limits = "[server.limits]\nrequests_inside = 1"
    with gated(tmp_path, graceful=0.5, workers=1, server=limits) as server:
        stuck = Asked(server, "/swallow")
        server.wait((tmp_path / "swallows").exists)
        queued = Asked(server, "/")
        server.wait(lambda: server.workers()[0]["queued"] == 1)
        server.send(signal.SIGTERM)
        status, _, headers = queued.wait()
        assert status == 503  # pipeline E-05
        assert headers["retry-after"]
        stuck.wait()
        assert server.wait_end() == 0
        assert (tmp_path / "cancelled").exists()


def test_pipeline_g08_g09_a_pool_is_not_idle_while_a_request_is_inside(tmp_path: Path) -> None:
    with gated(tmp_path, workers=1, more=POOL + "idle = 0.5\n") as server:
        server.get("/out")
        (pid,) = server.pids("reports")
        held = Asked(server, "/out/hold")
        server.wait(lambda: inside(server, "/out/hold"))
        (other,) = server.pids()
        wait_beats(server, 2)  # one a second: more than the idle time
        assert server.pids("reports") == {pid}
        (tmp_path / "go").touch()
        assert held.wait()[:2] == (200, f"first {pid}")
        server.wait(lambda: state_of(server, "reports") == "idle")
        server.wait(partial(is_gone, pid))
        assert server.pids() == {other}


def test_pipeline_g10_work_behind_an_answer_ends_before_its_worker_does(tmp_path: Path) -> None:
    with gated(tmp_path, workers=1) as server:
        (old,) = server.pids()
        assert server.get("/work") == (200, f"one {old}")
        assert server.ask("POST", "/v1/recycle", {"wait": False})[0] == 202
        server.wait(partial(leaving, server, old))
        (tmp_path / "go").touch()
        server.wait((tmp_path / "worked").exists)
        server.wait(partial(is_gone, old))
        assert (tmp_path / "worked").read_text() == str(old)


def test_pipeline_g11_pools_that_a_reload_does_not_touch_keep_their_workers(tmp_path: Path) -> None:
    with gated(tmp_path, workers=1, more=POOL) as server, Load(server) as load:
        server.get("/out")
        site = (tmp_path / "penstock.toml").read_text()
        before, (default,) = server.pids("reports"), server.pids()
        (tmp_path / "penstock.toml").write_text(site.replace('"first"', "1"))
        assert server.ask("POST", "/v1/reload")[0] == 422
        assert server.get("/out")[1].startswith("first ")

        (tmp_path / "penstock.toml").write_text(site.replace('"first"', '"second"'))
        status, told = server.ask("POST", "/v1/reload", {"wait": True})
        assert (status, [each["pool"] for each in told["pools"]]) == (200, ["reports"])
        server.wait(lambda: server.get("/out")[1].startswith("second "))
        assert not before & server.pids("reports")
        assert server.pids() == {default}

        # Its table is taken away, and the application comes into the default pool: that is new then.
        (tmp_path / "penstock.toml").write_text(site.partition("[[pool]]")[0].replace('pool = "reports"', ""))
        assert server.ask("POST", "/v1/reload", {"wait": True})[0] == 200
        server.wait(lambda: server.get("/out")[1].startswith("one "))
        assert not {default} & server.pids()
        server.wait(lambda: [each["name"] for each in server.status()["pools"]] == ["default"])
    assert set(load.answers) == {200}


def page(server: Supervised, path: str) -> tuple[int, str, str | None]:
    status, body, headers = Asked(server, path).wait()
    return status, body, headers["retry-after"]


@pytest.mark.parametrize("kind", ["site", "application in a pool"])
def test_pipeline_e07_a_page_of_maintenance_holds_in_every_worker_and_goes_again(tmp_path: Path, kind: str) -> None:
    site, more = ('offline_file = "offline.html"', "") if kind == "site" else ("", POOL)
    path = "/" if kind == "site" else "/out"
    with gated(tmp_path, workers=2, site=site, more=more) as server:
        assert server.get(path)[0] == 200
        before = server.pids()
        (tmp_path / "offline.html").write_text("back at noon")
        server.wait(lambda: {page(server, path) for _ in range(6)} == {(503, "back at noon", "3600")})
        assert kind == "site" or server.get("/")[0] == 200
        (tmp_path / "offline.html").unlink()
        server.wait(lambda: {page(server, path)[0] for _ in range(6)} == {200})
        assert server.pids() == before
