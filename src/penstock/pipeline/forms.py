"""Form: the fields and files a client has sent, by name, in order, each name as often as it came."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Generic, TypeVar

from penstock.errors import RequestRejected
from penstock.pipeline.uploads import Upload

T = TypeVar("T")


class Fields(Generic[T]):
    """Values by name, in order; a name may have several, and the first counts where one is asked for. Not to be changed."""

    __slots__ = ("_by_name", "_pairs")

    def __init__(self, pairs: Sequence[tuple[str, T]] = ()) -> None:
        self._pairs = tuple(pairs)
        self._by_name: dict[str, list[T]] = {}
        for name, value in self._pairs:
            self._by_name.setdefault(name, []).append(value)

    def get(self, name: str, default: T | None = None) -> T | None:
        """The first value of `name`, or `default`."""
        values = self._by_name.get(name)
        return default if values is None else values[0]

    def get_all(self, name: str) -> list[T]:
        """Every value of `name`, in order."""
        return list(self._by_name.get(name, ()))

    def need(self, name: str) -> T:
        """The first value of `name`. Raises RequestRejected (400), which names it, when the client has sent none."""
        values = self._by_name.get(name)
        if values is None:
            raise RequestRejected(400, f"the form lacks {name!r}")
        return values[0]

    def items(self) -> list[tuple[str, T]]:
        """All pairs of name and value, in order."""
        return list(self._pairs)

    def values(self) -> list[T]:
        """All values, in order."""
        return [value for _, value in self._pairs]

    def __getitem__(self, name: str) -> T:
        """The first value of `name`. Raises KeyError."""
        return self._by_name[name][0]

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __iter__(self) -> Iterator[str]:
        """The names, each once, in order."""
        return iter(self._by_name)

    def __len__(self) -> int:
        """How many names there are."""
        return len(self._by_name)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({list(self._pairs)!r})"


class Form(Fields[str]):
    """The text fields of a form; `files` are its uploads, which are removed when the request ends."""

    __slots__ = ("files",)

    def __init__(self, pairs: Sequence[tuple[str, str]] = (), files: Sequence[tuple[str, Upload]] = ()) -> None:
        super().__init__(pairs)
        self.files: Fields[Upload] = Fields(files)

    def close(self) -> None:
        """Remove the uploads. The pipeline does so when the request ends."""
        for upload in self.files.values():
            upload.close()
