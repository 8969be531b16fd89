"""The reference of the site file, made from the models; `python -m penstock.settings.reference` prints it."""

import json
import sys
from collections.abc import Iterator, Mapping
from string import ascii_letters, digits
from typing import Any

from msgspec import NODEFAULT, Struct, inspect

from penstock.settings.catalog import fields_of, label, members_of, plain_type, tables
from penstock.settings.model import AppSettings, ErrorSettings, RouteSettings, WebSocketSettings
from penstock.settings.positions import KeyPath
from penstock.settings.shape import plural_of

# What an example cannot have beside what it has.
_COMMENTED: Mapping[type[Struct], tuple[str, ...]] = {
    AppSettings: ("wsgi", "owin", "app", "threads", "queue"),
    RouteSettings: ("handler", "factory", "status", "websocket", "subprotocols", "lifetime", "settings"),
    ErrorSettings: ("function", "path"),
    WebSocketSettings: ("same_origin",),
}

_INTRODUCTION = """\
# The site file

<!-- Made from the models by `python -m penstock.settings.reference > docs/site-file.md`; change them, not this. -->

A site file says what Penstock serves, and where. It is TOML:

```toml
[server]
listen = ["127.0.0.1:8000"]

[[site]]
hosts = ["*"]
root = "public"                 # files

[[site.app]]
at = "/api"
asgi = "shop.api:app"           # FastAPI, Starlette ...

[[site.app]]
at = "/admin"
wsgi = "shop.wsgi:application"  # Django, Flask ...
```

`penstock serve penstock.toml` serves it, and `penstock check penstock.toml` reports every mistake at once, with its
line and the nearest right name. A key that is not listed here is a mistake; nothing is silently ignored.

**What answers a path**: a route, else the longest mount (application), else a file under `root`, else 404.
Prefixes are compared by whole segments: `/admin` covers `/admin` and `/admin/x`, never `/administrator`.

**Which site answers**: the one with the exact host name, else with the longest `*.` pattern, else with `*`, else 421.
A host belongs to one site.

**Which process answers**: without workers, the one that was started. With `workers`, a `[[pool]]` or `[server.control]`, that one
supervises workers: those of the default pool answer, and ask a pool for the applications that name it.

**Paths** of files and folders are relative to the folder of the site file.

**Editors** complete and check the file by its JSON Schema, `penstock/settings/site.schema.json` in the package. With
the schema beside the site file, the first line of the site file is `#:schema ./site.schema.json`.
"""

_ENVIRONMENT = """\
## Environment overrides

Every key of `[server]` and of the tables below it can be set by a variable: `PENSTOCK_SERVER__`, then the path of the
key in capitals with two underscores between the levels.

| Variable | Stands above |
|---|---|
| `PENSTOCK_SERVER__BACKLOG=512` | `backlog` of `[server]` |
| `PENSTOCK_SERVER__WORKERS=auto` | `workers` of `[server]` |
| `PENSTOCK_SERVER__LIMITS__BODY=1000` | `body` of `[server.limits]` |
| `PENSTOCK_SERVER__RECYCLE__SCHEDULE=03:30,15:30` | `schedule` of `[server.recycle]` |
| `PENSTOCK_SERVER__LISTEN=:8000,unix:/run/app.sock` | `listen` of `[server]` |
| `PENSTOCK_SERVER__LOG__ACCESS=off` | `access` of `[server.log]` |
| `PENSTOCK_SERVER__HEADERS={"x-served-by": "one"}` | `headers` of `[server]` |

A value is plain text or JSON. The elements of an array may be written with commas between them; true is `true`, `yes`,
`on` or `1`, and false is `false`, `no`, `off` or `0`. Sites and pools cannot be set by variables.

An option of the command line has a variable of its own, too: `--log-level` is `PENSTOCK_LOG_LEVEL`. `PORT`, `WEB_CONCURRENCY` and
`FORWARDED_ALLOW_IPS`, which many platforms set, are read as well; the first two only where none of ours says the same.

## Precedence

A command line option, else its variable, else a `PENSTOCK_SERVER__` variable, else the site file, else the default.

## Inheritance by location

The rules of a `[[site.location]]` hold for everything below its `at`, whatever answers there: a route, an application
or a file. Where locations lie within one another, all of them hold, and the inner one refines the outer:

| Key | The inner location |
|---|---|
| the keys of `limits`, `access_log`, `access`, `error_format` | replaces the outer value; what it does not give is inherited |
| the keys of `filtering` | the same, key by key; `0`, `""` or `[]` switches one off |
| the keys of `websockets` | the same, key by key; `origins = ["*"]` allows any again |
| `errors` | its elements are tried first, then those of the outer location |
| `headers` | adds to the outer headers; a header of the same name wins, in capitals or not |
| `modules` | adds its modules after those of the outer location, which come after those of the site |
| `middleware` | the same: its middleware comes behind that of the outer location, and behind the modules |

```toml
[[site]]

[[site.location]]
at = "/"
headers = { "x-frame-options" = "SAMEORIGIN", "x-content-type-options" = "nosniff" }

[[site.location]]
at = "/admin"
headers = { "X-Frame-Options" = "DENY" }
limits = { body = 1_000_000 }
```

An answer below `/admin` has `x-frame-options: DENY` and `x-content-type-options: nosniff`, and takes a body of a
million bytes at most.
"""


def render_reference() -> str:
    """The text of docs/site-file.md."""
    sections = [_INTRODUCTION, *_table_sections(), _ENVIRONMENT]
    return "\n".join(sections)


def _table_sections() -> Iterator[str]:
    for path, model in tables():
        if path:
            yield "\n".join(_table_section(path, model)) + "\n"


def _table_section(path: KeyPath, model: type[Struct]) -> Iterator[str]:
    described = (model.__doc__ or "").partition(": ")[2].strip()
    yield f"## `{label(path)}`"
    yield f"\n{described[:1].upper()}{described[1:]}\n"
    yield "| Key | Type | Default | Meaning |"
    yield "|---|---|---|---|"
    for key, field in fields_of(model).items():
        if not _is_table(field):
            yield f"| `{key}` | {_type_text(field.type)} | {_default_text(field)} | {_cell(_about(field)['description'])} |"
    yield "\n```toml"
    yield from _example(path, model)
    yield "```"


def _example(path: KeyPath, model: type[Struct]) -> Iterator[str]:
    yield label(path)
    for key, field in fields_of(model).items():
        value = _example_value(field)
        if not _is_table(field) and value is not None:
            comment = "# " if key in _COMMENTED.get(model, ()) else ""
            yield f"{comment}{key} = {toml_value(value)}"


def _example_value(field: inspect.Field) -> Any:
    examples = _about(field).get("examples")
    if examples:
        return examples[0]
    return None if field.default is NODEFAULT else field.default


def _is_table(field: inspect.Field) -> bool:
    kind, _ = plain_type(field.type)
    if isinstance(kind, inspect.VarTupleType):
        return isinstance(kind.item_type, inspect.StructType) and "examples" not in _about(field)
    return isinstance(kind, inspect.StructType) and "examples" not in _about(field)


def _about(field: inspect.Field) -> Mapping[str, Any]:
    assert isinstance(field.type, inspect.Metadata)
    return field.type.extra_json_schema or {}


def _type_text(declared: inspect.Type) -> str:
    kind, _ = plain_type(declared)
    if isinstance(kind, inspect.UnionType):
        return " or ".join(_type_text(member) for member in members_of(kind))
    if isinstance(kind, inspect.LiteralType):
        return ", ".join(f'`"{choice}"`' for choice in kind.values)
    if isinstance(kind, inspect.IntType):
        return f"whole number{_range_text(kind)}"
    if isinstance(kind, inspect.FloatType):
        return f"number{_range_text(kind)}"
    if isinstance(kind, inspect.VarTupleType):
        item, _ = plain_type(kind.item_type)
        return f"array of {plural_of(item) if not isinstance(item, inspect.LiteralType) else _type_text(item)}"
    return _TYPE_TEXTS[type(kind)]


_TYPE_TEXTS: Mapping[type[inspect.Type], str] = {
    inspect.BoolType: "true or false",
    inspect.StrType: "string",
    inspect.DictType: "table",
    inspect.StructType: "table",
}


def _range_text(kind: inspect.IntType | inspect.FloatType) -> str:
    bounds = (("at least", kind.ge), ("more than", kind.gt), ("at most", kind.le))
    said = [f"{words} {_number_text(bound)}" for words, bound in bounds if bound is not None]
    return f", {', '.join(said)}" if said else ""


def _default_text(field: inspect.Field) -> str:
    if field.required:
        return "required"
    if isinstance(field.type, inspect.Metadata) and "default" in (field.type.extra or {}):
        return f"`{toml_value((field.type.extra or {})['default'])}`"
    if field.default is NODEFAULT:
        return "`{}`"
    if field.default is None or isinstance(field.default, Struct):
        return "none"
    return f"`{toml_value(field.default)}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*").replace("<", "&lt;")


def toml_value(value: Any) -> str:
    """A value as TOML, on one line."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return _number_text(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)  # TOML's basic strings have all of JSON's escapes
    if isinstance(value, Mapping):
        pairs = ", ".join(f"{_toml_key(key)} = {toml_value(item)}" for key, item in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    return f"[{', '.join(toml_value(item) for item in value)}]"


def _toml_key(key: str) -> str:
    return key if key and set(key) <= set(ascii_letters + digits + "_-") else json.dumps(key)


def _number_text(value: float) -> str:
    return f"{value:_}" if isinstance(value, int) and value >= 100_000 else str(value)


if __name__ == "__main__":
    sys.stdout.write(render_reference())
