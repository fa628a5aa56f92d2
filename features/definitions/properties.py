"""Activity properties: the numbers and words that a company keeps on its activities."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from features.definitions.declare import Column, Definition
from features.spine import FeatureSpec, capitalized
from features.tables import CustomField, Meta
from features.view import View, at_rows

SUM = "Sum of {field} in the last {days} days"
MEAN = "Mean {field} in the last {days} days"
LAST_NUMBER = "Last known {field}"
LAST_WORD = "{field} of the last activity"
DIFFERENT = "Different {field} in the last {days} days"


def definitions(entity: str, meta: Meta) -> list[Definition]:
    """Sums, means, last values and distinct words of each custom field of activities."""
    found: list[Definition] = []
    for field in meta.custom.get("activities", []):
        if field.kind in ("number", "boolean"):
            found += _numbers(entity, field)
        elif field.kind == "category":
            found += _words(entity, field)
    return found


def _numbers(entity: str, field: CustomField) -> list[Definition]:
    name, unit = field.name, field.unit

    def total(days: int) -> Callable[[View], Column]:
        return lambda v: v.seen("activities").total(v.tables["activities"].number(name), days)

    def mean(days: int) -> Callable[[View], Column]:
        return lambda v: v.seen("activities").mean(v.tables["activities"].number(name), days)

    windows = [
        _define(entity, field, f"{name}_sum_{d}d", SUM, unit, total(d), days=d) for d in (7, 30, 90)
    ]
    return [
        *windows,
        _define(entity, field, f"{name}_mean_90d", MEAN, unit, mean(90), days=90),
        _define(entity, field, f"{name}_last", LAST_NUMBER, unit, lambda v: _last_number(v, name)),
    ]


def _last_number(view: View, name: str) -> Column:
    values = view.tables["activities"].number(name)
    return at_rows(values, view.seen("activities").select(~np.isnan(values)).last())


def _words(entity: str, field: CustomField) -> list[Definition]:
    name = field.name

    def last(view: View) -> Column:
        return view.tables["activities"].coded(name).take(view.seen("activities").last())

    def distinct(view: View) -> Column:
        codes = view.tables["activities"].coded(name).codes.astype(np.int64)
        return view.seen("activities").distinct(codes, 90)

    return [
        _define(entity, field, f"{name}_last", LAST_WORD, "", last, "category"),
        _define(entity, field, f"{name}_kinds_90d", DIFFERENT, "kinds", distinct, days=90),
    ]


def _define(
    entity: str,
    field: CustomField,
    name: str,
    title: str,
    unit: str,
    compute: Callable[[View], Column],
    kind: Literal["number", "category"] = "number",
    days: int | None = None,
) -> Definition:
    fills = {"field": field.label or field.name} | ({} if days is None else {"days": str(days)})
    spec = FeatureSpec(
        name=f"activity_{name}",
        entity=entity,
        kind=kind,
        meaning=capitalized(title.format(**fills)),
        unit=unit,
        source="activities",
        group=f"activity_{field.name}",
        own=True,
        title=title,
        fills=fills,
    )
    return Definition(spec, (f"activities.{field.name}",), compute, spec.name, spec.meaning)
