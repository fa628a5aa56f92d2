"""Missing and stale fields of open entities, ranked by what filling them is worth to the scores.

A field that is filled in moves the scores of its entities, and a better order of the call list wins
more of what can be won with the same calls. Nobody knows the value before it is filled in, so it is
drawn from the entities whose field is filled (a hot deck), and the worth is the expected gain of
choosing the first ``capacity`` after knowing, over choosing them before:

    E[max over S of Σ p_i(v)] - max over S of Σ E[p_i(v)],  |S| = capacity,

the expected value of perfect information about the field. It is never negative, and zero for a
field the model does not use. Rows with a missing value are taken to be like those without.

Howard (1966), Information value theory; Andridge & Little (2010), A review of hot deck imputation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.asof import days_since, past
from features.definitions import fields
from features.spine import FeatureSpec
from features.tables import DAY, NAT, Bools, Coded, Floats, Ints, Tables
from features.timeline import Timeline, Where
from serving.scoring.batch import open_ids
from serving.scoring.scorer import Scorer

DRAWS = 24
"""Values drawn for every gap."""
FEWEST = 30
"""Filled values below which nothing is drawn from them."""
STALE = 0.9
"""A value that has stood longer than this share of the values that were changed is stale."""

GAPS = [
    "entity",
    "table",
    "column",
    "title",
    "field",
    "state",
    "gaps",
    "of",
    "share",
    "worth",
    "moves",
]
ROWS = ["entity", "id", "owner_id", "column", "state", "moves"]


@dataclass(frozen=True)
class Gaps:
    """What is missing or stale among the open entities.

    fields  a row a column: title and what fills it (``FeatureSpec``), state "missing" or "stale",
            gaps of of open entities, worth (expected further successes among the first
            ``capacity``; NaN where it cannot be drawn), moves (mean absolute move of a score in
            points that filling brings)
    rows    a row a gap: id, owner_id, column, state, moves; the largest move first
    """

    capacity: int
    fields: pd.DataFrame
    rows: pd.DataFrame


@dataclass(frozen=True)
class _Field:
    """A column people fill in, and the matrix columns that come from it."""

    table: str
    column: str
    spec: FeatureSpec
    places: list[int]


def gaps(scorer: Scorer, tables: Tables, cutoff: int, capacity: int = 100, seed: int = 0) -> Gaps:
    """Rank the fields of every open entity at ``cutoff`` (NAT for a flat question).

    capacity  how many entities can be worked: the first so many by score
    """
    if capacity < 1:
        raise ValueError(f"capacity must be at least 1, got {capacity}: how many can be called?")
    ids = open_ids(scorer, tables, cutoff)
    timeline = Timeline(tables)
    features = scorer.features(timeline, ids, cutoff)
    X = scorer.bundle.model.encoding.matrix(features)
    rng = np.random.default_rng(seed)
    found: list[dict[str, object]] = []
    rows: list[pd.DataFrame] = []
    owners = _owners(tables, scorer.entity, timeline.rows(scorer.entity, ids))
    for one in _fields(scorer, tables):
        missing = np.isnan(X[:, one.places[0]])
        stale = _stale(timeline, scorer.entity, one, ids, cutoff) & ~missing
        for state, gap in (("missing", missing), ("stale", stale)):
            if gap.any():
                worth, moves = _worth(scorer, X, one, gap, ~missing & ~stale, capacity, rng)
                found.append(_told(scorer.entity, one, state, gap, worth, moves))
                rows.append(_listed(scorer.entity, one, state, ids, owners, gap, moves))
    table = pd.DataFrame(found, columns=GAPS).sort_values("worth", ascending=False, kind="stable")
    listed = pd.concat(rows) if rows else pd.DataFrame(columns=ROWS)
    listed = listed.sort_values("moves", ascending=False, kind="stable", ignore_index=True)
    return Gaps(capacity, table.reset_index(drop=True), listed)


def _fields(scorer: Scorer, tables: Tables) -> list[_Field]:
    """Columns of the entity, its account and its contact that are features by their type."""
    names = scorer.bundle.model.encoding.names
    needs = {d.spec.name: d.needs for d in scorer.definitions}
    found = []
    for definition in fields.definitions(scorer.entity, tables.meta):
        own, place = definition.spec.name, definition.needs[0]
        if own in names:
            # rates and the like of the same column are drawn with it
            with_it = [n for n in names if n != own and needs[n][:1] in ((place,), (place + "#",))]
            table, column = place.split(".")
            places = [names.index(n) for n in (own, *with_it)]
            found.append(_Field(table, column, definition.spec, places))
    return found


def _worth(
    scorer: Scorer,
    X: Floats,
    one: _Field,
    gap: Bools,
    filled: Bools,
    capacity: int,
    rng: np.random.Generator,
) -> tuple[float, Floats]:
    """(worth, moves (g,)) of filling the gaps; NaN where too few are filled to draw from."""
    rows, donors = np.flatnonzero(gap), np.flatnonzero(filled)
    if len(donors) < FEWEST:
        return float("nan"), np.full(len(rows), np.nan)
    model = scorer.bundle.model
    drawn = np.empty((DRAWS, len(rows)))
    filled_in = X[rows]
    for draw in range(DRAWS):
        chosen = X[rng.choice(donors, len(rows))]
        filled_in[:, one.places] = chosen[:, one.places]
        drawn[draw] = model.score(filled_in)
    mean = drawn.mean(axis=0)
    others = model.score(X[~gap]) if (~gap).any() else np.zeros(0)
    before = _first(np.concatenate([others, mean]), capacity)
    after = np.mean([_first(np.concatenate([others, d]), capacity) for d in drawn])
    moves: Floats = np.abs(drawn - mean).mean(axis=0)
    return max(float(after - before), 0.0), moves


def _first(scores: Floats, capacity: int) -> float:
    """Expected successes among the first ``capacity``."""
    if len(scores) <= capacity:
        return float(scores.sum())
    return float(np.partition(scores, -capacity)[-capacity:].sum())


def _stale(timeline: Timeline, entity: str, one: _Field, ids: list[str], cutoff: int) -> Bools:
    """Entities whose value of a tracked field has stood longer than STALE of the changed ones."""
    never = np.zeros(len(ids), np.bool_)
    if one.table != entity or cutoff == NAT or not timeline.keeps_history(entity, one.column):
        return never
    where: Where = (("entity", entity), ("field", one.column))
    events = timeline.events("changes", "entity_id", where=where)
    groups = timeline.places("changes", "entity_id", ids)
    cutoffs = np.full(len(ids), cutoff, np.int64)
    last = events.at(groups, cutoffs).last()
    at = timeline.tables["changes"].instant("changed_at")
    stood = np.where(last >= 0, days_since(at[last], cutoffs), np.nan)
    usual = _spells(timeline, where, cutoff)
    if len(usual) < FEWEST:
        return never
    stale: Bools = stood > np.quantile(usual, STALE)
    return stale


def _spells(timeline: Timeline, where: Where, cutoff: int) -> Floats:
    """Days that each value of a field stood before it was changed, before the cutoff."""
    changes = timeline.tables["changes"]
    at = changes.instant("changed_at")
    known = timeline.matches("changes", where) & past(at, np.full(len(at), cutoff, np.int64))
    rows = np.flatnonzero(known)
    who = changes.coded("entity_id").codes[rows]
    order = np.lexsort((at[rows], who))
    same = who[order][1:] == who[order][:-1]
    days: Floats = np.diff(at[rows][order])[same] / DAY
    return days


def _owners(tables: Tables, entity: str, rows: Ints) -> Coded:
    return tables[entity].coded("owner_id").take(rows)


def _told(
    entity: str, one: _Field, state: str, gap: Bools, worth: float, moves: Floats
) -> dict[str, object]:
    n, of = int(gap.sum()), len(gap)
    mean = float(100 * moves.mean()) if len(moves) else 0.0
    named = one.spec.title, one.spec.fills.get("field", "")
    cells = (entity, one.table, one.column, *named, state, n, of, n / of, worth, mean)
    return dict(zip(GAPS, cells, strict=True))


def _listed(
    entity: str, one: _Field, state: str, ids: list[str], owners: Coded, gap: Bools, moves: Floats
) -> pd.DataFrame:
    rows = np.flatnonzero(gap)
    table = {
        "entity": entity,
        "id": [ids[r] for r in rows],
        "owner_id": owners.take(rows).words(),
        "column": one.column,
        "state": state,
        "moves": 100 * moves,
    }
    return pd.DataFrame(table, columns=ROWS)
