"""Filters: what the body of an answer passes on its way out, each with the header fields that tell of it (pipeline O-08, X-09)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from penstock.errors import ContractError
from penstock.http.messages import ResponseHead
from penstock.pipeline.signatures import called

if TYPE_CHECKING:
    from penstock.pipeline.context import Context

Fields = list[tuple[bytes, bytes]]

_METHODS: Final = ("begin", "feed", "finish")


class Filter(Protocol):
    """Changes the body of one answer; made for it, and used once.

    A filter that holds bytes back may have `flush() -> bytes`, too: it is called when what was fed has to leave now.
    """

    def begin(self, head: ResponseHead) -> bool:
        """Look at the head before it leaves, and change header fields; False: not for this answer. Called once.

        Content-Length is not its business: it is counted anew. What it changes is taken back when the filter is dropped.
        """

    def feed(self, piece: bytes) -> bytes:
        """Take a piece of the body, never an empty one, and give what can go on already."""

    def finish(self) -> bytes:
        """The body has ended: give the rest. Called once."""


class FilterChain:
    """The filters of one response: the first one added is fed first, the last one is outermost."""

    __slots__ = ("_active", "_before", "_filters", "_is_broken", "is_begun", "is_finished")

    def __init__(self) -> None:
        # Any: what they give is judged here, in words of our own, not by the compiler's check of types.
        self._filters: list[Any] = []
        self._active: list[Any] = []
        self._before: dict[bytes, list[bytes]] = {}
        self._is_broken = False
        self.is_begun = False
        self.is_finished = False

    @property
    def names(self) -> frozenset[bytes]:
        """The names of the header fields that are the filters'."""
        return frozenset(self._before)

    def add(self, added: Filter) -> None:
        """Append a filter. Raises TypeError for what is none."""
        missing = [name for name in _METHODS if not callable(getattr(added, name, None))]
        if missing:
            raise TypeError(
                f"a filter has begin, feed and finish; {type(added).__name__!r} has no {' and no '.join(missing)}"
            )
        self._filters.append(added)

    def extend(self, other: FilterChain) -> None:
        """Append the filters of `other`."""
        self._filters += other._filters

    def begin(self, head: ResponseHead) -> bool:
        """Show the filters the head; whether any of them takes part."""
        before = _by_name(head.raw_headers)
        self.is_begun = True
        try:
            for each in self._filters:
                if _is_for(each, called(each.begin, head)):
                    self._active.append(each)
            if self._active:
                head.raw_headers[:] = [pair for pair in head.raw_headers if pair[0] != b"content-length"]
        finally:
            after = _by_name(head.raw_headers)
            for name in {*before, *after}:
                if before.get(name) != after.get(name):
                    self._before[name] = before.get(name, [])
        return bool(self._active)

    def feed(self, piece: bytes) -> bytes:
        """Let `piece` through and what the filters have held back: it has to leave now (pipeline O-08)."""
        self._check_whole()
        self._is_broken = True
        for each in self._active:
            passed = _bytes_of(each, called(each.feed, piece)) if piece else b""
            flush = getattr(each, "flush", None)
            piece = passed if flush is None else passed + _bytes_of(each, called(flush))
        self._is_broken = False
        return piece

    def feed_part(self, piece: bytes) -> bytes:
        """Let `piece` through, more of the same following at once."""
        self._check_whole()
        self._is_broken = True
        for each in self._active:
            piece = _bytes_of(each, called(each.feed, piece)) if piece else b""
        self._is_broken = False
        return piece

    def finish(self, piece: bytes) -> bytes:
        """Let the last `piece` through and end all filters, once."""
        self._check_whole()
        self._is_broken = True
        for each in self._active:
            passed = _bytes_of(each, called(each.feed, piece)) if piece else b""
            piece = passed + _bytes_of(each, called(each.finish))
        self._is_broken = False
        self.is_finished = True
        return piece

    def undo(self, headers: Fields) -> None:
        """Take back what the filters have changed in the head: the body that it spoke of is dropped (pipeline X-09)."""
        headers[:] = [pair for pair in headers if pair[0] not in self._before]
        headers += [
            (name, value) for name, values in self._before.items() for value in values if name != b"content-length"
        ]

    def _check_whole(self) -> None:
        if self._is_broken:
            raise ContractError("a filter of this response has failed: the rest of the body cannot be made")


def run_filters(context: Context) -> None:
    """The step in front of the hooks that keep or log an answer: they see the body as it leaves (pipeline O-08)."""
    response = context.response
    if response.is_special:
        response.run_filters()


def _by_name(headers: Fields) -> dict[bytes, list[bytes]]:
    found: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        found.setdefault(name, []).append(value)
    return found


def _is_for(asked: object, answer: object) -> bool:
    if not isinstance(answer, bool):
        raise ContractError(
            f"begin of the filter {type(asked).__name__!r} says True, or False when it is not for this answer, "
            f"not {type(answer).__name__!r}"
        )
    return answer


def _bytes_of(passing: object, piece: object) -> bytes:
    if not isinstance(piece, bytes):
        raise ContractError(f"the filter {type(passing).__name__!r} gives bytes, not {type(piece).__name__!r}")
    return piece
