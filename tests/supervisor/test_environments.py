"""Whether another Python has a Penstock that understands this one; what would help is told."""

import importlib.metadata
import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

import penstock
from penstock.errors import ConfigurationError
from penstock.settings import PoolSettings, Settings
from penstock.supervisor.environments import check_environment, judge_environments, requirement

MINOR = ".".join(penstock.__version__.split(".")[:2])


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """A virtual environment without anything in it."""
    venv.create(tmp_path / "venv", with_pip=False, symlinks=os.name == "posix")
    return tmp_path / "venv"


def python_of(folder: Path) -> str:
    return str(folder / ("Scripts" if os.name == "nt" else "bin") / Path(sys.executable).name)


def packages_of(folder: Path) -> Path:
    return next(folder.glob("lib*/python*/site-packages"), folder / "Lib" / "site-packages")


def lend_packages(folder: Path) -> None:
    """Everything that this process can import."""
    (packages_of(folder) / "lent.pth").write_text("\n".join(path for path in sys.path if path))


def fake_penstock(folder: Path, version: str) -> None:
    package = packages_of(folder) / "penstock" / "supervisor"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").write_text(f"__version__ = {version!r}")
    (package / "__init__.py").write_text("")
    (package / "worker.py").write_text("import there_is_no_such_module")


def test_pipeline_w01_a_python_without_penstock_is_told_with_the_command_that_helps(other: Path) -> None:
    python = python_of(other)
    assert check_environment(python) == (
        f"python: {python} has no Penstock: install it: {python} -m pip install {requirement(MINOR)}"
    )
    lend_packages(other)
    assert check_environment(python) == ""


class Installed:
    """A distribution of which pip has written down where it came from."""

    def __init__(self, origin: str | None) -> None:
        self._origin = origin

    def read_text(self, name: str) -> str | None:
        return self._origin if name == "direct_url.json" else None


def test_what_was_installed_from_a_folder_is_to_be_installed_from_there(
    other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone = other.parent / "the clone"
    clone.mkdir()
    origin = json.dumps({"dir_info": {}, "url": clone.as_uri()})
    monkeypatch.setattr(importlib.metadata, "distribution", lambda _: Installed(origin))
    python = python_of(other)
    assert check_environment(python).endswith(f"has no Penstock: install it: {python} -m pip install '{clone}'")


@pytest.mark.parametrize("origin", ['{"url": "file:///there/is/none"}', '{"url": "https://example.org/"}', "", None])
def test_what_came_from_an_index_is_to_be_installed_by_its_version(
    origin: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.metadata, "distribution", lambda _: Installed(origin))
    assert requirement("0.1") == '"penstock==0.1.*"'


@pytest.mark.parametrize("version", ["7.1.0", "0.99.0"])
def test_pipeline_w01_another_minor_version_is_refused(other: Path, version: str) -> None:
    fake_penstock(other, version)
    told = check_environment(python_of(other))
    assert f"has Penstock {version}, and this is {penstock.__version__}: install it: " in told
    assert f"-m pip install {requirement(MINOR)}" in told


def test_a_penstock_of_another_patch_version_will_do_but_not_one_that_lacks_what_it_needs(other: Path) -> None:
    fake_penstock(other, f"{MINOR}.99")
    assert "lacks there_is_no_such_module" in check_environment(python_of(other))


def test_what_was_found_is_remembered_until_something_is_installed(
    other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    run = subprocess.run

    def counted(*args: object, **options: object) -> object:
        asked.append(args)
        return run(*args, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "run", counted)
    for _ in range(3):
        assert "has no Penstock" in check_environment(python_of(other))
    assert len(asked) == 1
    fake_penstock(other, "7.1.0")
    assert "has Penstock 7.1.0" in check_environment(python_of(other))
    assert len(asked) == 2


def test_what_is_no_python_is_told(tmp_path: Path) -> None:
    assert f"there is no {tmp_path}/bin/python" in check_environment(f"{tmp_path}/bin/python")
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\necho not for me >&2\nexit 3\n")
    assert "cannot be run" in check_environment(str(program))
    program.chmod(0o755)
    os.utime(program, (0, 0))
    assert check_environment(str(program)).endswith("is no Python that works: not for me")
    program.write_text('#!/bin/sh\necho \'{"python": [3, 9, 1], "penstock": null, "missing": null}\'\n')
    assert "is Python 3.9, and Penstock needs 3.11 or later" in check_environment(str(program))


def test_every_pool_is_looked_at_and_its_place_is_named(tmp_path: Path) -> None:
    pools = [PoolSettings(name="a"), *[PoolSettings(name=name, python=f"{tmp_path}/{name}") for name in ("b", "c")]]
    with pytest.raises(ConfigurationError) as raised:
        judge_environments(Settings(pools=tuple(pools)))
    assert [problem.where for problem in raised.value.problems] == ['[[pool]] "b"', '[[pool]] "c"']
    with pytest.raises(ConfigurationError) as raised:
        judge_environments(Settings(pools=tuple(pools)), lambda path: f"penstock.toml:{path[1]}")
    assert [problem.where for problem in raised.value.problems] == ["penstock.toml:1", "penstock.toml:2"]
    judge_environments(Settings(pools=tuple(pools[:1])))
