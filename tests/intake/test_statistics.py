"""The counters of a runtime: pipeline E-12."""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest

from penstock import Context, HTTPError
from penstock.hosts.memory_host import MemoryRequest
from penstock.intake.statistics import RuntimeStatistics
from penstock.testing import Client
from tests.pipeline.subject import LOOPS, open_site, run, settle


def total_of(statistics: RuntimeStatistics) -> int:
    return (
        statistics.succeeded
        + statistics.failed
        + statistics.rejected
        + statistics.disconnected
        + statistics.executing
        + statistics.queued
    )


class TestStatistics:
    def test_a_snapshot_does_not_change(self) -> None:
        async def journey() -> None:
            async with open_site() as client:
                before = client.runtime.statistics()
                await client.get("/")
                assert (before.total, client.runtime.statistics().total) == (0, 1)
                with pytest.raises(AttributeError):
                    before.total = 5  # type: ignore[misc]

        run(journey)

    @pytest.mark.parametrize(
        ("status", "name"), [(200, "succeeded"), (304, "succeeded"), (400, "failed"), (503, "failed")]
    )
    def test_an_answer_is_counted_by_its_status(self, status: int, name: str) -> None:
        def handler(context: Context) -> None:
            context.response.status = status

        async def journey() -> int:
            async with open_site(function=handler) as client:
                await client.get("/")
                return int(getattr(client.runtime.statistics(), name))

        assert run(journey) == 1

    @pytest.mark.parametrize("seed", [1, 2])
    @pytest.mark.parametrize("loop", LOOPS)
    def test_pipeline_e12_the_numbers_add_up_over_a_thousand_random_requests(self, loop: str, seed: int) -> None:
        chance = random.Random(seed)

        async def journey() -> None:
            async with open_site(
                functions={
                    "/plain": _plain,
                    "/async": _later,
                    "/fails": _fails,
                    "/streams": _streams,
                    "/reads": _reads,
                },
                requests_inside=3,
                queue=3,
                body=100,
            ) as client:
                requests: list[MemoryRequest] = []
                while len(requests) < 1000:
                    requests.append(_open_any(client, chance))
                    if chance.random() < 0.3:
                        chance.choice(requests[-5:]).disconnect()
                    if chance.random() < 0.2:
                        await settle(chance.randrange(5))
                    statistics = client.runtime.statistics()
                    assert statistics.total == total_of(statistics) == len(requests)
                    assert 0 <= statistics.executing <= 3
                    assert 0 <= statistics.queued <= 3
                await _end(requests)
                statistics = client.runtime.statistics()
                assert (statistics.executing, statistics.queued, statistics.background) == (0, 0, 0)
                assert statistics.total == total_of(statistics) == 1000
                assert min(statistics.succeeded, statistics.failed, statistics.rejected, statistics.disconnected) > 0

        run(journey, loop)

    def test_what_a_host_refuses_itself_is_counted_too(self) -> None:
        async def journey() -> None:
            async with open_site() as client:
                client.runtime.reject(None, 400, reason="no request at all", client=None)
                statistics = client.runtime.statistics()
                assert (statistics.total, statistics.rejected) == (1, 1)

        run(journey)


def _open_any(client: Client, chance: random.Random) -> MemoryRequest:
    target = chance.choice(["/plain", "/async", "/fails", "/streams", "/reads", "/nowhere"])
    body: Any = chance.choice([b"", b"x" * 50, b"x" * 200, _pieces(), _pieces(80)])
    return client.open("POST", target, body=body)


async def _pieces(size: int = 20) -> AsyncIterator[bytes]:
    for _ in range(2):
        await asyncio.sleep(0)
        yield b"x" * size


async def _end(requests: list[MemoryRequest]) -> None:
    for each in requests:
        await each.wait_finished()
    await asyncio.gather(*(each.feeding for each in requests if each.feeding is not None))
    await settle()


def _plain() -> str:
    return "plain"


async def _later() -> str:
    await asyncio.sleep(0)
    return "later"


def _fails() -> None:
    raise HTTPError(418)


async def _streams(context: Context) -> None:
    for _ in range(3):
        context.response.write("piece")
        await context.response.flush()
        await asyncio.sleep(0)


async def _reads(context: Context) -> bytes:
    return await context.request.body()
