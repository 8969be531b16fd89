"""From what `penstock serve` is told to settings."""

import os
from pathlib import Path
from typing import Any

import pytest

from penstock import ConfigurationError
from penstock.settings import Settings
from penstock.tools.running import run, settings_from


def said(**more: Any) -> dict[str, Any]:
    """The options of a command line that says nothing else."""
    nothing = {
        "interface": "auto",
        "factory": False,
        "root_path": "",
        "threads": None,
        "app_dir": (),
        "log_config": None,
    }
    return {**nothing, "reload": False, "bind": (), "host": None, **more}


def test_an_application_with_options_laid_over_it(tmp_path: Path) -> None:
    settings = settings_from("shop:app", said(interface="wsgi", threads=3, port=9000, app_dir=[str(tmp_path)]))
    (site,) = settings.sites
    (app,) = site.apps
    assert (app.wsgi, app.threads, settings.server.listen) == ("shop:app", 3, ("127.0.0.1:9000",))
    assert str(tmp_path) in settings.server.app_dirs


def test_folders_to_import_from_are_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = settings_from("shop:app", said(app_dir=["code"]))
    assert str(tmp_path / "code") in settings.server.app_dirs


def test_options_of_the_command_line_alone_are_no_settings() -> None:
    assert isinstance(settings_from("shop:app", said(env_file="x", hint=True)), Settings)


def test_what_cannot_be_served_is_refused_before_anything_is_started(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        run(str(tmp_path / "missing.toml"), said())


class TestSystemd:
    @pytest.fixture(autouse=True)
    def two_sockets(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Sockets are told of, not opened: which ones are taken is decided before."""
        monkeypatch.setenv("LISTEN_FDS", "2")
        monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
        monkeypatch.setenv("LISTEN_FDNAMES", "web:fcgi")
        monkeypatch.setattr("penstock.supervisor.systemd._path_of", lambda _: "")

    def test_sockets_of_systemd_take_the_place_of_the_address(self) -> None:
        assert settings_from("shop:app", said()).server.listen == ("fd:3", "fcgi+fd:4")

    def test_an_option_says_otherwise(self) -> None:
        assert settings_from("shop:app", said(bind=(":9000",))).server.listen == (":9000",)
        assert settings_from("shop:app", said(port=9000)).server.listen == ("127.0.0.1:9000",)

    def test_a_variable_says_otherwise(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PENSTOCK_SERVER__LISTEN", ":9001")
        assert settings_from("shop:app", said()).server.listen == (":9001",)

    def test_those_of_another_process_are_not_taken(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("LISTEN_PID", "1")
        assert settings_from("shop:app", said()).server.listen == ("127.0.0.1:8000",)
