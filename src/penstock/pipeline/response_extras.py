"""Extras: what few responses need, made when one of them first asks for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from penstock.errors import ContractError, ResponseSealed
from penstock.http.headers import encode_field
from penstock.http.response_head import is_trailer
from penstock.pipeline.answer_file import AnswerFile
from penstock.pipeline.filters import FilterChain

if TYPE_CHECKING:
    from penstock.pipeline.response import Response


class Extras:
    """`callbacks` are called before the head leaves; `is_calling` while they are. `sealed` says why the body is closed.

    `sent_by` is who let the head go, `substatus_by` who set `substatus`. `is_text`: text was written. `has_unknown_length`:
    the answer to HEAD cannot say how long its filters would have made the body.
    """

    # Without slots: what is not set costs nothing to make.
    callbacks: list[Callable[[Response], None]] | None = None
    file: AnswerFile | None = None
    filters: FilterChain | None = None
    has_unknown_length: bool = False
    is_calling: bool = False
    is_suppressed: bool = False
    is_text: bool = False
    sealed: str = ""
    sent_by: str = ""
    substatus: int = 0
    substatus_by: str = ""
    trailers: list[tuple[bytes, bytes]] | None = None

    def need_filters(self) -> FilterChain:
        """The filters."""
        if self.filters is None:
            self.filters = FilterChain()
        return self.filters

    def add_trailers(self, fields: Mapping[str, str]) -> None:
        """Append trailer fields. Raises ValueError for what cannot be one (RFC 9110 section 6.5.1)."""
        added = [encode_field(name, value) for name, value in fields.items()]
        for name, _ in added:
            if not is_trailer(name):
                raise ValueError(
                    f"{name.decode()!r} stands in front of the body, never behind it (RFC 9110 section 6.5.1)"
                )
        self.trailers = [*(self.trailers or ()), *added]

    @property
    def changes_pieces(self) -> bool:
        """Whether what is streamed does not leave as it comes."""
        return self.filters is not None or self.is_suppressed

    def take(self, other: Extras) -> None:
        """Take over what another response, which is going to be this one, has; its file belongs to this one from now on."""
        self.file, other.file = other.file, None
        self.is_text = other.is_text
        self.is_suppressed = self.is_suppressed or other.is_suppressed
        self.substatus, self.substatus_by = other.substatus, other.substatus_by
        if other.callbacks:
            self.callbacks = [*(self.callbacks or ()), *other.callbacks]
        if other.trailers:
            self.trailers = [*(self.trailers or ()), *other.trailers]
        if other.filters is not None:
            self.need_filters().extend(other.filters)

    def drop_file(self) -> None:
        """Close the file that is not going to be sent."""
        if self.file is not None:
            file, self.file = self.file, None
            file.close()

    def drop_filters(self, headers: list[tuple[bytes, bytes]]) -> None:
        """Forget the filters, and take back what they have changed in `headers`."""
        if self.filters is not None:
            self.filters.undo(headers)
            self.filters = None
            self.has_unknown_length = False

    def check_open(self) -> None:
        """Raise ResponseSealed when the body takes nothing more."""
        self.check_not_calling("changes the body")
        if self.sealed:
            raise ResponseSealed(
                f"the body is sealed, for {self.sealed}: headers may still be changed, and replace() puts another in its place"
            )

    def check_not_calling(self, what: str) -> None:
        """Raise ContractError while callbacks run: they change the head, and nothing else (pipeline P-18, O-03)."""
        if self.is_calling:
            raise ContractError(f"a callback of on_sending_headers {what}: it may change status, headers and cookies")
