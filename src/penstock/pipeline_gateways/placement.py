"""Where the items of a builder are placed in the stages of a site: a pure function of their list (middleware R-IP-04)."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from penstock.pipeline.stages import Stage
from penstock.pipeline_gateways.chain import MARKER, Item

logger = logging.getLogger("penstock")


def placed(items: Sequence[Item]) -> list[tuple[Item, Stage]]:
    """Each item but the markers with its stage: the earliest of the markers behind it, PRE_EXECUTE where there is none."""
    found: list[tuple[Item, Stage]] = []
    stage = Stage.PRE_EXECUTE
    for item in reversed(items):
        if item.stage is not None:
            stage = min(stage, item.stage)
        else:
            found.append((item, stage))
    found.reverse()
    return found


def warnings_of(items: Sequence[Item]) -> list[str]:
    """The markers that have no effect, since a later one asks for an earlier stage (middleware R-IP-06, R-SG-20)."""
    told: list[str] = []
    stage: Stage | None = None
    for item in reversed(items):
        if item.kind != MARKER or item.stage is None:
            continue
        if stage is not None and item.stage > stage:
            told.append(
                f"the stage marker {item.stage.name} has no effect: {stage.name} comes behind it, and what is in front of both "
                f"runs at {stage.name}"
            )
        stage = item.stage if stage is None else min(stage, item.stage)
    told.reverse()
    return told
