"""What mypyc compiles to something else than Python means, and is written nowhere on the way of a request."""

import ast
import re
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "penstock"
COMPILED = ("hosts", "http", "intake", "pipeline", "pipeline_gateways", "request_sockets")
MODULES = [
    path
    for folder in COMPILED
    for path in sorted((SOURCE / folder).rglob("*.py"))
    if not re.search(r"^# Not compiled: ", path.read_text(encoding="utf-8"), re.MULTILINE)
]
WAITING = (ast.Await, ast.AsyncFor, ast.AsyncWith)


def named(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_nothing_waits_inside_except_and_raises_again(path: Path) -> None:
    """A coroutine that does, awaited by another and cancelled, ends the process (mypyc 2.4): catch, leave `except`, then wait."""
    found = [
        handler.lineno
        for handler in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(handler, ast.ExceptHandler)
        and any(isinstance(node, WAITING) for node in ast.walk(handler))
        and any(isinstance(node, ast.Raise) and node.exc is None for node in ast.walk(handler))
    ]
    assert found == []
