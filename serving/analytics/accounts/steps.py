"""What to do next with an account, each step with its reason and its date; first things first."""

from __future__ import annotations

import numpy as np

from features.tables import DAY, NAT
from serving.analytics.accounts.plan import AccountPlan, NextStep
from serving.i18n.lazy_text import lazy

SOON = 90
"""Days before a renewal from which it is talked about."""


def steps(plan: AccountPlan) -> list[NextStep]:
    """Derived from the plan by stated rules, in the order in which harm or gain comes."""
    found = [
        *_money(plan),
        *_renewal(plan),
        *_attention(plan),
        *_overdue_deals(plan),
        *_offer(plan),
        *_goals(plan),
    ]
    return found or [NextStep(lazy("nothing is pressing"), lazy("no rule of the plan applies"))]


def _money(plan: AccountPlan) -> list[NextStep]:
    n, amount = plan.overdue
    if not n:
        return []
    why = lazy(
        "overdue invoices: {n}, {sum_money} {currency}",
        n=n,
        sum_money=amount,
        currency=plan.currency,
    )
    return [NextStep(lazy("settle what is overdue"), why)]


def _renewal(plan: AccountPlan) -> list[NextStep]:
    if plan.renews_at == NAT or plan.renews_at - plan.as_of > SOON * DAY:
        return []
    days = (plan.renews_at - plan.as_of) // DAY
    if plan.risk is None:
        why = lazy("the term ends in {days} days", days=days)
    else:
        leave = plan.risk.probability
        why = lazy(
            "the term ends in {days} days; {leave_share} to leave", days=days, leave_share=leave
        )
    return [NextStep(lazy("agree the renewal"), why, plan.renews_at)]


def _attention(plan: AccountPlan) -> list[NextStep]:
    trend = plan.engagement[1]
    mine = [r for r in plan.risk.risks if r.own] if plan.risk else []
    found = []
    if trend in ("falling", "quiet"):
        why = lazy("their activity: {trend_word}", trend_word=trend)
        found.append(NextStep(lazy("call and ask how it goes"), why))
    for r in mine[:1]:
        found.append(
            NextStep(lazy("work on what raises the risk"), lazy("{reason}", reason=r.sentence))
        )
    return found


def _overdue_deals(plan: AccountPlan) -> list[NextStep]:
    now = np.datetime64(plan.as_of, "us")
    found = []
    for deal in plan.deals.to_dict("records"):
        planned = deal["expected_close_at"]
        if planned == planned and planned is not None and planned.to_datetime64() < now:
            name = deal["name"] if isinstance(deal["name"], str) else deal["deal_id"]
            why = lazy("was to close by {due_at}", due_at=planned.value // 1000)
            found.append(NextStep(lazy("set a new date for {deal}", deal=name), why))
    return found


def _offer(plan: AccountPlan) -> list[NextStep]:
    if plan.offers.empty:
        return []
    best = plan.offers.iloc[0]
    why = lazy(
        "{own_share} [{low_share}, {high_share}] of {n} customers with {evidence} have it",
        own_share=float(best["share"]),
        low_share=float(best["low"]),
        high_share=float(best["high"]),
        n=int(best["n"]),
        evidence=str(best["evidence"]),
    )
    return [NextStep(lazy("offer {product}", product=str(best["product"])), why)]


def _goals(plan: AccountPlan) -> list[NextStep]:
    return [
        NextStep(
            lazy("catch up on {measure_word}", measure_word=p.goal.measure),
            lazy(
                "{done_share} of the way after {time_share} of the time",
                done_share=p.done,
                time_share=p.expected,
            ),
            p.goal.due,
        )
        for p in plan.goals
        if p.state == "behind"
    ]
