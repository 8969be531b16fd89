"""A short soak in every test run: thirty thousand requests of mixed kinds leave nothing behind."""

import asyncio

from tests.soak.memory import soak


def test_memory_is_flat() -> None:
    report = asyncio.run(soak(30_000))
    assert report.faults == []
