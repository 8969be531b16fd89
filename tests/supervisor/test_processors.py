"""Processors: those of the affinity, and no more than the quota of a container lets be used."""

import os
from pathlib import Path

import pytest

from penstock.supervisor.processors import count_processors

USABLE = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, USABLE),
        ({"cpu.max": "max 100000\n"}, USABLE),
        ({"cpu.max": "100000 100000\n"}, 1),
        ({"cpu.max": "50000 100000\n"}, 1),
        ({"cpu.max": "150000 100000\n"}, min(USABLE, 2)),
        ({"cpu.max": "99900000 100000\n"}, USABLE),
        ({"cpu.max": "nonsense"}, USABLE),
        ({"cpu.max": "100000 0\n"}, USABLE),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, USABLE),
        ({"cpu/cpu.cfs_quota_us": "100000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 1),
    ],
)
def test_the_quota_of_the_container_counts(tmp_path: Path, files: dict[str, str], expected: int) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert count_processors(str(tmp_path)) == expected
