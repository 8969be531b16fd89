"""The OpenAPI 3.1 document of the control socket, made from the table that its routes are made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from penstock.http.status import REASONS
from penstock.supervisor.control_calls import Call, NoOrder
from penstock.supervisor.control_model import Mistake, PoolOutcome

PATH: Final = "/v1/openapi.json"
# Errors that any call may meet: a body or a query that is wrong, one that is too long, too many at once.
_OF_ALL: Final = (400, 413, 503)
_PARAMETERS: Final = {"pool": "Name of a pool.", "worker": "Id of a worker."}
# Parts of the document: text, numbers, lists and objects.
Part = dict[str, Any]

_PROBLEM: Final[Part] = {
    "type": "object",
    "description": "What went wrong (RFC 9457).",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string", "const": "about:blank"},
        "title": {"type": "string", "description": "The phrase of the status."},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What was wrong, and what would be right."},
        "known": {"type": "array", "items": {"type": "string"}, "description": "404: the names there are."},
        "problems": {
            "type": "array",
            "items": {"$ref": "#/components/schemas/Mistake"},
            "description": "422: every mistake in the configuration.",
        },
        "pools": {
            "type": "array",
            "items": {"$ref": "#/components/schemas/PoolOutcome"},
            "description": "424: what came of each pool.",
        },
    },
}


def as_document(calls: Sequence[Call], version: str) -> Part:
    """The document for `calls` of a server of this version."""
    types = [each.answer for each in calls if each.answer not in (str, dict)] + [each.order for each in calls]
    named = dict.fromkeys([*types, Mistake, PoolOutcome])
    _, components = msgspec.json.schema_components(named, ref_template="#/components/schemas/{name}")
    paths: dict[str, Part] = {}
    for call in calls:
        paths.setdefault(call.path, {})[call.method.lower()] = _operation(call)
    paths[PATH] = {"get": _own_operation()}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Penstock's control socket",
            "version": version,
            "description": "How a running server is watched and told what to do. Times are UTC, durations in seconds, sizes in bytes.",
        },
        # RFC 3986 has no URL for a Unix socket; the host name is not looked at.
        "servers": [{"url": "http://penstock", "description": "The Unix socket that `penstock serve` names."}],
        "paths": paths,
        "components": {"schemas": {**components, "Problem": _PROBLEM}},
    }


def _operation(call: Call) -> Part:
    operation: Part = {"operationId": call.name, "summary": call.summary}
    if parameters := _parameters(call):
        operation["parameters"] = parameters
    if call.order is not NoOrder:
        content = _content("application/json", {"$ref": f"#/components/schemas/{call.order.__name__}"})
        operation["requestBody"] = {"required": _needs_order(call), **content}
    operation["responses"] = _responses(call)
    return operation


def _parameters(call: Call) -> list[Part]:
    text = {"type": "string"}
    return [
        {"name": name, "in": "path", "required": True, "description": about, "schema": text}
        for name, about in _PARAMETERS.items()
        if f"{{{name}}}" in call.path
    ] + [{"name": name, "in": "query", "description": about, "schema": text} for name, about in call.query]


def _needs_order(call: Call) -> bool:
    return any(each.required for each in msgspec.structs.fields(call.order))


def _responses(call: Call) -> Part:
    responses = {str(call.status): {"description": REASONS[call.status], **_answered(call)}}
    if any(each.name == "wait" for each in msgspec.structs.fields(call.order)):
        responses["202"] = {"description": "It has begun: what was asked for with wait = false.", **_answered(call)}
    for status in sorted({*_OF_ALL, *call.refusals}):
        refused = _content("application/problem+json", {"$ref": "#/components/schemas/Problem"})
        responses[str(status)] = {"description": REASONS[status], **refused}
    return responses


def _answered(call: Call) -> Part:
    if call.answer is str:
        return _content("text/plain", {"type": "string"})
    if call.answer is dict:
        return _content("application/json", {"type": "object", "description": "As the tables of the site file."})
    return _content("application/json", {"$ref": f"#/components/schemas/{call.answer.__name__}"})


def _own_operation() -> Part:
    content = _content("application/json", {"type": "object"})
    return {
        "operationId": "get_openapi",
        "summary": "This document.",
        "responses": {"200": {"description": "OK", **content}},
    }


def _content(media_type: str, schema: Part) -> Part:
    return {"content": {media_type: {"schema": schema}}}
