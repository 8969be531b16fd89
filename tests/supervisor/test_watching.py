"""This file is the test of how changes of files are noticed, without waiting for any clock."""

import os
import sys
from collections.abc import Callable, Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from penstock.errors import ConfigurationError
from penstock.supervisor.watching import LookingWatcher, ToldWatcher, WatchedFiles, open_watcher


def names(folder: Path, paths: list[str]) -> list[str]:
    return [os.path.relpath(path, folder) for path in paths]


def write(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def without_waiting(_: float) -> None:
    pass


class TestWatchedFiles:
    def look(self, folder: Path, *includes: str) -> list[str]:
        return sorted(names(folder, list(WatchedFiles([str(folder)], includes or ("*.py",)).look())))

    def test_python_files_at_any_depth(self, tmp_path: Path) -> None:
        for name in ("a.py", "b/c/d.py", "b/e.txt"):
            write(tmp_path / name)
        assert self.look(tmp_path) == ["a.py", "b/c/d.py"]

    def test_patterns_are_of_names_or_of_ends_of_paths(self, tmp_path: Path) -> None:
        for name in ("a.py", "shop/a.html", "shop/b/a.json", "other/a.json"):
            write(tmp_path / name)
        assert self.look(tmp_path, "*.html", "shop/*.json") == ["shop/a.html", "shop/b/a.json"]

    @pytest.mark.parametrize("folder", [".git", ".venv", "venv", "__pycache__", "node_modules", "a/.tox/b", "env"])
    def test_what_is_nobodys_code_is_passed_over(self, tmp_path: Path, folder: str) -> None:
        write(tmp_path / folder / "a.py")
        write(tmp_path / "env" / "pyvenv.cfg")
        assert self.look(tmp_path) == []

    def test_a_watched_folder_may_itself_be_hidden(self, tmp_path: Path) -> None:
        path = write(tmp_path / ".hidden" / "a.py")
        files = WatchedFiles([str(tmp_path / ".hidden")])
        assert list(files.look()) == [str(path)]
        assert files.match(str(path))

    def test_links_to_folders_are_not_followed(self, tmp_path: Path) -> None:
        write(tmp_path / "a.py")
        (tmp_path / "loop").symlink_to(tmp_path)
        assert self.look(tmp_path) == ["a.py"]

    def test_single_files_are_watched_wherever_they_are(self, tmp_path: Path) -> None:
        path = write(tmp_path / ".env")
        files = WatchedFiles([], files=[str(path), str(tmp_path / "missing")])
        assert list(files.look()) == [str(path)]
        assert files.match(str(path))

    def test_a_folder_within_another_is_looked_at_once(self, tmp_path: Path) -> None:
        write(tmp_path / "a" / "b.py")
        assert WatchedFiles([str(tmp_path / "a"), str(tmp_path), str(tmp_path)]).directories == (str(tmp_path),)

    def test_matching_agrees_with_looking(self, tmp_path: Path) -> None:
        files = WatchedFiles([str(tmp_path)])
        assert files.match(str(tmp_path / "a" / "b.py"))
        for name in ("a.txt", ".git/a.py", "a/node_modules/b.py", "a/__pycache__/b.py"):
            assert not files.match(str(tmp_path / name))
        assert not files.match("/elsewhere/a.py")

    def test_missing_folders_are_all_named(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError) as caught:
            WatchedFiles([str(tmp_path / "a"), str(tmp_path), str(tmp_path / "b")])
        assert [problem.message for problem in caught.value.problems] == [
            f"{tmp_path}/a is to be watched, but is no folder",
            f"{tmp_path}/b is to be watched, but is no folder",
        ]


class TestLooking:
    def test_what_changed_came_or_went_is_found_once(self, tmp_path: Path) -> None:
        for name in ("kept.py", "changed.py", "removed.py"):
            write(tmp_path / name, "1")
        watcher = LookingWatcher(WatchedFiles([str(tmp_path)]), without_waiting)
        assert watcher.find_changes() == []
        write(tmp_path / "changed.py", "22")
        write(tmp_path / "added.py")
        (tmp_path / "removed.py").unlink()
        assert names(tmp_path, watcher.find_changes()) == ["added.py", "changed.py", "removed.py"]
        assert watcher.find_changes() == []

    def test_a_file_that_is_replaced_has_changed(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.py", "1")
        watcher = LookingWatcher(WatchedFiles([str(tmp_path)]), without_waiting)
        times = path.stat().st_atime_ns, path.stat().st_mtime_ns
        new = write(tmp_path / "a.py.new", "2")
        os.utime(new, ns=times)
        new.replace(path)
        assert names(tmp_path, watcher.find_changes()) == ["a.py"]

    def test_changes_that_follow_each_other_are_one(self, tmp_path: Path) -> None:
        write(tmp_path / "first.py")
        written: list[Path] = []

        def save_another(_: float) -> None:
            if len(written) < 3:
                written.append(write(tmp_path / f"{len(written)}.py"))

        watcher = LookingWatcher(WatchedFiles([str(tmp_path)]), save_another)
        assert names(tmp_path, watcher.find_changes()) == ["0.py", "1.py", "2.py"]


class TestTold:
    """With a stand-in for `watchfiles`, whose own work is not ours to test."""

    @pytest.fixture
    def watchfiles(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[..., Iterator[Any]]], None]:
        def install(watch: Callable[..., Iterator[Any]]) -> None:
            module = ModuleType("watchfiles")
            module.__spec__ = ModuleSpec("watchfiles", None)
            module.watch = watch  # type: ignore[attr-defined]  # made here
            monkeypatch.setitem(sys.modules, "watchfiles", module)

        return install

    def test_what_it_tells_is_passed_on(
        self, tmp_path: Path, watchfiles: Callable[[Callable[..., Iterator[Any]]], None]
    ) -> None:
        asked: dict[str, Any] = {}

        def watch(*folders: str, **options: Any) -> Iterator[Any]:
            asked.update(options, folders=folders)
            yield set()
            yield {(2, "/b.py"), (1, "/a.py")}
            yield set()

        watchfiles(watch)
        path = write(tmp_path / "a.py")
        watcher = open_watcher(WatchedFiles([str(tmp_path)]), without_waiting, lambda: False)
        assert isinstance(watcher, ToldWatcher)
        assert [watcher.find_changes() for _ in range(4)] == [[], ["/a.py", "/b.py"], [], []]
        assert asked["folders"] == (str(tmp_path),)
        assert asked["watch_filter"](1, str(path))
        assert not asked["watch_filter"](1, str(tmp_path / "a.txt"))
        assert not asked["stop_event"].is_set()

    def test_what_changed_before_it_began_is_found_by_looking(
        self, tmp_path: Path, watchfiles: Callable[[Callable[..., Iterator[Any]]], None]
    ) -> None:
        watchfiles(lambda *_, **__: iter([set(), set()]))
        path = write(tmp_path / "a.py")
        watcher = open_watcher(WatchedFiles([str(tmp_path)]), without_waiting, lambda: False)
        write(path, "changed")
        assert watcher.find_changes() == [str(path)]
        assert watcher.find_changes() == []

    def test_single_files_are_looked_at(
        self, tmp_path: Path, watchfiles: Callable[[Callable[..., Iterator[Any]]], None]
    ) -> None:
        watchfiles(lambda *_, **__: iter([set(), set()]))
        single = write(tmp_path / "site.toml")
        (tmp_path / "code").mkdir()
        watcher = open_watcher(
            WatchedFiles([str(tmp_path / "code")], files=[str(single)]), without_waiting, lambda: False
        )
        assert watcher.find_changes() == []
        write(single, "changed")
        assert watcher.find_changes() == [str(single)]

    def test_where_the_system_cannot_tell_it_is_looked(
        self, tmp_path: Path, watchfiles: Callable[[Callable[..., Iterator[Any]]], None]
    ) -> None:
        def watch(*_: str, **__: Any) -> Iterator[Any]:
            raise OSError("inotify limit reached")

        watchfiles(watch)
        path = write(tmp_path / "a.py")
        watcher = open_watcher(WatchedFiles([str(tmp_path)]), without_waiting, lambda: False)
        assert watcher.find_changes() == []
        write(path, "changed")
        assert watcher.find_changes() == [str(path)]

    def test_without_the_library_it_is_looked(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("penstock.supervisor.watching.find_spec", lambda _: None)
        watcher = open_watcher(WatchedFiles([str(tmp_path)]), without_waiting, lambda: False)
        assert isinstance(watcher, LookingWatcher)
