"""Blocks of accounts, contacts, leads, deals and owners: key, outcome, days, links, fields."""

from __future__ import annotations

import re

import numpy as np

from features.draft.blocks.context import Building
from features.draft.blocks.custom import custom_lines
from features.draft.blocks.days import map_days, must_have_end
from features.draft.blocks.lookups import join_closings
from features.draft.leaks import filled_by_the_end, missing_while_open
from features.draft.links import Key
from features.draft.model import DraftedLine, Sureness
from features.draft.outcomes import OutcomeFound, outcome_of
from features.draft.recognise import OWN, fit
from features.draft.specs import folded, source_of, with_keys
from features.draft.stages import PREFIX, stage_list
from features.draft.values.profile import ColumnProfile
from features.schema import OUTCOMES, TABLES

ROUNDED = re.compile(r"^\d[.,]\d+[eE]\+\d+$")
"""An id that a spreadsheet shows as a number with fewer digits than it has."""

LEAST_A_HEAD = 1_000.0
"""Yearly revenue per person below which it is not in whole units of money."""


def entity_block(building: Building, key: Key) -> None:
    """Fill a block of an entity's file."""
    map_key(building, key)
    found = _outcome(building) if building.table in OUTCOMES else None
    building.references(key.columns)
    map_days(building, found)
    if found is not None:
        join_closings(building, key)
    must_have_end(building, found)
    _amounts(building, found)
    names = building.rest(("category", "number", "text"))
    if found is not None:
        names = [n for n in names if n != "outcome"]
    building.assign([n for n in names if n not in ("closed_amount", "outcome")])
    _ask_thousands(building)
    _name_is_key(building, key)
    if building.table == "owners":
        building.assign(building.rest(("instant",)))
        return
    lines, notes = custom_lines(
        [c for c in building.free.values() if key.column is None or c is not key.column],
        building.table,
        found,
        building.export.dates,
    )
    building.block.custom += lines
    building.block.notes += notes
    _empty_while_open(building, found)


def map_key(building: Building, key: Key) -> None:
    """The line of the key."""
    name = TABLES[building.table].key
    if key.column is not None:
        _ask_rounded(building, key.column)
        sure: Sureness = "sure" if key.named and key.unique else "likely"
        spec = key.column.heading
        building.map(name, key.column, sure, key.evidence, spec)
        return
    spec_together = {"together": list(key.columns)}
    building.block.columns.append(DraftedLine(name, spec_together, "unsure", key.evidence))
    building.export.draft.ask(
        50,
        f"{building.file.path.name} has no column with a number or name of each record: is "
        "there one "
        f"in the system? Its rows are told apart by {', '.join(key.columns)} now",
        f"{building.block.name}.{name}",
    )


def _ask_rounded(building: Building, key: ColumnProfile) -> None:
    """Ids that a spreadsheet has rounded (1.23457E+11) cannot be read right by any mapping."""
    rounded = [w for w in key.counts if ROUNDED.match(w)]
    if rounded:
        building.export.draft.ask(
            110,
            f"“{key.heading}” of {building.file.path.name} holds {rounded[0]}: a spreadsheet has "
            "rounded the ids and different records share one. Can it be exported again, with ids "
            "as text?",
            f"{building.block.name}.{TABLES[building.table].key}",
        )


def _outcome(building: Building) -> OutcomeFound | None:
    found = outcome_of(building.file, building.table)
    block = building.block
    if found is None and building.table == "deals":
        found = _from_stages(building)
    if found is None:
        return None
    spec = found.spec
    if isinstance(spec, dict) and "values" in spec:
        spec = {**spec, "values": folded(spec["values"])}
    block.columns.append(DraftedLine("outcome", spec, found.sure, found.evidence))
    for doubt in found.doubts:
        building.export.draft.ask(90, doubt, f"{block.name}.outcome")
    building.export.ends[block.name] = found
    for heading in found.columns:
        column = building.file.columns[heading]
        staged = column.concepts & {"stage", "status"} and column.held == "category"
        if not staged or building.table == "accounts" or len(column.counts) <= 3:
            building.free.pop(heading, None)
    return found


def _from_stages(building: Building) -> OutcomeFound | None:
    """The outcome that another file's list of stages tells."""
    listed = stage_list(building.file, building.export.beside)
    if listed is None:
        return None
    join = {
        "from": listed.file.path.name,
        "on": {listed.column: listed.key},
        "prefix": PREFIX,
    }
    building.join(join, f"“{listed.column}” points to its “{listed.key}”")
    return listed.found


def _amounts(building: Building, found: OutcomeFound | None) -> None:
    """The amount of a deal, and the one that is known only when it is won."""
    if building.table != "deals":
        return
    money = [
        c
        for c in building.free.values()
        if c.held == "number"
        and c.concepts & {"amount", "revenue", "price"}
        and not c.concepts & {"days"}
    ]
    late = [c for c in money if found is not None and (filled_by_the_end(c, found) or _at_close(c))]
    for column in late[:1]:
        spec = with_keys(column.heading, when=[{"from": "@outcome", "is": ["won"]}])
        assert found is not None
        why = filled_by_the_end(column, found) or "by its name"
        building.map("closed_amount", column, "likely", f"{why}; of won rows only", spec)
    rivals = [c for c in money if c not in late and fit(c, "deals", "amount") >= 0.45]
    building.assign(["amount"])
    chosen = building.block.column("amount")
    taken = "" if chosen is None else source_of(chosen.spec)
    others = [c.heading for c in rivals if c.heading != taken]
    if chosen is not None and others:
        building.export.draft.ask(
            25,
            f"The amount of a deal is taken from “{taken}”; or is it {' or '.join(others[:3])}?",
            f"{building.block.name}.amount",
        )
    _currency_beside(building)


def _at_close(column: ColumnProfile) -> bool:
    return bool(column.concepts & {"close", "won", "actual"}) and "expected" not in column.concepts


def _currency_beside(building: Building) -> None:
    """Of several columns of currency codes the one that is named after the amount."""
    amount = building.block.column("amount")
    if amount is None or not isinstance(amount.spec, str):
        return
    heading = amount.spec.casefold()
    beside = [
        c
        for c in building.free.values()
        if "currency" in c.concepts
        and c.heading.casefold().startswith(heading)
        and fit(c, "deals", "currency")
    ]
    if beside:
        building.map("currency", beside[0], "sure", f"named after “{amount.spec}”")


def _ask_thousands(building: Building) -> None:
    """Revenues smaller than any company of that many people has are stated in thousands or more."""
    lines = [building.block.column(n) for n in ("annual_revenue", "employees")]
    names = [x.spec for x in lines if x is not None and isinstance(x.spec, str)]
    if len(names) < 2:
        return
    revenue, people = (building.file.columns[n].numbers for n in names)
    both = ~np.isnan(revenue) & (people > 0)
    if both.sum() > 4 and np.median(revenue[both] / people[both]) < LEAST_A_HEAD:
        money, heads = np.median(revenue[both]), np.median(people[both])
        building.export.draft.ask(
            47,
            f"“{names[0]}” of {building.file.path.name} is about {money:,.0f} for "
            f"{heads:,.0f} people: is it in thousands or in millions? Then add "
            "scale = 1e3 or 1e6",
            f"{building.block.name}.annual_revenue",
        )


def _name_is_key(building: Building, key: Key) -> None:
    """Where records are known by their names the key is the name too."""
    column = key.column
    if column is None or building.block.column("name") is not None:
        return
    if TABLES[building.table].column("name") is None or column.held == "number":
        return
    if not column.concepts & {"id", "number"} and (
        OWN[building.table] in column.concepts or "name" in column.concepts
    ):
        building.map("name", column, "likely", "records are known by their names", column.heading)


def _empty_while_open(building: Building, found: OutcomeFound | None) -> None:
    """Columns whose absence tells that a row is still open are left out."""
    if found is None or building.table == "accounts":
        return
    uncertain: dict[str, str] = {}
    for line in building.block.columns:
        declared = TABLES[building.table].column(line.name)
        column = building.file.columns.get(line.spec) if isinstance(line.spec, str) else None
        if column is None or declared is None or declared.kind not in ("ref", "category", "number"):
            continue
        late = line.name != "closed_amount" and filled_by_the_end(column, found)
        if why := late or missing_while_open(column, found):
            uncertain[line.name] = why
    if uncertain:
        said = "; ".join(f"{n}: {why}" for n, why in uncertain.items())
        building.export.draft.left_out[building.table] = DraftedLine(
            building.table, list(uncertain), "likely", said
        )
        building.export.draft.ask(
            40,
            f"{', '.join(uncertain)} of {building.table} {'is' if len(uncertain) == 1 else 'are'} "
            "often empty while a record is open and never when it has ended, so the model does "
            "without. Right?",
            *(f"left_out.{building.table}.{n}" for n in uncertain),
        )
