"""This file is the test of docs/hosting.md: its commands are those that the tests run, and its web.config starts what it says."""

import re
import shlex
from pathlib import Path
from xml.etree import ElementTree as ET

import httpx
import pytest

from tests.hosting.capabilities import PAGE
from tests.hosting.hosts import copy_site
from tests.wire.guest_servers import RSGI_SERVERS, SERVERS, WSGI_SERVERS, server_of

TEXT = PAGE.read_text(encoding="utf-8")
COMMANDS = re.findall(r"^\$ (.+)$", TEXT, re.MULTILINE)
TRIED = {**SERVERS, **RSGI_SERVERS, **WSGI_SERVERS}


def is_tried(command: str) -> bool:
    """The same words, in whatever order, with its port; tests start `python -m waitress`, and gunicorn without its control socket."""
    words = sorted(shlex.split(command.replace("waitress-serve", "waitress")))
    known = [
        sorted(word.replace("{port}", "8000") for word in tried if word != "--no-control-socket")
        for tried, _ in TRIED.values()
    ]
    return words in known


@pytest.mark.parametrize("command", [each for each in COMMANDS if not each.startswith("penstock ")])
def test_commands_are_those_of_the_tests(command: str) -> None:
    assert is_tried(command)


def test_the_web_config_starts_a_server_at_the_port_that_iis_says(tmp_path: Path) -> None:
    found = re.search(r"^```xml\n(.+?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    assert found is not None
    platform = ET.fromstring(found[1].encode()).find(".//httpPlatform")
    assert platform is not None
    assert platform.attrib["processPath"].endswith("\\penstock.exe")
    words = platform.attrib["arguments"].replace("%HTTP_PLATFORM_PORT%", "{port}").split()
    assert words[1] == "C:\\srv\\shop\\penstock.toml"
    words[1] = "penstock.toml"
    folder = copy_site(tmp_path / "site", "asgi")
    with server_of(["penstock", *words], folder, says="serving") as running:
        assert httpx.get("http://{}:{}/hello/iis".format(*running.address)).text == "Hello, iis!"


def test_the_hook_of_gunicorn_starts_the_site(tmp_path: Path) -> None:
    folder = copy_site(tmp_path / "site", "wsgi")
    found = re.search(r"^# gunicorn.conf.py\n.+?(?=^```$)", TEXT, re.MULTILINE | re.DOTALL)
    assert found is not None
    (folder / "gunicorn.conf.py").write_text(found[0], encoding="utf-8")
    command, says = WSGI_SERVERS["gunicorn-gthread"]
    with server_of(command, folder, says=says) as running:
        assert httpx.get("http://{}:{}/hello/gunicorn".format(*running.address)).text == "Hello, gunicorn!"
