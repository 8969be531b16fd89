"""The access log of a running server."""

import asyncio
import json
from pathlib import Path

import pytest

from penstock.errors import ConfigurationError
from penstock.server import ServerThread
from penstock.server.observation import Observation
from penstock.settings import LogSettings, RouteSettings, SiteSettings
from tests.wire.listener_subject import get, server_settings
from tests.wire.raw_client import RawClient


def test_every_answer_is_written_with_what_was_sent(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    log = LogSettings(access_file=str(path), access_format="json")
    site = SiteSettings(routes=(RouteSettings(at="/hello", function="x:hello"),))
    objects = {"x:hello": lambda: "hello"}
    with (
        ServerThread(site, server=server_settings(log=log), objects=objects) as server,
        RawClient(server.address) as client,
    ):
        for request in (get("/hello"), get("/nothing"), get("/hello", method="HEAD")):
            client.send([request])
            client.read_answer("HEAD" if request.startswith(b"HEAD") else "GET")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(lines) == 3
    assert [str(line["status"]) for line in lines] == ["200", "404", "200"]


def test_the_file_is_opened_again_when_it_was_moved(tmp_path: Path) -> None:
    async def check() -> None:
        path = tmp_path / "access.log"
        made = Observation(LogSettings(access_file=str(path)), asyncio.get_running_loop())
        path.rename(tmp_path / "access.log.1")
        made.reopen()
        assert path.exists()
        made.close()

    asyncio.run(check())


def test_nothing_is_opened_when_it_is_off(tmp_path: Path) -> None:
    async def check() -> None:
        made = Observation(LogSettings(access=False, access_file=str(tmp_path / "no")), asyncio.get_running_loop())
        assert made.record is None
        made.start()
        made.reopen()
        made.close()

    asyncio.run(check())
    assert list(tmp_path.iterdir()) == []


def test_file_that_cannot_be_opened_is_the_operators_mistake(tmp_path: Path) -> None:
    async def check() -> None:
        Observation(LogSettings(access_file=str(tmp_path / "no" / "access.log")), asyncio.get_running_loop())

    with pytest.raises(ConfigurationError, match="access log"):
        asyncio.run(check())
