"""A night's run that is killed: ``python -m tests.helpers.nights <url> <where> <block>``."""

from __future__ import annotations

import sys
from itertools import count
from typing import Any

import numpy as np
from sqlalchemy import event

from features.schema import TABLES
from features.tables import DAY, Coded, Table, Tables, code
from serving.scoring.nightly import score_night
from serving.store.runs import Run
from serving.store.store import Store, open_store
from tests.helpers.histories import META, START, history
from tests.helpers.scored import bundle_of
from tests.helpers.writers import die
from training.models.bundle import Bundle

CUTOFF, NOW = START + 40 * DAY, START + 41 * DAY
BLOCK = 3


def world(entity: str = "leads") -> tuple[Bundle, Tables]:
    """A bundle, and a data set with every entity of a random CRM six times, under new names."""
    tables = history(8, size=30)
    rows, key = tables[entity], TABLES[entity].key
    again = np.tile(np.arange(rows.n, dtype=np.int64), 6)
    columns = {
        name: column.take(again) if isinstance(column, Coded) else column[again]
        for name, column in rows.columns.items()
    }
    columns[key] = code(f"{entity}-{i}" for i in range(len(again)))
    columns["name"] = code(None if i % 3 else f"Name {i}" for i in range(len(again)))
    found = {**tables.tables, entity: Table(entity, len(again), columns)}
    return bundle_of(entity, tables), Tables(found, META)


def scored_night(store: Store, entity: str = "leads", block: int = BLOCK) -> Run:
    """The night."""
    return score_night(store, *world(entity), CUTOFF, lambda: NOW, block)


def night(url: str, where: str, block: str) -> None:
    """Be killed "before" or "within" the transaction of the block-th write, 1-based."""
    store, writes = open_store(url), count(1)
    write = store.scores.write

    def watched(*arguments: Any) -> Run:
        if next(writes) != int(block):
            return write(*arguments)
        if where == "before":
            die()
        event.listen(store.engine, "commit", lambda _: die())
        return write(*arguments)

    vars(store.scores)["write"] = watched
    scored_night(store)


if __name__ == "__main__":
    night(*sys.argv[1:])
