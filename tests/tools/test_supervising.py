"""This file is the test of `penstock serve` with workers, up to the supervisor."""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from penstock.settings import ServerSettings, Settings
from penstock.supervisor import supervisor
from penstock.tools.supervising import announce_workers, run_supervised
from penstock.version import VERSION
from tests.supervisor.supervisor_subject import a_supervisor

SETTINGS = Settings(server=ServerSettings(workers=2))


@pytest.mark.parametrize(("log_config", "expected"), [(None, ""), (Path("log.json"), "log.json")])
def test_the_process_becomes_the_supervisor(
    log_config: Path | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []

    def supervise(settings: Settings, load: Any, **said: Any) -> int:
        seen.extend((settings, load(), said["target"], said["log_config"]))
        return 0

    monkeypatch.setattr(supervisor, "supervise", supervise)
    again = Settings()
    code = run_supervised("penstock.toml", SETTINGS, {"log_config": log_config}, load=lambda: again)
    assert code == 0
    assert seen == [SETTINGS, again, "penstock.toml", expected]


@pytest.mark.parametrize(
    ("target", "workers", "lines"),
    [
        ("penstock.toml", 2, [" with 2 workers", "  /  ASGI app:app"]),
        ("penstock.toml", 1, [" serving penstock.toml at ", "  /  ASGI app:app"]),
        ("app:app", 2, [" serving app:app at http://127.0.0.1:"]),
    ],
)
def test_what_is_served_where_and_by_how_many(
    target: str, workers: int, lines: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    async def journey() -> None:
        async with a_supervisor(workers=workers) as subject:
            announce_workers(target, subject.supervisor)

    asyncio.run(journey())
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == len(lines)
    assert all(part in line for part, line in zip(lines, printed, strict=True))
    assert printed[0].startswith(f"penstock {VERSION} serving ")


LEAN = """
import sys
from penstock.tools.supervising import import_asyncio

import_asyncio()
import asyncio.sslproto

print("ssl" in sys.modules, asyncio.sslproto.ssl)
import ssl

print(ssl.create_default_context().verify_mode.name)
import_asyncio()
"""


def test_a_supervisor_leaves_tls_to_its_workers() -> None:
    told = subprocess.run([sys.executable, "-c", LEAN], capture_output=True, text=True, check=True)
    assert told.stdout.splitlines() == ["False None", "CERT_REQUIRED"]
