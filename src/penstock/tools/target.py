"""This file is what TARGET may be - a site file, module:attribute, a folder - and the settings it stands for."""

import os
import re
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any, Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from penstock.errors import ConfigurationError, Problem
from penstock.settings import AppSettings, Settings, SiteSettings
from penstock.settings.model import REFERENCE_FORM

Interface = Literal["auto", "asgi", "wsgi", "owin"]

_REFERENCE: Final = re.compile(REFERENCE_FORM)
_KEYS: Final[Mapping[Interface, str]] = {"auto": "app", "asgi": "asgi", "wsgi": "wsgi", "owin": "owin"}


class Kind(Enum):
    """What a TARGET is."""

    SITE_FILE = "site file"
    APPLICATION = "application"
    FOLDER = "folder"


class Single(Struct, kw_only=True, frozen=True):
    """What the command line says about a single application; `threads` None is the default."""

    interface: Interface = "auto"
    factory: bool = False
    root_path: str = ""
    threads: int | None = None


def kind_of(target: str) -> Kind:
    """What `target` is. Raises ConfigurationError, with what would be right, when it is none of the three."""
    path = Path(target)
    if path.suffix == ".toml" and path.is_dir():
        raise ConfigurationError(
            [Problem("it is a folder: a site file is a text file, and a folder is not called .toml", target)]
        )
    if target and path.is_dir():
        _refuse_package(target, path)
        return Kind.FOLDER
    if path.suffix == ".toml":
        return Kind.SITE_FILE
    if _REFERENCE.fullmatch(target):
        return Kind.APPLICATION
    raise ConfigurationError([Problem(_advice(target, path), "TARGET")])


def settings_of(target: str, single: Single = Single(), *, environ: Mapping[str, str] = os.environ) -> Settings:  # noqa: B008 (frozen)
    """The settings that `target` stands for, with what the environment overrides.

    Raises ConfigurationError: the site file's mistakes, a target that is nothing, options that the target has no use for.
    """
    kind = kind_of(target)
    if kind is not Kind.APPLICATION and single != Single():
        raise ConfigurationError(_misplaced(kind, single))
    if kind is Kind.SITE_FILE:
        from penstock.settings.loader import load

        return load(Path(target), environ)
    from penstock.settings.environment import server_from_environment

    site = SiteSettings(root=os.path.abspath(target)) if kind is Kind.FOLDER else _site_of(target, single)
    server = server_from_environment(environ)
    app_dirs = tuple(os.path.abspath(folder) for folder in server.app_dirs)
    return Settings(server=replace(server, app_dirs=app_dirs), sites=(site,))


def _refuse_package(target: str, path: Path) -> None:
    """`penstock serve shop` says "serve the source of shop" and means "shop:app": whoever wants the files writes ./shop."""
    if target.isidentifier() and next(path.glob("*.py"), None) is not None:
        advice = (
            f'for an application write "{target}:app", with its name after the colon; for its files write "./{target}"'
        )
        raise ConfigurationError([Problem(f"{target!r} is a folder with Python files in it: {advice}", "TARGET")])


def _site_of(reference: str, single: Single) -> SiteSettings:
    said: dict[str, Any] = {_KEYS[single.interface]: reference, "factory": single.factory}
    if single.threads is not None:
        said["threads"] = single.threads
    root_path = single.root_path.rstrip("/")
    if root_path and not root_path.startswith("/"):
        raise ConfigurationError([Problem(f'"{root_path}" does not begin with "/"', "--root-path")])
    return SiteSettings(apps=(AppSettings(at="/", root_path=root_path, **said),))


def _misplaced(kind: Kind, single: Single) -> list[Problem]:
    said = {
        "--interface": single.interface != "auto",
        "--factory": single.factory,
        "--root-path": single.root_path != "",
        "--threads": single.threads is not None,
    }
    advice = (
        "set it in the site file, under [[site.app]]"
        if kind is Kind.SITE_FILE
        else "a folder of files has no use for it"
    )
    return [Problem(f"is for a single application; {advice}", option) for option, is_said in said.items() if is_said]


def _advice(target: str, path: Path) -> str:
    forms = 'a site file ("penstock.toml"), an application ("shop.api:app") or a folder'
    if target.endswith("()"):
        return f'{target!r} calls a factory: write "{target[:-2]} --factory"'
    if path.suffix == ".py" or path.is_file():
        return f'{target!r} is a file: write "{path.stem}:app", with the name of the application after the colon'
    if re.fullmatch(r"\w+(\.\w+)*", target):
        return f'{target!r} is no folder; for an application write "{target}:app", with its name after the colon'
    if os.sep in target:
        return f"there is no folder {target!r}; TARGET is {forms}"
    return f"{target!r} is none of these: {forms}"
