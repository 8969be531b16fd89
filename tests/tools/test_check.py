from pathlib import Path

import pytest
from click.testing import CliRunner

from penstock.tools.cli import main
from tests.tour_site import TOUR


def test_no_mistakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "penstock.toml").write_text("[[site]]\n", "utf-8")
    result = CliRunner().invoke(main, ["check"])
    assert (result.exit_code, result.output) == (0, "penstock.toml: no mistakes\n")


def test_every_mistake_at_once_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "penstock.toml"
    path.write_text('[server]\nbacklogg = 1\nmode = "fast"\n\n[[site]]\nroot = "nowhere"\n', "utf-8")
    result = CliRunner().invoke(main, ["check", str(path)])
    assert result.exit_code == 2
    assert [line.partition(": ")[0] for line in result.stderr.splitlines()] == [f"{path}:{line}" for line in (2, 3, 6)]


def test_what_is_named_is_imported(tmp_path: Path) -> None:
    path = tmp_path / "penstock.toml"
    path.write_text('[[site]]\n[[site.app]]\nat = "/"\nasgi = "no_such_module_anywhere:app"\n', "utf-8")
    result = CliRunner().invoke(main, ["check", str(path)])
    assert result.exit_code == 2
    assert f"{path}:4: " in result.stderr


def test_what_the_environment_overrides_is_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "penstock.toml"
    path.write_text("[[site]]\n", "utf-8")
    result = CliRunner().invoke(main, ["check", str(path)], env={"PENSTOCK_SERVER__LIMITS__BDY": "1"})
    assert result.exit_code == 2
    assert "PENSTOCK_SERVER__LIMITS__BODY" in result.stderr


def test_a_file_that_is_not_there() -> None:
    assert CliRunner().invoke(main, ["check", "nowhere.toml"]).exit_code == 2


def test_explaining_the_tour_imports_nothing() -> None:
    result = CliRunner().invoke(main, ["explain", str(TOUR / "penstock.toml"), "/admin/"])
    assert result.exit_code == 0
    assert "WSGI application tour.admin_site.wsgi:application (4 threads)" in result.output
