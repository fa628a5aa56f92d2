"""Whom to turn to first, given how many one can: what waiting costs, from the curves of the scores.

F(t) is the chance that the wanted outcome comes within t days, H the horizon of the score. If
nothing has come within w days, what is left of the chance by the same date is (F(H) - F(w)) /
(1 - F(w)); the difference to F(H) is

    F(w) (1 - F(H)) / (1 - F(w)),

the points that go with the moment: large where the decision is near and not yet sure. For customers
it is F(w) itself, the chance to have lost them before the next look. Times what is at stake this is
the expected value that hangs on the next w days. It is an association in past data: it says where
the moment counts, not that a call will make the difference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.tables import Floats
from serving.analytics.asof.columns import looked_up
from serving.analytics.asof.frames import AsOfFrames
from serving.analytics.health.attention import attention
from serving.analytics.kpis.customers import mrr_at
from serving.analytics.kpis.definition import Given, KpiEstimate
from serving.analytics.kpis.estimates import expected, numbers
from serving.analytics.kpis.working import first_answers

WAIT = 7.0
"""Days until the next look, unless another number is stated."""
CALLS = {
    "rank": "1 is to be called first",
    "chosen": "within the capacity",
    "question": "which score: deal_close, lead_conversion, churn",
    "id": "the deal, lead or account",
    "name": "its name",
    "owner": "who works it",
    "team": "the owner's team",
    "probability": "the score: the chance of the outcome by the horizon",
    "points": "points of chance that hang on the next days: see above",
    "at_stake": "money: a deal's amount, a lead's expected booking, a customer's year",
    "expected_value": "points x at_stake; missing where the stake is",
    "so_far": "expected value of this row and all above",
    "why": "flags of an open deal: stalled, overdue, slow, nothing planned",
    "todo": "what to do first: by the flags of a deal, by whether a lead was ever answered",
    "scored_at": "the instant of the score",
}


TO_DO = {
    "stalled": "revive it or let it go",
    "overdue": "agree a new close date",
    "nothing planned": "plan the next activity",
    "slow": "find out what it waits for",
    "": "move it to the next stage",
    "unanswered": "answer it",
    "answered": "follow up",
    "customer": "ask how it goes",
}
"""What to do first; of several flags the first here decides."""


@dataclass(frozen=True)
class CallPlan:
    """The ranking; the expected value of the chosen with its 95 % interval (independent cases).

    table     columns ``CALLS``
    chosen    expected value of what is chosen; everything: of the whole list
    left_out  scored ids that are not open at the as-of instant any more
    """

    table: pd.DataFrame
    chosen: KpiEstimate
    everything: KpiEstimate
    left_out: int


def call_plan(
    asof: AsOfFrames,
    scores: Mapping[str, pd.DataFrame],
    capacity: int,
    wait: float = WAIT,
    owner: str = "",
) -> CallPlan:
    """Rank everything that is scored and still open; the first ``capacity`` rows are chosen.

    scores: question -> the batch's table. A capacity below 1, a wait not above 0 or no scores at
    all is a ValueError.
    """
    if capacity < 1 or not wait > 0:
        raise ValueError(f"capacity must be 1 or more and wait above 0, got {capacity} and {wait}")
    known = {name: frame for name, frame in scores.items() if name in _CASES and len(frame)}
    if not known:
        raise ValueError(f"no scores to rank by: run `make score`; known are {', '.join(_CASES)}")
    parts = [_part(asof, question, frame, wait) for question, frame in known.items()]
    every = pd.concat([part for part, _ in parts], ignore_index=True)
    if owner:
        every = every[every["owner"] == owner]
    table = _ranked(every, capacity)
    estimate, given = expected("at_stake", "points"), Given()
    chosen = estimate(table[table["chosen"]], given)
    return CallPlan(table, chosen, estimate(table, given), sum(gone for _, gone in parts))


def _part(
    asof: AsOfFrames, question: str, scores: pd.DataFrame, wait: float
) -> tuple[pd.DataFrame, int]:
    cases = _CASES[question](asof)
    scores = scores.drop_duplicates("id", keep="last")
    points = waiting_points(scores, wait, losing=question == "churn")
    found = pd.DataFrame(
        {
            "question": question,
            "id": scores["id"].astype("str"),
            "probability": numbers(scores, "probability"),
            "points": points,
            "scored_at": scores["cutoff"],
        }
    ).merge(cases, on="id", how="inner")
    return found, len(scores) - len(found)


def waiting_points(scores: pd.DataFrame, wait: float, losing: bool = False) -> Floats:
    """(n,) points of chance that hang on the next ``wait`` days; straight lines between bins."""
    edges = sorted(float(c[4:]) for c in scores.columns if str(c).startswith("day_"))
    if not edges:
        raise ValueError("these scores have no curve (no columns day_…): their data had no dates")
    curve = np.column_stack([numbers(scores, f"day_{edge:g}") for edge in edges])
    days = np.concatenate([[0.0], edges])
    curve = np.column_stack([np.zeros(len(curve)), curve])
    within = np.array([np.interp(wait, days, row) for row in curve])
    if losing:
        return within
    by_end = curve[:, -1]
    points: Floats = within * (1 - by_end) / np.where(within < 1, 1 - within, np.inf)
    return points


def _ranked(every: pd.DataFrame, capacity: int) -> pd.DataFrame:
    value = every["points"] * every["at_stake"]
    table = every.assign(expected_value=value).sort_values(
        ["expected_value", "question", "id"], ascending=[False, True, True], ignore_index=True
    )
    rank = np.arange(1, len(table) + 1)
    chosen = (rank <= capacity) & (table["expected_value"] > 0).to_numpy(np.bool_)
    table = table.assign(rank=rank, chosen=chosen, so_far=table["expected_value"].cumsum())
    return table[list(CALLS)]


def _deals(asof: AsOfFrames) -> pd.DataFrame:
    found = attention(asof)
    todo = [next(do for flag, do in TO_DO.items() if flag in why) for why in found["why"]]
    return pd.DataFrame(
        {
            "id": found["deal_id"],
            **{name: found[name] for name in ("name", "owner", "team", "why")},
            "todo": todo,
            "at_stake": found["amount"],
        }
    )


def _leads(asof: AsOfFrames) -> pd.DataFrame:
    found = asof.leads[asof.leads["open"]]
    names = {name: found[name] for name in ("name", "owner", "team")}
    never = looked_up(found["lead_id"], first_answers(asof, found)).isna()
    todo = np.where(never, TO_DO["unanswered"], TO_DO["answered"])
    worth = lead_worth(asof)
    return pd.DataFrame(
        {"id": found["lead_id"], **names, "why": "", "todo": todo, "at_stake": worth}
    )


def lead_worth(asof: AsOfFrames) -> float:
    """Mean booking of a closed deal that came from a lead, lost ones being 0; of any closed deal
    where the data do not say which came from one."""
    over = asof.deals[asof.deals["outcome"].notna()]
    of_leads = over[over["lead_id"].notna()]
    over = of_leads if len(of_leads) else over
    booked = numbers(over, "booked")
    booked = np.where(over["outcome"] == "lost", 0.0, booked)
    return float(np.nanmean(booked)) if (~np.isnan(booked)).any() else float("nan")


def _customers(asof: AsOfFrames) -> pd.DataFrame:
    found = asof.accounts[asof.accounts["left_at"].isna()]
    stake = 12 * looked_up(found["account_id"], mrr_at(asof, asof.instant))
    names = {name: found[name] for name in ("name", "owner", "team")}
    todo = TO_DO["customer"]
    return pd.DataFrame(
        {"id": found["account_id"], **names, "why": "", "todo": todo, "at_stake": stake}
    )


_CASES = {"deal_close": _deals, "lead_conversion": _leads, "churn": _customers}
