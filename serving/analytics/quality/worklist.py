"""What each owner can mend: one list of duplicates, impossible rows and gaps, most useful first."""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.tables import NAT, Tables
from features.timeline import Timeline
from serving.analytics.quality.duplicates import duplicates
from serving.analytics.quality.gaps import Gaps, gaps
from serving.analytics.quality.impossible import impossible
from serving.i18n.lazy_text import lazy
from serving.scoring.scorer import Scorer

MATCHED = ("leads", "accounts", "contacts")
"""Tables whose rows can be the same thing twice."""
COLUMNS = ["owner_id", "kind", "table", "id", "what", "why", "rank"]
KINDS = ("impossible", "duplicate", "stale", "missing")
"""Wrong data first, then what is doubled, then what is old, then what is not there."""


def worklist(
    found: list[pd.DataFrame], wrong: pd.DataFrame, found_gaps: list[Gaps], tables: Tables
) -> pd.DataFrame:
    """One row a thing to mend: owner_id, kind, table, id, what, why (``Said``), rank in its kind.

    found       ``duplicates`` of some tables; wrong ``impossible``; found_gaps ``gaps``
    A gap whose filling moves its score by less than a tenth of a point is not worth a person's
    time and is left out.
    """
    parts = [_duplicates(tables, one) for one in found if len(one)]
    if len(wrong):
        parts.append(_impossible(wrong))
    parts += [_gaps(one.rows) for one in found_gaps]
    if not parts:
        return pd.DataFrame(columns=COLUMNS)
    joined = pd.concat(parts, ignore_index=True)
    order = joined["kind"].map(KINDS.index)
    return joined.assign(order=order).sort_values(
        ["owner_id", "order", "rank"], kind="stable", ignore_index=True, na_position="last"
    )[COLUMNS]


def quality(
    tables: Tables, scorers: list[Scorer], cutoff: int, capacity: int = 100
) -> tuple[list[pd.DataFrame], pd.DataFrame, list[Gaps], pd.DataFrame]:
    """(duplicates a table, impossible rows, gaps a scorer, the work list) of a data set."""
    named = [t for t in MATCHED if tables[t].has("name")]
    found = [duplicates(tables, t, cutoff) for t in named]
    wrong = impossible(tables, cutoff)
    found_gaps = [gaps(s, tables, NAT if s.flat else cutoff, capacity) for s in scorers]
    return found, wrong, found_gaps, worklist(found, wrong, found_gaps, tables)


def _impossible(wrong: pd.DataFrame) -> pd.DataFrame:
    cells = {
        "owner_id": wrong["owner_id"],
        "kind": "impossible",
        "table": wrong["table"],
        "id": wrong["id"],
        "what": pd.Series([lazy("cannot be true")] * len(wrong), dtype=object),
        "why": pd.Series([lazy(why) for why in wrong["says"]], dtype=object),
        "rank": np.arange(len(wrong)),
    }
    return pd.DataFrame(cells, columns=COLUMNS)


def _duplicates(tables: Tables, found: pd.DataFrame) -> pd.DataFrame:
    name = found["entity"].iloc[0]
    table = tables[name]
    rows = Timeline(tables).rows(name, found["copy"].tolist())
    owners = table.coded("owner_id").take(rows).words()
    why = [
        lazy(
            "looks like {keep} ({name}); the same: {fields}",
            keep=keep,
            name=who,
            fields=_same(bits),
        )
        for keep, who, bits in zip(
            found["keep"], found["keep_name"], found["evidence"], strict=True
        )
    ]
    cells = {
        "owner_id": owners,
        "kind": "duplicate",
        "table": name,
        "id": found["copy"].tolist(),
        "what": lazy("entered twice"),
        "why": why,
        "rank": np.arange(len(found)),
    }
    return pd.DataFrame(cells, columns=COLUMNS)


def _same(bits: list[dict[str, object]]) -> str:
    for_it = [str(one["field"]).replace("_", " ") for one in bits if float(str(one["bits"])) > 0]
    return ", ".join(for_it[:4])


def _gaps(rows: pd.DataFrame) -> pd.DataFrame:
    worth = rows[rows["moves"].fillna(0.0) >= 0.1].reset_index(drop=True)
    moved = [
        lazy("its score would move by {points} points on average", points=round(m, 1))
        for m in worth["moves"]
    ]
    cells = {
        "owner_id": worth["owner_id"],
        "kind": worth["state"],
        "table": worth["entity"],
        "id": worth["id"],
        "what": [lazy("{column}", column=c) for c in worth["column"]],
        "why": moved,
        "rank": np.arange(len(worth)),
    }
    return pd.DataFrame(cells, columns=COLUMNS)
