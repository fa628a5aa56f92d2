"""The OpenAPI 3.0.3 document that Salesforce's External Services and Flow can import.

Made from the 3.1 document by rules, so that the two cannot drift apart: one type a property, no
unions, no enums, numbers are doubles. A property that may be null is ``nullable``, which 3.0.3 has
and External Services accept; leaving nulls out of the answers would make two dialects of them. What
has no one type (a reason's ``value``) is left out: the answer may hold more than is declared.
Errors are described without content: ``application/problem+json`` would have to be mapped by hand.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from features.schema import TABLES, Kind
from features.tables import Meta
from serving.scoring.contract import SINGULAR

Schema = dict[str, Any]

_LEFT_OUT = frozenset({"title", "additionalProperties", "default", "pattern", "examples", "enum"})
_DROPPED_PATHS = ("/v1/webhooks/hubspot",)
"""HubSpot's own; a CRM that imports this document does not call them."""

_CUSTOM_TYPES: dict[Kind, Schema] = {
    "number": {"type": "number", "format": "double"},
    "boolean": {"type": "boolean"},
    "instant": {"type": "string", "format": "date-time"},
}


def document30(document: Mapping[str, Any], metas: Mapping[str, Meta]) -> dict[str, Any]:
    """The 3.0.3 document of a 3.1 one.

    metas: entity -> what its loaded model knows of the company's own fields; they become typed
    properties of ``custom``, which External Services cannot take as a map.
    """
    source = copy.deepcopy(dict(document))
    components = source["components"]["schemas"]
    _flatten_results(components)
    _flatten_feedback(components)
    _name_custom(components, metas)
    for name in ("value", "old_value"):  # what a change states may be a number; text says all
        components["ChangesRelatedRow"]["properties"][name]["anyOf"][1:] = [{"type": "null"}]
    plain = _Plain(components)
    kept = {path: item for path, item in source["paths"].items() if path not in _DROPPED_PATHS}
    return {
        "openapi": "3.0.3",
        "info": source["info"],
        "paths": {
            path: {method: _operation(call, plain) for method, call in item.items()}
            for path, item in kept.items()
        },
        "components": {
            "schemas": plain.used(),
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def _flatten_results(components: dict[str, Schema]) -> None:
    """One shape of result, scored or not: a list holds one kind of thing."""
    scored, unscored = components["ScoredRecord"], components["UnscoredRecord"]
    fields = {**scored["properties"], **unscored["properties"]}
    message = "a record's score, or the error in its place"
    components["Result"] = {
        "type": "object",
        "description": message,
        "properties": fields,
        "required": ["index"],
    }
    results = components["Answer"]["properties"]["results"]
    results["items"] = {"$ref": "#/components/schemas/Result"}
    for entity in ("leads", "deals", "accounts"):
        one = SINGULAR[entity].title()
        records = components[f"{one}Request"]["properties"]["records"]
        records["items"] = records["items"]["anyOf"][0]


def _flatten_feedback(components: dict[str, Schema]) -> None:
    variants = components["FeedbackRequest"]["oneOf"]
    fields: Schema = {}
    for variant in variants:
        for name, schema in variant["properties"].items():
            known = fields.setdefault(name, schema)
            if "enum" in schema and known is not schema:
                words = [*known["enum"], *schema["enum"]]
                fields[name] = {**known, "enum": list(dict.fromkeys(words))}
    required = [name for name in fields if all(name in v["required"] for v in variants)]
    components["FeedbackRequest"] = {
        "type": "object",
        "description": "kind outcome needs outcome, kind override needs probability",
        "properties": fields,
        "required": required,
    }


def _name_custom(components: dict[str, Schema], metas: Mapping[str, Meta]) -> None:
    """The company's own fields, as the loaded models know them, in place of a map."""
    for name, schema in components.items():
        table = name.removesuffix("Row").removesuffix("Related").lower()
        if table not in TABLES or "custom" not in schema.get("properties", {}):
            continue
        known = {f.name: f.kind for meta in metas.values() for f in meta.custom.get(table, [])}
        if not known:
            del schema["properties"]["custom"]
            continue
        fields = {n: dict(_CUSTOM_TYPES.get(k, {"type": "string"})) for n, k in known.items()}
        described = schema["properties"]["custom"]["description"]
        schema["properties"]["custom"] = {
            "type": "object",
            "description": described,
            "properties": fields,
        }


def _operation(call: Mapping[str, Any], plain: _Plain) -> dict[str, Any]:
    made = {k: v for k, v in call.items() if k not in ("parameters", "requestBody", "responses")}
    # Named Credentials carry the key; other headers are not worth a field in every Flow
    parameters = [p for p in call.get("parameters", []) if p["in"] != "header"]
    if parameters:
        made["parameters"] = [{**p, "schema": plain.schema(p["schema"])} for p in parameters]
    if "requestBody" in call:
        (content,) = call["requestBody"]["content"].values()
        example = next(iter(content["examples"].values()))["value"]
        body = {"schema": plain.schema(content["schema"]), "example": example}
        made["requestBody"] = {"required": True, "content": {"application/json": body}}
    made["responses"] = {}
    for status, response in call["responses"].items():
        message: dict[str, Any] = {"description": response["description"]}
        if "application/json" in response["content"]:
            answer = response["content"]["application/json"]["schema"]
            message["content"] = {"application/json": {"schema": plain.schema(answer)}}
        made["responses"][status] = message
    return made


class _Plain:
    """Schemas of 3.1 as 3.0.3 has them; remembers which components are referred to."""

    def __init__(self, components: Mapping[str, Schema]) -> None:
        self._components = components
        self._made: dict[str, Schema] = {}

    def used(self) -> dict[str, Schema]:
        """The components that were referred to, made plain."""
        return dict(sorted(self._made.items()))

    def schema(self, source: Mapping[str, Any]) -> Schema:
        """One schema, made plain."""
        if "$ref" in source:
            return self._referred(source["$ref"])
        options = _options(source)
        made = {k: v for k, v in source.items() if k not in _LEFT_OUT and k != "anyOf"}
        if options is not None:
            inner, nullable = options
            if inner is None:
                return {}
            if "$ref" in inner:
                inner = self._components[_name(inner["$ref"])]
            described = {k: v for k, v in made.items() if k == "description"}
            made = {**self.schema({**inner, **described})}
            made |= {"nullable": True} if nullable else {}
        else:
            made = self._parts(made, source)
        return _numbers(made) | _words(source, made) | _example(source)

    def _referred(self, ref: str) -> Schema:
        name = _name(ref)
        if name not in self._made:
            self._made[name] = {}  # a component that refers to itself ends here
            self._made[name] = self.schema(self._components[name])
        return {"$ref": ref}

    def _parts(self, made: Schema, source: Mapping[str, Any]) -> Schema:
        if "items" in source:
            made["items"] = self.schema(source["items"])
        if "properties" in source:
            fields = {n: self._field(s) for n, s in source["properties"].items()}
            made["properties"] = {n: s for n, s in fields.items() if s}
            required = [n for n in source.get("required", []) if n in made["properties"]]
            made.pop("required", None)
            made |= {"required": required} if required else {}
        return made

    def _field(self, source: Mapping[str, Any]) -> Schema:
        made = self.schema(source)
        if "$ref" in made:
            # beside a reference 3.0 reads nothing: what the field says stands with its schema
            inner = self._components[_name(made["$ref"])]
            return self.schema({**inner, "description": source.get("description", "")}) | _example(
                source
            )
        return made


def _options(source: Mapping[str, Any]) -> tuple[Schema | None, bool] | None:
    """Of a union: its one kind (None: it has several) and whether null is another."""
    kinds = source.get("anyOf")
    if kinds is None:
        return None
    real = [kind for kind in kinds if kind.get("type") != "null"]
    if {kind.get("type") for kind in real} == {"string", "integer"}:
        real = [kind for kind in real if kind["type"] == "string"]  # an id: text says all
    return (real[0] if len(real) == 1 else None), len(real) < len(kinds)


def _numbers(made: Schema) -> Schema:
    if made.get("type") == "number":
        made["format"] = "double"
    if made.get("type") == "integer":
        large = made.get("maximum", 0) > 2**31 - 1 or "microseconds" in made.get("description", "")
        made = {**made, "type": "number", "format": "double"} if large else made
        made.setdefault("format", "int32")
    for bound in ("Minimum", "Maximum"):
        if type(made.get(f"exclusive{bound}")) in (int, float):  # True: made plain before
            made[bound.lower()] = made[f"exclusive{bound}"]
            made[f"exclusive{bound}"] = True
    return made


def _words(source: Mapping[str, Any], made: Schema) -> Schema:
    """An enum as words in the description: Flow's HTTP callout takes none."""
    words = source.get("enum") or ([source["const"]] if "const" in source else [])
    if not words:
        return {}
    made.pop("const", None)
    message = made.get("description", "")
    return {"description": f"{message}{'; ' if message else ''}one of {', '.join(map(str, words))}"}


def _example(source: Mapping[str, Any]) -> Schema:
    found = source.get("examples")
    return {"example": found[0]} if found else {}


def _name(ref: str) -> str:
    return ref.rpartition("/")[2]
