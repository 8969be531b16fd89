"""The narrow waist: every host's request has the members that the pipeline knows.

The sources are compared, not the objects: a compiled class does not tell the names of its parameters.
"""

import ast
from pathlib import Path

import pytest

from penstock.intake.worker_request import Capability

SOURCES = Path(__file__).parents[2] / "src/penstock"
HOSTS = {"Http1Request": "hosts/http1_request.py", "MemoryRequest": "hosts/memory_host.py"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def read_class(name: str, file: str) -> ast.ClassDef:
    tree = ast.parse((SOURCES / file).read_text(encoding="utf-8"))
    return next(each for each in tree.body if isinstance(each, ast.ClassDef) and each.name == name)


def functions_of(source: ast.ClassDef) -> dict[str, Function]:
    return {each.name: each for each in source.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)}


def parameters_of(function: Function) -> list[str]:
    return [each.arg for each in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)]


def is_property(function: Function) -> bool:
    return any(isinstance(each, ast.Name) and each.id == "property" for each in function.decorator_list)


def slots_of(source: ast.ClassDef) -> set[str]:
    for each in source.body:
        if isinstance(each, ast.Assign) and ast.unparse(each.targets[0]) == "__slots__":
            return set(ast.literal_eval(each.value))
    return set()


CONTRACT = read_class("WorkerRequest", "intake/worker_request.py")
WANTED = functions_of(CONTRACT)
METHODS = sorted(name for name, function in WANTED.items() if not is_property(function))
PROPERTIES = sorted(name for name, function in WANTED.items() if is_property(function))
FIELDS = sorted(ast.unparse(each.target) for each in CONTRACT.body if isinstance(each, ast.AnnAssign))


class TestContract:
    def test_its_members_are_these(self) -> None:
        assert METHODS == [
            "abort",
            "inform",
            "limit_body",
            "on_disconnect",
            "send",
            "send_file",
            "take",
            "trailers",
            "upgrade",
            "wait_body",
        ]
        assert PROPERTIES == ["capabilities", "client", "has_sent_all", "server"]
        assert FIELDS == ["bytes_sent", "head", "is_disconnected", "scheme", "started"]


@pytest.mark.parametrize("host", HOSTS)
class TestHosts:
    @pytest.mark.parametrize("name", METHODS)
    def test_methods_take_what_the_contract_says_and_are_async_where_it_says_so(self, host: str, name: str) -> None:
        found, wanted = functions_of(read_class(host, HOSTS[host]))[name], WANTED[name]
        assert parameters_of(found) == parameters_of(wanted)
        assert isinstance(found, ast.AsyncFunctionDef) is isinstance(wanted, ast.AsyncFunctionDef)

    @pytest.mark.parametrize("name", [*PROPERTIES, *FIELDS])
    def test_the_other_members_are_properties_or_slots(self, host: str, name: str) -> None:
        source = read_class(host, HOSTS[host])
        function = functions_of(source).get(name)
        assert name in slots_of(source) or (function is not None and is_property(function))


class TestCapability:
    def test_they_can_be_combined_and_asked_for(self) -> None:
        both = Capability.SEND_FILE | Capability.TRAILERS
        assert Capability.TRAILERS in both
        assert Capability.UPGRADE not in both
        assert not Capability.NONE
