"""The spans of a trace: what one request did, step by step, kept in memory while it is inside (pipeline D-04)."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Final

from penstock.errors import ClientGone

if TYPE_CHECKING:
    from penstock.pipeline.context import Context
    from penstock.pipeline.step import Step
    from penstock.pipeline.trace import Tracing

# Beyond so many steps those in the middle are left out: how a request began and how it ended tells most.
MOST_SPANS: Final = 500


class Span:
    """One step on the way of one request: `started` seconds after the trace began, `seconds` until the next step began.

    `how` is "" for a step that returned at once, "awaited", or "parked" when it was handed on, as to a thread. `status` is
    what it set (0: nothing), `error` the index in `context.errors` of the first it caused (-1: none), `events` what else it did.
    """

    __slots__ = ("error", "events", "how", "seconds", "started", "status", "step")

    def __init__(self, step: Step, started: float) -> None:
        self.step = step
        self.started = started
        self.seconds = 0.0
        self.how = ""
        self.status = 0
        self.error = -1
        self.events: list[str] = []


class Trace:
    """The spans of one request, in order. A step lasts until the next one begins, so that nothing between them is lost.

    `waited` is how long the request stood in the queue, `seconds` how long it was inside, both in seconds; `failing` is the
    span of the first error, `status_by` that of the final status; `is_cut`: it failed when half of the answer had left;
    `tracing` that of the location where the request was last.
    """

    __slots__ = (
        "_began",
        "_errors_seen",
        "_is_complete",
        "_line",
        "_open",
        "_plan",
        "failing",
        "is_aborted",
        "is_cut",
        "is_over",
        "seconds",
        "seconds_left_out",
        "spans",
        "spans_left_out",
        "status",
        "status_by",
        "tracing",
        "waited",
    )

    def __init__(self, context: Context) -> None:
        self._began = perf_counter()
        # When it was taken in is known only where somebody asked for it, as the access log does.
        started = context.worker_request.started
        self.waited = max(0.0, context.runtime.loop.time() - started) if started else 0.0
        self.seconds = 0.0
        self.spans: list[Span] = []
        self.spans_left_out = 0
        self.seconds_left_out = 0.0
        self.failing: Span | None = None
        self.status = context.response.status_code
        self.status_by: Span | None = None
        self.is_aborted = False
        self.is_cut = False
        self.is_over = False
        self.tracing: Tracing | None = None
        self._open: Span | None = None
        self._errors_seen = len(context.errors)
        self._is_complete = context.is_complete
        self._line = context.worker_request.head.line
        self._plan = context.plan

    def open_span(self, context: Context, step: Step) -> Span:
        """`step` begins; so the one before it has ended, also one that was awaited or parked."""
        now = 0.0  # the first begins with the trace, so that the durations add up to the whole
        if self._open is not None:
            now = perf_counter() - self._began
            self._close(context, self._open, now)
        span = self._open = Span(step, now)
        if len(self.spans) >= MOST_SPANS:
            left_out = self.spans.pop(MOST_SPANS // 2)
            self.spans_left_out += 1
            self.seconds_left_out += left_out.seconds
        self.spans.append(span)
        return span

    def end(self, context: Context) -> None:
        """The request has passed its last step."""
        self.is_over = True
        self.seconds = perf_counter() - self._began
        if self._open is not None:
            self._close(context, self._open, self.seconds)
        self.is_aborted = context.worker_request.is_disconnected or isinstance(context.error, ClientGone)

    def _close(self, context: Context, span: Span, now: float) -> None:
        span.seconds = now - span.started
        rest = context.rest
        if rest.errors is not None and len(rest.errors) > self._errors_seen:
            self._note_error(context, span)
        status = context.response.status_code
        if status != self.status:
            self.status = span.status = status
            # The error answer is made by a step of our own; who caused it is what people want to know.
            self.status_by = span if span.step.module or self.failing is None else self.failing
        if rest.is_complete and not self._is_complete:
            self._is_complete = True
            span.events.append("completed the request")
        if context.plan is not self._plan or context.worker_request.head.line is not self._line:
            self._note_way(context, span)

    def _note_error(self, context: Context, span: Span) -> None:
        span.error = self._errors_seen
        self._errors_seen = len(context.errors)
        if self.failing is None:
            self.failing = span
            self.is_cut = context.response.is_started

    def _note_way(self, context: Context, span: Span) -> None:
        line, plan = context.worker_request.head.line, context.plan
        if line.path != self._line.path:
            span.events.append(f"the path is now {line.path}")
        if plan.target.name != self._plan.target.name:
            span.events.append(f"the way leads to {plan.target.name}")
        self._line, self._plan = line, plan
