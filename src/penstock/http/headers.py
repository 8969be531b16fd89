"""Header fields as an ordered, case-insensitive map that may hold a name more than once (RFC 9110 section 5)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from penstock.http.grammar import is_field_value, is_token


class Headers:
    """The fields of one message. `raw` is the truth: pairs of lower-case name and value, as bytes, in order.

    Names and values are text here, ISO 8859-1 on the wire. Setting a name that is no token, or a value with CR, LF, NUL or
    another control character, raises ValueError: it never reaches the wire (RFC 9110 section 5.5).
    """

    __slots__ = ("raw",)

    def __init__(self, raw: list[tuple[bytes, bytes]] | None = None) -> None:
        self.raw: list[tuple[bytes, bytes]] = [] if raw is None else raw

    def get(self, name: str, default: str | None = None) -> str | None:
        """The first value of `name`, or `default`."""
        key = _KEYS.get(name) or _learn_key(name)
        for field, value in self.raw:
            if field == key:
                return value.decode("latin-1")
        return default

    def get_all(self, name: str) -> list[str]:
        """Every value of `name`, in order."""
        key = name.lower().encode("latin-1")
        return [value.decode("latin-1") for field, value in self.raw if field == key]

    def add(self, name: str, value: str) -> None:
        """Append a field and keep those of the same name. Raises ValueError for what HTTP does not allow."""
        self.raw.append(encode_field(name, value))

    def setdefault(self, name: str, value: str) -> str:
        """The first value of `name`; when there is none, `value`, which is then set."""
        found = self.get(name)
        if found is None:
            self.add(name, value)
            return value
        return found

    def update(self, fields: dict[str, str]) -> None:
        """Set every field of `fields`, replacing what stands there."""
        for name, value in fields.items():
            self[name] = value

    def items(self) -> list[tuple[str, str]]:
        """All pairs of name and value, in order; a name may come more than once."""
        return [(field.decode("latin-1"), value.decode("latin-1")) for field, value in self.raw]

    def __getitem__(self, name: str) -> str:
        value = self.get(name)
        if value is None:
            raise KeyError(name)
        return value

    def __setitem__(self, name: str, value: str) -> None:
        raw = self.raw
        pair = encode_field(name, value)
        key = pair[0]
        for each in raw:
            if each[0] == key:
                self._replace(pair)
                return
        raw.append(pair)

    def _replace(self, pair: tuple[bytes, bytes]) -> None:
        """Put `pair` where the first field of its name stands, and take the others out."""
        key = pair[0]
        position = next(at for at, each in enumerate(self.raw) if each[0] == key)
        rest = [later for later in self.raw[position + 1 :] if later[0] != key]
        self.raw[position:] = [pair, *rest]

    def __delitem__(self, name: str) -> None:
        key = name.lower().encode("latin-1")
        kept = [pair for pair in self.raw if pair[0] != key]
        if len(kept) == len(self.raw):
            raise KeyError(name)
        self.raw[:] = kept

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.get(name) is not None

    def __iter__(self) -> Iterator[str]:
        return iter([field.decode("latin-1") for field, _ in self.raw])

    def __len__(self) -> int:
        return len(self.raw)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self.raw == other.raw

    def __repr__(self) -> str:
        return f"Headers({self.items()!r})"


class FixedHeaders(Headers):
    """Fields that are to be read only, for they belong to somebody else, too."""

    __slots__ = ()

    def add(self, name: str, value: str) -> None:
        """Raises TypeError."""
        raise _fixed(name)

    def __setitem__(self, name: str, value: str) -> None:
        raise _fixed(name)

    def __delitem__(self, name: str) -> None:
        raise _fixed(name)


def _fixed(name: str) -> TypeError:
    return TypeError(f"the headers of a request are to be read only, {name!r} too: keep what is yours in context.items")


# Names are few and come again with every request: what each is on the wire is found out once. `_FIELDS` are judged as well.
_REMEMBERED: Final = 1024
_KEYS: Final[dict[str, bytes]] = {}
_FIELDS: Final[dict[str, bytes]] = {}


def _learn_key(name: str) -> bytes:
    key = name.lower().encode("latin-1")
    if len(_KEYS) < _REMEMBERED:
        _KEYS[name] = key
    return key


def encode_field(name: str, value: str) -> tuple[bytes, bytes]:
    """One field as it stands in `Headers.raw`. Raises ValueError that names the field at fault."""
    known = _FIELDS.get(name)
    if known is not None and value.isascii() and value.isprintable():
        return known, value.encode("ascii").strip(b" ")
    field, content = _judge_field(name, value)
    if len(_FIELDS) < _REMEMBERED:
        _FIELDS[name] = field
    return field, content


def _judge_field(name: str, value: str) -> tuple[bytes, bytes]:
    try:
        field, content = name.lower().encode("ascii"), value.encode("latin-1")
    except UnicodeEncodeError:
        raise ValueError(f"header {name!r}: a name is ASCII and a value ISO 8859-1, got {value!r}") from None
    if not is_token(field):
        raise ValueError(f"{name!r} is not a header name: only letters, digits and !#$%&'*+-.^_`|~ (RFC 9110 5.6.2)")
    if not is_field_value(content):
        raise ValueError(f"the value of header {name!r} holds a control character: {value!r} (RFC 9110 5.5)")
    return field, content.strip(b" \t")
