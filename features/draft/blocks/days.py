"""The days of an entity: created, closed, expected to close; told by names and by who has them."""

from __future__ import annotations

import numpy as np

from features.draft.blocks.context import Building
from features.draft.model import DraftedLine
from features.draft.outcomes import FLAGS, OutcomeFound
from features.draft.recognise import fit
from features.draft.specs import spec_of, with_keys
from features.draft.values.profile import ColumnProfile
from features.schema import OUTCOMES, TABLES
from features.tables import NAT

_ENDED = {"from": "@outcome", "present": True}


def map_days(building: Building, found: OutcomeFound | None) -> None:
    """created_at, closed_at, expected_close_at: by name, and by whether open rows have them."""
    dates = [c for c in building.free.values() if c.held == "instant"]
    if building.table == "deals":
        planned = [c for c in dates if _planned(c)]
        dates = [c for c in dates if c not in planned]
    else:
        planned = []
    if found is not None or building.table == "deals":
        planned += _closing(building, found, dates)
    if building.table == "deals" and planned:
        best = max(planned, key=lambda c: (fit(c, "deals", "expected_close_at"), c.filled))
        if building.block.column("expected_close_at") is None:
            evidence = (
                "a planned day" if _planned(best) else "open rows have it too: a plan until the end"
            )
            building.map(
                "expected_close_at", best, "sure" if _planned(best) else "likely", evidence
            )
    _created(building, found)
    building.assign(
        [n for n in building.rest(("instant",)) if n not in ("closed_at", "expected_close_at")]
    )


def _planned(column: ColumnProfile) -> bool:
    return fit(column, "deals", "expected_close_at") > 0.6 and bool(
        column.concepts & {"expected", "forecast"}
    )


def _closing(
    building: Building, found: OutcomeFound | None, dates: list[ColumnProfile]
) -> list[ColumnProfile]:
    """Map closed_at; columns that are plans rather than ends are given back."""
    table = building.table
    named = [
        c
        for c in dates
        if fit(c, table, "closed_at") > 0.5
        or (set(FLAGS[table]) & c.concepts and len(c.concepts) <= 4)
    ]
    if found is None:
        return [c for c in named if "close" in c.concepts]
    ended = found.ended
    plans = [c for c in named if _plan(c, found)]
    real = [c for c in named if c not in plans and c.present[ended].any()]
    real.sort(key=lambda c: -float(c.present[ended].mean()))
    chosen: list[ColumnProfile] = []
    covered = np.zeros(len(ended), bool)
    for column in real:
        if (column.present & ended & ~covered).sum() > 0.01 * ended.sum():
            chosen.append(column)
            covered |= column.present
    if chosen:
        spec = [spec_of(c, building.export.dates) for c in chosen]
        share = float(covered[ended].mean())
        evidence = (
            f"there in {share:.0%} of the ended rows and {_in_open(chosen, found):.0%} of the open"
        )
        if len(chosen) > 1:
            listed = [with_keys(s) for s in spec]
            building.map("closed_at", chosen[0], "sure", evidence, listed)
            for column in chosen[1:]:
                building.free.pop(column.heading, None)
        else:
            building.map("closed_at", chosen[0], "sure" if share > 0.9 else "likely", evidence)
        if share < 0.9:
            building.export.draft.ask(
                60,
                f"{1 - share:.0%} of the ended rows of {building.file.path.name} have no day of "
                "the end "
                f"({', '.join(c.heading for c in chosen)}): is there another column that has it?",
                f"{building.block.name}.closed_at",
            )
    elif plans:
        column = max(plans, key=lambda c: (fit(c, table, "closed_at"), c.filled))
        spec_when = with_keys(spec_of(column, building.export.dates), when=[_ENDED])
        building.map(
            "closed_at",
            column,
            "likely",
            "a plan until it has ended, and then the day",
            spec_when,
            keep=True,
        )
    return plans


def _plan(column: ColumnProfile, found: OutcomeFound) -> bool:
    """Whether open rows have the day too; of one or two open rows all must, beside all ended."""
    still = column.present[~found.ended]
    if len(still) >= 3:
        return bool(still.mean() > 0.5)
    return len(still) > 0 and bool(still.all() and column.present[found.ended].all())


def _in_open(columns: list[ColumnProfile], found: OutcomeFound) -> float:
    still = ~found.ended
    if not still.any():
        return 0.0
    return float(np.mean(np.logical_or.reduce([c.present for c in columns])[still]))


def _created(building: Building, found: OutcomeFound | None) -> None:
    """created_at by its name, else the one day that never comes after the end."""
    if TABLES[building.table].column("created_at") is None:
        return
    building.assign(["created_at"])
    if building.block.column("created_at") is not None:
        return
    closed = building.block.column("closed_at")
    left = [
        c
        for c in building.free.values()
        if c.held == "instant" and not c.concepts & {"last", "modified", "expected", "due", "end"}
    ]
    if building.table not in OUTCOMES or not left or closed is None or found is None:
        return
    name = closed.spec["from"] if isinstance(closed.spec, dict) else closed.spec
    if not isinstance(name, str) or name not in building.file.columns:
        return
    end = building.file.columns[name].at
    before = [(c, np.mean((c.at <= end)[(c.at != NAT) & (end != NAT)])) for c in left]
    good = [c for c, share in before if share > 0.99]
    if good:
        first = min(good, key=lambda c: float(np.median(c.at[c.at != NAT])))
        building.map("created_at", first, "likely", "the first of its days, never after the end")


def must_have_end(building: Building, found: OutcomeFound | None) -> None:
    """An outcome without a day: the last change stands in for it, or the table is read as flat."""
    block = building.block
    created = block.column("created_at")
    if found is None or created is None or block.column("closed_at") is not None:
        return
    about = f"{block.name}.closed_at"
    modified = [
        c for c in building.free.values() if c.held == "instant" and c.concepts & {"modified"}
    ]
    if modified:
        spec = with_keys(spec_of(modified[0], building.export.dates), when=[_ENDED])
        building.map(
            "closed_at", modified[0], "unsure", "the last change: the nearest there is", spec
        )
        building.export.draft.ask(
            85,
            f"No column of {building.file.path.name} says on which day a record ended; the last "
            "change "
            f"(“{modified[0].heading}”) stands in for it. Is there a better one?",
            about,
        )
        return
    block.columns = [c for c in block.columns if c is not created]
    block.columns.append(
        DraftedLine(
            "created_at", created.spec, "unsure", "left out: no day of the end", left_out=True
        )
    )
    building.export.draft.ask(
        85,
        f"No column of {building.file.path.name} says on which day a record ended, so "
        "everything is "
        "read as one look without time. Can the export be made with it?",
        about,
        f"{block.name}.created_at",
    )
