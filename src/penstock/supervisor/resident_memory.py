"""How much memory a process holds: its resident bytes."""

from __future__ import annotations

import os
import sys


def find_resident_memory(process: int | None = None) -> int | None:
    """Resident bytes of the process with that id; without one, of this process. None where the system does not tell.

    Linux tells it of every process. Elsewhere only the most that this process ever held is to be had.
    """
    found: int | None = None
    if sys.platform == "linux":
        try:
            # proc(5): /proc/<pid>/statm counts pages; the second number is the resident ones.
            with open(f"/proc/{process or 'self'}/statm", "rb") as file:
                found = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except (OSError, IndexError):
            pass  # it has ended
    elif sys.platform != "win32" and process in (None, os.getpid()):
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        found = peak if sys.platform == "darwin" else peak * 1024  # macOS counts bytes, others kilobytes
    return found
