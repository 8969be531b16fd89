"""This file is how docs/stages.md is made from the table of stages; `python -m penstock.tools.stage_table` prints it."""

import sys
from collections.abc import Iterator

from penstock.pipeline.stages import RULES, Runs, Stage

_INTRODUCTION = """\
# The stages

<!-- Made from the table in pipeline/stages.py by `python -m penstock.tools.stage_table > docs/stages.md`. -->

Every request passes these stages, in this order. A module subscribes to a stage with `hooks.on(Stage.AUTHORIZE, hook)`, and to
the half behind it, when all modules had their turn, with `hooks.after(Stage.AUTHORIZE, hook)`.
[Writing a module](modules.md) shows how; [the way of a request](request.md) tells what completing and failing change.
"""

_REMARKS = """\
- **until the request is complete or has failed**: a hook that calls `context.complete()`, or an error, ends this part of the way.
- **whenever ACQUIRE_STATE was entered**: so that what was acquired is released, whatever happened in between.
- **always, each step on its own**: a hook that fails here does not keep the others from running.

What answers - a function, an application, a file - runs in EXECUTE, between its two halves. The answer leaves behind END,
unless it is streamed: then it begins to leave in EXECUTE. Stages may be compared: `context.stage < Stage.EXECUTE`.

`penstock stages` prints what a site really does in each of them.
"""


def render_stages() -> str:
    """The text of docs/stages.md."""
    return "\n".join([_INTRODUCTION, *_table(), "", _REMARKS])


def _table() -> Iterator[str]:
    yield "|  | stage | what it is for | when it runs | `after` |"
    yield "|--:|---|---|---|:-:|"
    for stage in Stage:
        rule = RULES[stage]
        after = "✓" if rule.has_post else ""
        yield f"| {stage + 1} | `{stage.name}` | {rule.purpose} | {_emphasised(rule.runs)} | {after} |"


def _emphasised(runs: Runs) -> str:
    return runs.value if runs is Runs.USUALLY else f"**{runs.value}**"


if __name__ == "__main__":
    sys.stdout.write(render_stages())
