"""This file is the test of the OpenAPI document: whole, valid, and true of what the calls answer."""

import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema
import msgspec
import pytest

from penstock.supervisor.control_calls import CALLS, Call
from penstock.supervisor.control_openapi import as_document
from tests.supervisor.control_subject import Subject

DOCUMENT: dict[str, Any] = json.loads(msgspec.json.encode(as_document(CALLS, "1.2.3")))
SCHEMAS = DOCUMENT["components"]["schemas"]


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in DOCUMENT["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for inner in part.values():
            yield from references(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from references(inner)


def test_it_is_openapi_3_1() -> None:
    # OpenAPI 3.1.0, section 4.8.1 and 4.8.2: what must be there.
    assert DOCUMENT["openapi"] == "3.1.0"
    assert DOCUMENT["info"]["version"] == "1.2.3"
    assert DOCUMENT["info"]["title"]
    assert all("url" in server for server in DOCUMENT["servers"])


def test_every_reference_leads_somewhere() -> None:
    wanted = {reference.removeprefix("#/components/schemas/") for reference in references(DOCUMENT)}
    assert wanted <= set(SCHEMAS)


def test_every_schema_is_one() -> None:
    # OpenAPI 3.1 takes its schemas from JSON Schema 2020-12.
    for schema in SCHEMAS.values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_every_call_is_in_it_under_a_name_of_its_own() -> None:
    assert {(path, method) for path, method, _ in operations()} == {
        *[(call.path, call.method.lower()) for call in CALLS],
        ("/v1/openapi.json", "get"),
    }
    names = [operation["operationId"] for _, _, operation in operations()]
    assert len(set(names)) == len(names)


def test_every_placeholder_is_a_required_parameter() -> None:
    # OpenAPI 3.1.0, section 4.8.12.1: each template expression corresponds to a path parameter, which is required.
    for path, _, operation in operations():
        parameters = [each for each in operation.get("parameters", ()) if each["in"] == "path"]
        assert {each["name"] for each in parameters} == set(re.findall(r"\{(\w+)\}", path))
        assert all(each["required"] and each["schema"] for each in parameters)


def test_every_answer_is_described_and_every_error_is_a_problem() -> None:
    for path, _, operation in operations():
        for status, answer in operation["responses"].items():
            assert answer["description"], path
            kinds = list(answer["content"])
            assert (
                kinds == ["application/problem+json"] if int(status) >= 400 else kinds[0] != "application/problem+json"
            )


def test_what_asks_for_nothing_has_no_body() -> None:
    for path, method, operation in operations():
        if method == "get" or path.endswith(("/drain", "/resume", "/stop", "/upgrade", "/reopen")):
            assert "requestBody" not in operation
    assert DOCUMENT["paths"]["/v1/pools/{pool}/scale"]["post"]["requestBody"]["required"]
    assert not DOCUMENT["paths"]["/v1/reload"]["post"]["requestBody"]["required"]


@pytest.mark.parametrize("call", [call for call in CALLS if call.name in ("get_status", "list_workers", "list_pools")])
def test_what_is_answered_fits_its_schema(call: Call) -> None:
    answer = json.loads(msgspec.json.encode(call.function(Subject(), {}, None)))
    schema = {"$ref": f"#/components/schemas/{call.answer.__name__}", "components": {"schemas": SCHEMAS}}
    jsonschema.Draft202012Validator(schema).validate(answer)
