"""This file is the test of who owns the file of a Unix socket."""

import os
import socket
from pathlib import Path

import pytest

from penstock.errors import ConfigurationError
from penstock.hosts.binds import Bind
from penstock.hosts.unix_socket import OwnedFile, claim_path


def bind_to(path: Path) -> Bind:
    return Bind(text=f"unix:{path}", path=str(path))


class TestOwnedFile:
    def test_is_removed_wherever_the_process_stands(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "app.sock").touch()
        owned = OwnedFile("app.sock")
        monkeypatch.chdir("/")
        owned.remove()
        assert not (tmp_path / "app.sock").exists()
        owned.remove()

    def test_another_file_of_that_name_stays(self, tmp_path: Path) -> None:
        path = tmp_path / "app.sock"
        path.touch()
        owned = OwnedFile(str(path))
        (tmp_path / "new").touch()
        (tmp_path / "new").replace(path)
        owned.remove()
        assert path.exists()

    def test_stays_when_a_fork_ends(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = tmp_path / "app.sock"
        path.touch()
        owned = OwnedFile(str(path))
        monkeypatch.setattr(os, "getpid", lambda: 1)
        owned.remove()
        assert path.exists()


class TestClaimPath:
    def test_nothing_there_is_fine(self, tmp_path: Path) -> None:
        claim_path(bind_to(tmp_path / "app.sock"))

    def test_a_dead_socket_goes(self, tmp_path: Path) -> None:
        path = tmp_path / "app.sock"
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(path))
        claim_path(bind_to(path))
        assert not path.exists()

    def test_a_living_socket_and_another_file_stay(self, tmp_path: Path) -> None:
        path = tmp_path / "app.sock"
        with socket.socket(socket.AF_UNIX) as living:
            living.bind(str(path))
            living.listen()
            with pytest.raises(ConfigurationError, match="already in use"):
                claim_path(bind_to(path))
        (tmp_path / "file").touch()
        with pytest.raises(ConfigurationError, match="is not a socket"):
            claim_path(bind_to(tmp_path / "file"))
        assert path.exists()
