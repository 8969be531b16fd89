"""What a supervisor writes down for the program it becomes, and how that one finds it again."""

import asyncio
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from penstock.hosts.listener import open_sockets, parse_bind
from penstock.settings import ServerSettings, Settings
from penstock.supervisor.slots import SlotSockets
from penstock.supervisor.taking_over import adopt_listeners, adopt_workers, state_of
from penstock.supervisor.upgrade import SavedPool, SavedWorker
from penstock.supervisor.worker_process import WorkerState
from tests.supervisor.on_loop import on_loop
from tests.supervisor.supervisor_subject import REPORTS, a_supervisor

PATIENCE = 10.0


@on_loop
async def test_everything_that_serves_is_written_down() -> None:
    async with a_supervisor(pools=(REPORTS,)) as subject:
        supervisor = subject.supervisor
        subject.worker(3).is_stubborn = True
        await subject.operator.recycle(pool=None, worker=3, reason="deploy", wait=True)
        state = state_of(supervisor, control=9, pid_file=-1)
        assert [(each.number, each.pool, each.slot, each.is_serving) for each in state.workers] == [
            (1, "reports", 0, True),
            (2, "default", 0, True),
            (4, "default", 1, True),
            (3, "default", 1, False),
        ]
        assert (state.key, state.number, state.generation) == (subject.launcher.key, 4, 1)
        assert state.sockets == supervisor.sockets.descriptors
        reports = supervisor.pool_sockets.descriptors["reports"]
        assert state.pools == {
            "reports": SavedPool(workers=1, listening=reports),
            "default": SavedPool(workers=2, recycles={"Operator": 1}),
        }
        assert (state.folder, state.control, state.pid_file) == (supervisor.pool_sockets.folder, 9, -1)


@on_loop
async def test_workers_that_have_not_got_ready_are_left_out() -> None:
    async with a_supervisor(workers=1) as subject:
        subject.launcher.script = lambda worker: None
        await subject.operator.recycle(pool=None, worker=1, reason="deploy", wait=False)
        await subject.wait(lambda: len(subject.launcher.all) == 2)
        assert [each.number for each in state_of(subject.supervisor, control=-1, pid_file=-1).workers] == [1]


def settings_at(*listen: str) -> Settings:
    """Those of a server that listens there."""
    return Settings(server=ServerSettings(listen=listen, workers=2))


def left_by(*listen: str) -> tuple[dict[str, list[int]], list[str]]:
    """The descriptors that a program with two slots leaves, and its addresses."""
    before = SlotSockets(open_sockets([parse_bind(place) for place in listen]), backlog=16)
    before.of_slot(1, 2)
    left = {place: [os.dup(each) for each in found] for place, found in before.descriptors.items()}
    urls = before.urls
    before.close()
    return left, urls


def test_places_that_stay_are_the_same_sockets() -> None:
    left, urls = left_by("127.0.0.1:0")
    sockets = adopt_listeners(settings_at("127.0.0.1:0"), left)
    assert sockets.urls == urls
    assert sockets.descriptors == left
    slots = [[each.socket.fileno() for each in sockets.of_slot(slot, 2)] for slot in (0, 1)]
    assert sorted({number for slot in slots for number in slot}) == sorted(left["127.0.0.1:0"])
    sockets.close()


def test_a_new_place_is_opened_and_one_that_is_gone_stays_open_until_its_workers_have_left(tmp_path: Path) -> None:
    left, (url,) = left_by("127.0.0.1:0")
    path = tmp_path / "web.sock"
    sockets = adopt_listeners(settings_at(f"unix:{path}"), left)
    assert [str(path) in each for each in sockets.urls] == [True]
    address = ("127.0.0.1", int(url.rpartition(":")[2]))
    socket.create_connection(address, PATIENCE).close()
    sockets.close_leaving()
    with socket.socket() as client:
        assert client.connect_ex(address) != 0
    sockets.close()


def test_the_file_of_a_unix_socket_goes_with_the_program_that_has_taken_it_over(tmp_path: Path) -> None:
    for is_removed in (False, True):
        path = tmp_path / "web.sock"
        place = f"unix:{path}"
        (before,) = open_sockets([parse_bind(place)])
        left = {place: [before.socket.detach()]}
        if is_removed:
            path.unlink()
        adopt_listeners(settings_at(place), left).close()
        assert not path.exists()


def test_a_new_place_that_cannot_be_had_leaves_the_others(caplog: pytest.LogCaptureFixture) -> None:
    left, urls = left_by("127.0.0.1:0")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        sockets = adopt_listeners(settings_at("127.0.0.1:0", f"127.0.0.1:{taken.getsockname()[1]}"), left)
    assert sockets.urls == urls
    assert "nobody listens at 127.0.0.1:" in caplog.text
    sockets.close()


@on_loop
async def test_workers_are_taken_over_with_their_channel_and_their_file_for_stacks(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    script = "import sys; sys.stdin.read(1)"
    stacks = os.open(tmp_path / "stacks", os.O_RDWR | os.O_CREAT)
    child = await asyncio.to_thread(subprocess.Popen, [sys.executable, "-ISc", script], stdin=subprocess.PIPE)
    saved = SavedWorker(
        number=8,
        process=child.pid,
        channel=ours.detach(),
        pool="reports",
        slot=1,
        generation=3,
        started=1.5,
        is_serving=False,
        request_limit=40,
        stacks=stacks,
    )
    with theirs, child:
        (worker,) = await adopt_workers([saved])
        assert (worker.number, worker.pid, worker.pool, worker.slot) == (8, child.pid, "reports", 1)
        assert (worker.generation, worker.request_limit, worker.started) == (3, 40, 1.5)
        assert worker.state is WorkerState.DRAINING
        assert worker.stacks is not None
        assert worker.stacks.fileno() == stacks
        assert child.stdin is not None
        child.stdin.close()
        child.stdin = None
        async with asyncio.timeout(PATIENCE):
            while not worker.look():  # noqa: ASYNC110 (it is the supervisor who is told by a signal)
                await asyncio.sleep(0.005)
        child.returncode = worker.exit_code
    assert worker.exit_code == 0
