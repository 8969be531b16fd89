"""This file is the test of where the control socket is: one place for one target, in a folder nobody else may write to."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.errors import ConfigurationError
from penstock.supervisor import control_path as subject
from penstock.supervisor.control_path import control_path, find_control


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short name: pytest's own are too long for sockets."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@pytest.fixture
def environ(without_runtime: dict[str, str], folder: Path) -> dict[str, str]:
    """An environment with a runtime folder of its own."""
    return {**without_runtime, "XDG_RUNTIME_DIR": str(folder)}


@pytest.fixture
def without_runtime(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """An environment in which only the folder for temporary files is left, as for a user who is not root."""
    monkeypatch.setattr(subject, "_ROOT", -1)
    return {"TMPDIR": str(folder)}


def test_server_and_command_agree(environ: dict[str, str], folder: Path) -> None:
    path = control_path("penstock.toml", environ)
    assert find_control("penstock.toml", environ) == path
    assert find_control(os.path.abspath("penstock.toml"), environ) == path
    assert Path(path).parent == folder / "penstock"
    assert Path(path).name.startswith("penstock-")


def test_two_sites_of_one_name_have_two_sockets(environ: dict[str, str]) -> None:
    assert control_path("/srv/a/penstock.toml", environ) != control_path("/srv/b/penstock.toml", environ)


def test_the_folder_is_for_its_user_alone(environ: dict[str, str]) -> None:
    made = Path(control_path("penstock.toml", environ)).parent
    assert made.stat().st_mode & 0o777 == 0o700


def test_without_a_runtime_folder_it_is_below_that_of_temporary_files(
    without_runtime: dict[str, str], folder: Path
) -> None:
    path = Path(control_path("shop:app", without_runtime))
    assert path.parent == folder / f"penstock-{os.geteuid()}"
    assert path.name.startswith("shop-app-")


def test_root_has_the_runtime_folder_of_the_system(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "access", lambda path, mode: True)
    assert find_control("penstock.toml", {"TMPDIR": str(folder)}).startswith("/run/penstock/penstock-")


def test_a_command_finds_it_where_a_server_without_that_variable_has_made_it(
    without_runtime: dict[str, str], folder: Path
) -> None:
    path = Path(control_path("penstock.toml", without_runtime))
    path.touch()
    own = folder / "own"
    own.mkdir()
    assert find_control("penstock.toml", {**without_runtime, "XDG_RUNTIME_DIR": str(own)}) == str(path)


def test_a_long_name_is_cut_and_a_long_folder_is_passed_over(environ: dict[str, str], folder: Path) -> None:
    assert len(Path(control_path(f"{'x' * 200}.toml", environ)).name) < 60
    deep = folder / ("d" * 90)
    deep.mkdir()
    assert Path(control_path("a.toml", {**environ, "XDG_RUNTIME_DIR": str(deep)})).parent.parent == folder


class TestFoldersOfOthers:
    def made(self, environ: dict[str, str]) -> Path:
        return Path(control_path("penstock.toml", environ)).parent

    def test_one_that_others_may_write_to(self, without_runtime: dict[str, str]) -> None:
        made = self.made(without_runtime)
        made.chmod(0o777)
        with pytest.raises(ConfigurationError, match="may be written to by others"):
            control_path("penstock.toml", without_runtime)

    def test_one_that_belongs_to_somebody_else(
        self, without_runtime: dict[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = self.made(without_runtime)
        (made / Path(control_path("penstock.toml", without_runtime)).name).touch()
        monkeypatch.setattr(subject, "_user", lambda: os.geteuid() + 1)
        made.rename(made.parent / f"penstock-{os.geteuid() + 1}")
        with pytest.raises(ConfigurationError, match="belongs to user"):
            control_path("penstock.toml", without_runtime)
        with pytest.raises(ConfigurationError, match="belongs to user"):
            find_control("penstock.toml", without_runtime)

    def test_a_link_to_one(self, without_runtime: dict[str, str], folder: Path) -> None:
        made = self.made(without_runtime)
        made.rmdir()
        made.symlink_to(folder)
        with pytest.raises(ConfigurationError, match="is not a folder"):
            control_path("penstock.toml", without_runtime)

    def test_one_that_cannot_be_made(self, without_runtime: dict[str, str], folder: Path) -> None:
        (folder / "file").touch()
        with pytest.raises(ConfigurationError, match="cannot be made"):
            control_path("penstock.toml", {**without_runtime, "TMPDIR": str(folder / "file")})
