import json
import sys
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
        "class Span:\n    def attach(self, hooks):\n"
        "        hooks.around('authorize', Stage.LOG, self.span)\n"
        "    def span(self, context):\n        pass\n"
        "def hello(name):\n    return name\n"
        "def hello_all(rest):\n    return rest\n",
        "utf-8",
    )
    path = tmp_path / "penstock.toml"
    path.write_text(
        '[[site]]\n[[site.module]]\nuse = "staged:Gate"\n'
        '[[site.route]]\nat = "/hello/{name}"\nfunction = "staged:hello"\n'
        '[[site.route]]\nat = "/{rest:path}"\nfunction = "staged:hello_all"\nallow_anonymous = true\n'
        '[[site.location]]\nat = "/open"\nmodules = [{ use = "staged:Span" }]\nlimits = { deadline = 5.0 }\n'
        'access = ["read"]\nerror_format = "json"\nfiltering = { query = 100 }\n'
        '[[site.trace]]\nat = "/open"\nstatus = [404, "500-599"]\nslower_than = 2.0\n',
        "utf-8",
    )
    return str(path)


def stages(*arguments: str) -> list[str]:
    result = CliRunner().invoke(main, ["stages", *arguments])
    assert result.exit_code == 0, result.output
    return result.output.splitlines()


def squeezed(lines: list[str]) -> list[str]:
    return [" ".join(line.split()) for line in lines]


USUALLY = "until the request is complete or has failed"
ALWAYS = "always, each step on its own"


def test_the_plan_of_a_path(file: str) -> None:
    lines = squeezed(stages(file, "--at", "/hello/Ada"))
    assert lines[:2] == ["site *", "GET /hello/Ada to function staged:hello"]
    assert "stage module and hook rule" in lines
    assert f"1 BEGIN Gate: pass_by {USUALLY}" in lines
    assert "AUTHENTICATE" in lines  # a stage without steps is shown, too
    assert f"EXECUTE function staged:hello {USUALLY}" in [line.partition(" ")[2] for line in lines]
    assert f"LOG, after Gate: pass_by {ALWAYS}" in [line.partition(" ")[2] for line in lines]
    assert any("penstock: send" in line for line in lines)


def test_what_holds_for_the_plan_is_said(file: str) -> None:
    lines = squeezed(stages(file, "--at", "/open/x"))
    assert "location: /open" in lines
    assert "methods: GET, HEAD" in lines
    assert "allow_anonymous: authorization lets everybody in" in lines
    assert "access: 403: the location does not grant script" in lines
    assert "deadline: 5 s to the head of the answer" in lines
    assert "error_format: json" in lines
    assert "filtering: requests are judged before BEGIN" in lines


def test_pipeline_d04_a_plan_under_a_trace_rule_says_so(file: str) -> None:
    (line,) = [line for line in squeezed(stages(file, "--at", "/open")) if line.startswith("trace: ")]
    rule = "[[site.trace]] at /open: status 404, 500-599 or slower than 2 s or aborted"
    assert line == f"trace: every step is timed, by {rule}"
    assert not any("trace" in line for line in stages(file, "--at", "/hello/Ada"))


def test_scopes_say_where_they_end(file: str) -> None:
    lines = squeezed(stages(file, "--at", "/open"))
    assert any(line.endswith("AUTHORIZE Span: span scope until LOG") for line in lines)
    assert any(line.endswith("LOG, after Span: leaves end of a scope") for line in lines)


def test_json(file: str) -> None:
    (plan,) = json.loads("\n".join(stages(file, "--at", "/open", "--json")))
    assert (plan["site"], plan["target"], plan["location"]) == (["*"], "function staged:hello_all", "/open")
    assert plan["allow_anonymous"] is True
    assert plan["steps"][0] == {
        "order": 1,
        "stage": "BEGIN",
        "is_post": False,
        "module": "Gate",
        "hook": "pass_by",
        "rule": USUALLY,
    }
    assert [step["order"] for step in plan["steps"]] == list(range(1, len(plan["steps"]) + 1))
    assert len(json.loads("\n".join(stages(file, "--json")))) > 2


def test_every_plan_once(file: str) -> None:
    lines = stages(file)
    assert [line for line in lines if line.startswith("  to ")] == [
        "  to function staged:hello",
        "  to function staged:hello_all",
        "  to nothing",
        *["  to function staged:hello", "  to function staged:hello_all", "  to nothing"],  # below /open
    ]


def test_a_path_that_is_refused(file: str) -> None:
    result = CliRunner().invoke(main, ["stages", file, "--at", "/a/../../b"])
    assert result.exit_code == 2
    assert "climbs above the root" in result.output


def test_an_application_in_a_pool_is_shown_and_not_imported(tmp_path: Path) -> None:
    path = tmp_path / "penstock.toml"
    path.write_text(
        f"[[pool]]\nname = 'reports'\npython = '{sys.executable}'\n"
        '[[site]]\n[[site.app]]\nat = "/out"\nasgi = "only_there:app"\npool = "reports"\n',
        "utf-8",
    )
    assert "EXECUTE        pool reports: ASGI only_there:app" in "\n".join(stages(str(path), "--at", "/out/x"))
