"""This file is the test of the PID file: one per running server."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from penstock.errors import ConfigurationError
from penstock.supervisor.pid_file import PidFile

OTHER = (
    "import sys\n"
    "from penstock.supervisor.pid_file import PidFile\n"
    "PidFile(sys.argv[1]).write()\n"
    "print('written', flush=True)\n"
    "sys.stdin.read()\n"
)


def start_other(path: Path) -> subprocess.Popen[str]:
    """Another server that has written the file."""
    other = subprocess.Popen(
        [sys.executable, "-c", OTHER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "written\n"
    return other


class TestPidFile:
    def test_it_holds_the_number_until_it_is_removed(self, tmp_path: Path) -> None:
        path = tmp_path / "penstock.pid"
        file = PidFile(str(path))
        file.write()
        assert path.read_text() == f"{os.getpid()}\n"
        assert [each.name for each in tmp_path.iterdir()] == ["penstock.pid"]
        file.write()
        file.remove()
        assert list(tmp_path.iterdir()) == []
        file.remove()

    def test_it_is_refused_while_another_server_lives(self, tmp_path: Path) -> None:
        path = tmp_path / "penstock.pid"
        with start_other(path) as other:
            with pytest.raises(ConfigurationError, match=rf"belongs to a server that runs, process {other.pid}: stop"):
                PidFile(str(path)).write()
            assert path.read_text() == f"{other.pid}\n"
            assert [each.name for each in tmp_path.iterdir()] == ["penstock.pid"]
            other.communicate()

    def test_that_of_a_dead_server_is_replaced(self, tmp_path: Path) -> None:
        path = tmp_path / "penstock.pid"
        with start_other(path) as other:
            other.kill()
        assert path.read_text() == f"{other.pid}\n"
        file = PidFile(str(path))
        file.write()
        assert path.read_text() == f"{os.getpid()}\n"
        file.remove()

    def test_a_number_that_somebody_else_has_by_now_does_not_keep_a_server_down(self, tmp_path: Path) -> None:
        path = tmp_path / "penstock.pid"
        path.write_text(f"{os.getppid()}\n")
        file = PidFile(str(path))
        file.write()
        assert path.read_text() == f"{os.getpid()}\n"
        file.remove()

    def test_an_empty_one_is_replaced(self, tmp_path: Path) -> None:
        path = tmp_path / "penstock.pid"
        path.touch()
        file = PidFile(str(path))
        file.write()
        assert path.read_text() == f"{os.getpid()}\n"
        file.remove()

    @pytest.mark.parametrize("content", ["important", "1" * 40])
    def test_a_file_that_is_something_else_is_left(self, tmp_path: Path, content: str) -> None:
        path = tmp_path / "penstock.toml"
        path.write_text(content)
        with pytest.raises(ConfigurationError, match="is no PID file"):
            PidFile(str(path)).write()
        assert path.read_text() == content
        assert [each.name for each in tmp_path.iterdir()] == ["penstock.toml"]

    def test_a_folder_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match="cannot be written: No such file or directory") as refused:
            PidFile(str(tmp_path / "run" / "penstock.pid")).write()
        assert refused.value.problems[0].where == "[server] pid_file"

    def test_one_that_is_another_by_now_is_not_removed(self, tmp_path: Path) -> None:
        path = tmp_path / "penstock.pid"
        file = PidFile(str(path))
        file.write()
        path.unlink()
        path.write_text("1\n")
        file.remove()
        assert path.read_text() == "1\n"

    def test_it_survives_an_upgrade_in_place(self, tmp_path: Path) -> None:
        """The program is replaced in the same process: nobody else can take the file meanwhile, and it is removed in the end."""
        path = tmp_path / "penstock.pid"
        new = (
            "import sys\n"
            "from penstock.supervisor.pid_file import PidFile\n"
            "file = PidFile(sys.argv[1], descriptor=int(sys.argv[2]))\n"
            "file.write()\n"
            "print('upgraded', flush=True)\n"
            "sys.stdin.read()\n"
            "file.remove()\n"
        )
        old = (
            "import os, sys\n"
            "from penstock.supervisor.pid_file import PidFile\n"
            "file = PidFile(sys.argv[1])\n"
            "file.write()\n"
            "os.set_inheritable(file.descriptor, True)\n"
            "os.execv(sys.executable, [sys.executable, '-c', sys.argv[2], sys.argv[1], str(file.descriptor)])\n"
        )
        with subprocess.Popen(
            [sys.executable, "-c", old, str(path), new], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as server:
            assert server.stdout is not None
            assert server.stdout.readline() == "upgraded\n"
            assert path.read_text() == f"{server.pid}\n"
            with pytest.raises(ConfigurationError, match="belongs to a server that runs"):
                PidFile(str(path)).write()
            server.communicate()
        assert not path.exists()
