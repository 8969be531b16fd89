"""This file is the test of the programs, folders and sockets that pools and the supervisor are told of."""

import sys
from pathlib import Path
from typing import Any

import pytest

from penstock.settings.pool_paths import LONGEST_SOCKET, PoolPaths, judge_socket_length
from penstock.settings.positions import KeyPath
from penstock.supervisor.control_path import MOST_BYTES


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    (tmp_path / "venv" / "bin" / "python").symlink_to(sys.executable)
    (tmp_path / "notes.txt").touch()
    return tmp_path


def resolve(tree: dict[str, Any], folder: Path) -> list[tuple[KeyPath, str]]:
    problems: list[tuple[KeyPath, str]] = []
    PoolPaths(folder, lambda path, message: problems.append((path, message))).resolve(tree)
    return problems


def test_good_ones_become_absolute(folder: Path) -> None:
    server = {
        "pid_file": "run.pid",
        "control": {"socket": "control.sock"},
        "recycle": {"orphan": "venv/bin/python"},
    }
    pool: dict[str, Any] = {"python": "venv/bin/python", "directory": "venv", "app_dirs": ["venv", "."]}
    app = {"offline_file": "offline.html"}
    assert resolve({"server": server, "pool": [pool], "site": [{"app": [app]}]}, folder) == []
    assert server == {
        "pid_file": str(folder / "run.pid"),
        "control": {"socket": str(folder / "control.sock")},
        "recycle": {"orphan": str(folder / "venv/bin/python")},
    }
    assert pool["python"] == str(folder / "venv/bin/python"), "the link is the virtual environment"
    assert (pool["directory"], pool["app_dirs"]) == (str(folder / "venv"), [str(folder / "venv"), str(folder)])
    assert app == {"offline_file": str(folder / "offline.html")}


def test_what_is_not_said_stays_so(folder: Path) -> None:
    pool: dict[str, Any] = {"python": "", "directory": ""}
    assert resolve({"server": {"pid_file": "", "control": None}, "pool": [pool]}, folder) == []
    assert pool == {"python": "", "directory": "", "app_dirs": [str(folder)]}


def test_a_program_without_a_slash_is_one_of_the_search_path(folder: Path) -> None:
    pool: dict[str, Any] = {"recycle": {"orphan": "sh"}}
    assert resolve({"pool": [pool]}, folder) == []
    assert Path(pool["recycle"]["orphan"]).is_absolute()


@pytest.mark.parametrize(
    ("tree", "place", "told"),
    [
        ({"pool": [{"python": "venv"}]}, "pool.0.python", 'venv" is a folder: write "'),
        ({"pool": [{"python": "."}]}, "pool.0.python", "is a folder, not a program"),
        ({"pool": [{"python": "venv/bin/pyton"}]}, "pool.0.python", 'did you mean "python"?'),
        (
            {"pool": [{"python": "other/bin/python"}]},
            "pool.0.python",
            'other/bin/python": make it with python3 -m venv ',
        ),
        ({"pool": [{"python": "notes.txt"}]}, "pool.0.python", "cannot be executed: chmod +x makes it a program"),
        ({"pool": [{"directory": "notes.txt"}]}, "pool.0.directory", "is a file, not a folder"),
        ({"pool": [{"directory": "vent"}]}, "pool.0.directory", 'did you mean "venv"?'),
        ({"pool": [{"app_dirs": [".", "lib"]}]}, "pool.0.app_dirs.1", "app_dirs: there is no folder"),
        ({"pool": [{"recycle": {"orphan": "no/gdb"}}]}, "pool.0.recycle.orphan", "orphan: there is no program"),
        ({"server": {"pid_file": "run/a.pid"}}, "server.pid_file", "there is no folder"),
        ({"server": {"pid_file": "venv"}}, "server.pid_file", "is a folder, not a file"),
        ({"server": {"control": {"socket": "run/a"}}}, "server.control.socket", "there is no folder"),
        ({"server": {"control": {"socket": "a" * 120}}}, "server.control.socket", "take a shorter one"),
        ({"server": {"recycle": {"orphan": "notes.txt"}}}, "server.recycle.orphan", "cannot be executed"),
        ({"site": [{"app": [{"offline_file": "venv"}]}]}, "site.0.app.0.offline_file", "is a folder, not a file"),
    ],
)
def test_bad(tree: dict[str, Any], place: str, told: str, folder: Path) -> None:
    ((path, message),) = resolve(tree, folder)
    assert ".".join(str(part) for part in path) == place
    assert told in message


def test_the_length_of_a_socket_is_that_of_its_bytes() -> None:
    assert judge_socket_length("a" * LONGEST_SOCKET) == ""
    assert "has 104 bytes" in judge_socket_length("ö" * 52)
    assert LONGEST_SOCKET == MOST_BYTES, "what is taken here opens"
