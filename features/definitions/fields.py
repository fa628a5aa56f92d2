"""The entity's own fields and its relatives', canonical and custom, by their type.

A field that is edited while the entity lives is replayed from ``changes``. Without a history it
cannot be rewound and gives no feature, unless the mapping says that it does not change.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from features.asof import days_until
from features.definitions.declare import Column, Definition
from features.schema import TABLES, Kind
from features.spine import FeatureSpec, capitalized
from features.tables import CustomField, Floats, Instants, Meta
from features.view import View, at_rows, instants_at

# outcomes are labels; amounts and planned dates have features of their own
NOT_FEATURES = ("outcome", "closed_amount", "currency", "amount")
RELATIVES = {"account_id": "accounts", "contact_id": "contacts"}


@dataclass(frozen=True)
class Words:
    """A field in words: its meaning, and its title with what fills the blanks (``FeatureSpec``)."""

    meaning: str
    title: str
    fills: dict[str, str] = field(default_factory=dict)


def definitions(entity: str, meta: Meta) -> list[Definition]:
    """Every field of the entity, of its account and of its contact that can be a feature."""
    schema = TABLES[entity]
    found = [
        _own(entity, c.name, c.kind, Words(c.meaning, c.short), c.unit, c.name)
        for c in schema.columns
        if c.kind in ("category", "number", "boolean") and c.name not in NOT_FEATURES
    ]
    found += [
        _own(entity, f.name, f.kind, _custom(f), f.unit, f"custom_{f.name}")
        for f in meta.custom.get(entity, [])
        if f.kind != "text"
    ]
    for ref, table in RELATIVES.items():
        column = schema.column(ref)
        if column is not None and column.kind == "ref":
            found += _relatives(entity, ref, table, meta)
    return found


def _relatives(entity: str, ref: str, table: str, meta: Meta) -> list[Definition]:
    prefix = table.removesuffix("s")
    canonical = [
        _relative(
            entity,
            ref,
            table,
            c.name,
            c.kind,
            Words(
                f"{c.meaning} (of the {prefix})",
                f"{{field}} (of the {prefix})",
                {"field": capitalized(c.short)},
            ),
            c.unit,
            f"{prefix}_{c.name}",
        )
        for c in TABLES[table].columns
        if c.kind in ("category", "number") and c.name not in NOT_FEATURES and not c.mutable
    ]
    custom = [
        _relative(
            entity,
            ref,
            table,
            f.name,
            f.kind,
            _custom(f),
            f.unit,
            f"{prefix}_custom_{f.name}",
        )
        for f in meta.custom.get(table, [])
        if f.kind != "text" and (f.fixed or not meta.as_of)
    ]
    return canonical + custom


def _custom(one: CustomField) -> Words:
    """A company's own field: its label as it is, or its name as words."""
    named = one.label or one.name.replace("_", " ")
    return Words(one.label or f"custom field {one.name}", "{field}", {"field": capitalized(named)})


def _own(entity: str, column: str, kind: Kind, words: Words, unit: str, name: str) -> Definition:
    read: dict[str, Callable[[View], Column]] = {
        "category": lambda v: v.word(column),
        "instant": lambda v: _signed_days(v, v.instant(column)),
    }
    compute = read.get(kind, lambda v: v.number(column))
    return _define(entity, entity, column, kind, words, unit, name, compute)


def _relative(
    entity: str, ref: str, table: str, column: str, kind: Kind, words: Words, unit: str, name: str
) -> Definition:
    def compute(view: View) -> Column:
        rows, source = view.row(ref, table), view.tables[table]
        if kind == "category":
            return source.coded(column).take(rows)
        if kind == "instant":
            return _signed_days(view, instants_at(source.instant(column), rows))
        return at_rows(source.number(column), rows)

    found = _define(entity, table, column, kind, words, unit, name, compute)
    return replace(found, needs=(*found.needs, f"{entity}.{ref}"))


def _signed_days(view: View, instants: Instants) -> Floats:
    return -days_until(instants, view.cutoffs)


def _define(
    entity: str,
    table: str,
    column: str,
    kind: Kind,
    words: Words,
    unit: str,
    name: str,
    compute: Callable[[View], Column],
) -> Definition:
    spec = FeatureSpec(
        name=name,
        entity=entity,
        kind="category" if kind == "category" else "number",
        meaning=capitalized(words.meaning) + (" (days ago)" if kind == "instant" else ""),
        unit="days" if kind == "instant" else ("yes = 1" if kind == "boolean" else unit),
        source=table,
        group=name,
        title=capitalized(words.title) + (", days ago" if kind == "instant" else ""),
        fills=words.fills,
    )
    return Definition(spec, (f"{table}.{column}",), compute, name, spec.meaning)
