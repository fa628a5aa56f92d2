"""Fit and engagement, kept apart: who is the right customer, and who is paying attention now.

Fit is learned from what an account is, never from what it does: the chance that a customer of its
kind stays a year and then pays at least what it began with. Engagement is what it did lately,
against its own past and against others, and says nothing of its kind. One number of both would let
the lively wrong customer hide behind the quiet right one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from features.asof import past
from features.tables import DAY, NAT, Bools, Floats, Instants
from serving.analytics.accounts.traits import FEWEST, cross_fitted, traits
from serving.analytics.asof.columns import looked_up
from serving.analytics.asof.frames import AsOfFrames
from serving.analytics.kpis.customers import customers
from training.models.baselines.logistic import Logistic

YEAR = pd.Timedelta(days=365)
NO_SKILL = 0.55
"""An area under the curve below which fit is not told: it would be a coin with a decimal point."""
LETTERS = ("A", "B", "C")
LIVELY = (1.25, 0.75)
"""Activity of the last 30 days, as a share of the 90 before, from which it rises or falls."""


@dataclass(frozen=True)
class Fit:
    """scores: account_id, fit (0 to 1), letter; auc cross-fitted; n customers it was learned from.

    why says in words why there is no fit where scores is empty.
    """

    scores: pd.DataFrame
    auc: float
    n: int
    stayed: int
    why: str = ""


def fit(asof: AsOfFrames) -> Fit:
    """The fit of every account, learned from customers who began at least a year ago.

    A letter is a third of the customers it was learned from: A the best third. ``Fit.why`` tells
    where there are too few, or where the fields do not tell who stays.
    """
    known = asof.accounts
    old = known[known["customer_at"].notna() & (known["customer_at"] <= asof.instant - YEAR)]
    good = _stayed_and_grew(asof, old)
    n, stayed = len(old), int(good.sum())
    if min(stayed, n - stayed) < FEWEST:
        return _none(n, stayed, f"{n} customers began a year ago or more, {stayed} of them stayed")
    learned = traits(asof, old["account_id"].tolist())
    own = cross_fitted(learned.X, learned.encoding.categorical, good)
    if own is None:
        return _none(n, stayed, "accounts have no field that could tell one from another")
    auc = float(roc_auc_score(good, own))
    if auc < NO_SKILL:
        said = f"the fields do not tell who stays and grows (AUC {auc:.2f})"
        return Fit(_scores([], np.zeros(0), own), auc, n, stayed, said)
    model = Logistic(learned.encoding.categorical, 7).fit(learned.X, good)
    ids = known["account_id"].tolist()
    every = traits(asof, ids).features
    all_scores = model.predict(learned.encoding.matrix(every))
    place = {a: i for i, a in enumerate(ids)}
    # who taught it is judged by the part that has not seen it
    all_scores[[place[a] for a in old["account_id"]]] = own
    return Fit(_scores(ids, all_scores, own), auc, n, stayed)


def _none(n: int, stayed: int, why: str) -> Fit:
    return Fit(_scores([], np.zeros(0), np.zeros(0)), float("nan"), n, stayed, why)


def _stayed_and_grew(asof: AsOfFrames, old: pd.DataFrame) -> Bools:
    """Whether each customer was there a year after it began, and paid no less than at first.

    Where contracts have no amount, staying alone counts.
    """
    after = old["customer_at"] + YEAR
    stayed = (old["left_at"].isna() | (old["left_at"] > after)).to_numpy(np.bool_)
    first, later = (
        _paid(asof, old, old["customer_at"] + pd.Timedelta(days=30)),
        _paid(asof, old, after),
    )
    shrank = later < first * 0.999  # a rate of exchange moves in the last digits
    return stayed & ~shrank


def _paid(asof: AsOfFrames, old: pd.DataFrame, at: pd.Series) -> Floats:
    """(n,) recurring amount running at an instant of each account's own; NaN where none is told."""
    contracts = asof.subscriptions[["account_id", "mrr", "started_at", "ended_at"]]
    joined = contracts.merge(old[["account_id"]].assign(at=at.to_numpy()), on="account_id")
    runs = (joined["started_at"] <= joined["at"]) & (
        joined["ended_at"].isna() | (joined["ended_at"] > joined["at"])
    )
    total = joined[runs].groupby("account_id")["mrr"].sum(min_count=1)
    return looked_up(old["account_id"], total).to_numpy(np.float64)


def _scores(ids: list[str], scores: Floats, learned_from: Floats) -> pd.DataFrame:
    edges = np.quantile(learned_from, [1 / 3, 2 / 3]) if len(learned_from) else np.zeros(2)
    letters = [LETTERS[2 - int(k)] for k in np.digitize(scores, edges)]
    return pd.DataFrame({"account_id": ids, "fit": scores, "letter": letters})


def engagement(asof: AsOfFrames) -> pd.DataFrame:
    """account_id, last_30, before (a 30-day share of the 90 days before), trend, rank, level.

    Counts what the account did (activities that are not ours: inbound or without direction) before
    the as-of instant. rank is its place among present customers, 0 to 1; level 1 the liveliest
    third, 3 the quietest; trend "rising", "falling", "steady", or "quiet" where nothing happened.
    """
    ids = customers(asof, asof.instant)["account_id"].tolist()
    at, who = _theirs(asof)
    place = {a: i for i, a in enumerate(ids)}
    rows = np.array([place.get(w, -1) if w else -1 for w in who], np.int64)
    last = _count(rows, at, asof.as_of, 0, 30, len(ids))
    before = _count(rows, at, asof.as_of, 30, 120, len(ids)) / 3.0
    order = pd.Series(last).rank(pct=True).to_numpy()
    level = np.digitize(order, [1 / 3, 2 / 3])
    return pd.DataFrame(
        {
            "account_id": ids,
            "last_30": last,
            "before": before,
            "trend": [_trend(a, b) for a, b in zip(last, before, strict=True)],
            "rank": order,
            "level": 3 - level,
        }
    )


def _theirs(asof: AsOfFrames) -> tuple[Instants, list[str | None]]:
    done = asof.activities
    theirs = done[done["direction"].fillna("inbound") != "outbound"]
    at = theirs["at"].to_numpy("datetime64[us]").astype(np.int64)
    return at, [w if isinstance(w, str) else None for w in theirs["account_id"]]


def _count(
    rows: np.typing.NDArray[np.int64], at: Instants, now: int, after: int, until: int, n: int
) -> Floats:
    """(n,) activities between ``after`` and ``until`` days before ``now``."""
    recent = ~past(at, np.full(len(at), now - until * DAY)) & (at != NAT)
    here = recent & past(at, np.full(len(at), now - after * DAY)) & (rows >= 0)
    return np.bincount(rows[here], minlength=n).astype(np.float64)


def _trend(last: float, before: float) -> str:
    if last == 0 and before == 0:
        return "quiet"
    if last > LIVELY[0] * before:
        return "rising"
    return "falling" if last < LIVELY[1] * before else "steady"
