"""Which request paths may name a file at all, decided before the file system is asked (bad-input rows 70 and 71)."""

import os
import re
from typing import Final

# Devices of Windows, with or without an ending, and whatever follows the ending (row 71: `NUL.txt`, `AUX `, `COM1`).
_DEVICE: Final = re.compile(
    r"(?:con|prn|aux|nul|com[0-9\u00b9\u00b2\u00b3]|lpt[0-9\u00b9\u00b2\u00b3]|conin\$|conout\$|clock\$)[ ]*(?:[.:].*)?",
    re.IGNORECASE | re.DOTALL,
)
# Control characters, the other separator, and the two spellings of a stream or drive: `file::$DATA`, `C:x`.
_FORBIDDEN: Final = re.compile(r"[\x00-\x1f\x7f\\/]|::|:\$|\A[A-Za-z]:")
# Only where the file system takes these for another name: streams, wild cards, and short names such as PROGRA~1.
_FORBIDDEN_ON_WINDOWS: Final = re.compile(r'[:*?"<>|]|~[0-9]')

WELL_KNOWN: Final = ".well-known"


def split_path(path: str) -> list[str] | None:
    """Split a decoded request path into the segments of a file name below the root; None if it may name no file.

    An empty last segment stands for a folder and is kept ("/" gives [""]). Refused, on every machine alike, so that a
    site answers the same wherever it runs: empty and dot segments, hidden names except a leading ".well-known",
    names ending with a dot or a blank (pipeline F-01, F-08), device names and streams of Windows, backslashes and
    control characters.
    """
    if path[:1] != "/":
        return None
    segments = path[1:].split("/")
    for position, segment in enumerate(segments):
        is_last = position == len(segments) - 1
        if segment == "" and is_last:
            continue
        if segment == WELL_KNOWN and position == 0:
            # RFC 8615 section 3: the well-known locations begin at the root.
            continue
        if not is_servable_name(segment):
            return None
    return segments


def is_servable_name(name: str) -> bool:
    """Tell whether a file or folder of this name is served at all."""
    if name == "" or name[0] == "." or name[-1] in ". ":
        return False
    if _FORBIDDEN.search(name) is not None or _DEVICE.fullmatch(name) is not None:
        return False
    return os.name != "nt" or _FORBIDDEN_ON_WINDOWS.search(name) is None


def has_ending(path: str) -> bool:
    """Tell whether the last segment of a request path looks like a file's: it has a dot in it."""
    return "." in path.rpartition("/")[2]
