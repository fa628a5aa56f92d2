"""The registry of features: what each entity can have, and building it along a spine."""

from __future__ import annotations

from collections.abc import Sequence

from features.definition import Definition
from features.definitions import (
    accounts,
    activity,
    calendar,
    deals,
    fields,
    leads,
    owners,
    properties,
)
from features.record import RecordView
from features.schema import TABLES
from features.spine import Features, FeatureSpec, Spine, Value
from features.tables import Coded, Meta, Tables
from features.timeline import Timeline, View

MANY = 12
"""A word with more levels than this gets a success rate beside its levels."""

_MODULES = (calendar, leads, deals, accounts, activity, owners)


def definitions(entity: str, meta: Meta) -> dict[str, Definition]:
    """Every feature that the entity can have under this data set's custom fields, by name."""
    declared = [d for m in _MODULES for d in m.catalogue.definitions if d.spec.entity == entity]
    by_type = [
        *fields.definitions(entity, meta),
        *properties.definitions(entity, meta),
        *owners.definitions(entity, meta),
    ]
    return {d.spec.name: d for d in [*declared, *by_type]}


def supported(entity: str, tables: Tables) -> list[FeatureSpec]:
    """The features for which the data hold facts that can be known at a past cutoff."""
    possible, timeline = definitions(entity, tables.meta).values(), Timeline(tables)
    return [d.spec for d in possible if all(_holds(timeline, need) for need in d.needs)]


def _holds(timeline: Timeline, need: str) -> bool:
    tables = timeline.tables
    place, _, word = need.partition("=")
    place, _, many = place.partition("#")
    table, column = place.split(".")
    if column in tables.meta.left_out.get(table, []):
        return False
    if word:
        return word in tables[table].coded(column).values
    if many and len(tables[table].coded(column).values) <= MANY:
        return False
    return tables[table].has(column) and (table not in TABLES or timeline.knows(table, column))


def build_features(
    timeline: Timeline,
    spine: Spine,
    specs: Sequence[FeatureSpec],
    history: Timeline | None = None,
) -> Features:
    """The features ``specs`` along ``spine``; the one code for training, batch and endpoint.

    ``timeline`` holds the entities and what belongs to them, ``history`` the company's closed cases
    where these are not in the same tables. A spec that the catalogue does not know is an error: the
    bundle was made by another version.
    """
    known = chosen(spine.entity, timeline.tables.meta, specs)
    return compute(View(timeline, spine, history), known)


def chosen(entity: str, meta: Meta, specs: Sequence[FeatureSpec]) -> list[Definition]:
    """The definitions of ``specs``; the endpoint looks them up once, not once a request."""
    known = definitions(entity, meta)
    unknown = [s.name for s in specs if s.name not in known]
    if unknown:
        raise ValueError(
            f"features unknown to this version: {', '.join(unknown[:5])}"
            f"{' …' if len(unknown) > 5 else ''}; retrain, or serve with the version that trained"
        )
    return [known[s.name] for s in specs]


def compute_record(view: RecordView, wanted: Sequence[Definition]) -> dict[str, Value]:
    """The features of one record, by the same definitions: numbers, and words of categories."""
    return {d.spec.name: d.compute(view) for d in wanted}  # type: ignore[arg-type,misc]


def compute(view: View, wanted: Sequence[Definition]) -> Features:
    """The features of a view, in the order of their definitions."""
    columns = {d.spec.name: d.compute(view) for d in wanted}
    for d in wanted:
        if isinstance(columns[d.spec.name], Coded) != (d.spec.kind == "category"):
            raise TypeError(f"feature {d.spec.name} is declared {d.spec.kind}, computed otherwise")
    return Features(view.spine, [d.spec for d in wanted], columns)
