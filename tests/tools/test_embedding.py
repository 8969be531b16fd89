import subprocess
import sys
from pathlib import Path

import httpx
import pytest

import penstock
from penstock.errors import ConfigurationError
from tests.tools.processes import ASGI, environment, url_in

PROGRAM = """
import penstock
from shop import app
print(penstock.run(app, port=0, access_log=False, limit_max_requests=1, header=["x-a: b"]))
"""


def test_an_application_as_an_object(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(ASGI, "utf-8")
    (tmp_path / "program.py").write_text(PROGRAM, "utf-8")
    process = subprocess.Popen(
        [sys.executable, "program.py"], cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    assert "serving shop:app (ASGI) at http://127.0.0.1:" in line
    assert httpx.get(url_in(line)).headers["x-a"] == "b"
    assert process.communicate(timeout=30)[0] == "0\n"


def test_workers(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(ASGI, "utf-8")
    program = 'import penstock\nprint(penstock.run("shop:app", workers=1, port=0, pid="a.pid", access_log=False))\n'
    (tmp_path / "program.py").write_text(program, "utf-8")
    process = subprocess.Popen(
        [sys.executable, "program.py"], cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    assert (tmp_path / "a.pid").read_text("ascii") == f"{process.pid}\n"
    assert httpx.get(url_in(line)).status_code == 200
    process.terminate()
    assert process.communicate(timeout=30)[0] == "0\n"


def test_workers_cannot_be_given_an_object() -> None:
    with pytest.raises(ConfigurationError, match=r'name it, as in penstock.run\("shop:app", workers=2\)'):
        penstock.run(lambda: "hello", workers=2)


def test_mistakes_are_raised() -> None:
    with pytest.raises(ConfigurationError, match="--bind"):
        penstock.run("shop:app", bind=["nonsense"])
