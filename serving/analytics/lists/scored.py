"""Every scored record with its score: also the list of a flat table, which has no dates."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from features.schema import TABLES
from features.tables import Coded, Tables
from serving.analytics.lists.sheets import Item, Sheet, records
from serving.i18n.languages import mark
from serving.scoring.scorer import Scorer


def scored_list(
    tables: Tables, scorers: Mapping[str, Scorer], scores: Mapping[str, pd.DataFrame]
) -> Sheet:
    """One row a record and question, the highest score first. scores: question -> batch's table."""
    items = [
        item
        for question, scorer in scorers.items()
        for item in _of(tables, question, scorer.entity, scores[question])
    ]
    items.sort(key=lambda one: (-(one.body["probability"] or 0.0), one.id))
    empty = {} if items else {"empty": mark("no open record is scored")}
    return Sheet("scores", items, empty)


def _of(tables: Tables, question: str, entity: str, frame: pd.DataFrame) -> list[Item]:
    table = tables[entity]
    names, owners = _by_key(tables, entity, "name"), _by_key(tables, entity, "owner_id")
    found = []
    for row in records(frame[["id", "probability", "grade"]]):
        one = row["id"]
        body = {**row, "question": question, "table": table.name}
        body |= {"name": names.get(one) or one, "owner": owners.get(one)}
        found.append(
            Item(
                f"{question}:{one}",
                body["name"],
                entity,
                one,
                body["owner"],
                question,
                body,
            )
        )
    return found


def _by_key(tables: Tables, entity: str, column: str) -> dict[str, str | None]:
    """A column's words by the entity's key; empty where the data have no such column."""
    table = tables[entity]
    if not table.has(column):
        return {}
    keys: Coded = table.coded(TABLES[entity].key)
    return {
        key: word
        for key, word in zip(keys.words(), table.coded(column).words(), strict=True)
        if key is not None
    }
