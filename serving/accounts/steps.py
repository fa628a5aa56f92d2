"""What to do next with an account, each step with its reason and its date; first things first."""

from __future__ import annotations

import numpy as np

from features.tables import DAY, NAT
from serving.accounts.plan import AccountPlan, Step

SOON = 90
"""Days before a renewal from which it is talked about."""


def steps(plan: AccountPlan) -> list[Step]:
    """Derived from the plan by stated rules, in the order in which harm or gain comes."""
    found = [
        *_money(plan),
        *_renewal(plan),
        *_attention(plan),
        *_overdue_deals(plan),
        *_offer(plan),
        *_goals(plan),
    ]
    return found or [Step("nothing is pressing", "no rule of the plan applies")]


def _money(plan: AccountPlan) -> list[Step]:
    n, amount = plan.overdue
    if not n:
        return []
    many = "invoice is" if n == 1 else "invoices are"
    return [Step("settle what is overdue", f"{n} {many} overdue, {amount:,.0f} {plan.currency}")]


def _renewal(plan: AccountPlan) -> list[Step]:
    if plan.renews_at == NAT or plan.renews_at - plan.as_of > SOON * DAY:
        return []
    days = (plan.renews_at - plan.as_of) // DAY
    risk = f"; {plan.risk.probability:.0%} to leave" if plan.risk else ""
    return [Step("agree the renewal", f"the term ends in {days} days{risk}", plan.renews_at)]


def _attention(plan: AccountPlan) -> list[Step]:
    trend = plan.engagement[1]
    mine = [r for r in plan.risk.risks if r.own] if plan.risk else []
    found = []
    if trend in ("falling", "quiet"):
        found.append(Step("call and ask how it goes", f"their activity is {trend}"))
    found += [Step("work on what raises the risk", r.sentence) for r in mine[:1]]
    return found


def _overdue_deals(plan: AccountPlan) -> list[Step]:
    now = np.datetime64(plan.as_of, "us")
    found = []
    for deal in plan.deals.to_dict("records"):
        planned = deal["expected_close_at"]
        if planned == planned and planned is not None and planned.to_datetime64() < now:
            name = deal["name"] if isinstance(deal["name"], str) else deal["deal_id"]
            found.append(Step(f"set a new date for {name}", f"was to close by {planned.date()}"))
    return found


def _offer(plan: AccountPlan) -> list[Step]:
    if plan.offers.empty:
        return []
    best = plan.offers.iloc[0]
    if best["chance"] <= best["usual"]:
        return []
    why = (
        f"{best['share']:.0%} [{best['low']:.0%}, {best['high']:.0%}] of {best['n']} customers "
        f"with {best['evidence']} have it"
    )
    return [Step(f"offer {best['product']}", why)]


def _goals(plan: AccountPlan) -> list[Step]:
    return [
        Step(
            f"catch up on {p.goal.measure}",
            f"{p.done:.0%} of the way after {p.expected:.0%} of the time",
            p.goal.due,
        )
        for p in plan.goals
        if p.state == "behind"
    ]
