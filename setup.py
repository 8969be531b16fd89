"""The build's second half: with PENSTOCK_COMPILE=1 the modules on the way of a request are compiled by mypyc."""

import os
import re
import sys
from pathlib import Path

from setuptools import Extension, setup

ROOT = Path("src/penstock")

# Every module of these folders is compiled ...
COMPILED = ("hosts", "http", "intake", "pipeline", "pipeline_gateways", "request_sockets")

# ... except those that say why not, in a comment that begins with "# Not compiled:".

# Metadata is asked for before the wheel; only what packs or loads extensions waits for the compiler.
COMPILING_COMMANDS = {"bdist_wheel", "build_ext", "editable_wheel"}

NOT_COMPILED = re.compile(r"^# Not compiled: \S", re.MULTILINE)


def is_compiled(module: Path) -> bool:
    """Package files stay interpreted: they only pass names on."""
    if module.name == "__init__.py":
        return False
    return not NOT_COMPILED.search(module.read_text(encoding="utf-8"))


def is_asked_to_compile() -> bool:
    return os.environ.get("PENSTOCK_COMPILE") == "1" and not COMPILING_COMMANDS.isdisjoint(sys.argv)


def find_compiled_modules() -> list[str]:
    found = [module for folder in COMPILED for module in (ROOT / folder).rglob("*.py")]
    return sorted(str(module) for module in found if is_compiled(module))


def make_extensions() -> list[Extension]:
    from mypyc.build import mypycify

    modules = find_compiled_modules()
    print("compiled by mypyc:", *modules, sep="\n  ")
    extensions = list(mypycify(modules, opt_level="3", debug_level="1", group_name="penstock"))
    if os.name == "posix":
        # An attribute `_unix` becomes the C field `__unix`, which gcc and clang have defined as the number 1.
        for extension in extensions:
            extension.extra_compile_args += ["-U__unix", "-U__linux"]
    return extensions


setup(ext_modules=make_extensions() if is_asked_to_compile() else [])
