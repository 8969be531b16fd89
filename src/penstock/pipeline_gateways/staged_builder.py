"""A builder's middleware in the stages of a site: where its markers say, one piece of the pipeline each (middleware R-SG-20)."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from penstock.pipeline.module import Hooks
from penstock.pipeline.stages import Stage
from penstock.pipeline_gateways.asgi_application import AT_THE_END
from penstock.pipeline_gateways.branches import Branching
from penstock.pipeline_gateways.builder import Builder
from penstock.pipeline_gateways.chain import APPLICATION, Item, Link, converted, take_branch
from penstock.pipeline_gateways.conversions import Conversions
from penstock.pipeline_gateways.placement import placed, warnings_of
from penstock.pipeline_gateways.shapes import Shape
from penstock.pipeline_gateways.staged_middleware import StagedMiddleware
from penstock.pipeline_gateways.staged_passage import StagedPassage
from penstock.pipeline_gateways.staged_pieces import Piece, hook_middleware, hook_piece
from penstock.pipeline_gateways.staged_straight import KEY, StraightExchange, StraightLink

logger = logging.getLogger("penstock")


def hook_builder(builder: Builder, taken: Iterable[str] = ()) -> list[Hooks]:
    """The hooks of all that was added to `builder`, in its order, under names that are not `taken`.

    What falls off its end is for the rest of the pipeline. Markers that have no effect are told of in the log. Raises what
    the middleware raises, and NoConversion for what cannot wait in a stage.
    """
    for text in warnings_of(builder.items):
        logger.warning(text)
    names = {each.lower() for each in taken}
    pieces: list[Piece] = []
    found: list[Hooks] = []
    for item, stage in placed(builder.items):
        hooks = Hooks(_unique(item.name, names))
        pieces.append(_hook_item(hooks, stage, item, builder.conversions, pieces))
        found.append(hooks)
        if item.kind == APPLICATION:
            break  # what is behind it is never reached
    return found


def _hook_item(hooks: Hooks, stage: Stage, item: Item, conversions: Conversions, pieces: list[Piece]) -> Piece:
    if item.middleware is not None:
        return hook_middleware(hooks, stage, item.middleware)
    if item.kind == APPLICATION:
        application = converted(
            Link(item.application, item.produces or "", item.name, item.needs), Shape.ASGI3.value, conversions
        )
        return hook_piece(hooks, stage, StagedMiddleware(lambda rest: application, name=hooks.module))
    return hook_piece(hooks, stage, StagedMiddleware(_Branch(item, pieces).wrap, name=hooks.module, may_skip=True))


class _Branch:
    """A branch in a stage. Whoever comes to its end goes on in the pipeline, past the other pieces (middleware R-SG-36)."""

    __slots__ = ("_item", "_pieces")

    def __init__(self, item: Item, pieces: list[Piece]) -> None:
        self._item = item
        self._pieces = pieces

    def wrap(self, rest: Any) -> Any:
        """The middleware around the rest of the pipeline."""
        return Branching(rest, take_branch(self._item), _Choosing(self._item.chooser, self._lead_on))

    async def _lead_on(self, scope: Any, receive: Any, send: Any) -> None:
        passage = scope[KEY]
        if isinstance(passage, (StraightExchange, StraightLink)):
            scope.pop(AT_THE_END, None)
            await passage.way.piece.rest(scope, receive, send)
            return
        assert isinstance(passage, StagedPassage)
        await passage.lead_on(scope, receive, send, skipping=tuple(self._pieces))


class _Choosing:
    """As the chooser of the branch; what it chooses says where its end is."""

    __slots__ = ("_choose", "_end")

    def __init__(self, choose: Any, end: Any) -> None:
        self._choose = choose
        self._end = end

    async def __call__(self, branch: Any, scope: Any) -> dict[str, Any] | None:
        """A scope, or None."""
        chosen = self._choose(branch, scope)
        if hasattr(chosen, "__await__"):
            chosen = await chosen
        if chosen is None:
            return None
        found: dict[str, Any] = {**chosen, AT_THE_END: self._end}
        return found


def _unique(name: str, names: set[str]) -> str:
    found, number = name, 2
    while found.lower() in names:
        found, number = f"{name}-{number}", number + 1
    names.add(found.lower())
    return found
