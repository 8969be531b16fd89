"""The models as a catalogue: which keys a table has, what type a key has, and what tables are called in messages."""

from collections.abc import Iterator, Mapping
from functools import cache

from msgspec import Struct, inspect

from penstock.settings.model import Settings
from penstock.settings.positions import KeyPath


@cache
def fields_of(model: type[Struct]) -> Mapping[str, inspect.Field]:
    """The fields of a table by their keys in the site file."""
    described = inspect.type_info(model)
    assert isinstance(described, inspect.StructType)
    return {field.encode_name: field for field in described.fields}


def plain_type(declared: inspect.Type) -> tuple[inspect.Type, str]:
    """The type without its annotations and without None (which TOML cannot say), and the language of its text or "".

    What may be of several types stays a union: `members_of` has its types.
    """
    language = ""
    while isinstance(declared, inspect.Metadata | inspect.UnionType):
        if isinstance(declared, inspect.Metadata):
            language = (declared.extra or {}).get("language", language)
            declared = declared.type
            continue
        members = members_of(declared)
        if len(members) > 1:
            return declared, language
        declared = members[0]
    return declared, language


def members_of(declared: inspect.UnionType) -> tuple[inspect.Type, ...]:
    """The types that a value may be of, None left out."""
    return tuple(member for member in declared.types if not isinstance(member, inspect.NoneType))


def find_type(path: KeyPath) -> inspect.Type | None:
    """The plain type of the key at `path`, or None where the models know no such key."""
    kind: inspect.Type = inspect.type_info(Settings)
    for key in path:
        field = fields_of(kind.cls).get(str(key)) if isinstance(kind, inspect.StructType) else None
        if field is None:
            return None
        kind, _ = plain_type(field.type)
    return kind


def tables(model: type[Struct] = Settings, *, path: KeyPath = ()) -> Iterator[tuple[KeyPath, type[Struct]]]:
    """Every table of the site file with its path, outer ones first; an element of an array of tables has index 0."""
    yield path, model
    for key, field in fields_of(model).items():
        kind, _ = plain_type(field.type)
        inner: KeyPath = (*path, key)
        if isinstance(kind, inspect.VarTupleType):
            kind, inner = kind.item_type, (*inner, 0)
        if isinstance(kind, inspect.StructType):
            yield from tables(kind.cls, path=inner)


def label(path: KeyPath) -> str:
    """What a table is called: `("site", 0, "files")` -> [site.files], `("site", 0)` -> [[site]]."""
    name = ".".join(part for part in path if isinstance(part, str))
    if not name:
        return "the site file"
    return f"[[{name}]]" if isinstance(path[-1], int) else f"[{name}]"


def find_home(key: str) -> str:
    """The labels of the tables that do know `key`, or ""."""
    return " or ".join(dict.fromkeys(label(path) for path, model in tables() if path and key in fields_of(model)))
