"""Tracing: where a rule asks for it, every step of a plan is timed, and a request that failed or was slow is written down.

A plan under a rule has a `Tracing` around each of its steps; any other plan has nothing of this (pipeline D-04).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from penstock.pipeline.handler import DONE, PARKED
from penstock.pipeline.trace_record import record_of
from penstock.pipeline.trace_spans import Trace
from penstock.settings.statuses import statuses_of

if TYPE_CHECKING:
    from penstock.pipeline.context import Context
    from penstock.pipeline.step import Call, Step


class TraceRule:
    """Which requests below `at` leave a trace: by their status, when slower than so many seconds, and whenever aborted."""

    __slots__ = ("at", "slower_than", "specs", "statuses")

    def __init__(self, at: str, specs: Sequence[int | str] = ("500-599",), slower_than: float = 0.0) -> None:
        """`specs` as in 404, "5xx", "500-599"; `slower_than` 0 is never. Raises ValueError for a text that is no status."""
        self.at = at
        self.specs = tuple(specs)
        self.slower_than = slower_than
        self.statuses = statuses_of(specs)

    def outcomes(self, trace: Trace) -> list[str]:
        """What of "aborted", "failed" and "slow" holds for a trace that has ended; for most, nothing."""
        found = ["aborted"] if trace.is_aborted else []
        if trace.is_cut or trace.status in self.statuses:
            found.append("failed")
        if self.slower_than and trace.waited + trace.seconds > self.slower_than:
            found.append("slow")
        return found


class Tracing:
    """A rule, and who writes down what it catches; called for each step of a plan, as `Location.wraps` are."""

    __slots__ = ("_write", "rule")

    def __init__(self, rule: TraceRule, write: Callable[[dict[str, Any]], None]) -> None:
        """`write` is called on the loop with a record of plain values; it must not wait."""
        self.rule = rule
        self._write = write

    def __call__(self, step: Step, call: Call) -> Call:
        """What a plan calls in place of `call`: the same, timed."""

        def traced(context: Context) -> Any:
            rest = context.rest
            trace: Trace | None = rest.trace
            if trace is None:
                trace = rest.trace = Trace(context)
                context.on_completed(_end)
            elif trace.is_over:
                return call(context)
            trace.tracing = self
            span = trace.open_span(context, step)
            result = call(context)
            if result is not None and result is not DONE:
                # It ends when the next step begins: nothing is put around an awaitable.
                span.how = "parked" if result is PARKED else "awaited"
            return result

        return traced

    def judge(self, context: Context, trace: Trace) -> None:
        """Have `trace`, which has ended, written if the rule says so."""
        outcomes = self.rule.outcomes(trace)
        if outcomes:
            self._write(record_of(context, trace, self.rule, outcomes=outcomes))


def _end(context: Context) -> None:
    """The answer was handed over. The rule that counts is that of the location where the request ended."""
    trace: Trace = context.rest.trace
    trace.end(context)
    if trace.tracing is not None:
        trace.tracing.judge(context, trace)
