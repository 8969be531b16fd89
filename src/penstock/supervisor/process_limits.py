"""What a pool's processes may do and use: what they are started with, and what they set for themselves at their start."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from penstock.errors import ConfigurationError, Problem

if TYPE_CHECKING:
    from penstock.settings import PoolSettings

# Key of [[pool]], name in the module resource, unit.
_LIMITS: Final = (
    ("memory", "RLIMIT_AS", "bytes"),
    ("cpu_time", "RLIMIT_CPU", "seconds"),
    ("open_files", "RLIMIT_NOFILE", "files"),
)
# Seconds between SIGXCPU, which ends the process and says why, and SIGKILL, which says nothing.
_LAST_SECONDS: Final = 5
# What of our own environment would lead another Python astray.
_OF_OUR_PYTHON: Final = ("PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")
_IS_POSIX: Final = os.name == "posix"
_posix: Any = os


def launch_options(pool: PoolSettings) -> dict[str, Any]:
    """How `WorkerProcess.launch` starts a process of `pool`: its program, its environment, and more of `subprocess.Popen`.

    Raises ConfigurationError for users, groups and folders that are not there, and for users where we are not root.
    """
    options: dict[str, Any] = {}
    problems: list[Problem] = []
    if pool.user or pool.group:
        _add_user(pool, options, problems)
    if pool.directory:
        if os.path.isdir(pool.directory):
            options["cwd"] = pool.directory
        else:
            problems.append(_problem(pool, "directory", f"{pool.directory} is no folder"))
    if problems:
        raise ConfigurationError(problems)
    environment = {**os.environ, **_environment_of_user(options)}
    if pool.python:
        for name in _OF_OUR_PYTHON:
            environment.pop(name, None)
        folder = os.path.dirname(pool.python)
        environment["PATH"] = os.pathsep.join([folder, environment["PATH"]]) if "PATH" in environment else folder
    return {
        "program": (pool.python,) if pool.python else (),
        "environment": {**environment, **pool.environment},
        "options": options,
    }


def apply_limits(pool: PoolSettings) -> None:
    """Set the limits of `pool` for this process, for good. Raises ConfigurationError for what cannot be set."""
    problems = [problem for each in _LIMITS if (problem := _limit(pool, *each)) is not None]
    if pool.nice and _IS_POSIX:
        try:
            _posix.nice(pool.nice)
        except OSError as error:
            problems.append(_problem(pool, "nice", f"cannot be set to {pool.nice}: {_reason(error)}"))
    if problems:
        raise ConfigurationError(problems)


def judge_limits(pool: PoolSettings) -> list[Problem]:
    """What of `pool` could not be had here, found out without doing it: a server must not learn it with the first request."""
    try:
        launch_options(pool)
    except ConfigurationError as error:
        problems = list(error.problems)
    else:
        problems = []
    if not _IS_POSIX:
        keys = [key for key in ("memory", "cpu_time", "open_files", "nice") if getattr(pool, key)]
        return [*problems, *[_problem(pool, key, "this system has no such limit") for key in keys]]
    if _posix.geteuid() == 0 and not pool.user:
        return problems
    if pool.nice < 0:
        problems.append(_problem(pool, "nice", f"only root can go below 0, and this is {pool.nice}"))
    for key, name, unit in _LIMITS:
        wanted, most = getattr(pool, key), _hard_limit(name)
        if wanted > most:
            problems.append(_problem(pool, key, f"{wanted} {unit} are more than the {most} that are allowed here"))
    return problems


def _hard_limit(name: str) -> float:
    resource: Any = importlib.import_module("resource")
    hard = resource.getrlimit(getattr(resource, name))[1]
    return float("inf") if hard == resource.RLIM_INFINITY else int(hard)


def _limit(pool: PoolSettings, key: str, name: str, unit: str) -> Problem | None:
    wanted = getattr(pool, key)
    if not wanted:
        return None
    if not _IS_POSIX:
        return _problem(pool, key, "this system has no such limit")
    resource: Any = importlib.import_module("resource")
    hard = _hard_limit(name)
    # Whoever is told by SIGXCPU needs some seconds more to be told in.
    most = wanted + (_LAST_SECONDS if key == "cpu_time" else 0)
    if most > hard and _posix.geteuid() != 0:
        most = int(hard)
    try:
        resource.setrlimit(getattr(resource, name), (wanted, most))
    except (OSError, ValueError):
        return _problem(pool, key, f"{wanted} {unit} are more than the {hard} that are allowed here")
    return None


def _add_user(pool: PoolSettings, options: dict[str, Any], problems: list[Problem]) -> None:
    if not _IS_POSIX:
        problems.append(_problem(pool, "user", "this system starts no processes for other users"))
        return
    pwd: Any = importlib.import_module("pwd")
    grp: Any = importlib.import_module("grp")
    user: Any = _find(pool, "user", pwd.getpwuid, pwd.getpwnam, problems) if pool.user else None
    group = _find(pool, "group", grp.getgrgid, grp.getgrnam, problems) if pool.group else None
    if problems:
        return
    uid = _posix.geteuid() if user is None else user.pw_uid
    gid = group.gr_gid if group is not None else user.pw_gid
    if (uid, gid) == (_posix.geteuid(), _posix.getegid()):
        return  # nothing changes, so nobody need be root
    if _posix.geteuid() != 0:
        key = "user" if pool.user else "group"
        problems.append(_problem(pool, key, "only a server that root has started runs processes as somebody else"))
        return
    options["group"] = gid
    options["extra_groups"] = [] if user is None else _posix.getgrouplist(user.pw_name, gid)
    if user is not None:
        options["user"] = uid


def _find(
    pool: PoolSettings,
    key: str,
    by_number: Callable[[int], Any],
    by_name: Callable[[str], Any],
    problems: list[Problem],
) -> Any:
    wanted: str = getattr(pool, key)
    try:
        return by_number(int(wanted)) if wanted.isdecimal() else by_name(wanted)
    except (KeyError, OverflowError):
        problems.append(_problem(pool, key, f"there is no {key} {wanted!r} on this machine"))
        return None


def _environment_of_user(options: dict[str, Any]) -> dict[str, str]:
    """What a login would say of the user: libraries look for their caches at home."""
    if "user" not in options:
        return {}
    pwd: Any = importlib.import_module("pwd")
    found = pwd.getpwuid(options["user"])
    return {"HOME": found.pw_dir, "USER": found.pw_name, "LOGNAME": found.pw_name}


def _problem(pool: PoolSettings, key: str, message: str) -> Problem:
    return Problem(f"{key}: {message}", f'[[pool]] "{pool.name}"')


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
