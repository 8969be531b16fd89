# bakery/slow_requests.py
"""Names slow requests in the log, with the steps in which they spent their time."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from penstock import Context, Hooks, Stage
from penstock.pipeline.step import Step

logger = logging.getLogger("bakery.slow")


class SlowRequests:
    """Writes a line for a request that took longer than `seconds`."""

    def __init__(self, seconds: float = 0.5) -> None:
        self.seconds = seconds

    def attach(self, hooks: Hooks) -> None:
        hooks.on(Stage.BEGIN, self.begin, priority=-20)
        hooks.around_steps(self.step)

    def begin(self, context: Context) -> None:
        context.items["slow.began"] = time.perf_counter()
        context.on_completed(self.judge)

    @contextmanager
    def step(self, context: Context, step: Step) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - began
            context.items.setdefault("slow.steps", []).append((spent, f"{step.module} at {step.stage.name}"))

    def judge(self, context: Context) -> None:
        total = time.perf_counter() - context.items["slow.began"]
        if total > self.seconds:
            spent, name = max(context.items["slow.steps"])
            request_id = context.items.get("request_id", context.trace_id)
            path = context.original_path
            logger.warning("%s took %.2f s, %.2f s of it in %s; request %s", path, total, spent, name, request_id)
