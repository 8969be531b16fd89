"""This file is how `--env-file` is read: NAME=value, one a line."""

import os
import re
import shlex
from collections.abc import Mapping
from pathlib import Path

from penstock.errors import ConfigurationError, Problem

_NAME = re.compile(r"(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(.*)", re.ASCII)


def read_env_file(path: Path) -> Mapping[str, str]:
    """The variables in the file at `path`.

    Empty lines and lines that begin with "#" are passed over; "export " may stand in front; values may be quoted as in a
    shell, and nothing in them is expanded. Raises ConfigurationError, with every line that is none of these.
    """
    variables: dict[str, str] = {}
    problems: list[Problem] = []
    for number, line in enumerate(_lines(path), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        try:
            name, value = _parse(text)
        except ValueError as error:
            problems.append(Problem(f"{error}; a line looks like NAME=value", f"{path}:{number}"))
        else:
            variables[name] = value
    if problems:
        raise ConfigurationError(problems)
    return variables


def load_env_file(path: Path) -> None:
    """Set what the file names and the environment does not have yet; what is there already wins."""
    for name, value in read_env_file(path).items():
        os.environ.setdefault(name, value)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is not UTF-8 text"
        raise ConfigurationError([Problem(f"cannot be read: {reason}", str(path))]) from error


def _parse(text: str) -> tuple[str, str]:
    found = _NAME.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} names no variable")
    name, value = found.groups()
    if value[:1] in {"'", '"'}:
        words = shlex.split(value, comments=True)
        if len(words) != 1:
            raise ValueError(f"something follows the quoted value of {name}")
        return name, words[0]
    return name, re.split(r"\s#", value, maxsplit=1)[0].strip()
