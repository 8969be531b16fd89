"""The one clock."""

import asyncio
from email.utils import parsedate_to_datetime

import pytest

from penstock.hosts import clock
from penstock.hosts.clock import Clock
from tests.hosts.wired import run


class Swept:
    def __init__(self) -> None:
        self.times: list[float] = []

    def sweep(self, now: float) -> None:
        self.times.append(now)


@run
async def check_date(_: object) -> None:
    made = Clock(asyncio.get_running_loop(), server_line=b"server: penstock\r\n")
    assert made.date.startswith(b"date: ")
    assert made.date.endswith(b" GMT\r\nserver: penstock\r\n")
    assert parsedate_to_datetime(made.date[6:].partition(b"\r\n")[0].decode()).tzinfo is not None


def test_date_and_server() -> None:
    check_date(None)


def test_ticks_until_it_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "TICK", 0.01)

    async def check() -> None:
        made = Clock(asyncio.get_running_loop())
        swept, forgotten = Swept(), Swept()
        made.add(swept)
        made.add(forgotten)
        made.discard(forgotten)
        made.stop()  # before it began
        made.start()
        await asyncio.sleep(0.05)
        made.stop()
        made.stop()
        count = len(swept.times)
        assert 2 <= count <= 6
        assert swept.times == sorted(swept.times)
        await asyncio.sleep(0.03)
        assert len(swept.times) == count
        assert forgotten.times == []

    asyncio.run(check())
