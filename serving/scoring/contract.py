"""The contract: records in the CRM's canonical terms, checked one by one.

Every field comes from ``features.schema.TABLES``; there is no second list. The models of rows and
records describe them for OpenAPI; ``reader`` reads them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC
from functools import cache, partial
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    StringConstraints,
    ValidationError,
    WithJsonSchema,
    create_model,
)
from pydantic_core import PydanticCustomError

from features.schema import LARGEST_NUMBER, TABLES, Column
from serving.scoring.faults import ContractError, Fault, fault_of
from serving.scoring.values import (
    EXAMPLE,
    LONGEST_ID,
    LONGEST_WORD,
    ValueFault,
    custom_value,
    read_instant,
)

MOST_RECORDS = 1000
"""Records of one request."""

MOST_ROWS = 20_000
"""Rows of one list of one record; a record with more belongs in the nightly batch."""

MOST_REASONS = 100
"""Reasons of one record that may be asked for; a model has fewer groups of features."""

RAREST = 1e-6
"""The smallest base rate that may be stated, and 1 less it the largest: beyond, odds overflow."""

SINGULAR = {"leads": "lead", "deals": "deal", "accounts": "account", "contacts": "contact"}
"""What one row of a table is called in a record."""

CHILDREN = ("activities", "changes", "subscriptions", "invoices")
"""The lists that every record may bring."""


def as_id(value: Any) -> Any:
    """A key as text; whole numbers are accepted, for some CRMs send their keys as numbers."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _described(read: Callable[[Any], Any]) -> PlainValidator:
    """A reader of values as the validation library takes it."""

    def validate(value: Any) -> Any:
        try:
            return read(value)
        except ValueFault as wrong:
            raise PydanticCustomError(wrong.code, wrong.message) from None

    return PlainValidator(validate)


def _as_stated(value: Any) -> Any:
    """A change's value as text: CRMs send amounts as numbers."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return repr(value)


_WORD = StringConstraints(max_length=LONGEST_WORD)
_ID = StringConstraints(min_length=1, max_length=LONGEST_ID)
Key = Annotated[str, _ID, BeforeValidator(as_id, json_schema_input_type=str | int)]
Word = Annotated[str, _WORD]
Stated = Annotated[str, _WORD, BeforeValidator(_as_stated, json_schema_input_type=str | float)]
Number = Annotated[float, Field(strict=True, ge=-LARGEST_NUMBER, le=LARGEST_NUMBER)]
_AS_TEXT = WithJsonSchema({"type": "string", "format": "date-time", "examples": [EXAMPLE]})
Instant = Annotated[int, _described(read_instant), _AS_TEXT]
"""Microseconds since 1970 UTC, sent as ISO 8601 text."""
InstantOrDay = Annotated[int, _described(partial(read_instant, days_in=UTC)), _AS_TEXT]
"""As ``Instant``; a date without a time is a day of the company's zone."""
Lang = Literal["en", "es", "it"]
CustomName = Annotated[str, _ID]
CustomValue = Annotated[
    Any, _described(custom_value), WithJsonSchema({"type": ["string", "number", "boolean", "null"]})
]

_TYPES: dict[str, Any] = {
    "key": Key,
    "ref": Key,
    "category": Word,
    "text": Word,
    "number": Number,
    "boolean": bool,
    "instant": InstantOrDay,
}


class Strict(BaseModel):
    """No conversions, no unknown fields, no NaN."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


@cache
def row_model(table: str, scored: bool) -> type[Strict]:
    """One row of a canonical table; ``scored``: it is the entity asked about, not its relative.

    Of a relative, keys and references may be left out: belonging to the record says them.
    """
    fields: dict[str, Any] = {
        c.name: _field(table, c, c.required and (scored or not _implied(c)))
        for c in TABLES[table].columns
    }
    message = Field(None, description="the company's own fields, by the names of its mapping")
    fields["custom"] = (dict[CustomName, CustomValue] | None, message)
    name = f"{table.title()}{'' if scored else 'Related'}Row"
    return create_model(name, __base__=Strict, **fields)


def _implied(column: Column) -> bool:
    return column.kind in ("key", "ref") or column.name == "entity"


def _field(table: str, column: Column, required: bool) -> Any:
    stated = table == "changes" and column.kind == "text"
    kind = Stated if stated else _TYPES[column.kind]
    unit = f" ({column.unit})" if column.unit else ""
    message = Field(... if required else None, description=column.meaning + unit)
    return (kind if required else kind | None, message)


@cache
def record_model(entity: str) -> type[Strict]:
    """One record: the entity under its own name, its relatives, and the lists of what happened."""
    single = [entity] if entity == "accounts" else [entity, "accounts", "contacts"]
    lists = [*CHILDREN, "contacts", "deals"] if entity == "accounts" else list(CHILDREN)
    fields: dict[str, Any] = {}
    for table in single:
        row = row_model(table, table == entity)
        fields[SINGULAR[table]] = (row, ...) if table == entity else (row | None, None)
    for table in lists:
        rows: Any = list[row_model(table, False)]  # type: ignore[misc]
        fields[table] = (rows | None, Field(None, max_length=MOST_ROWS))
    return create_model(f"{SINGULAR[entity].title()}Record", __base__=Strict, **fields)


def _count(value: Any) -> int:
    whole = isinstance(value, int | float) and not isinstance(value, bool) and value % 1 == 0
    if not whole or not 0 <= value <= MOST_REASONS:
        message = f"must be a whole number from 0 to {MOST_REASONS}: how many reasons to give"
        raise PydanticCustomError("wrong_type", message)
    return int(value)


Count = Annotated[
    int,
    PlainValidator(_count),
    WithJsonSchema({"type": "integer", "minimum": 0, "maximum": MOST_REASONS}),
]


def _prior(value: float) -> float:
    if not RAREST <= value <= 1 - RAREST:
        message = f"must lie between {RAREST:g} and {1 - RAREST:g}: a share, 0.2 is 20 %"
        raise PydanticCustomError("not_a_share", message)
    return value


Prior = Annotated[
    float,
    AfterValidator(_prior),
    WithJsonSchema({"type": "number", "minimum": RAREST, "maximum": 1 - RAREST}),
]


class Earlier(Strict):
    """The date that scores are compared with."""

    as_of: Instant = Field(description="before the request's own as_of")


class Envelope(Strict):
    """A request: records, and optionally when, in which language, and against what."""

    as_of: Instant | None = Field(None, description="facts count if known before; default: now")
    lang: Lang | None = Field(None, description="of the sentences; default: Accept-Language, or en")
    prior: Prior | None = Field(
        None, description="the base rate that is known to hold now, instead of the model's own"
    )
    compare_to: Earlier | None = Field(None, description="tell why each score moved since then")
    reasons: Count | None = Field(
        None, description="how many reasons to give; default: 5; 0 is the fastest"
    )
    records: list[Any] = Field(min_length=1, max_length=MOST_RECORDS)


def read_envelope(body: Any) -> Envelope:
    """The request around the records; ContractError where it is not one."""
    if not isinstance(body, dict):
        message = 'the body must be an object such as {"records": [...]}'
        raise ContractError(Fault("wrong_type", "", message))
    try:
        return Envelope.model_validate(body)
    except ValidationError as error:
        raise ContractError(fault_of(error, Envelope, "")) from None


def id_of(entity: str, raw: Any) -> str | None:
    """The id of a faulty record, where it has one that can be read."""
    row = raw.get(SINGULAR[entity]) if isinstance(raw, Mapping) else None
    key = as_id(row.get(TABLES[entity].key)) if isinstance(row, Mapping) else None
    return key if isinstance(key, str) and 0 < len(key) <= LONGEST_ID else None
