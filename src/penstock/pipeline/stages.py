"""The stages, in order: the table that decides when each runs (pipeline section 1)."""

from __future__ import annotations

from enum import Enum, IntEnum
from typing import Final, NamedTuple


class Stage(IntEnum):
    """One step of the pipeline. The order of the lines is the order of events, and the numbers may be compared."""

    BEGIN = 0
    AUTHENTICATE = 1
    AUTHORIZE = 2
    RESOLVE_CACHE = 3
    MAP_HANDLER = 4
    ACQUIRE_STATE = 5
    PRE_EXECUTE = 6
    EXECUTE = 7
    RELEASE_STATE = 8
    UPDATE_CACHE = 9
    LOG = 10
    END = 11


class Runs(Enum):
    """When a stage runs."""

    USUALLY = "until the request is complete or has failed"
    ONCE_ACQUIRED = "whenever ACQUIRE_STATE was entered"
    ALWAYS = "always, each step on its own"


class StageRule(NamedTuple):
    """What a stage is for, when it runs, and whether it has a half that runs after all modules had their turn (P-03)."""

    purpose: str
    runs: Runs
    has_post: bool


RULES: Final[dict[Stage, StageRule]] = {
    Stage.BEGIN: StageRule("rewrites, early refusals, correlation ids", Runs.USUALLY, False),
    Stage.AUTHENTICATE: StageRule("who are they", Runs.USUALLY, True),
    Stage.AUTHORIZE: StageRule("may they", Runs.USUALLY, True),
    Stage.RESOLVE_CACHE: StageRule("has it been answered before", Runs.USUALLY, True),
    Stage.MAP_HANDLER: StageRule("what answers", Runs.USUALLY, True),
    Stage.ACQUIRE_STATE: StageRule("what do we remember of them", Runs.USUALLY, True),
    Stage.PRE_EXECUTE: StageRule("the last chance before the handler", Runs.USUALLY, False),
    Stage.EXECUTE: StageRule("answer", Runs.USUALLY, True),
    Stage.RELEASE_STATE: StageRule("remember what they did", Runs.ONCE_ACQUIRED, True),
    Stage.UPDATE_CACHE: StageRule("keep the answer for others", Runs.USUALLY, True),
    Stage.LOG: StageRule("enrich the record", Runs.ALWAYS, True),
    Stage.END: StageRule("last changes to the head", Runs.ALWAYS, False),
}


def stage_named(stage: Stage | str) -> Stage:
    """The stage of that name, in any case. Raises ValueError that lists the names there are (pipeline A-09)."""
    if isinstance(stage, Stage):
        return stage
    if stage.upper() in Stage.__members__:
        return Stage[stage.upper()]
    names = ", ".join(each.name for each in Stage)
    raise ValueError(f"{stage!r} is no stage; the stages are {names}")
