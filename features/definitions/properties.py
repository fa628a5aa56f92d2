"""Activity properties: the numbers and words that a company keeps on its activities."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from features.definition import Column, Definition
from features.spine import FeatureSpec
from features.tables import CustomField, Meta
from features.timeline import View, at_rows


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
    says = field.label or name

    def total(days: int) -> Callable[[View], Column]:
        return lambda v: v.seen("activities").total(v.tables["activities"].number(name), days)

    def mean(days: int) -> Callable[[View], Column]:
        return lambda v: v.seen("activities").mean(v.tables["activities"].number(name), days)

    windows = [
        _define(
            entity, field, f"{name}_sum_{d}d", f"Sum of {says} in the last {d} days", unit, total(d)
        )
        for d in (7, 30, 90)
    ]
    return [
        *windows,
        _define(
            entity, field, f"{name}_mean_90d", f"Mean {says} in the last 90 days", unit, mean(90)
        ),
        _define(
            entity,
            field,
            f"{name}_last",
            f"Last known {says}",
            unit,
            lambda v: _last_number(v, name),
        ),
    ]


def _last_number(view: View, name: str) -> Column:
    values = view.tables["activities"].number(name)
    return at_rows(values, view.seen("activities").select(~np.isnan(values)).last())


def _words(entity: str, field: CustomField) -> list[Definition]:
    name, says = field.name, field.label or field.name

    def last(view: View) -> Column:
        return view.tables["activities"].coded(name).take(view.seen("activities").last())

    def distinct(view: View) -> Column:
        codes = view.tables["activities"].coded(name).codes.astype(np.int64)
        return view.seen("activities").distinct(codes, 90)

    return [
        _define(
            entity, field, f"{name}_last", f"{says} of the last activity", "", last, "category"
        ),
        _define(
            entity,
            field,
            f"{name}_kinds_90d",
            f"Different {says} in the last 90 days",
            "kinds",
            distinct,
        ),
    ]


def _define(
    entity: str,
    field: CustomField,
    name: str,
    meaning: str,
    unit: str,
    compute: Callable[[View], Column],
    kind: Literal["number", "category"] = "number",
) -> Definition:
    spec = FeatureSpec(
        name=f"activity_{name}",
        entity=entity,
        kind=kind,
        meaning=meaning[:1].upper() + meaning[1:],
        unit=unit,
        source="activities",
        group=f"activity_{field.name}",
        own=True,
    )
    return Definition(spec, (f"activities.{field.name}",), compute, spec.name, spec.meaning)
