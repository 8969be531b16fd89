"""A parsed tree held against the models: unknown and missing keys, wrong types, numbers out of range, bad texts."""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import date, time
from typing import Any

from msgspec import Struct, inspect

from penstock.settings.catalog import fields_of, find_home, label, members_of, plain_type
from penstock.settings.languages import JUDGES
from penstock.settings.model import Settings
from penstock.settings.names import join_choices, suggest
from penstock.settings.positions import KeyPath

Report = Callable[[KeyPath, str], None]
Table = dict[str, Any]

_REFUSED = object()  # what a value that was reported leaves behind


class Shape:
    """The judge of one tree. What passes can be read with the types of the models; the rest is reported and left out."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self.refused: set[KeyPath] = set()  # what was left out, and is not "not given"

    def clean(self, tree: Mapping[str, object]) -> Table:
        """A copy of `tree` with only what is right; elements of arrays keep their places ("" or {} if refused)."""
        return self._table(tree, Settings, path=())

    def _table(self, tree: Mapping[str, object], model: type[Struct], *, path: KeyPath) -> Table:
        fields = fields_of(model)
        kept: Table = {}
        for key, value in tree.items():
            if key not in fields:
                self._report((*path, key), _unknown_key(key, fields, path=path))
                continue
            judged = self._value(value, fields[key].type, path=(*path, key))
            if judged is not _REFUSED:
                kept[key] = judged
        for name, field in fields.items():
            if field.required and name not in tree:
                self._report(path, f'{label(path)} needs "{name}"')
        return kept

    def _value(self, value: object, declared: inspect.Type, *, path: KeyPath) -> object:
        kind, language = plain_type(declared)
        if isinstance(kind, inspect.UnionType) and (fitting := _find_member(value, kind)):
            if isinstance(fitting, inspect.LiteralType) and value not in fitting.values and len(members_of(kind)) > 1:
                return self._refuse(path, f'{name_of(path)} must be {_wanted(kind)}, not "{value}"')
            return self._value(value, fitting, path=path)
        if isinstance(kind, inspect.AnyType):
            return value
        if not _fits(value, kind):
            return self._refuse(path, _wrong_type(value, kind, path=path))
        if isinstance(value, str):
            return self._text(value, kind, path=path, language=language)
        if isinstance(value, list):
            return self._array(value, kind, path=path)
        if isinstance(value, dict):
            return self._table_or_mapping(value, kind, path=path)
        if isinstance(value, bool):
            return value
        return self._number(value, kind, path=path)

    def _text(self, value: str, kind: inspect.Type, *, path: KeyPath, language: str) -> object:
        problem = ""
        if "\0" in value:
            problem = "must not contain a NUL character"
        elif isinstance(kind, inspect.LiteralType) and value not in kind.values:
            choices = [str(choice) for choice in kind.values]
            problem = f'must be {join_choices(choices)}, not "{value}"{suggest(value, choices)}'
        elif isinstance(kind, inspect.StrType) and kind.min_length and not value:
            problem = "must not be empty"
        if problem:
            return self._refuse(path, f"{name_of(path)} {problem}")
        if language and (problem := JUDGES[language](value)):
            return self._refuse(path, f"{name_of(path)}: {problem}")
        return value

    def _number(self, value: Any, kind: Any, *, path: KeyPath) -> object:
        wanted = ""
        if not math.isfinite(value):
            wanted = "a finite number"
        elif kind.ge is not None and value < kind.ge:
            wanted = f"at least {kind.ge}"
        elif kind.gt is not None and value <= kind.gt:
            wanted = f"more than {kind.gt}"
        elif kind.le is not None and value > kind.le:
            wanted = f"at most {kind.le}"
        return self._refuse(path, f"{name_of(path)} must be {wanted}, not {value}") if wanted else value

    def _array(self, value: Sequence[object], kind: Any, *, path: KeyPath) -> object:
        if kind.min_length and not value:
            return self._refuse(path, f"{name_of(path)} must not be empty")
        judged = [self._value(item, kind.item_type, path=(*path, index)) for index, item in enumerate(value)]
        stand_in: object = {} if isinstance(kind.item_type, inspect.StructType) else ""
        return [stand_in if item is _REFUSED else item for item in judged]

    def _table_or_mapping(self, value: Mapping[str, object], kind: Any, *, path: KeyPath) -> object:
        if isinstance(kind, inspect.StructType):
            return self._table(value, kind.cls, path=path)
        if isinstance(kind.value_type, inspect.AnyType):
            return value
        kept = {}
        for key, item in value.items():
            if problem := JUDGES[plain_type(kind.key_type)[1]](key):
                self._report((*path, key), f"{name_of(path)}: {problem}")
                continue
            judged = self._value(item, kind.value_type, path=(*path, key))
            if judged is not _REFUSED:
                kept[key] = judged
        return kept

    def _refuse(self, path: KeyPath, message: str) -> object:
        self._report(path, message)
        self.refused.add(path)
        return _REFUSED


def name_of(path: KeyPath) -> str:
    """What a message calls the value at `path`: its key, for an element of an array the key of the array."""
    return next(part for part in reversed(path) if isinstance(part, str))


def _unknown_key(key: str, fields: Mapping[str, inspect.Field], *, path: KeyPath) -> str:
    near = suggest(key, fields)
    home = "" if near else find_home(key)
    return f'{label(path)} does not know "{key}"{near or (home and f"; it belongs in {home}")}'


def _find_member(value: object, union: inspect.UnionType) -> inspect.Type | None:
    return next((member for member in members_of(union) if _fits(value, plain_type(member)[0])), None)


def _fits(value: object, kind: inspect.Type) -> bool:
    if isinstance(kind, inspect.UnionType):
        return False  # none of its members fitted
    return isinstance(value, _PYTHON_TYPES[type(kind)]) and (
        not isinstance(value, bool) or isinstance(kind, inspect.BoolType)
    )


def _wrong_type(value: object, kind: inspect.Type, *, path: KeyPath) -> str:
    name = name_of(path)
    subject = f"an element of {name}" if isinstance(path[-1], int) else name
    return f"{subject} must be {_wanted(kind)}, not {_found(value)}{_hint(value, kind, path=path)}"


def _wanted(kind: inspect.Type) -> str:
    if isinstance(kind, inspect.UnionType):
        return " or ".join(_wanted(plain_type(member)[0]) for member in members_of(kind))
    if isinstance(kind, inspect.VarTupleType):
        return f"an array of {plural_of(kind.item_type)}"
    if isinstance(kind, inspect.LiteralType):
        return join_choices(str(choice) for choice in kind.values)
    return _WANTED[type(kind)]


def plural_of(declared: inspect.Type) -> str:
    """What the elements of an array are called."""
    kind, _ = plain_type(declared)
    if isinstance(kind, inspect.UnionType):
        return " or ".join(plural_of(member) for member in members_of(kind))
    return {inspect.StructType: "tables", inspect.IntType: "whole numbers"}.get(type(kind), "strings")


def _found(value: object) -> str:
    for python_type, text in _FOUND:
        if isinstance(value, python_type):
            return text
    return "nothing" if value is None else "something else"


def _hint(value: object, kind: inspect.Type, *, path: KeyPath) -> str:
    name = name_of(path)
    if isinstance(kind, inspect.VarTupleType):
        if isinstance(value, str):
            return f': write {name} = ["{value}"]'
        if isinstance(value, int) and isinstance(kind.item_type, inspect.UnionType):
            return f": write {name} = [{value}]"
        if isinstance(value, dict) and isinstance(kind.item_type, inspect.StructType):
            return f": write [{label(path)}]"
    if isinstance(value, str) and isinstance(kind, inspect.IntType) and value.isdecimal():
        return f": write {name} = {value}"
    if isinstance(value, str) and isinstance(kind, inspect.BoolType):
        return f": write {name} = {'false' if value.lower() in {'false', 'no', 'off', '0', ''} else 'true'}"
    if isinstance(value, int | float) and isinstance(kind, inspect.StrType):
        return f': write {name} = "{str(value).lower()}"'
    return ""


_PYTHON_TYPES: Mapping[type[inspect.Type], Any] = {
    inspect.BoolType: bool,
    inspect.IntType: int,
    inspect.FloatType: int | float,
    inspect.StrType: str,
    inspect.LiteralType: str,
    inspect.VarTupleType: list,
    inspect.DictType: dict,
    inspect.StructType: dict,
}
_WANTED: Mapping[type[inspect.Type], str] = {
    inspect.BoolType: "true or false",
    inspect.IntType: "a whole number",
    inspect.FloatType: "a number",
    inspect.StrType: "a string",
    inspect.DictType: "a table",
    inspect.StructType: "a table",
}
_FOUND = (
    (bool, "true or false"),
    (int, "a whole number"),
    (float, "a fraction"),
    (str, "a string"),
    (list, "an array"),
    (dict, "a table"),
    (date | time, "a date or time"),
)
