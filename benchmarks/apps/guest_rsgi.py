"""The plain function behind five modules, for an RSGI server; without access log, as every server of the bench."""

from pathlib import Path

from msgspec.structs import replace

import penstock
from penstock.settings import LogSettings
from penstock.settings.loader import load

SITES = Path(__file__).resolve().parent.parent / "sites"

settings = load(SITES / "modules_function.toml")
application = penstock.rsgi(replace(settings, server=replace(settings.server, log=LogSettings(access=False))))
