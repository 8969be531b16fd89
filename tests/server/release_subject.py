"""Releases of an application on disk, and the link `current` that is switched from one to the next."""

import os
from pathlib import Path

APPLICATION = """
from {name}.words import WORD

LOG = []


class Life:
    def attach(self, hooks):
        hooks.on_start(lambda: LOG.append("start"))
        hooks.on_stop(lambda: LOG.append("stop"))
        hooks.on_start(self.start)

    def start(self):
        {start}


def hello():
    return WORD


async def slow(context):
    import asyncio

    gate = context.items["gate"] = asyncio.Event()
    GATES.append(gate)
    await gate.wait()
    return f"slow {{WORD}}"


GATES = []
"""


class Releases:
    """`releases/1`, `releases/2` and so on below `folder`; each holds the package `name` and a folder of files."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.name = name
        self.current = folder / "current"

    def add(self, release: str, *, start: str = "pass", code: str | None = None) -> Path:
        """Write a release that says its own name."""
        place = self.folder / "releases" / release
        package = place / self.name
        package.mkdir(parents=True)
        (package / "__init__.py").write_text("")
        (package / "words.py").write_text(f"WORD = {release!r}\n")
        (package / "web.py").write_text(APPLICATION.format(name=self.name, start=start) if code is None else code)
        (place / "public").mkdir()
        (place / "public" / "name.txt").write_text(release)
        return place

    def switch(self, release: str) -> None:
        """Let `current` lead to a release, as a deployment does: never nowhere."""
        new = self.folder / "new"
        os.symlink(self.folder / "releases" / release, new)
        os.replace(new, self.current)
