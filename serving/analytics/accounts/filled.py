"""The account plans of a data set: what they share is computed once, then each is put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from features.asof import past
from features.definitions.money import convert
from features.tables import DAY, NAT, Floats
from serving.analytics.accounts.fit import Fit, engagement, fit
from serving.analytics.accounts.goals import Goal, Progress, progress
from serving.analytics.accounts.plan import AccountPlan, Risk
from serving.analytics.accounts.steps import steps
from serving.analytics.accounts.value import Terms, lifetime_value
from serving.analytics.accounts.whitespace import whitespace
from serving.analytics.asof.frames import AsOfFrames
from serving.analytics.asof.history import Index, history
from serving.analytics.kpis.customers import customers, mrr_at, owned
from serving.scoring.scorer import Scored, Scorer

OFFERS = 3
"""Products proposed to one account."""
EVENTS = 10
"""Last things that happened, told one by one."""


@dataclass(frozen=True)
class Shared:
    """What all plans of one data set share; the mappings are by account_id.

    engagement, value  records; offers, deals  rows of ``whitespace`` and of open deals
    renewals           the end of the running term, microseconds; overdue (how many, how much)
    """

    asof: AsOfFrames
    index: Index
    fit: Fit
    accounts: Mapping[str, Mapping[str, Any]]
    fits: Mapping[str, tuple[str, float]]
    engagement: Mapping[str, Mapping[str, Any]]
    risks: Mapping[str, Risk]
    value: Mapping[str, tuple[float, float, float]]
    products: Mapping[str, list[str]]
    offers: Mapping[str, pd.DataFrame]
    deals: Mapping[str, pd.DataFrame]
    renewals: Mapping[str, int]
    overdue: Mapping[str, tuple[int, float]]


def share(asof: AsOfFrames, churn: Scorer | None, deal: Scorer | None, terms: Terms) -> Shared:
    """Compute it; without a model of churn (or of deals) the plans say nothing of it."""
    ids = customers(asof, asof.instant)["account_id"].tolist()
    scored = None if churn is None or churn.flat or not ids else _scored(asof, churn, ids)
    fitted, held = fit(asof), owned(asof).dropna().drop_duplicates()
    lively = engagement(asof)
    return Shared(
        asof,
        Index(asof.tables),
        fitted,
        _records(asof.accounts, "account_id"),
        {a: (letter, p) for a, p, letter in fitted.scores.itertuples(index=False)},
        _records(lively, "account_id"),
        {} if churn is None or scored is None else _risks(churn, scored),
        _value(asof, churn, scored, ids, terms),
        {str(a): sorted(rows["product"]) for a, rows in held.groupby("account_id")},
        _by_account(whitespace(asof)),
        _by_account(_open_deals(asof, deal)),
        _renewals(asof),
        _overdue(asof),
    )


def _records(frame: pd.DataFrame, key: str) -> dict[str, dict[str, Any]]:
    return {str(row[key]): {str(k): v for k, v in row.items()} for row in frame.to_dict("records")}


def _by_account(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return {str(a): rows for a, rows in frame.groupby("account_id")}


def plans(shared: Shared, ids: Sequence[str], goals: Sequence[Goal] = ()) -> list[AccountPlan]:
    """The plans of some customers; ValueError names an id that is none at the as-of instant."""
    for one in ids:
        if one not in shared.engagement:
            raise ValueError(f"{one!r} is no customer as of {shared.asof.instant.date()}")
    wanted = set(ids)
    made = progress(shared.asof, [g for g in goals if g.account_id in wanted])
    return [_plan(shared, one, [p for p in made if p.goal.account_id == one]) for one in ids]


def _plan(shared: Shared, one: str, made: list[Progress]) -> AccountPlan:
    asof, account, lively = shared.asof, shared.accounts[one], shared.engagement[one]
    mrr, months, value = shared.value[one]
    none = pd.DataFrame()
    plan = AccountPlan(
        account_id=one,
        name=_word(account["name"]) or one,
        as_of=asof.as_of,
        currency=asof.tables.meta.currency,
        owner=_word(account["owner"]),
        customer_at=_instant(account["customer_at"]),
        facts=_facts(account),
        fit=shared.fits.get(one),
        engagement=(int(lively["level"]), str(lively["trend"])),
        mrr=mrr,
        months=months,
        value=value,
        risk=shared.risks.get(one),
        products=shared.products.get(one, []),
        offers=shared.offers.get(one, none).head(OFFERS).reset_index(drop=True),
        deals=shared.deals.get(one, none).reset_index(drop=True),
        overdue=shared.overdue.get(one, (0, 0.0)),
        renews_at=shared.renewals.get(one, NAT),
        goals=made,
        history=history(asof.tables, "accounts", one, asof.as_of, shared.index)[-EVENTS:],
    )
    plan.steps.extend(steps(plan))
    return plan


def _word(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _facts(account: Mapping[str, Any]) -> list[tuple[str, str]]:
    described = ("industry", "segment", "tier", "region", "team")
    return [(what, word) for what in described if (word := _word(account.get(what)))]


def _instant(at: pd.Timestamp) -> int:
    return NAT if pd.isna(at) else int(at.value // 1000)


def _scored(asof: AsOfFrames, scorer: Scorer, ids: list[str]) -> Scored:
    return scorer.score(asof.timeline, ids, asof.as_of)


def _risks(churn: Scorer, scored: Scored) -> dict[str, Risk]:
    found = {}
    for i, one in enumerate(scored.ids):
        described = scored.reasons[i]
        curve = list(zip(churn.edges, scored.curve[i].tolist(), strict=True))
        found[one] = Risk(
            float(scored.probability[i]),
            scored.grades[i],
            curve,
            [r for r in described if r.direction == "down"],
            [r for r in described if r.direction == "up"],
        )
    return found


def _value(
    asof: AsOfFrames, churn: Scorer | None, scored: Scored | None, ids: list[str], terms: Terms
) -> dict[str, tuple[float, float, float]]:
    """account_id -> (recurring amount a month, expected months, value)."""
    paid = mrr_at(asof, asof.instant)
    mrr: Floats = np.array([float(paid.get(i, float("nan"))) for i in ids], np.float64)
    value = months = np.full(len(ids), np.nan)
    if churn is not None and scored is not None:
        value, months = lifetime_value(mrr, churn.edges, scored.curve, terms)
    described = zip(mrr.tolist(), months.tolist(), value.tolist(), strict=True)
    return dict(zip(ids, described, strict=True))


def _open_deals(asof: AsOfFrames, deal: Scorer | None) -> pd.DataFrame:
    """account_id, deal_id, name, stage, amount, expected_close_at, probability (NaN: no model)."""
    every = asof.deals[asof.deals["open"]]
    kept = every[["account_id", "deal_id", "name", "stage", "amount", "expected_close_at"]]
    if deal is None or deal.flat or kept.empty:
        return kept.assign(probability=float("nan"))
    return kept.assign(probability=_scored(asof, deal, kept["deal_id"].tolist()).probability)


def _renewals(asof: AsOfFrames) -> dict[str, int]:
    """account_id -> the end of the running term of its first contract to end (microseconds).

    Terms follow each other from the first one on; a contract without a term ends once.
    """
    table, rows = asof.tables["subscriptions"], asof.rows("subscriptions")
    first, ended = table.instant("renews_at")[rows], table.instant("ended_at")[rows]
    term = np.nan_to_num(table.number("term_days")[rows]) * DAY
    now = np.full(len(rows), asof.as_of)
    times = np.ceil(np.maximum(asof.as_of - first, 0) / np.where(term > 0, term, np.inf))
    due = first + (times * term).astype(np.int64)
    runs = (first != NAT) & ~past(ended, now) & ~past(due, now)
    ids = table.coded("account_id").take(rows[runs]).words()
    at = pd.Series(due[runs], index=pd.Index(ids)).groupby(level=0).min()
    return {str(a): int(t) for a, t in at.items()}


def _overdue(asof: AsOfFrames) -> dict[str, tuple[int, float]]:
    """account_id -> how many invoices were due and are not known to be paid, and how much."""
    table, rows = asof.tables["invoices"], asof.rows("invoices")
    now = np.full(len(rows), asof.as_of)
    late = past(table.instant("due_at")[rows], now) & ~past(table.instant("paid_at")[rows], now)
    ids = table.coded("account_id").take(rows[late]).words()
    amounts = convert(
        asof.timeline,
        table.number("amount"),
        table.coded("currency"),
        np.full(table.n, asof.as_of),
    )[rows[late]]
    owed = pd.Series(amounts, index=pd.Index(ids)).groupby(level=0).agg(["size", "sum"])
    return {str(a): (int(n), float(amount)) for a, n, amount in owed.itertuples()}
