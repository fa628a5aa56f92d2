"""The registry of features: what each entity can have, and building it along a spine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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
from features.definitions.declare import Definition
from features.record import RecordView
from features.schema import OUTCOMES, TABLES, Kind
from features.spine import Features, FeatureSpec, Spine, Value
from features.tables import Coded, Meta, Tables
from features.timeline import Timeline
from features.view import View

NO_FACTS = ("changes", "owners", "quotas", "fx_rates")
"""Tables of histories, people, plans and rates: none of their columns is a field of an entity."""

NO_FIELDS = (
    *("outcome", "closed_at", "closed_amount", "currency"),
    *("created_at", "customer_at", "available_at", "occurred_at", "started_at", "ended_at"),
    *("issued_at", "name"),
)
"""Canonical columns that say who, when and what happened: expected to be no feature."""

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
    return [d.spec for d in possible if all(_holds(timeline, entity, n) for n in d.needs)]


def columns_read(entity: str, tables: Tables) -> set[str]:
    """ "table.column" of everything that a feature of the entity reads in these data."""
    known = definitions(entity, tables.meta)
    needs = [need for spec in supported(entity, tables) for need in known[spec.name].needs]
    return {need.partition("=")[0].partition("#")[0] for need in needs}


def without_feature(tables: Tables, entities: Sequence[str]) -> dict[str, str]:
    """Why each "table.column" that holds facts, or was to, becomes no feature of any entity.

    Keys, references, outcomes and the instants of a life are no candidates: they say who is asked
    about and what happened.
    """
    timeline, read = Timeline(tables), {e: columns_read(e, tables) for e in entities}
    found: dict[str, str] = {}
    near = {t for e in entities for t in TABLES if t not in NO_FACTS and _near(t, e)}
    for table in (t for t in TABLES if t in tables and t in near):
        own = {c.name: c.kind for c in TABLES[table].columns if c.name not in NO_FIELDS}
        kinds = own | {f.name: f.kind for f in tables.meta.custom.get(table, [])}
        for column, kind in kinds.items():
            place = f"{table}.{column}"
            declared = column in tables[table].columns or column not in own
            if not declared or kind in ("key", "ref") or any(place in r for r in read.values()):
                continue
            found[place] = _why_not(timeline, table, column, kind, entities)
    return found


def _near(table: str, entity: str) -> bool:
    """Whether a table's rows are the entity's own, its relatives' or its events."""
    related = {t for r, t in fields.RELATIVES.items() if TABLES[entity].column(r) is not None}
    mine = TABLES[table].column(TABLES[entity].key) is not None and table not in OUTCOMES
    return table == entity or table in related or mine


def grouped(reasons: Mapping[str, str]) -> list[str]:
    """One sentence a reason: "leads.notes, leads.name: free text is for people"."""
    by_reason: dict[str, list[str]] = {}
    for place, reason in reasons.items():
        by_reason.setdefault(reason, []).append(place)
    return [f"no feature of {', '.join(p)}: {reason}" for reason, p in by_reason.items()]


def _why_not(
    timeline: Timeline, table: str, column: str, kind: Kind, entities: Sequence[str]
) -> str:
    tables = timeline.tables
    if column in tables.meta.left_out.get(table, []):
        return "left out by the mapping"
    if not tables[table].has(column) and not timeline.keeps_history(table, column):
        return "it holds no value"
    if kind == "text":
        return "free text is for people"
    if not timeline.knows(table, column):
        return (
            "it is edited while the record lives, and no history tells what it was; bring its "
            "changes, or declare it fixed if it never changes"
        )
    if table in OUTCOMES or table == "contacts":
        return _why_not_related(tables, table, column, entities)
    return f"no feature is made of this column of {table}"


def _why_not_related(tables: Tables, table: str, column: str, entities: Sequence[str]) -> str:
    """Of an entity's own field there always is a feature; of its account's or contact's rarely."""
    refs = [
        (e, ref)
        for e in entities
        for ref, other in fields.RELATIVES.items()
        if other == table != e and TABLES[e].column(ref) is not None
    ]
    if refs and not any(tables[e].has(ref) for e, ref in refs):
        return f"no record of {' or '.join(entities)} refers to {table}"
    fixed = any(f.name == column and f.fixed for f in tables.meta.custom.get(table, []))
    if refs and not fixed and TABLES[table].column(column) is None:
        return f"of {table} only custom fields that are declared fixed are read"
    return f"no feature of {' or '.join(entities)} reads it"


def _holds(timeline: Timeline, entity: str, need: str) -> bool:
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
    if table == entity and column in tables.meta.replayed.get(table, ()):
        return timeline.keeps_history(table, column)
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
