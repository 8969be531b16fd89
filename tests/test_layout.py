"""This file is the test of what holds the tree together: public names, version, wheel, and the commands people type."""

import ast
import importlib.metadata
import json
import os
import re
import subprocess
import sys
import tomllib
from importlib import import_module, resources
from pathlib import Path

import pytest

import penstock

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
RUN = (ROOT / ".ci/run").read_text(encoding="utf-8")
SYSTEM_PACKAGES = (ROOT / ".ci/system-packages").read_text(encoding="utf-8")

SOURCES = ROOT / "src" / "penstock"
# Modules whose tests are not at the mirrored place, and where they are: test___main__.py can hardly be read.
ELSEWHERE = {"__main__.py": "test_main.py"}

# What `from penstock import ...` promises. A name that is added is added here too; one that is taken away breaks people.
PUBLIC_NAMES = [
    "AcceptLost",
    "AcceptOptions",
    "BackendFailed",
    "Builder",
    "ClientGone",
    "ConfigurationError",
    "ConnectionLost",
    "Context",
    "ContractError",
    "Filter",
    "Form",
    "HTTPError",
    "Handler",
    "HandlerFactory",
    "Hooks",
    "Module",
    "PenstockError",
    "Principal",
    "Problem",
    "RegistrationClosed",
    "Request",
    "RequestRejected",
    "Response",
    "ResponseComplete",
    "ResponseCompleted",
    "ResponseSealed",
    "ResponseStarted",
    "SocketDisposedError",
    "Stage",
    "StartupError",
    "Upload",
    "WebSocket",
    "WebSocketBusyError",
    "WebSocketClosedError",
    "WebSocketDisconnect",
    "WebSocketError",
    "WebSocketProtocolError",
    "WebSocketStateError",
    "__version__",
    "after",
    "around",
    "asgi",
    "on",
    "rsgi",
    "run",
    "wsgi",
]


def compiled_modules() -> list[Path]:
    """The modules that the compiled wheel compiles, as setup.py chooses them."""
    chosen = re.search(r"^COMPILED = \((.*)\)$", (ROOT / "setup.py").read_text(encoding="utf-8"), re.MULTILINE)
    assert chosen is not None
    folders = [SOURCES / name.strip(' "') for name in chosen[1].split(",")]
    found = [path for folder in folders for path in folder.rglob("*.py") if path.name != "__init__.py"]
    return sorted(path for path in found if "\n# Not compiled: " not in path.read_text(encoding="utf-8"))


class TestPackage:
    def test_public_names_are_pinned(self) -> None:
        assert sorted(PUBLIC_NAMES) == sorted(penstock.__all__)

    def test_public_names_are_importable(self) -> None:
        missing = [name for name in PUBLIC_NAMES if not hasattr(penstock, name)]
        assert missing == []

    def test_version_is_that_of_the_distribution(self) -> None:
        assert PROJECT["project"]["version"] == importlib.metadata.version("penstock")
        assert PROJECT["project"]["version"] == penstock.__version__

    def test_console_script_is_callable(self) -> None:
        module, _, name = PROJECT["project"]["scripts"]["penstock"].partition(":")
        assert callable(getattr(import_module(module), name))

    def test_core_dependencies_are_the_six(self) -> None:
        required = {re.split(r"[^a-z0-9-]", text)[0] for text in PROJECT["project"]["dependencies"]}
        assert required == {"click", "httptools", "msgspec", "multipart", "uvloop", "websockets"}

    def test_importing_the_package_brings_no_framework(self) -> None:
        program = (
            "import sys, penstock; print([n for n in ('django', 'fastapi', 'flask', 'starlette') if n in sys.modules])"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "[]"


class TestTests:
    def test_every_module_has_tests_at_the_mirrored_place(self) -> None:
        """src/penstock/http/cookies.py is tested in tests/http/test_cookies.py; journeys through many are elsewhere."""
        tested = {
            str(module): ELSEWHERE.get(str(module), str(module.with_name(f"test_{module.name}")))
            for module in (path.relative_to(SOURCES) for path in SOURCES.rglob("*.py"))
            if module.name != "__init__.py"  # names alone: they are pinned and imported in this file
        }
        missing = [module for module, test in tested.items() if not (ROOT / "tests" / test).is_file()]
        assert sorted(missing) == []
        assert set(ELSEWHERE) - set(tested) == set()

    @pytest.mark.parametrize("package", ["penstock.server", "penstock.settings", "penstock.testing"])
    def test_what_a_package_offers_can_be_imported(self, package: str) -> None:
        module = import_module(package)
        assert [name for name in module.__all__ if not hasattr(module, name)] == []
        assert not hasattr(module, "nothing_of_this_name")


class TestWheel:
    def test_says_that_it_is_typed(self) -> None:
        assert resources.files("penstock").joinpath("py.typed").is_file()

    def test_brings_the_schema_of_the_site_file(self) -> None:
        schema = resources.files("penstock").joinpath("settings/site.schema.json").read_text(encoding="utf-8")
        assert isinstance(json.loads(schema), dict)

    def test_is_what_is_tested(self) -> None:
        """`make test` and `make test-compiled` say which wheel they installed; other ways to run pytest may do as they like."""
        wheel = os.environ.get("PENSTOCK_WHEEL")
        if wheel is not None:
            file = import_module("penstock.http.framing").__file__ or ""
            assert {"pure": ".py", "compiled": ".so"}[wheel] == Path(file).suffix
            assert "site-packages" in file


class TestCommands:
    def test_ci_calls_targets_that_exist(self) -> None:
        called = set(re.findall(r"\bmake (?:--[\w-]+ )*([\w-]+)", RUN))
        assert called == {"check", "test", "test-compiled"}
        assert called <= set(re.findall(r"^([\w-]+):", MAKEFILE, re.MULTILINE))

    def test_every_target_people_call_is_explained(self) -> None:
        phony = re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
        assert phony is not None
        explained = re.findall(r"@echo 'make ([\w-]+)", MAKEFILE)
        assert sorted(set(phony[1].split()) - {"help", "FORCE"}) == sorted(explained)

    def test_files_that_are_named_exist(self) -> None:
        named = set(re.findall(r"(?:\.ci|requirements|examples|benchmarks)/[\w/-]+(?:\.\w+)?", MAKEFILE + RUN))
        assert [name for name in sorted(named) if not name.startswith(MADE) and not (ROOT / name).exists()] == []

    def test_groups_of_system_packages_are_known(self) -> None:
        used = {
            group for line in re.findall(r"\.ci/system-packages((?: \w+)+)", MAKEFILE + RUN) for group in line.split()
        }
        assert used == set(re.findall(r"^    (\w+)\)$", SYSTEM_PACKAGES, re.MULTILINE))

    def test_lists_of_requirements_are_made_of_exact_versions(self) -> None:
        exact = re.compile(r"[\w.-]+(\[[\w,]+\])?==[\w.]+(; .+)?")
        lines = [
            line
            for file in sorted((ROOT / "requirements").glob("*.txt"))
            for line in file.read_text(encoding="utf-8").splitlines()
        ]
        loose = [line for line in lines if not line.startswith(("#", "-r ")) and not exact.fullmatch(line)]
        assert loose == []

    def test_lists_of_requirements_agree_with_one_another(self) -> None:
        versions: dict[str, set[str]] = {}
        for file in (ROOT / "requirements").glob("*.txt"):
            if file.name == APART:
                continue
            for name, version in re.findall(
                r"^([\w.-]+)\S*?==([\w.]+)", file.read_text(encoding="utf-8"), re.MULTILINE
            ):
                versions.setdefault(name.lower().replace("_", "-"), set()).add(version)
        assert {name: found for name, found in versions.items() if len(found) > 1} == {}


MADE = ("benchmarks/scratch", "examples/tour/venv")  # what running makes and the tree does not hold
APART = "tour-power.txt"  # an environment whose very point is that it does not agree with the others


class TestCompiledForm:
    def test_no_await_stands_in_a_finally(self) -> None:
        # mypyc lets an exception that passes through it turn up in the next coroutine that does the same.
        found = [
            f"{path.relative_to(SOURCES)}:{inner.lineno}"
            for path in compiled_modules()
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Try)
            for statement in node.finalbody
            for inner in ast.walk(statement)
            if isinstance(inner, ast.Await | ast.AsyncWith | ast.AsyncFor)
        ]
        assert found == [], "write it as except BaseException and an else, or say why the module is not compiled"
