"""What a builder holds, as a table for people (middleware R-PY-05)."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.pipeline_gateways.chain import APPLICATION, BRANCH, Item
from penstock.pipeline_gateways.conversions import Conversions, losses_of
from penstock.pipeline_gateways.placement import placed
from penstock.pipeline_gateways.shapes import Shape

_ANY = "any"
_TITLES = ("", "stage", "kind", "name", "signature", "conversion to what it wraps")


def describe_items(items: Sequence[Item], conversions: Conversions) -> str:
    """One line for each item: order, stage, kind, name, its signature, and how what is behind it becomes that."""
    rows: list[tuple[str, ...]] = []
    inside: str | None = Shape.ASGI3.value  # of the default application
    for item, stage in reversed(placed(items)):
        consumes = _consumed(item)
        way = "" if item.kind == APPLICATION else _way(inside, consumes, conversions)
        rows.append((stage.name, _kind_of(item), item.name, _signature_of(item, consumes), way))
        inside = item.produces if item.kind == APPLICATION else consumes
    rows.reverse()
    table = [_TITLES, *[(str(number), *row) for number, row in enumerate(rows, 1)]]
    widths = [max(len(row[column]) for row in table) for column in range(len(_TITLES))]
    lines = ["  ".join(f"{text:{width}}" for text, width in zip(row, widths, strict=True)).rstrip() for row in table]
    return "\n".join(lines)


def _consumed(item: Item) -> str | None:
    if item.kind == BRANCH:
        return Shape.ASGI3.value
    return None if item.middleware is None else item.middleware.consumes


def _kind_of(item: Item) -> str:
    return item.kind if item.middleware is None else str(item.middleware.form.value)


def _signature_of(item: Item, consumes: str | None) -> str:
    if item.kind == APPLICATION:
        return item.produces or _ANY
    produces = item.produces or consumes
    return (consumes or _ANY) if produces == consumes else f"{consumes} -> {produces}"


def _way(inside: str | None, consumes: str | None, conversions: Conversions) -> str:
    if inside is None or consumes is None:
        return "when it is built"
    if inside == consumes:
        return "none"
    path = conversions.find_path(inside, consumes)
    if path is None:
        return "no way"
    lost = f", loses {', '.join(sorted(losses_of(path)))}" if losses_of(path) else ""
    return " -> ".join([inside, *[step.target for step in path]]) + lost
