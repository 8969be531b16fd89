"""Which locations are traced, by which rule, and where their traces are written: from settings, once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from penstock.errors import ConfigurationError, Problem
from penstock.settings.locations import find_trace_rule

if TYPE_CHECKING:
    from penstock.pipeline.step import Call, Step
    from penstock.server.trace_files import TraceWriter
    from penstock.settings import LogSettings, SiteSettings, TraceSettings

# Where traces are kept when no file says it: the loader has put this beside the site file.
_FOLDER = "traces"


class Traces:
    """Who traces for the sites of one process. Where no site asks for it, nothing is made and nothing is opened."""

    def __init__(self, log: LogSettings) -> None:
        """Nothing is done to the disk before `open`, or the first trace."""
        self._log = log
        self._writer: TraceWriter | None = None

    @property
    def are_wanted(self) -> bool:
        """Whether a rule of any site asks for them."""
        return self._writer is not None

    def wraps_at(self, site: SiteSettings, at: str) -> tuple[Callable[[Step, Call], Call], ...]:
        """What goes around every step of the plans of the location `at`."""
        rule = find_trace_rule(site, at)
        return () if rule is None else (self._tracing(rule),)

    def open(self) -> None:
        """Make the folder. Raises ConfigurationError when traces could not be written into it."""
        if self._writer is not None:
            self._writer.folder.prepare()

    def close(self) -> None:
        """Write what is left."""
        if self._writer is not None:
            self._writer.close()

    def _tracing(self, settings: TraceSettings) -> Callable[[Step, Call], Call]:
        from penstock.pipeline.trace import TraceRule, Tracing

        try:
            rule = TraceRule(settings.at, settings.status, settings.slower_than)
        except ValueError as error:
            raise ConfigurationError([Problem(f"[[site.trace]] {settings.at}: {error}")]) from error
        return Tracing(rule, self._writing())

    def _writing(self) -> Callable[[dict[str, Any]], None]:
        from penstock.server.trace_files import TraceFolder, TraceWriter

        if self._writer is None:
            self._writer = TraceWriter(TraceFolder(self._log.traces or _FOLDER, most_files=self._log.trace_files))
        return self._writer.write
