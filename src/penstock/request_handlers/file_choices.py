"""Which of a file's codings a client gets: the choice by Accept-Encoding, remembered for the values browsers send."""

from typing import Final

from penstock.http.encodings import IDENTITY, negotiate_encoding
from penstock.request_handlers.file_resources import Resource, Variant

# Browsers send a handful of values; what is longer is no browser's.
_MOST_VALUES: Final = 256
_LONGEST_VALUE: Final = 128


class EncodingChoices:
    """Chooses variants of files; the answer for a value of Accept-Encoding is worked out once."""

    __slots__ = ("_chosen",)

    def __init__(self) -> None:
        self._chosen: dict[tuple[bytes, tuple[bytes, ...]], bytes] = {}

    def choose(self, resource: Resource, accept_encoding: bytes | None) -> Variant:
        """Choose what to send of `resource`. Who refuses even identity gets the plain file.

        RFC 9110 section 12.5.3 lets a server disregard the field then.
        """
        codings = resource.codings
        if not codings or accept_encoding is None:
            return resource.plain
        key = (accept_encoding, codings)
        coding = self._chosen.get(key)
        if coding is None:
            coding = negotiate_encoding(accept_encoding, codings) or IDENTITY
            if len(accept_encoding) <= _LONGEST_VALUE:
                self._remember(key, coding)
        return resource.variants.get(coding, resource.plain)

    def _remember(self, key: tuple[bytes, tuple[bytes, ...]], coding: bytes) -> None:
        if len(self._chosen) >= _MOST_VALUES:
            self._chosen.clear()
        self._chosen[key] = coding
