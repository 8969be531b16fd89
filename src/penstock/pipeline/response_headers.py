"""The header fields of a response: guarded once its head has left, and completed by what is true of nearly every answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from penstock.http.headers import Headers, encode_field

if TYPE_CHECKING:
    from penstock.pipeline.changeable_head import ChangeableHead

# What a browser must not take for everybody's is nobody else's, unless the handler says otherwise (pipeline H-10).
PRIVATE: Final = (b"cache-control", b"private")
BYTES: Final = ((b"content-type", b"application/octet-stream"), PRIVATE)
TEXT: Final = ((b"content-type", b"text/plain; charset=utf-8"), PRIVATE)
JSON: Final = ((b"content-type", b"application/json"), PRIVATE)

# Told apart from what a handler says by identity: the same text set by a handler is another object.
_DEFAULT_TYPES: Final[tuple[bytes, ...]] = (BYTES[0][1], TEXT[0][1], JSON[0][1])


class ResponseHeaders(Headers):
    """The header fields of a response; a view that writes through until the head has left (pipeline O-02)."""

    __slots__ = ("_response",)

    def __init__(self, response: ChangeableHead) -> None:
        self.raw = response.raw_headers
        self._response = response

    def add(self, name: str, value: str) -> None:
        """Append a field and keep those of the same name. Raises ResponseStarted, ValueError for what HTTP does not allow."""
        if self._response.is_started:
            self._response.check_not_started()
        Headers.add(self, name, value)

    def __setitem__(self, name: str, value: str) -> None:
        if self._response.is_started:
            # pipeline O-02: saying the same content type again changes nothing.
            if name.lower() == "content-type" and self.get(name) == value:
                return
            self._response.check_not_started()
            return
        # As Headers.__setitem__, one call less: every header that a module sets comes this way.
        pair = encode_field(name, value)
        key = pair[0]
        raw = self.raw
        for each in raw:
            if each[0] == key:
                self._replace(pair)
                return
        raw.append(pair)

    def __delitem__(self, name: str) -> None:
        if self._response.is_started:
            self._response.check_not_started()
        Headers.__delitem__(self, name)


def add_defaults(headers: list[tuple[bytes, bytes]], defaults: tuple[tuple[bytes, bytes], ...]) -> None:
    """Add those of `defaults` whose names are not among `headers`."""
    if not headers:
        headers += defaults
        return
    names = {name for name, _ in headers}
    headers += [pair for pair in defaults if pair[0] not in names]


def add_charset(headers: list[tuple[bytes, bytes]]) -> None:
    """Say of a text that was written as UTF-8 that it is, where its media type leaves it open (pipeline O-06)."""
    for at, (name, value) in enumerate(headers):
        if name == b"content-type" and value[:5].lower() == b"text/" and b"charset" not in value.lower():
            headers[at] = (name, value + b"; charset=utf-8")


def drop_default_type(headers: list[tuple[bytes, bytes]]) -> None:
    """Take back the media type that nobody chose: there is no body that it could speak of (pipeline O-06)."""
    for at, (_, value) in enumerate(headers):
        if value is _DEFAULT_TYPES[0] or value is _DEFAULT_TYPES[1] or value is _DEFAULT_TYPES[2]:
            del headers[at]
            return


def drop_fields(headers: list[tuple[bytes, bytes]], names: tuple[bytes, ...]) -> None:
    """Take all fields of these names out of `headers`."""
    headers[:] = [pair for pair in headers if pair[0] not in names]
