"""What the finished tables show: their end, profiles, orphans and warnings; and their frames."""

from __future__ import annotations

from collections.abc import Mapping as Dict
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features.calendar_time import zone
from features.ingest.consequences.ask import consequences
from features.ingest.consequences.links import unlinked
from features.ingest.consequences.rates import inverted_rates, without_rate
from features.ingest.mapping import Mapping
from features.ingest.report import SAMPLES, IngestReport, SampledCount, TableReport
from features.ingest.rows import HAPPENED, Draft
from features.ingest.strict import MappingError
from features.ingest.values.base import Values, missing_rows
from features.schema import OUTCOMES, TABLES, Kind
from features.sources.words import WordColumn
from features.tables import NAT, Bools, Meta, instant_text

MANY = 1_000
"""A category with more distinct values than this is pointed out."""


def as_of_of(
    drafts: Dict[str, Draft], stated: int, report: IngestReport, company: str = "UTC"
) -> int:
    """The end of the export: stated, else the day after the latest thing in it; NAT if flat."""
    latest, source = NAT, ""
    dated = False
    for name, draft in drafts.items():
        for column in (c for c in HAPPENED.get(name, ()) if c in draft.columns):
            dated = True
            found = int(draft.instant(column)[draft.alive].max(initial=NAT))
            if found > latest:
                latest, source = found, f"{name}.{column}"
    if not dated:
        if stated != NAT:
            report.notices.append("as_of is stated but no table has dates: read as flat")
        return NAT
    if stated == NAT and latest == NAT:
        raise MappingError(
            "no date could be read in any table, so the end of the export is unknown; "
            "state as_of in [export], or check the date formats"
        )
    as_of = stated if stated != NAT else int(zone(company).day_after(np.array([latest]))[0])
    report.as_of = instant_text(as_of)
    report.as_of_from = (
        "stated by the mapping"
        if stated != NAT
        else f"the day after the latest {source}, {instant_text(latest)}"
    )
    return as_of


def finish(drafts: Dict[str, Draft], mapping: Mapping, report: IngestReport) -> None:
    """Count what stays, profile every column and say what stands out."""
    for name, draft in drafts.items():
        for i, block in enumerate(draft.blocks):
            block.kept = int((draft.alive & (draft.block == i)).sum())
        report.blocks += draft.blocks
        table = TableReport(rows=int(draft.alive.sum()))
        for column in written(name, draft):
            table.columns[column] = _profile(draft.columns[column], draft.alive)
        _outcomes(draft, table)
        born = TABLES[name].born
        if born in draft.columns and name in HAPPENED:
            table.without_birth = int((draft.alive & (draft.instant(born) == NAT)).sum())
        table.orphans = _orphans(draft, drafts)
        report.tables[name] = table
        report.notices += _notices(name, table, mapping)
    report.consequences = [
        *consequences(drafts, zone(mapping.company_zone)),
        *(f for name, table in report.tables.items() for f in unlinked(drafts[name], table)),
        *without_rate(drafts, mapping.currency),
        *inverted_rates(drafts, mapping.tables.values(), mapping.currency),
    ]
    report.consequences.sort(key=lambda f: not f.wrong)


def written(name: str, draft: Draft) -> list[str]:
    """The draft's columns in the schema's order, custom ones after."""
    order = [c.name for c in TABLES[name].columns if c.name in draft.columns]
    return order + [c for c in draft.columns if c not in order]


def _profile(values: Values, alive: Bools) -> dict[str, float]:
    missing = missing_rows(values)[alive]
    if isinstance(values, WordColumn):
        distinct = int((values.counts(alive) > 0).sum())
    else:
        distinct = len(pd.unique(values[alive][~missing]))
    share = float(missing.mean()) if len(missing) else 0.0
    return {"missing": round(share, 6), "distinct": distinct}


def _outcomes(draft: Draft, table: TableReport) -> None:
    if draft.name not in OUTCOMES or "outcome" not in draft.columns:
        return
    words = draft.words("outcome")
    counts = dict(zip(words.values.to_pylist(), words.counts(draft.alive), strict=True))
    table.outcomes = {outcome: int(counts.get(outcome, 0)) for outcome in OUTCOMES[draft.name]}
    table.outcomes[""] = table.rows - sum(table.outcomes.values())


def _orphans(draft: Draft, drafts: Dict[str, Draft]) -> dict[str, SampledCount]:
    found: dict[str, SampledCount] = {}
    for column in TABLES[draft.name].columns:
        if column.kind != "ref" or column.name not in draft.columns:
            continue
        lost = np.zeros(len(draft), bool)
        targets = [column.references] if column.references else list(OUTCOMES)
        for target in targets:
            if target in drafts:
                mine = _about(draft, "" if column.references else target)
                lost |= mine & ~_refers(draft.words(column.name), drafts[target])
        lost &= draft.alive & ~missing_rows(draft.columns[column.name])
        if lost.any():
            rows = np.flatnonzero(lost)[:SAMPLES]
            words = draft.words(column.name).texts(rows)
            samples = [
                {"row": int(draft.row[r]), column.name: w} for r, w in zip(rows, words, strict=True)
            ]
            found[column.name] = SampledCount(int(lost.sum()), samples)
    return found


def _about(draft: Draft, entity: str) -> Bools:
    """The rows of ``changes`` about one table; every row where no table is meant."""
    if not entity:
        return np.ones(len(draft), bool)
    words = draft.words("entity")
    code = pc.index(words.values, entity).as_py()
    return np.asarray(words.codes == code) if code >= 0 else np.zeros(len(draft), bool)


def _refers(words: WordColumn, target: Draft) -> Bools:
    key = target.words(TABLES[target.name].key)
    kept = pa.array(np.isin(np.arange(len(key.values)), key.codes[target.alive]))
    known = pc.is_in(words.values, key.values.filter(kept))
    return np.asarray(np.append(known.to_numpy(zero_copy_only=False), False)[words.codes])


def _notices(name: str, table: TableReport, mapping: Mapping) -> list[str]:
    if table.rows == 0:
        return [f"{name} has no rows"]
    lines = []
    if table.rows == 1:
        lines.append(f"{name} has a single row")
    wins = {k: n for k, n in table.outcomes.items() if k}
    if wins and not sum(wins.values()):
        lines.append(f"{name}: no row has an outcome: nothing can be learned from it")
    elif wins and not wins[OUTCOMES[name][0]]:
        lines.append(f"{name}: no row is {OUTCOMES[name][0]!r}: the question has no positive case")
    elif wins and max(table.outcomes.values()) == table.rows:
        lines.append(f"{name}: every row has the same outcome: one class only")
    for column, found in table.columns.items():
        kind = mapping.kind(name, column)
        if found["missing"] == 1.0:
            lines.append(f"{name}.{column} is missing in every row")
        elif found["distinct"] == 1 and table.rows > 1 and column not in ("entity", "outcome"):
            lines.append(f"{name}.{column} has one value only")
        elif kind == "category" and found["distinct"] > MANY:
            lines.append(f"{name}.{column} is a category of {found['distinct']:,.0f} values")
    return lines


def frames_of(drafts: Dict[str, Draft], meta: Meta) -> dict[str, pd.DataFrame]:
    """The rows that stay as data frames of the canonical types."""
    frames = {}
    for name, draft in drafts.items():
        columns = {
            c: _series(draft.columns[c], draft.alive, meta.kind(name, c) or "text")
            for c in written(name, draft)
        }
        frames[name] = pd.DataFrame(columns)
    return frames


def _series(values: Values, alive: Bools, kind: Kind) -> Any:
    if isinstance(values, WordColumn):
        codes = pa.array(values.codes[alive], mask=values.codes[alive] < 0)
        return pa.DictionaryArray.from_arrays(codes, values.values).cast(pa.string()).to_pandas()
    kept = values[alive]
    if kind == "instant":
        return pd.Series(pd.DatetimeIndex(kept.astype("M8[us]")).tz_localize("UTC"))
    if kind == "boolean":
        return pd.Series(pd.arrays.BooleanArray(kept == 1.0, np.isnan(kept)))
    return pd.Series(kept)
