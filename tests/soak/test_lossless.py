"""A short soak in every test run: nothing that is done to a server under load loses a request, but for a worker that is killed."""

import asyncio
from pathlib import Path

from tests.soak.lossless import QUICK, run, stay_flat


def test_nothing_is_lost(tmp_path: Path) -> None:
    rows = asyncio.run(run(QUICK, tmp_path))
    assert [str(row) for row in rows if not row.is_good] == []


def test_the_supervisor_stays_as_it_is(tmp_path: Path) -> None:
    assert stay_flat(QUICK.flat, tmp_path) == []
