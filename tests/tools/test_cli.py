import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import penstock
from penstock.tools.cli import COMMANDS, main
from tests.tools.processes import run


def test_help_lists_the_commands_and_the_exit_codes() -> None:
    output = CliRunner().invoke(main, ["--help"]).output
    for command in COMMANDS:
        assert f"\n  {command} " in output
    assert "3  an application or a module failed to start" in output


def test_version() -> None:
    result = CliRunner().invoke(main, ["--version"])
    assert result.exit_code == 0
    assert result.output.startswith(f"penstock {penstock.__version__} (")


@pytest.mark.parametrize(
    ("word", "advice"),
    [
        ("srve", "Did you mean 'serve'?"),
        ("banana", "There are: serve, check, explain, stages, trace, init, status, "),
        ("shop:app", "Did you mean `penstock serve shop:app`?"),
        ("penstock.toml", "Did you mean `penstock serve penstock.toml`?"),
    ],
)
def test_unknown_commands(word: str, advice: str) -> None:
    result = CliRunner().invoke(main, [word])
    assert result.exit_code == 2
    assert advice in result.output


def test_python_m_penstock(tmp_path: Path) -> None:
    done = run("--version", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("penstock ")


def test_every_mistake_is_one_line_and_the_exit_code_2(tmp_path: Path) -> None:
    done = run("serve", "shop:app", "--bind", "nonsense", "--header", "x", folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == ["--bind", "--header"]


class TestStartFails:
    """Exit code 3: the application's traceback, and nothing else."""

    @pytest.mark.parametrize("extra", [[], ["--reload-include", "*.html"]])
    def test_in_its_import(self, tmp_path: Path, extra: list[str]) -> None:
        (tmp_path / "shop.py").write_text("def f():\n    raise ValueError('no key')\n\nf()\n", "utf-8")
        done = run("serve", "shop:app", "--port", "0", *extra, folder=tmp_path)
        assert (done.returncode, done.stdout) == (3, "")
        lines = done.stderr.splitlines()
        assert lines[0] == "Traceback (most recent call last):"
        assert lines[1].strip() == f'File "{tmp_path / "shop.py"}", line 4, in <module>'
        assert lines[-1] == "ValueError: no key"
        assert "penstock" not in done.stderr

    def test_in_what_it_imports(self, tmp_path: Path) -> None:
        (tmp_path / "shop.py").write_text("import not_there\n", "utf-8")
        done = run("serve", "shop:app", "--port", "0", folder=tmp_path)
        assert done.returncode == 3
        assert done.stderr.splitlines()[-1] == "ModuleNotFoundError: No module named 'not_there'"

    def test_in_its_syntax(self, tmp_path: Path) -> None:
        (tmp_path / "shop.py").write_text("def app(:\n", "utf-8")
        done = run("serve", "shop:app", "--port", "0", folder=tmp_path)
        assert done.returncode == 3
        assert done.stderr.splitlines()[0].strip() == f'File "{tmp_path / "shop.py"}", line 1'

    def test_in_its_factory(self, tmp_path: Path) -> None:
        (tmp_path / "shop.py").write_text("def make():\n    raise RuntimeError('no database')\n", "utf-8")
        done = run("serve", "shop:make", "--factory", "--port", "0", folder=tmp_path)
        assert done.returncode == 3
        assert done.stderr.splitlines()[-1] == "RuntimeError: no database"

    def test_in_its_lifespan(self, tmp_path: Path) -> None:
        (tmp_path / "shop.py").write_text(
            "from contextlib import asynccontextmanager\nfrom starlette.applications import Starlette\n"
            "@asynccontextmanager\nasync def life(app):\n    raise RuntimeError('no database')\n    yield\n"
            "app = Starlette(lifespan=life)\n",
            "utf-8",
        )
        done = run("serve", "shop:app", "--port", "0", folder=tmp_path)
        assert (done.returncode, done.stdout) == (3, "")
        assert done.stderr.startswith("Traceback (most recent call last):")
        assert done.stderr.count("RuntimeError: no database") == 1

    def test_in_a_module(self, tmp_path: Path) -> None:
        (tmp_path / "shop.py").write_text(
            "class Gate:\n    def attach(self, hooks):\n        hooks.on_start(self.open)\n"
            "    def open(self):\n        raise OSError('no valve')\n",
            "utf-8",
        )
        (tmp_path / "penstock.toml").write_text('[[site]]\n[[site.module]]\nuse = "shop:Gate"\n', "utf-8")
        done = run("serve", "--port", "0", folder=tmp_path)
        assert done.returncode == 3
        assert done.stderr.splitlines()[-1] == "OSError: no valve"

    def test_what_is_missing_is_the_operators_fault(self, tmp_path: Path) -> None:
        (tmp_path / "shop.py").write_text("app = None\n", "utf-8")
        for target, advice in {"shpo:app": 'did you mean "shop"?', "shop:ap": 'did you mean "app"?'}.items():
            done = run("serve", target, "--port", "0", folder=tmp_path)
            assert done.returncode == 2
            assert advice in done.stderr


def test_serving_an_application_imports_nothing_it_does_not_need(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom penstock.tools.cli import main\nfrom penstock.tools import serve, running\n"
        "from penstock.tools.target import settings_of\nsettings_of('shop:app', environ={})\n"
        "print([n for n in ('tomllib', 'shlex', 'logging.config', 'watchfiles', 'importlib.metadata', 'difflib')"
        " if n in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.strip() == "[]"
