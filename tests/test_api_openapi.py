"""The two OpenAPI documents: valid, exemplified, in step with the app, and fit to be imported."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from openapi_spec_validator import OpenAPIV30SpecValidator, OpenAPIV31SpecValidator

from serving.app import make_app
from serving.http import codes
from serving.http.openapi.document import document
from serving.http.openapi.operations import operations
from tests.helpers.api import ENTITIES, Clock, call, desks, post

KEYWORDS = ("anyOf", "oneOf", "allOf", "not", "const", "enum", "prefixItems", "patternProperties")


@pytest.fixture(scope="module")
def app() -> Any:
    made = make_app(Clock())
    made.state.predictors = desks(*ENTITIES)
    return made


@pytest.fixture(scope="module")
def new(app: Any) -> dict[str, Any]:
    found: dict[str, Any] = call(app, "GET", "/openapi.json").json()
    return found


@pytest.fixture(scope="module")
def old(app: Any) -> dict[str, Any]:
    found: dict[str, Any] = call(app, "GET", "/openapi-3.0.json").json()
    return found


def _properties(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, schema in document["components"]["schemas"].items():
        for part in (schema, *schema.get("oneOf", ())):
            for field, described in part.get("properties", {}).items():
                yield f"{name}.{field}", described


def _nodes(value: Any, inside: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema of the document, and every other object; examples are no schemas."""
    if isinstance(value, dict):
        yield inside, value
        for key, inner in value.items():
            if key not in ("example", "examples"):
                yield from _nodes(inner, f"{inside}.{key}")
    elif isinstance(value, list):
        for inner in value:
            yield from _nodes(inner, inside)


def test_both_are_valid(new: dict[str, Any], old: dict[str, Any]) -> None:
    assert new["openapi"].startswith("3.1") and old["openapi"] == "3.0.3"
    OpenAPIV31SpecValidator(new).validate()
    OpenAPIV30SpecValidator(old).validate()


def test_every_route_is_described_and_every_operation_is_a_route(
    app: Any, new: dict[str, Any]
) -> None:
    routes = {
        (route.path, method.lower())
        for route in app.routes
        for method in route.methods or ()
        if route.path.startswith("/v1") and method != "HEAD"
    }
    described = {(path, method) for path, item in new["paths"].items() for method in item}
    assert described == routes
    assert len({o.id for o in operations()}) == len(operations()) == len(routes)


def test_every_field_has_an_example_that_fits(new: dict[str, Any]) -> None:
    for name, described in _properties(new):
        assert described.get("examples"), name
        schema = {**described, "components": new["components"]}
        for example in described["examples"]:
            Draft202012Validator(schema).validate(example)


def test_every_parameter_has_an_example_and_every_body_one_that_is_accepted(
    app: Any, new: dict[str, Any]
) -> None:
    for path, item in new["paths"].items():
        for method, operation in item.items():
            assert all(p["schema"]["examples"] for p in operation.get("parameters", []))
            if path.endswith("/score") and method == "post":
                content = operation["requestBody"]["content"]["application/json"]
                body = content["examples"]["one"]["value"]
                early = {**body, "as_of": "2024-01-01T00:00:00Z"}
                assert post(app, path, early).status_code == 200


def test_errors_are_declared_by_status_and_code(new: dict[str, Any]) -> None:
    said = set()
    for item in new["paths"].values():
        for operation in item.values():
            for status, response in operation["responses"].items():
                if status.startswith("2"):
                    continue
                assert list(response["content"]) == ["application/problem+json"]
                for code in response["description"].split(", "):
                    assert codes.CODES[code].status == int(status), code
                    said.add(code)
    # of paths and methods that no operation has; of a number that JSON cannot say
    unsaid = {"not_found", "method_not_allowed", "number_too_large"}
    # of what is no request yet
    unsaid |= {"bad_request", "head_timeout", "url_too_long", "headers_too_large"}
    assert set(codes.CODES) - said == unsaid


def test_keys_are_declared_as_soon_as_there_is_one() -> None:
    for secured in (True, False):
        asked = document(secured)["paths"]["/v1/models"]["get"]["security"]
        assert asked == [{"bearer": []}] + ([] if secured else [{}])


# --- what Salesforce's External Services and Flow can take ----------------------------------------


def test_the_old_one_has_one_type_a_field_and_no_union(old: dict[str, Any]) -> None:
    for place, node in _nodes(old["components"]["schemas"]):
        is_map_of_names = place.endswith(".properties") or place == ""
        if is_map_of_names:
            continue
        assert not set(node) & set(KEYWORDS), place
        assert isinstance(node.get("type", ""), str) and node.get("type") != "null", place
        assert "$ref" in node or node.get("type"), place
        assert "additionalProperties" not in node, place


def test_the_old_one_has_doubles_and_small_integers_only(old: dict[str, Any]) -> None:
    for place, node in _nodes(old["components"]["schemas"]):
        if node.get("type") == "number":
            assert node["format"] == "double", place
        if node.get("type") == "integer":
            assert node["format"] == "int32", place


def test_lists_of_the_old_one_hold_one_kind_of_thing(old: dict[str, Any]) -> None:
    for place, node in _nodes(old["components"]["schemas"]):
        if node.get("type") == "array":
            assert "$ref" in node["items"] or node["items"].get("type"), place


def test_the_old_one_needs_no_headers(old: dict[str, Any]) -> None:
    for item in old["paths"].values():
        for operation in item.values():
            assert all(p["in"] != "header" for p in operation.get("parameters", []))
            assert all("headers" not in r for r in operation["responses"].values())


def test_the_old_one_nests_no_deeper_than_a_flow_can(old: dict[str, Any]) -> None:
    schemas = old["components"]["schemas"]

    def depth(schema: dict[str, Any], seen: tuple[str, ...] = ()) -> int:
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            assert name not in seen, f"{name} holds itself"
            return depth(schemas[name], (*seen, name))
        inner = [*schema.get("properties", {}).values()]
        inner += [schema["items"]] if "items" in schema else []
        return 1 + max((depth(s, seen) for s in inner), default=0)

    assert max(depth(schema) for schema in schemas.values()) <= 15


def test_the_old_one_types_the_companys_own_fields(old: dict[str, Any]) -> None:
    fields = old["components"]["schemas"]["LeadsRow"]["properties"]["custom"]["properties"]
    assert fields["fit"] == {"type": "number", "format": "double"}
    assert fields["use"] == {"type": "string"}


def test_names_of_the_old_one_can_be_apex(old: dict[str, Any]) -> None:
    for item in old["paths"].values():
        for operation in item.values():
            assert re.fullmatch(r"[a-z][a-z0-9_]{0,79}", operation["operationId"])
    # External Services' limits of today
    assert len(orjson.dumps(old)) < 10_000_000
    assert all(len(str(node.get("description", ""))) <= 1333 for _, node in _nodes(old))
