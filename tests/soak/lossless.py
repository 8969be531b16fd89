"""This file is the soak of a supervised server: what is done to it under a constant load, and how many requests are lost by it.

`python -m tests.soak.lossless` prints the table of a long run (`--quick` of a short one); the exit code is 1 when a request was lost
that should not have been, or something was left behind.
"""

import argparse
import asyncio
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.soak.constant_load import Load, Loss
from tests.wire.supervisor.supervised import Supervised, supervised

APPLICATION = """
import asyncio, os

text = b"one"

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    if scope["path"] == "/slow":
        await asyncio.sleep(0.05)
    body = b"%b %d" % (text, os.getpid())
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})
"""
# Half of them are slow, by 50 ms.
PATHS = ("/", "/slow")
# Resident bytes of the supervisor that may remain of a thousand recycles.
_BYTES_ALLOWED = 4_000_000


class Scale(NamedTuple):
    """How much of everything: of a run that is published, or of one in every test run."""

    rate: float
    connections: int
    reloads: int
    recycles: int
    reconfigurations: int
    kills: int
    flat: int
    margin: float = 1.0


LONG = Scale(5000, 400, reloads=100, recycles=100, reconfigurations=20, kills=20, flat=1000)
QUICK = Scale(600, 60, reloads=2, recycles=2, reconfigurations=2, kills=2, flat=5, margin=0.3)


class Row(NamedTuple):
    """One event: how often, how many requests there were meanwhile, and how many were lost; `excused` of them had to be."""

    event: str
    times: int
    answered: int
    lost: int
    excused: int
    others: dict[int, int]
    seconds: float

    @property
    def is_good(self) -> bool:
        """Nothing was lost that need not have been, and nobody was turned away."""
        return self.lost == self.excused and not self.others and self.answered > 0

    def __str__(self) -> str:
        beside = f", {self.excused} of them inside a worker that was killed" if self.excused else ""
        more = f"; other answers: {self.others}" if self.others else ""
        return f"{self.event}: {self.times} times in {self.seconds:.0f} s, {self.answered} answered, {self.lost} lost{beside}{more}"


class Soak:
    """A server and a load; each method is one row."""

    def __init__(self, server: Supervised, scale: Scale) -> None:
        self.server = server
        self.scale = scale
        self.kills: list[tuple[int, float]] = []

    async def row(self, event: str, times: int, act: Callable[[], None]) -> Row:
        """Do it under the load."""
        scale = self.scale
        load = Load(self.server.address, scale.rate, connections=scale.connections, paths=PATHS)
        running = asyncio.create_task(load.run())
        began = time.monotonic()
        await asyncio.sleep(scale.margin)
        try:
            await asyncio.to_thread(act)
            await asyncio.sleep(scale.margin)
        finally:
            load.stop()
            await running
        excused = sum(self._is_excused(loss) for loss in load.lost)
        if len(load.lost) > excused:
            told = [
                line for line in self.server.lines if " ERROR " in line or " CRITICAL " in line or " WARNING " in line
            ]
            print("\n".join(["the server has said:", *told[-20:]]), flush=True)
        for loss in load.lost[:5]:
            print("   ", loss, flush=True)
        return Row(event, times, load.answered, len(load.lost), excused, load.others, time.monotonic() - began)

    def reload(self) -> None:
        """Rolling reloads, as SIGHUP asks for."""
        for _ in range(self.scale.reloads):
            before = self.server.pids()
            self.server.send(signal.SIGHUP)
            self.server.wait(lambda before=before: self._are_all_new(before))  # type: ignore[misc]

    def recycle_by_count(self) -> None:
        """Wait for so many recycles by request count."""
        self.server.wait(
            lambda: self.server.status()["recycles"].get("RequestLimit", 0) >= self.scale.recycles, patience=600
        )

    def reconfigure(self) -> None:
        """Edit the site file and reload."""
        for number in range(self.scale.reconfigurations):
            self._edit(f'headers = {{ "x-generation" = "{number}" }}')
            status, answer = self.server.ask("POST", "/v1/reload", {"wait": True})
            assert status == 200, answer
            assert [each["outcome"] for each in answer["pools"]] == ["replaced"], answer

    def fail_to_start(self) -> None:
        """A new generation whose application does not start."""
        application = self.server.folder / "app.py"
        before = self.server.pids()
        application.write_text("raise RuntimeError('half a deploy')\n")
        status, answer = self.server.ask("POST", "/v1/recycle", {"wait": True})
        assert status == 424, answer
        assert answer["pools"][0]["outcome"] == "failed", answer
        assert self.server.pids() == before
        application.write_text(APPLICATION)

    def kill(self) -> None:
        """Workers are killed with SIGKILL, one after the other."""
        for number in range(self.scale.kills):
            victim = sorted(self.server.wait(lambda: len(self.server.pids()) == 2 and self.server.pids()))[number % 2]
            self.kills.append((victim, time.monotonic()))
            os.kill(victim, signal.SIGKILL)
            self.server.wait(lambda victim=victim: victim not in self.server.pids())  # type: ignore[misc]

    def upgrade(self) -> None:
        """The supervisor replaces its own program."""
        before, supervisor = self.server.pids(), self.server.status()["pid"]
        self.server.send(signal.SIGUSR2)
        self.server.wait(lambda: self._are_all_new(before))
        assert self.server.status()["pid"] == supervisor == self.server.process.pid

    def _are_all_new(self, before: set[int]) -> bool:
        now = self.server.pids()
        return len(now) == 2 and not now & before

    def _edit(self, line: str) -> None:
        path = self.server.folder / "penstock.toml"
        kept = [each for each in path.read_text().splitlines() if not each.startswith("headers = ")]
        kept.insert(kept.index("[server]") + 1, line)
        path.write_text("\n".join(kept) + "\n")

    def _is_excused(self, loss: Loss) -> bool:
        """It was sent to a worker that was killed, before its client could know; or on a connection that no worker had answered on."""
        return any(
            loss.pid in (0, victim) and loss.began <= moment + 0.1 and moment <= loss.ended
            for victim, moment in self.kills
        )


async def run(scale: Scale, folder: Path) -> list[Row]:
    """All rows; each is printed when it is there."""
    (folder / "app.py").write_text(APPLICATION)
    rows: list[Row] = []

    async def add(soak: Soak, event: str, times: int, act: Callable[[], None]) -> None:
        rows.append(await soak.row(event, times, act))
        print(rows[-1], flush=True)

    recycle = "failures = 1000\nback_off = 0.1"
    with supervised(folder, recycle=recycle) as server:
        soak = Soak(server, scale)
        await add(soak, "rolling reload", scale.reloads, soak.reload)
        await add(soak, "live reconfiguration", scale.reconfigurations, soak.reconfigure)
        await add(soak, "application that fails to start", 1, soak.fail_to_start)
        await add(soak, "upgrade in place", 1, soak.upgrade)
        await add(soak, "worker killed", scale.kills, soak.kill)
    # So that each is reached within two or three seconds of the load.
    quota = int(scale.rate * 1.2)
    with supervised(folder, recycle=f"{recycle}\nrequests = {quota}\njitter = {quota // 2}") as server:
        soak = Soak(server, scale)
        await add(soak, "recycle by request count", scale.recycles, soak.recycle_by_count)
    return rows


def stay_flat(times: int, folder: Path) -> list[str]:
    """Recycle one worker so many times without load; what the supervisor keeps of it, in words."""
    (folder / "app.py").write_text(APPLICATION)
    with supervised(folder, workers=1) as server:
        pid = server.process.pid
        _recycle(server, max(times // 10, 5))
        before = (server.status()["rss"], len(os.listdir(f"/proc/{pid}/fd")))
        _recycle(server, times)
        after = (server.status()["rss"], len(os.listdir(f"/proc/{pid}/fd")))
    print(f"{times} recycles: resident {before[0]} -> {after[0]} bytes, descriptors {before[1]} -> {after[1]}")
    found = []
    if after[0] - before[0] > _BYTES_ALLOWED:
        found.append(f"the supervisor grew by {after[0] - before[0]} bytes")
    if after[0] > 40_000_000:
        found.append(f"the supervisor holds {after[0]} bytes")
    if after[1] > before[1]:
        found.append(f"{after[1] - before[1]} descriptors were left open")
    return found


def _recycle(server: Supervised, times: int) -> None:
    for _ in range(times):
        status, answer = server.ask("POST", "/v1/recycle", {"wait": True})
        assert status == 200, answer
        assert answer["pools"][0]["outcome"] == "replaced", answer
    server.wait(lambda: len(server.status()["workers"]) == 1)


def main() -> int:
    """The whole soak; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the short form, as in the tests")
    scale = QUICK if parser.parse_args().quick else LONG
    with tempfile.TemporaryDirectory() as folder:
        rows = asyncio.run(run(scale, Path(folder)))
        faults = [str(row) for row in rows if not row.is_good] + stay_flat(scale.flat, Path(folder))
    for fault in faults:
        print(f"NOT GOOD: {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
