"""Where the control socket of a server is: a path that its commands find again from the same site file."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import sys
import tempfile
from collections.abc import Iterator, Mapping
from typing import Final

from penstock.errors import ConfigurationError, Problem

# unix(7): sun_path holds 108 bytes on Linux, 104 on BSD and macOS, one of them NUL; a few are left for who adds to the name.
MOST_BYTES: Final = 100
_LONGEST_STEM: Final = 24
_ADVICE: Final = 'choose a path with `socket = "..."` in [server.control]'

_ROOT: Final = 0


def control_path(target: str, environ: Mapping[str, str] = os.environ) -> str:
    """The path of the control socket of a server of `target`, in a folder that only its user may write to, made if need be.

    `target` is what `penstock serve` was given; it is taken from the current folder. Raises ConfigurationError when no folder
    is fit for it, or the one that is there was made by somebody else.
    """
    name = _name_of(target)
    refusals = []
    for folder in _folders(environ):
        path = os.path.join(folder, name)
        refusal = _too_long(path) or _make_private(folder)
        if not refusal:
            return path
        refusals.append(refusal)
    raise ConfigurationError([Problem(f"{'; '.join(refusals)}: {_ADVICE}", "[server.control]")])


def find_control(target: str, environ: Mapping[str, str] = os.environ) -> str:
    """The path where a server of `target` listens to commands; where none does, the path at which it would.

    Raises ConfigurationError when the folder belongs to somebody else, who could answer in its place.
    """
    name = _name_of(target)
    candidates = [os.path.join(folder, name) for folder in _folders(environ)]
    for path in candidates:
        if os.path.exists(path):
            if refusal := _is_foreign(os.path.dirname(path)):
                raise ConfigurationError([Problem(refusal, path)])
            return path
    return candidates[0]


def _name_of(target: str) -> str:
    path = os.path.abspath(target)
    digest = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", os.path.splitext(os.path.basename(path))[0])[:_LONGEST_STEM]
    return f"{stem}-{digest}.sock"


def _folders(environ: Mapping[str, str]) -> Iterator[str]:
    """Where it may be, the best first: the user's runtime folder, that of the system, a folder below that for temporary files."""
    own = environ.get("XDG_RUNTIME_DIR", "")
    if os.path.isabs(own) and os.access(own, os.W_OK):
        yield os.path.join(own, "penstock")
    if _user() == _ROOT and os.access("/run", os.W_OK):
        yield "/run/penstock"
    # Not `tempfile.gettempdir()`, which remembers: it is asked for by a server and by its commands, which must agree.
    yield os.path.join(environ.get("TMPDIR") or tempfile.gettempdir(), f"penstock-{_user()}")


def _user() -> int:
    # Systems without users have one and the same for everybody.
    return getattr(os, "geteuid", lambda: _ROOT)()


def _too_long(path: str) -> str:
    length = len(os.fsencode(path))
    return f"{path} has {length} bytes, and the path of a socket at most {MOST_BYTES}" if length > MOST_BYTES else ""


def _make_private(folder: str) -> str:
    """Make `folder`, which nobody else may enter; why that cannot be, or ""."""
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        return _is_foreign(folder)
    except OSError as error:
        return f"{folder} cannot be made ({error.strerror})"
    return ""


def _is_foreign(folder: str) -> str:
    """Why what is in `folder` cannot be trusted, or "": somebody else made it, or may write to it (a name in /tmp is anybody's)."""
    status = os.lstat(folder)
    if not stat.S_ISDIR(status.st_mode):
        return f"{folder} is not a folder"
    if status.st_uid not in (_ROOT, _user()):
        return f"{folder} belongs to user {status.st_uid}, not to this one ({_user()})"
    # Windows has other permissions, and shows all of these as set.
    if sys.platform != "win32" and status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return f"{folder} may be written to by others (mode {stat.S_IMODE(status.st_mode):04o}, not 0700)"
    return ""
