import os
import signal
import subprocess
from pathlib import Path

import httpx
import pytest

from penstock.tools.reloading import said_to_child
from tests.tools.processes import serving, url_in

PAGE = """
def app(environ, start_response):
    start_response("200 OK", [("content-type", "text/plain")])
    return [b"{0}"]
"""


def test_the_child_listens_at_what_it_inherits() -> None:
    said = {"bind": ("a:1",), "host": "b", "port": 2, "uds": "c", "fd": 3, "reload": True, "mode": None, "threads": 1}
    assert said_to_child(said, ["fd:7", "fcgi+fd:8"]) == {
        "bind": ["fd:7", "fcgi+fd:8"], "host": None, "port": None, "uds": None, "fd": None,
        "reload": False, "one_process": True, "mode": "development", "threads": 1,
    }  # fmt: skip
    assert said_to_child({**said, "mode": "production"}, [])["mode"] == "production"


def expect_line(process: subprocess.Popen[str], part: str) -> None:
    """Read on until a line holds `part`."""
    assert process.stdout is not None
    for line in process.stdout:
        if part in line:
            return
    raise AssertionError(f"no line with {part!r}")


def test_a_change_is_served_and_no_request_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "shop.py"
    page.write_text(PAGE.format("one"), "utf-8")
    with serving("shop:app", "--port", "0", "--reload", "--no-access-log", folder=tmp_path) as (process, line):
        url = url_in(line)
        assert httpx.get(url).text == "one"
        page.write_text(PAGE.format("two!"), "utf-8")
        # Each of these is answered, by the old code or the new one.
        while httpx.get(url, timeout=30).text != "two!":
            pass
        expect_line(process, f"serving shop:app (WSGI) at {url}")
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)


def test_a_mistake_is_shown_and_its_correction_served(tmp_path: Path) -> None:
    page = tmp_path / "shop.py"
    page.write_text(PAGE.format("one"), "utf-8")
    with serving("shop:app", "--port", "0", "--reload", "--no-access-log", folder=tmp_path) as (process, line):
        assert process.stderr is not None
        page.write_text("def app(:\n", "utf-8")
        while "ended with exit code 3" not in process.stderr.readline():
            pass
        page.write_text(PAGE.format("three"), "utf-8")
        assert httpx.get(url_in(line), timeout=30).text == "three"


def test_error_pages_are_those_of_development(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text("def app(environ, start_response):\n    raise ValueError('a bug')\n", "utf-8")
    with serving("shop:app", "--port", "0", "--reload", folder=tmp_path) as (_, line):
        answer = httpx.get(url_in(line))
        assert answer.status_code == 500
        assert "a bug" in answer.text
    with serving("shop:app", "--port", "0", folder=tmp_path) as (_, line):
        assert "a bug" not in httpx.get(url_in(line)).text


@pytest.mark.parametrize("name", ["page.html", "penstock.toml"])
def test_what_else_is_watched(tmp_path: Path, name: str) -> None:
    (tmp_path / "shop.py").write_text(PAGE.format("one"), "utf-8")
    (tmp_path / "page.html").write_text("one", "utf-8")
    site = tmp_path / "penstock.toml"
    site.write_text('[[site]]\n[[site.app]]\nat = "/"\nwsgi = "shop:app"\n', "utf-8")
    with serving("--port", "0", "--reload", "--reload-include", "*.html", folder=tmp_path) as (process, _):
        path = tmp_path / name
        path.write_text(path.read_text("utf-8") + "\n", "utf-8")
        os.utime(path)
        expect_line(process, "serving penstock.toml at")
