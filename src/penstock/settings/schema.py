"""The JSON Schema of the site file, for editors; `python -m penstock.settings.schema` writes it to standard output."""

import json
import sys
from typing import Any

from msgspec.json import schema

from penstock.settings.model import Settings
from penstock.settings.rules import ONE_OF

Schema = dict[str, Any]


def build_schema() -> Schema:
    """The schema of the models, without the null that TOML cannot say, and with what the loader asks beyond types."""
    built: Schema = _without_null(schema(Settings))
    definitions = built["$defs"]
    for model, kinds in ONE_OF.items():
        definitions[model.__name__]["oneOf"] = [{"required": [kind]} for kind in kinds]
    definitions["Settings"]["required"] = ["site"]
    definitions["Settings"]["properties"]["site"]["minItems"] = 1
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Penstock site file",
        **built,
    }


def render_schema() -> str:
    """The text of the committed file."""
    return json.dumps(build_schema(), indent=2, ensure_ascii=False) + "\n"


def _without_null(node: Any) -> Any:
    if isinstance(node, list):
        return [_without_null(item) for item in node]
    if not isinstance(node, dict):
        return node
    choices = [choice for choice in node.get("anyOf", []) if choice != {"type": "null"}]
    if len(choices) == 1:
        node = {**{key: value for key, value in node.items() if key != "anyOf"}, **choices[0]}
    elif choices:
        node = {**node, "anyOf": choices}
    node = {key: value for key, value in node.items() if not (key == "default" and value is None)}
    return {key: _without_null(value) for key, value in node.items()}


if __name__ == "__main__":
    sys.stdout.write(render_schema())
