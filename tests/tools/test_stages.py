from pathlib import Path

import pytest
from click.testing import CliRunner

from penstock.tools.cli import main


@pytest.fixture
def file(tmp_path: Path) -> str:
    (tmp_path / "staged.py").write_text(
        "from penstock import Stage\nclass Gate:\n    def attach(self, hooks):\n"
        "        hooks.on(Stage.BEGIN, self.pass_by)\n        hooks.after(Stage.LOG, self.pass_by)\n"
        "    def pass_by(self, context):\n        pass\n"
        "class Audit(Gate):\n    pass\n"
        "def hello(name):\n    return name\n",
        "utf-8",
    )
    path = tmp_path / "penstock.toml"
    path.write_text(
        '[[site]]\n[[site.module]]\nuse = "staged:Gate"\n'
        '[[site.route]]\nat = "/hello/{name}"\nfunction = "staged:hello"\n',
        "utf-8",
    )
    return str(path)


def stages(*arguments: str) -> list[str]:
    result = CliRunner().invoke(main, ["stages", *arguments])
    assert result.exit_code == 0, result.output
    return result.output.splitlines()


def test_the_plan_of_a_path(file: str) -> None:
    lines = stages(file, "--at", "/hello/Ada")
    assert lines[:3] == ["site *", "  GET /hello/Ada", "    begin          Gate"]
    assert "    execute        function staged:hello" in lines
    assert "    log            Gate (after)" in lines
    assert len(lines) == 2 + 12


def test_every_plan_once(file: str) -> None:
    lines = stages(file)
    assert [line for line in lines if line.startswith("  to ")] == ["  to function staged:hello", "  to nothing"]


def test_a_path_that_is_refused(file: str) -> None:
    result = CliRunner().invoke(main, ["stages", file, "--at", "/a/../../b"])
    assert result.exit_code == 2
    assert "climbs above the root" in result.output
