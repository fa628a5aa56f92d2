"""The night's run: every open entity scored into the store, block by block, resumed after a kill.

A block is one transaction, so there is never half of one. Readers see a run once it is finished,
and until then the one before it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from time import sleep
from typing import cast

import numpy as np
from tqdm import tqdm

from features.definitions import accounts, money
from features.schema import TABLES
from features.spine import Spine
from features.tables import NAT, Floats, Tables
from features.timeline import Timeline
from features.view import View
from serving.i18n.languages import LANGUAGES
from serving.scoring.batch import open_ids, rows_of, write_rows
from serving.scoring.scorer import Scorer
from serving.store.errors import StoreError, StoreRefusedError
from serving.store.runs import Run, RunGoneError, RunPlan
from serving.store.scores import ScoreRow
from serving.store.store import Store
from training.models.bundle import Bundle

Clock = Callable[[], int]
"""The present instant in microseconds."""

BLOCK = 500
"""Entities of one transaction: what a kill costs, and how long other writers wait."""

TRIES = 6
"""How often a block is offered to a store that is busy or away, with a longer wait each time."""

log = logging.getLogger("embudo.nightly")


def score_night(
    store: Store,
    bundle: Bundle,
    tables: Tables,
    cutoff: int,
    clock: Clock,
    block: int = BLOCK,
    progress: bool = False,
    lang: str = LANGUAGES[0],
    prior: float | None = None,
) -> Run:
    """Score every open entity of ``tables`` at ``cutoff`` into the store; the finished run.

    A run of the same model on the same data that was cut off goes on where its last block ended;
    one that is finished is not scored again, and answers from now on. An entity that is erased
    meanwhile is left out. StoreError where the store fails for longer than a minute.
    """
    scorer = Scorer(bundle)
    tables = scorer.seen_by(tables)
    # a key that stands twice is scored once
    ids = list(dict.fromkeys(open_ids(scorer, tables, cutoff)))
    plan = _plan(scorer, tables, ids, cutoff, lang, prior)
    run = _tried(lambda: store.runs.begin(plan, clock()))
    timeline = Timeline(tables)
    label = f"scoring {scorer.entity}"
    with tqdm(
        total=len(ids), initial=run.done, desc=label, unit="row", disable=not progress
    ) as bar:
        while run.done < run.total and not run.finished:
            some = ids[run.done : run.done + block]
            scored = scorer.score(timeline, some, cutoff, lang=lang, prior=prior)
            rows = _with_display_columns(timeline, scorer, rows_of(scorer, scored), cutoff)
            run = _tried(partial(store.scores.write, run, run.done, rows))
            bar.update(run.done - bar.n)
    return _tried(lambda: store.runs.finish(run, clock()))


def export(store: Store, run: Run, bundle: Bundle, out: Path) -> int:
    """Write a run's scores from the store to the Parquet file ``out``, and say how many.

    The file is the one that ``batch.score_all`` writes, without entities erased since.
    """
    cutoff = NAT if run.cutoff is None else run.cutoff
    rows, written = store.scores.rows(run), 0

    def blocks() -> Iterator[list[ScoreRow]]:
        nonlocal written
        while some := list(islice(rows, BLOCK)):
            written += len(some)
            yield some

    write_rows(Scorer(bundle), blocks(), cutoff, out)
    return written


def _tried(call: Callable[[], Run]) -> Run:
    """Do it, again and again where the store is busy, full or away; the last time it may fail."""
    for tries in range(TRIES - 1):
        try:
            return call()
        except (StoreRefusedError, RunGoneError):
            raise
        except StoreError as wrong:
            log.warning("the store: %s", wrong)
            sleep(2.0**tries)
    return call()


def _plan(
    scorer: Scorer, tables: Tables, ids: list[str], cutoff: int, lang: str, prior: float | None
) -> RunPlan:
    return RunPlan(
        entity=scorer.slot,
        model=scorer.bundle.name,
        version=scorer.bundle.version,
        outcome=scorer.outcome,
        cutoff=None if scorer.flat else cutoff,
        fingerprint=tables.fingerprint() if prior is None else f"{tables.fingerprint()} {prior}",
        lang=lang,
        total=len(ids),
    )


_STAGE = {"leads": "status", "deals": "stage", "accounts": "tier"}


def _with_display_columns(
    timeline: Timeline, scorer: Scorer, rows: list[ScoreRow], cutoff: int
) -> list[ScoreRow]:
    """The rows with what people find and sort them by, as known at the cutoff."""
    ids = [row.id for row in rows]
    at = NAT if scorer.flat else cutoff
    view = View(timeline, Spine(scorer.entity, ids, np.full(len(ids), at, np.int64)))
    labels, amounts = _labels(view), _amounts(view)
    owners, stages = (view.word(c).words() for c in ("owner_id", _STAGE[scorer.entity]))
    faces = zip(rows, labels, owners, stages, amounts, strict=True)
    return [
        replace(row, label=label, owner_id=owner, stage=stage, amount=amount)
        for row, label, owner, stage, amount in faces
    ]


def _labels(view: View) -> list[str | None]:
    """The entity's name, else its account's."""
    own = view.tables[view.entity].coded("name").take(view.rows).words()
    if TABLES[view.entity].column("account_id") is None or view.entity == "accounts":
        return own
    account = view.tables["accounts"].coded("name").take(view.row("account_id", "accounts"))
    return [name or other for name, other in zip(own, account.words(), strict=True)]


def _amounts(view: View) -> list[float | None]:
    """A deal's amount, an account's recurring amount per month, in the reporting currency."""
    values: Floats = np.full(len(view), np.nan)
    if view.entity == "deals":
        currency = view.word("currency")
        values = money.convert(view.timeline, view.number("amount"), currency, view.cutoffs)
    elif view.entity == "accounts" and view.tables["subscriptions"].has("mrr"):
        values = cast(Floats, accounts.mrr(view))
    return [None if np.isnan(value) else value for value in values.tolist()]
