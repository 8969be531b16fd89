import sys
import venv
from pathlib import Path

import pytest
from click.testing import CliRunner

from penstock.tools.cli import main
from tests.tour_site import copy_tour


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


def test_what_runs_in_a_pool_is_imported_there_alone(tmp_path: Path) -> None:
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "pool_checked.py").write_text("def app(scope, receive, send): ...\n", "utf-8")
    path = tmp_path / "penstock.toml"
    path.write_text(
        '[[pool]]\nname = "reports"\napp_dirs = ["reports"]\n'
        '[[site]]\n[[site.app]]\nat = "/"\nasgi = "pool_checked:app"\npool = "reports"\n',
        "utf-8",
    )
    result = CliRunner().invoke(main, ["check", str(path)])
    assert (result.exit_code, result.output) == (0, f"{path}: no mistakes\n")
    assert "pool_checked" not in sys.modules


def test_a_pool_whose_python_has_no_penstock_is_told_with_the_command(tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", symlinks=True)
    path = tmp_path / "penstock.toml"
    path.write_text(
        '[[pool]]\nname = "reports"\npython = "venv/bin/python"\n'
        '[[site]]\n[[site.app]]\nat = "/"\nasgi = "pool_checked:app"\npool = "reports"\n',
        "utf-8",
    )
    result = CliRunner().invoke(main, ["check", str(path)])
    assert result.exit_code == 2
    assert f"{path}:3: python: {tmp_path}/venv/bin/python has no Penstock: install it: " in result.stderr


def test_what_serve_would_refuse_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "check_modules.py").write_text(
        "from penstock import Stage\n\n\n"
        "class Early:\n    def attach(self, hooks):\n        hooks.on(Stage.BEGIN, print)\n\n\n"
        "def hello(nam): ...\n",
        "utf-8",
    )
    path = tmp_path / "penstock.toml"
    lines = [
        "[server]",
        'log = { access_format = "combind" }',
        "[[site]]",
        "[[site.module]]",
        'use = "check_modules:Early"',
        'settings = { colour = "red" }',
        "[[site.route]]",
        'at = "/{name}"',
        'function = "check_modules:hello"',
        "[[site.location]]",
        'at = "/a"',
        'modules = [{ use = "check_modules:Early", name = "earlier", settings = { text = "hi" } }]',
    ]
    path.write_text("\n".join(lines), "utf-8")
    result = CliRunner().invoke(main, ["check", str(path)])
    assert result.exit_code == 2
    assert [line.partition(": ")[0] for line in result.stderr.splitlines()] == [
        f"{path}:{line}" for line in (4, 7, 12, 2)
    ]


def test_a_module_of_a_location_at_begin_is_refused_with_the_line_of_the_location(tmp_path: Path) -> None:
    (tmp_path / "check_begin.py").write_text(
        "from penstock import Stage\n\n\nclass Early:\n    def attach(self, hooks):\n        hooks.on(Stage.BEGIN, print)\n",
        "utf-8",
    )
    path = tmp_path / "penstock.toml"
    path.write_text(
        '[[site]]\n[[site.location]]\nat = "/a/b"\n[[site.location]]\nat = "/a"\n'
        'modules = [{ use = "check_begin:Early" }]\n',
        "utf-8",
    )
    result = CliRunner().invoke(main, ["check", str(path)])
    assert result.exit_code == 2
    assert result.stderr.startswith(f"{path}:4: module Early hooks BEGIN")
    assert result.stderr.count("\n") == 1


def test_what_fails_in_its_own_code_is_a_mistake_too(tmp_path: Path) -> None:
    (tmp_path / "check_failing.py").write_text("def make():\n    raise OSError('disk full')\n", "utf-8")
    path = tmp_path / "penstock.toml"
    path.write_text('[[site]]\n[[site.app]]\nat = "/"\nasgi = "check_failing:make"\nfactory = true\n', "utf-8")
    result = CliRunner().invoke(main, ["check", str(path)])
    assert result.exit_code == 2
    assert result.stderr == f"{path}: the factory check_failing:make failed: disk full\n"


def test_certificates_are_opened(tmp_path: Path) -> None:
    for name in ("cert.pem", "key.pem"):
        (tmp_path / name).write_text("nothing", "utf-8")
    path = tmp_path / "penstock.toml"
    path.write_text('[[site]]\ntls = { certificate = "cert.pem", key = "key.pem" }\n', "utf-8")
    result = CliRunner().invoke(main, ["check", str(path)])
    assert result.exit_code == 2
    assert result.stderr.startswith("[[site]] *: there is no certificate in PEM form in ")


def test_what_the_environment_overrides_is_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "penstock.toml"
    path.write_text("[[site]]\n", "utf-8")
    result = CliRunner().invoke(main, ["check", str(path)], env={"PENSTOCK_SERVER__LIMITS__BDY": "1"})
    assert result.exit_code == 2
    assert "PENSTOCK_SERVER__LIMITS__BODY" in result.stderr


def test_a_file_that_is_not_there() -> None:
    assert CliRunner().invoke(main, ["check", "nowhere.toml"]).exit_code == 2


def test_explaining_the_tour_imports_nothing(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["explain", str(copy_tour(tmp_path)), "/admin/"])
    assert result.exit_code == 0
    assert "WSGI application tour.admin_site.wsgi:application (4 threads)" in result.output
