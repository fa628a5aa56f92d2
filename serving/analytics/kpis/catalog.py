"""Every figure, by name, in the order in which people read them."""

from __future__ import annotations

from collections.abc import Sequence

from serving.analytics.kpis import customers, pipeline, winning, working, worth
from serving.analytics.kpis.definition import Kpi

SHELVES = {
    "Winning": winning.shelf,
    "Pipeline": pipeline.shelf,
    "Work and targets": working.shelf,
    "Customers": customers.shelf,
    "Worth": worth.shelf,
}
FIGURES: dict[str, Kpi] = {f.name: f for s in SHELVES.values() for f in s.figures}


def chosen(names: Sequence[str]) -> list[Kpi]:
    """The figures of these names, all of them for none; an unknown name is an error."""
    unknown = [name for name in names if name not in FIGURES]
    if unknown:
        raise KeyError(f"no figure {unknown[0]!r}; there are {', '.join(FIGURES)}")
    return [FIGURES[name] for name in names or FIGURES]
