"""The deals behind a forecast, as a table for people, targets and bridges."""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.tables import NAT, Ints
from training.forecast.belief.fitted_models import FittedModels
from training.forecast.data.deal_table import DealTable, stamps
from training.forecast.simulate.bookings import BookingsDraws, open_words
from training.forecast.simulate.deals_ahead import OpenDealOdds

DEALS = (
    "deal_id",
    "name",
    "owner",
    "team",
    "region",
    "segment",
    "product",
    "stage",
    "category",
    "status",
    "amount",
    "expected_close_at",
    "created_at",
    "closed_at",
)


def deal_frame(
    fitted: FittedModels, made: BookingsDraws | None, since: int, origin: int
) -> pd.DataFrame:
    """The open deals first, then those closed in [since, origin): columns ``DEALS``."""
    asof = fitted.deals
    ended = np.flatnonzero(asof.known(origin) & asof.ended(origin) & (asof.closed_at >= since))
    frames = [_closed_frame(asof, ended)]
    if made is not None and made.open is not None:
        frames.insert(0, _open_frame(asof, made.open))
    return pd.concat(frames, ignore_index=True)[list(DEALS)]


def _open_frame(asof: DealTable, odds: OpenDealOdds) -> pd.DataFrame:
    seen = odds.snapshots
    words = {d: seen.words[d].words() for d in open_words(odds)}
    return pd.DataFrame(
        {
            "deal_id": [asof.ids[r] for r in seen.rows],
            "name": _names(asof, seen.rows),
            **words,
            "stage": seen.words["stage"].words(),
            "category": seen.words["forecast_category"].words(),
            "status": "open",
            "amount": seen.amount,
            "expected_close_at": stamps(seen.expected),
            "created_at": stamps(asof.born[seen.rows]),
            "closed_at": stamps(np.full(len(seen), NAT, np.int64)),
        }
    )


def _closed_frame(asof: DealTable, rows: Ints) -> pd.DataFrame:
    won = asof.outcome[rows] == 1
    amount = np.full(len(rows), np.nan)
    amount[won] = asof.amounts(rows[won])
    nothing = [None] * len(rows)
    return pd.DataFrame(
        {
            "deal_id": [asof.ids[r] for r in rows],
            "name": _names(asof, rows),
            **{d: column.take(rows).words() for d, column in asof.dimensions.items()},
            "stage": nothing,
            "category": nothing,
            "status": np.where(won, "won", "lost"),
            "amount": amount,
            "expected_close_at": stamps(np.full(len(rows), NAT, np.int64)),
            "created_at": stamps(asof.born[rows]),
            "closed_at": stamps(asof.closed_at[rows]),
        }
    )


def _names(asof: DealTable, rows: Ints) -> list[str | None]:
    return asof.tables["deals"].coded("name").take(rows).words()
