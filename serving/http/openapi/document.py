"""The OpenAPI 3.1 document, made from the contract, the shapes and the table of operations."""

from __future__ import annotations

from functools import cache
from typing import Any

from pydantic import BaseModel, create_model
from pydantic.json_schema import models_json_schema

from features.schema import OUTCOMES
from serving.http import VERSION
from serving.http.openapi import examples
from serving.http.openapi.examples_answers import example_of
from serving.http.openapi.operations import ID_SCHEMA, Operation, Schema, operations
from serving.http.routes.admin import Purge
from serving.http.routes.feedback import ENTITIES, OPEN, FeedbackIn
from serving.http.shapes import ProblemOut
from serving.scoring.contract import SINGULAR, Envelope, record_model

ABOUT = "Scores with dates and reasons for leads, deals and accounts. Scores advise; people decide."


@cache
def document(secured: bool) -> dict[str, Any]:
    """The document; secured: whether keys are asked for, as soon as there is one."""
    made: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "Embudo", "version": VERSION, "description": ABOUT},
        "paths": {},
        "components": {"schemas": schemas(), "securitySchemes": _SCHEMES},
    }
    for operation in operations():
        path = made["paths"].setdefault(operation.path, {})
        path[operation.method] = _described(operation, secured)
    return made


_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "emb_<id>_<secret>"},
    "hubspot": {"type": "apiKey", "in": "header", "name": "X-HubSpot-Signature-v3"},
}


def _described(operation: Operation, secured: bool) -> dict[str, Any]:
    # before the first key exists, and on loopback only, nobody needs one
    open_too: list[dict[str, list[str]]] = [] if secured else [{}]
    schema = {
        "operationId": operation.id,
        "summary": operation.summary,
        "description": operation.description or operation.summary,
        "security": [{"bearer": []}, *open_too],
        **operation.extra,
    }
    if operation.parameters:
        schema["parameters"] = list(operation.parameters)
    if operation.body:
        content = {"schema": ref(operation.body), "examples": _bodies(operation)}
        schema["requestBody"] = {"required": True, "content": {"application/json": content}}
    good = {"application/json": {"schema": ref(operation.answer.__name__)}}
    schema["responses"] = {str(operation.status): {"description": "done", "content": good}}
    for status, codes in operation.problems.items():
        content = {"application/problem+json": {"schema": ref("ProblemOut")}}
        schema["responses"][status] = {"description": ", ".join(codes), "content": content}
    return schema


def ref(name: str) -> Schema:
    """A reference to a component."""
    return {"$ref": f"#/components/schemas/{name}"}


def _bodies(operation: Operation) -> dict[str, Any]:
    for entity in ENTITIES:
        if operation.id == f"score_{entity}":
            return {"one": {"value": examples.request(entity)}}
    if operation.id == "add_feedback":
        return {name: {"value": value} for name, value in examples.FEEDBACK.items()}
    value: Any = examples.PURGE if operation.id == "purge" else examples.EVENTS
    return {"one": {"value": value}}


def schemas() -> dict[str, Schema]:
    """Every component, an example on each of its properties."""
    requests = [request_model(entity) for entity in ENTITIES]
    answers: list[type[BaseModel]] = [ProblemOut, *(o.answer for o in operations())]
    models = [(m, "validation") for m in dict.fromkeys([*requests, *answers, FeedbackIn, Purge])]
    _, made = models_json_schema(models, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
    found: dict[str, Schema] = made["$defs"]
    found["PurgeRequest"], schema = found.pop("Purge"), found.pop("FeedbackIn")
    found["FeedbackRequest"] = {
        "oneOf": [_outcome(e, schema) for e in ENTITIES] + [_override(schema)]
    }
    found["HubSpotEvents"] = _EVENTS
    for entity in ENTITIES:
        _let_any_record_in(found, entity)
    for name, schema in found.items():
        for part in (schema, *schema.get("oneOf", ())):
            _exemplify(name, part)
    return found


def request_model(entity: str) -> type[BaseModel]:
    """The whole body, for the document: requests are read record by record."""
    record: Any = list[record_model(entity)]  # type: ignore[misc]
    about = Envelope.model_fields["records"]
    fields: dict[str, Any] = {"records": (record, about)}
    return create_model(f"{SINGULAR[entity].title()}Request", __base__=Envelope, **fields)


def _let_any_record_in(found: dict[str, Schema], entity: str) -> None:
    """A record that is not as it should be is answered with its own error; the request is good."""
    one = SINGULAR[entity].title()
    records = found[f"{one}Request"]["properties"]["records"]
    other = {"description": "anything else: answered with an error in its place"}
    records["items"] = {"anyOf": [ref(f"{one}Record"), other]}


def _outcome(entity: str, schema: Schema) -> Schema:
    """What may be said of how an entity ended: the words are its own."""
    words = {**_plain(schema, "outcome"), "enum": [*OUTCOMES[entity], OPEN]}
    own = {"kind": {**_plain(schema, "kind"), "enum": ["outcome"]}, "outcome": words}
    fields = {**schema["properties"], **own}
    fields["entity"] = {**_plain(schema, "entity"), "enum": [entity], "examples": [entity]}
    fields["kind"]["examples"], fields["outcome"]["examples"] = ["outcome"], [OUTCOMES[entity][0]]
    required = ["entity", "id", "kind", "outcome"]
    return _variant(schema, fields, required, "probability", f"the outcome of {entity}")


def _override(schema: Schema) -> Schema:
    share = _plain(schema, "probability")
    kind = {**_plain(schema, "kind"), "enum": ["override"], "examples": ["override"]}
    fields = {**schema["properties"], "kind": kind, "probability": share}
    required = ["entity", "id", "kind", "probability"]
    return _variant(schema, fields, required, "outcome", "a person's own probability")


def _variant(
    schema: Schema, fields: dict[str, Schema], required: list[str], without: str, about: str
) -> Schema:
    fields = {name: schema for name, schema in fields.items() if name != without}
    fields["id"] = {"anyOf": [ID_SCHEMA, {"type": "integer"}], "examples": ["D-2044"]}
    for name in ("by", "note"):
        fields[name] = {**fields[name], "anyOf": [_clean(s) for s in fields[name]["anyOf"]]}
    return {**schema, "title": about, "properties": fields, "required": required}


def _clean(schema: Schema) -> Schema:
    return {**schema, "pattern": "^[^\\u0000]*$"} if schema.get("type") == "string" else schema


def _plain(schema: Schema, name: str) -> Schema:
    """A property of the statement without its null."""
    schema = dict(schema["properties"][name])
    for option in schema.pop("anyOf", []):
        if option != {"type": "null"}:
            schema |= option
    schema.pop("default", None)
    return schema


def _exemplify(name: str, schema: Schema) -> None:
    for field, described in schema.get("properties", {}).items():
        if "examples" not in described:
            described["examples"] = [example_of(name, field)]


_NUMBER = {"type": "integer", "minimum": 0, "maximum": 2**53 - 1}
_EVENTS: Schema = {
    "type": "array",
    "maxItems": 1000,
    "description": "a delivery of HubSpot's; fields beyond these are its own business",
    "examples": [examples.EVENTS],
    "items": {
        "type": "object",
        "description": "one that cannot be read is listed under refused",
        "required": ["eventId", "occurredAt", "subscriptionType"],
        "properties": {
            "eventId": {**_NUMBER, "examples": [100]},
            "objectId": {**_NUMBER, "examples": [2044]},
            "occurredAt": {**_NUMBER, "examples": [1772357400000]},
            "subscriptionType": {
                "type": "string",
                "pattern": "^[A-Za-z.]{1,100}$",
                "examples": ["deal.propertyChange"],
            },
            "objectTypeId": {"type": "string", "examples": ["0-3"]},
            "fromObjectId": {**_NUMBER, "examples": [2044]},
            "toObjectId": {**_NUMBER, "examples": [77]},
            "associationType": {"type": "string", "examples": ["DEAL_TO_COMPANY"]},
            "mergedObjectIds": {"type": "array", "items": _NUMBER, "examples": [[2045]]},
        },
    },
}
