"""The whole life of a supervisor, whose workers are no processes: start, signals, upgrade, stop, and what keeps it from starting."""

import asyncio
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from penstock.errors import ConfigurationError, Problem, StartupError
from penstock.settings import ControlSettings, ServerSettings, Settings
from penstock.supervisor import supervisor as module
from penstock.supervisor.control_model import ControlRefused
from penstock.supervisor.messages import ReopenLogs
from penstock.supervisor.supervisor import supervise
from tests.supervisor.on_loop import on_loop
from tests.supervisor.pool_subject import Scripted
from tests.supervisor.supervisor_subject import REPORTS, Supervising, a_supervisor


def is_there(path: str | Path) -> bool:
    """Whether there is a file or a folder."""
    return os.path.exists(path)


@on_loop
async def test_it_keeps_sockets_control_and_pid_file_from_the_start_to_the_end(tmp_path: Path) -> None:
    pid_file = tmp_path / "penstock.pid"
    async with a_supervisor(pools=(REPORTS,), pid_file=str(pid_file)) as subject:
        assert subject.settings.server.control is not None
        control = subject.settings.server.control.socket
        assert pid_file.read_text().strip() == str(os.getpid())
        assert is_there(control)
        assert subject.supervisor.sockets.urls
        folder = subject.supervisor.pool_sockets.folder
    assert all(worker.is_ended for worker in subject.launcher.all)
    assert not any(is_there(path) for path in (control, pid_file, folder))
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@on_loop
async def test_whoever_waits_for_it_is_told_when_everything_serves() -> None:
    told: list[list[int]] = []
    settings = Settings(server=ServerSettings(listen=("127.0.0.1:0",), workers=1, app_dirs=()))
    subject = Supervising(settings, "")
    subject.supervisor._ready = lambda _: told.append(subject.serving())
    running = asyncio.create_task(subject.supervisor.run())
    await subject.wait(lambda: told)
    os.kill(os.getpid(), signal.SIGTERM)
    assert await running == 0
    assert told == [[1]]


@on_loop
async def test_a_pool_that_does_not_start_ends_it_and_nothing_is_left(tmp_path: Path) -> None:
    control = str(tmp_path / "c")
    settings = Settings(
        server=ServerSettings(listen=("127.0.0.1:0",), workers=2, control=ControlSettings(socket=control))
    )
    subject = Supervising(settings, "")
    subject.launcher.script = lambda worker: worker.fail("no database")
    with pytest.raises(StartupError, match="no database"):
        await subject.supervisor.run()
    assert not is_there(control)
    assert all(worker.is_ended for worker in subject.launcher.all)


@on_loop
async def test_a_control_socket_that_cannot_be_had_ends_it_only_when_it_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    missing = str(tmp_path / "nowhere" / "c")
    settings = Settings(server=ServerSettings(listen=("127.0.0.1:0",), control=ControlSettings(socket=missing)))
    with pytest.raises(ConfigurationError, match="nowhere"):
        await Supervising(settings, "").supervisor.run()

    monkeypatch.setattr(module, "control_path", lambda _: missing)
    async with a_supervisor(control=None) as subject:
        assert subject.serving() == [1, 2]
    assert "there is no control socket" in caplog.text


@on_loop
async def test_signals_scale_the_default_pool_and_leave_one() -> None:
    async with a_supervisor(workers=1) as subject:
        subject.supervisor.add_worker()
        await subject.wait(lambda: len(subject.serving()) == 2)
        subject.supervisor.remove_worker()
        await subject.wait(lambda: len(subject.serving()) == 1)
        subject.supervisor.remove_worker()
        await asyncio.sleep(0)
        assert subject.supervisor.pools["default"].wanted == 1


@on_loop
async def test_a_hangup_replaces_everybody_and_mistakes_are_told_once(caplog: pytest.LogCaptureFixture) -> None:
    async with a_supervisor(pools=(REPORTS,)) as subject:
        subject.supervisor.reload()
        await subject.wait(lambda: subject.operator.status().last_reload == "done")
        assert sorted(subject.serving() + subject.serving("reports")) == [4, 5, 6]
        subject.saved = ConfigurationError([Problem("there is no key asgo")])
        subject.supervisor.reload()
        await subject.wait(lambda: "refused" in subject.operator.status().last_reload)
        await asyncio.sleep(0)
    assert caplog.text.count("there is no key asgo") == 1


@on_loop
async def test_logs_are_opened_again_by_all_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[int, type]] = []
    monkeypatch.setattr(Scripted, "send", lambda worker, message: sent.append((worker.number, type(message))))
    async with a_supervisor() as subject:
        subject.supervisor.reopen_logs()
    assert sent == [(1, ReopenLogs), (2, ReopenLogs)]


@on_loop
async def test_asked_to_stop_at_once_it_cuts_everybody_off() -> None:
    async with a_supervisor() as subject:
        subject.supervisor.stop_now()
        await subject.wait(lambda: all(worker.is_ended for worker in subject.launcher.all))
        assert all(worker.killed for worker in subject.launcher.all)


@on_loop
@pytest.mark.parametrize(
    ("numbers", "idle"),
    [([signal.SIGTERM], 2.0), ([signal.SIGINT], 0.0), ([signal.SIGINT, signal.SIGTERM], 0.0)],
)
async def test_ctrl_c_keeps_no_silent_connection_open(
    monkeypatch: pytest.MonkeyPatch, numbers: list[int], idle: float
) -> None:
    told: list[float] = []
    drain = Scripted.drain

    def note(worker: Scripted, *, leave_waiting: bool, idle: float, reason: str = "") -> None:
        told.append(idle)
        drain(worker, leave_waiting=leave_waiting, idle=idle, reason=reason)

    monkeypatch.setattr(Scripted, "drain", note)
    async with a_supervisor() as subject:
        for number in numbers:
            os.kill(os.getpid(), number)
        await subject.wait(lambda: all(worker.is_ended for worker in subject.launcher.all))
    assert told == [idle, idle]


@on_loop
async def test_pools_that_are_asked_stop_behind_those_that_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[str] = []
    end = Scripted.end

    def note(worker: Scripted, code: int) -> None:
        ended.append(worker.pool)
        end(worker, code)

    monkeypatch.setattr(Scripted, "end", note)
    async with a_supervisor(workers=1, pools=(REPORTS,)) as subject:
        assert subject.serving("reports") == [1]
    assert ended == ["default", "reports"]


@on_loop
async def test_an_upgrade_is_refused_by_what_is_wrong_and_while_something_else_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def refuse(*_: Any, **__: Any) -> None:
        raise ControlRefused("the new program is refused: SyntaxError")

    async with a_supervisor() as subject:
        monkeypatch.setattr(module, "check", refuse)
        subject.supervisor.upgrade()
        await subject.wait(lambda: "SyntaxError" in caplog.text)
        assert subject.supervisor.state == "running"
        subject.supervisor.state = "reloading"
        with pytest.raises(ControlRefused, match="the server is reloading: try again when it is running"):
            await subject.supervisor.begin_upgrade()
        subject.supervisor.state = "running"


@on_loop
async def test_an_upgrade_hands_over_what_there_is(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    states: list[Any] = []

    async def agree(*_: Any, **__: Any) -> None:
        """The new program is fine."""

    def become(state: Any) -> None:
        states.append(state)
        raise ControlRefused("the new program cannot be started")

    monkeypatch.setattr(module, "check", agree)
    monkeypatch.setattr(module, "become", become)
    async with a_supervisor() as subject:
        await subject.supervisor.begin_upgrade()
        assert subject.supervisor.state == "upgrading"
        await subject.wait(lambda: states)
        assert [worker.number for worker in states[0].workers] == [1, 2]
        assert states[0].control >= 0
        assert subject.supervisor.state == "running"  # it was not possible, so everything is as it was
    assert "no upgrade: the new program cannot be started" in caplog.text


@on_loop
async def test_what_fails_behind_is_told_and_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async def fail(error: Exception) -> None:
        raise error

    async with a_supervisor() as subject:
        for error in (StartupError("not now"), ValueError("a mistake of ours")):
            await asyncio.wait([subject.supervisor.run_behind(fail(error))])
        assert subject.serving() == [1, 2]
    levels = {record.getMessage(): record.levelno for record in caplog.records}
    assert levels["not now"] == logging.ERROR
    assert levels["the supervisor failed in what it was asked to do"] == logging.CRITICAL


def test_windows_is_told_what_to_do_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(ConfigurationError, match="need Linux or macOS: leave them out, and start one server per core"):
        supervise(Settings(), Settings)
