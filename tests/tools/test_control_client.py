"""This file is the test of how commands find a server, and of what they say when there is none, or not such a one."""

import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from penstock.supervisor.control_path import find_control
from penstock.tools import control_client
from penstock.tools.cli import COMMANDS, main
from penstock.tools.control_client import NotRunning, Refused, ask, read, segment
from tests.supervisor.control_subject import Subject
from tests.tools.controlled import PATIENCE, controlled

WORDS = {
    "status": (), "workers": (), "pools": (), "requests": (), "stacks": ("1",), "diff": (), "reload": (),
    "recycle": (), "scale": ("default", "2"), "drain": ("default",), "resume": ("default",),
}  # fmt: skip


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The current folder, with a runtime folder in which nobody listens."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.delenv("PENSTOCK_CONTROL", raising=False)
    return tmp_path


def invoke(*words: str) -> Result:
    return CliRunner().invoke(main, words)


@contextlib.contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """The path of a socket where one connection is answered with these bytes, whatever it asks."""
    with controlled(Subject()) as path, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{path}.other")
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"{path}.other"
        thread.join(PATIENCE)
        os.unlink(f"{path}.other")


def _fill(path: str, waiting: contextlib.ExitStack) -> None:
    """Connect until the backlog is full."""
    while True:
        connection = waiting.enter_context(socket.socket(socket.AF_UNIX))
        connection.setblocking(False)
        try:
            connection.connect(path)
        except BlockingIOError:
            return


def _be_content(self: object) -> None:
    raise OSError("content")


class TestFinding:
    def test_where_the_option_or_the_variable_says(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with controlled(Subject()) as path:
            assert invoke("status", "--control", path).exit_code == 0
            monkeypatch.setenv("PENSTOCK_CONTROL", path)
            assert invoke("status").exit_code == 0

    def test_where_the_site_file_says(self, folder: Path) -> None:
        with controlled(Subject()) as path:
            (folder / "penstock.toml").write_text(f'[server.control]\nsocket = "{path}"\n', "utf-8")
            assert invoke("status").exit_code == 0

    def test_also_when_it_has_mistakes_elsewhere(self, folder: Path) -> None:
        with controlled(Subject()) as path:
            (folder / "penstock.toml").write_text(f'[server]\nnix = 1\n[server.control]\nsocket = "{path}"\n', "utf-8")
            assert invoke("status").exit_code == 0

    def test_relative_to_the_folder_of_the_site_file(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with controlled(Subject()) as path:
            site_file = Path(path).parent / "shop.toml"
            site_file.write_text('[server.control]\nsocket = "control.sock"\n', "utf-8")
            assert invoke("status", str(site_file)).exit_code == 0
            site_file.write_text("", "utf-8")
            assert invoke("status", str(site_file)).exit_code == 3
            monkeypatch.setenv("PENSTOCK_SERVER__CONTROL__SOCKET", "control.sock")
            assert invoke("status", str(site_file)).exit_code == 0

    def test_where_a_server_of_that_file_listens_by_itself(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with controlled(Subject()) as path:
            runtime = Path(path).parent / "penstock"
            runtime.mkdir(mode=0o700)
            monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime.parent))
            os.symlink(path, find_control("penstock.toml"))
            assert invoke("status").exit_code == 0
            assert invoke("status", "other.toml").exit_code == 3

    @pytest.mark.parametrize("text", ["server = 1", "[server.control", '[server]\ncontrol = "x"', "\udcff"])
    def test_a_file_that_says_nothing_of_the_kind(self, folder: Path, text: str) -> None:
        (folder / "penstock.toml").write_bytes(text.encode("utf-8", "surrogateescape"))
        assert invoke("status").exit_code == 3


class TestNobodyThere:
    def test_it_is_said_how_to_start_one(self, folder: Path) -> None:
        (folder / "penstock.toml").touch()
        result = invoke("status")
        assert result.exit_code == 3
        assert result.stderr.startswith("Error: no server of penstock.toml listens to commands at ")
        assert "penstock serve penstock.toml --workers 2" in result.stderr
        assert "--control PATH" in result.stderr

    def test_a_missing_site_file_is_named(self, folder: Path) -> None:
        assert "no server of shop.toml (there is no file shop.toml) listens" in invoke("workers", "shop.toml").stderr

    @pytest.mark.parametrize("name", WORDS)
    def test_every_command_ends_with_3(self, folder: Path, name: str) -> None:
        assert set(WORDS) <= set(COMMANDS)
        result = invoke(name, *WORDS[name], "--control", "nowhere.sock")
        assert (result.exit_code, result.stdout) == (3, "")
        assert result.stderr == "Error: no server listens to commands at nowhere.sock\n"

    def test_a_dead_one(self, folder: Path) -> None:
        with controlled(Subject()) as path, socket.socket(socket.AF_UNIX) as dead:
            dead.bind(f"{path}.dead")
            assert invoke("status", "--control", f"{path}.dead").exit_code == 3


class TestOthersThere:
    @pytest.mark.parametrize(
        ("answer", "told"),
        [
            (b"", "has broken off"),
            (b"220 mail.example.org ESMTP\r\n", "has broken off"),
            (b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{}", "has broken off"),
            (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", "answer cannot be read"),
            (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nno", "answer cannot be read"),
            (
                b"HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\nno",
                "is no Penstock of this version: it answered with 404",
            ),
            (b"HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\n[]", "is no Penstock of this version"),
            (b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n", "is busy with other commands"),
        ],
    )
    def test_what_is_no_control_socket(self, answer: bytes, told: str) -> None:
        with answering(answer) as path:
            result = invoke("status", "--control", path)
        assert (result.exit_code, result.stdout) == (1, "")
        assert told in result.stderr

    def test_one_that_accepts_no_more_is_waited_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with controlled(Subject()) as path, contextlib.ExitStack() as waiting:
            listener = waiting.enter_context(socket.socket(socket.AF_UNIX))
            listener.bind(f"{path}.full")
            listener.listen(0)
            _fill(f"{path}.full", waiting)
            monkeypatch.setattr(control_client, "_PATIENCE", 0.1)
            with pytest.raises(Refused, match="accepts no connections"):
                ask("penstock.toml", f"{path}.full", "GET /v1/status")
            monkeypatch.setattr(control_client, "_PATIENCE", float(PATIENCE))
            monkeypatch.setattr("time.sleep", lambda _: waiting.enter_context(listener.accept()[0]))
            monkeypatch.setattr(control_client._UnixConnection, "getresponse", _be_content)
            with pytest.raises(Refused, match="content"):
                ask("penstock.toml", f"{path}.full", "GET /v1/status")

    def test_one_that_does_not_answer(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(control_client, "_PATIENCE", 0.1)
        with controlled(Subject()) as path, socket.socket(socket.AF_UNIX) as listener:
            listener.bind(f"{path}.mute")
            listener.listen()
            with pytest.raises(Refused, match=r"not answered within 0\.1 seconds"):
                ask("penstock.toml", f"{path}.mute", "GET /v1/status")

    @pytest.mark.parametrize(
        ("error", "kind", "told"),
        [
            (PermissionError(13, "Permission denied"), Refused, "may not be opened by this user"),
            (BlockingIOError(11, "busy"), Refused, "accepts no connections"),
            (TimeoutError(), Refused, "accepts no connections"),
            (ConnectionRefusedError(111, "refused"), NotRunning, "no server listens"),
            (OSError(36, "File name too long"), Refused, "File name too long"),
        ],
    )
    def test_one_that_cannot_be_connected_to(
        self, monkeypatch: pytest.MonkeyPatch, error: OSError, kind: type[click.ClickException], told: str
    ) -> None:
        def fail(self: object) -> None:
            raise error

        monkeypatch.setattr(control_client._UnixConnection, "connect", fail)
        with pytest.raises(kind, match=told):
            ask("penstock.toml", "/run/c.sock", "GET /v1/status")

    def test_that_of_another_user_is_named_with_its_owner(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(self: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(control_client._UnixConnection, "connect", fail)
        with controlled(Subject()) as path:
            with pytest.raises(Refused, match=r"it belongs to user \S+: run the command as that user"):
                ask("penstock.toml", path, "GET /v1/status")
            monkeypatch.setattr("pwd.getpwuid", {}.__getitem__)
            with pytest.raises(Refused, match=r"it belongs to user \d+: run"):
                ask("penstock.toml", path, "GET /v1/status")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/"])
def test_a_name_that_would_lead_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(Refused, match="no pool is called"):
        segment("pool", name)
    assert segment("pool", "a b?#%") == "a%20b%3F%23%25"


def test_what_is_read_is_of_the_type_that_was_asked_for() -> None:
    assert read(b"[1]", list[int]) == [1]
    with pytest.raises(Refused, match="another version"):
        read(b"{}", list[int])


def test_a_command_imports_no_server() -> None:
    program = (
        "import sys\n"
        "from penstock.tools.cli import main\n"
        "main(['status', '--control', 'nowhere.sock'], standalone_mode=False)\n"
    )
    check = f"try:\n    exec({program!r})\nexcept Exception as error:\n    print(error.exit_code)\n"
    check += "print([n for n in ('asyncio', 'uvloop', 'penstock.hosts', 'penstock.pipeline') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert done.stdout.splitlines() == ["3", "[]"], done.stderr
