"""How many processors this process may use: by affinity, and by the quota of its container."""

from __future__ import annotations

import math
import os
from typing import Final

# cgroups(7): version 2 has one file, "200000 100000" or "max 100000"; version 1 has two.
_QUOTA_2: Final = ("cpu.max",)
_QUOTA_1: Final = ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")


def count_processors(cgroups: str = "/sys/fs/cgroup") -> int:
    """At least 1. A quota that is no whole number is rounded up: half a processor more is a worker's, too."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _find_quota(cgroups)
    return usable if quota is None else max(1, min(usable, math.ceil(quota)))


def _find_quota(cgroups: str) -> float | None:
    """The processors that the container may use; None without a limit."""
    for names in (_QUOTA_2, _QUOTA_1):
        words = " ".join([_read(os.path.join(cgroups, name)) for name in names]).split()
        if len(words) == 2 and all(word.isdecimal() for word in words) and int(words[1]):
            return int(words[0]) / int(words[1])
    return None


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii") as file:
            return file.read()
    except (OSError, UnicodeDecodeError):
        return ""
