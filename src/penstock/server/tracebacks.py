"""This file is an application's traceback as its author wants to see it: without the frames that led to it."""

import traceback
from collections.abc import Iterator
from pathlib import Path

from penstock.errors import StartupError

_OURS = str(Path(__file__).resolve().parents[1])


def traceback_of(error: StartupError) -> str:
    """The traceback of what made the start fail, from the application's first frame on; the message if nothing is chained."""
    cause = error.__cause__
    if cause is None:
        return f"{error}\n"
    shown = traceback.TracebackException.from_exception(cause)
    for one in _chain(shown):
        _drop_frames(one)
    return "".join(shown.format())


def _chain(shown: traceback.TracebackException | None) -> Iterator[traceback.TracebackException]:
    while shown is not None:
        yield shown
        shown = shown.__cause__ or shown.__context__


def _drop_frames(shown: traceback.TracebackException) -> None:
    """Take off the leading frames that are Penstock's or the import system's. If there are no others, keep all.

    A file that cannot be read as Python has no frame of its own: there the error itself names the line.
    """
    frames = list(shown.stack)
    none = len(frames) if getattr(shown, "lineno", None) else 0
    first = next((index for index, frame in enumerate(frames) if not _leads_there(frame.filename)), none)
    del shown.stack[:first]


def _leads_there(filename: str) -> bool:
    return filename.startswith((_OURS, "<frozen importlib")) or Path(filename).parent.name == "importlib"
