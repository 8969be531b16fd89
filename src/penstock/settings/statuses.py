"""The language of statuses in rules: 404, "404", "5xx" and "500-599"; read here, and nowhere else."""

import re
from collections.abc import Iterable

_FORM = re.compile(r"([1-5][0-9]{2})(?:-([1-5][0-9]{2}))?|([1-5])[xX]{2}")


def statuses_of(specs: Iterable[int | str]) -> frozenset[int]:
    """The status codes that `specs` name: `[404, "5xx"]` -> 404 and 500 to 599. Raises ValueError for a text that is none."""
    found: set[int] = set()
    for spec in specs:
        first, last = (spec, spec) if isinstance(spec, int) else _range_of(spec)
        found.update(range(first, last + 1))
    return frozenset(found)


def judge_statuses(text: str) -> str:
    """What is wrong with a status or range of them; "" means it is right."""
    try:
        first, last = _range_of(text)
    except ValueError as error:
        return str(error)
    return "" if first <= last else f'"{text}" ends before it begins: write "{last}-{first}"'


def _range_of(text: str) -> tuple[int, int]:
    found = _FORM.fullmatch(text)
    if found is None:
        raise ValueError(f'"{text}" is not a status: write 404, "5xx" or "500-599"')
    if found[3]:
        return int(found[3]) * 100, int(found[3]) * 100 + 99
    return int(found[1]), int(found[2] or found[1])
