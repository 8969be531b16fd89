"""What `[server] watch` does with files that change; the workers are no processes."""

import asyncio
import logging
import os
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from penstock.errors import ConfigurationError, Problem
from penstock.settings import PoolSettings, RecycleSettings
from penstock.supervisor import watching_changes
from penstock.supervisor.watching import WatchedFiles
from penstock.supervisor.watching_changes import ChangeWatch
from tests.supervisor.on_loop import on_loop
from tests.supervisor.pool_subject import Scripted
from tests.supervisor.supervisor_subject import Supervising, a_supervisor


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("_STEP", 0.005), ("_SETTLE", 0.03), ("_SETTLE_AT_MOST", 0.2)):
        monkeypatch.setattr(watching_changes, name, seconds)


def write(path: Path, text: str = "") -> str:
    """A file that is not what it was."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name("new")
    new.write_text(text)
    os.replace(new, path)
    return str(path)


@asynccontextmanager
async def watching(
    folder: Path, *, watch: bool = True, pools: tuple[PoolSettings, ...] = ()
) -> AsyncIterator[Supervising]:
    """A supervisor of the site file in `folder`, of code in `folder`/web, and of `pools`, that looks every few milliseconds."""
    write(folder / "penstock.toml")
    write(folder / "web" / "app.py")
    async with a_supervisor(
        workers=1,
        target=str(folder / "penstock.toml"),
        app_dirs=(str(folder / "web"),),
        watch=watch,
        pools=pools,
    ) as subject:
        watched = ChangeWatch(subject.supervisor, subject.operator, interval=0.005)
        await watched.look()
        task = asyncio.create_task(watched.run())
        yield subject
        task.cancel()
        await asyncio.wait([task])


def pool_in(folder: Path, name: str = "reports") -> PoolSettings:
    """A pool whose code is below `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    return PoolSettings(name=name, start="always", app_dirs=(str(folder),), recycle=RecycleSettings(stagger=0))


@on_loop
async def test_pipeline_g02_only_pools_whose_code_has_changed_are_recycled(tmp_path: Path) -> None:
    async with watching(tmp_path, pools=(pool_in(tmp_path / "reports"),)) as subject:
        assert (subject.serving("reports"), subject.serving()) == ([1], [2])
        write(tmp_path / "reports" / "app.py", "x = 1")
        await subject.wait(lambda: subject.serving("reports") == [3])
        write(tmp_path / "web" / "shop" / "views.py", "x = 1")
        await subject.wait(lambda: subject.serving() == [4])
        os.unlink(tmp_path / "web" / "app.py")
        await subject.wait(lambda: subject.serving() == [5])
        assert subject.operator.status().recycles == {"FileChange": 3}


@on_loop
async def test_pipeline_g02_code_of_several_pools_recycles_them_all(tmp_path: Path) -> None:
    async with watching(tmp_path, pools=(pool_in(tmp_path), pool_in(tmp_path / "other", "other"))) as subject:
        write(tmp_path / "web" / "app.py", "x = 1")
        await subject.wait(lambda: not {1, 3} & {*subject.serving(), *subject.serving("reports")})
        assert subject.serving("other") == [2]


@on_loop
async def test_what_is_no_code_changes_nothing(tmp_path: Path) -> None:
    async with watching(tmp_path) as subject:
        write(tmp_path / "web" / "page.html", "x")
        write(tmp_path / "web" / "__pycache__" / "app.py", "x")
        write(tmp_path / "web" / "venv" / "pyvenv.cfg", "x")
        write(tmp_path / "web" / "venv" / "app.py", "x")
        write(tmp_path / "elsewhere" / "app.py", "x")
        write(tmp_path / "web" / "last.py", "x")
        await subject.wait(lambda: subject.serving() == [2])
        assert subject.operator.status().recycles == {"FileChange": 1}


@on_loop
async def test_pipeline_g03_many_changes_are_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching_changes, "_SETTLE", 0.3)
    monkeypatch.setattr(watching_changes, "_SETTLE_AT_MOST", 10.0)
    async with watching(tmp_path) as subject:
        for number in range(8):
            write(tmp_path / "web" / "app.py", str(number))
            await asyncio.sleep(0.01)
        assert subject.serving() == [1]  # it is not over yet
        await subject.wait(lambda: subject.serving() == [2])
        assert subject.operator.status().recycles == {"FileChange": 1}


@on_loop
async def test_pipeline_g03_files_that_never_rest_are_waited_for_no_longer_than_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching_changes, "_SETTLE", 60.0)
    async with watching(tmp_path) as subject:
        write(tmp_path / "web" / "app.py", "x = 1")
        await subject.wait(lambda: subject.serving() == [2])


@on_loop
async def test_pipeline_g11_a_site_file_that_changed_is_taken_over(tmp_path: Path) -> None:
    async with watching(tmp_path) as subject:
        subject.change(graceful_timeout=9)
        write(tmp_path / "penstock.toml", "graceful_timeout = 9")
        await subject.wait(lambda: subject.serving() == [2])
        status = subject.operator.status()
        assert (status.generation, status.recycles) == (2, {"SettingsChanged": 1})


@on_loop
async def test_pipeline_g11_a_site_file_with_mistakes_is_told_of_and_the_next_one_taken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with watching(tmp_path) as subject:
        subject.saved = ConfigurationError([Problem("there is no key asgo")])
        write(tmp_path / "penstock.toml", "asgo")
        await subject.wait(lambda: "refused" in subject.operator.status().last_reload)
        assert subject.serving() == [1]
        subject.change(graceful_timeout=9)
        write(tmp_path / "penstock.toml", "graceful_timeout = 9")
        await subject.wait(lambda: subject.serving() == [2])
    assert caplog.text.count("there is no key asgo") == 1


@on_loop
async def test_a_failure_of_ours_is_logged_and_ends_no_watching(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with watching(tmp_path) as subject:
        subject.saved = ValueError("a mistake of ours")
        write(tmp_path / "penstock.toml", "x = 1")
        await subject.wait(lambda: "what has changed could not be taken over" in caplog.text)
        write(tmp_path / "web" / "app.py", "x = 1")
        await subject.wait(lambda: subject.serving() == [2])


@on_loop
async def test_pools_that_a_reload_has_replaced_are_not_recycled_for_their_code_once_more(tmp_path: Path) -> None:
    async with watching(tmp_path, pools=(pool_in(tmp_path / "reports"),)) as subject:
        subject.change(graceful_timeout=9)
        write(tmp_path / "penstock.toml", "graceful_timeout = 9")
        write(tmp_path / "web" / "app.py", "x = 1")
        write(tmp_path / "reports" / "app.py", "x = 1")
        await subject.wait(lambda: len(subject.operator.status().recycles) == 2)
        assert subject.operator.status().recycles == {"SettingsChanged": 1, "FileChange": 1}


@on_loop
async def test_a_reload_that_is_under_way_is_waited_for(tmp_path: Path) -> None:
    async with watching(tmp_path) as subject:
        subject.launcher.script = lambda worker: None
        subject.change(graceful_timeout=9)
        await subject.operator.reload(wait=False)
        subject.change(graceful_timeout=8)
        write(tmp_path / "penstock.toml", "graceful_timeout = 8")
        await subject.wait(lambda: len(subject.launcher.all) == 2)
        await asyncio.sleep(0.1)
        subject.launcher.script = Scripted.get_ready
        subject.worker(2).get_ready()
        await subject.wait(lambda: subject.serving() == [3])
        assert subject.supervisor.generation.settings.server.graceful_timeout == 8


@on_loop
async def test_it_can_be_turned_on_and_off_by_a_reload(tmp_path: Path) -> None:
    async with watching(tmp_path, watch=False) as subject:
        write(tmp_path / "web" / "app.py", "x = 1")
        await asyncio.sleep(0.1)
        assert subject.serving() == [1]
        subject.change(watch=True)
        await subject.operator.reload(wait=True)
        assert subject.serving() == [1]
        await asyncio.sleep(0.1)
        write(tmp_path / "web" / "app.py", "x = 2")
        await subject.wait(lambda: subject.serving() == [2])
        subject.change(watch=False)
        write(tmp_path / "penstock.toml", "watch = false")
        await subject.wait(lambda: not subject.supervisor.generation.settings.server.watch)
        write(tmp_path / "web" / "app.py", "x = 3")
        await asyncio.sleep(0.1)
        assert subject.serving() == [2]


@on_loop
async def test_new_code_that_does_not_start_leaves_the_old_workers_until_it_does(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with watching(tmp_path) as subject:
        subject.launcher.script = lambda worker: worker.fail("half a deploy")
        with caplog.at_level(logging.INFO, "penstock"):
            write(tmp_path / "web" / "app.py", "x =")
            await subject.wait(lambda: "half a deploy" in caplog.text)
        assert subject.serving() == [1]
        subject.launcher.script = Scripted.get_ready
        write(tmp_path / "web" / "app.py", "x = 1")
        await subject.wait(lambda: subject.serving() == [3])


@on_loop
async def test_what_changes_while_workers_are_replaced_is_not_missed(tmp_path: Path) -> None:
    async with watching(tmp_path) as subject:
        subject.launcher.script = lambda worker: None
        write(tmp_path / "web" / "app.py", "x = 1")
        await subject.wait(lambda: len(subject.launcher.all) == 2)
        write(tmp_path / "web" / "app.py", "x = 2")
        subject.launcher.script = Scripted.get_ready
        subject.worker(2).get_ready()
        await subject.wait(lambda: subject.serving() == [3])


@on_loop
async def test_the_looks_are_not_on_the_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: set[Any] = set()
    look = WatchedFiles.look

    def note(files: WatchedFiles) -> Any:
        threads.add(threading.current_thread())
        return look(files)

    monkeypatch.setattr(WatchedFiles, "look", note)
    async with watching(tmp_path):
        await asyncio.sleep(0.03)
    assert threads
    assert threading.main_thread() not in threads


@on_loop
async def test_a_folder_that_is_gone_for_a_moment_stops_nothing(tmp_path: Path) -> None:
    async with watching(tmp_path) as subject:
        os.rename(tmp_path / "web", tmp_path / "old")
        await subject.wait(lambda: subject.serving() == [2])
        write(tmp_path / "web" / "app.py", "x = 1")
        await subject.wait(lambda: subject.serving() == [3])
