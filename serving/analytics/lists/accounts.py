"""Customers with their plans."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from features.tables import NAT
from serving.analytics.accounts.export import markdown, table
from serving.analytics.accounts.filled import Shared, plans, share
from serving.analytics.accounts.plan import AccountPlan
from serving.analytics.asof.frames import AsOfFrames
from serving.analytics.lists.options import DeskOptions
from serving.analytics.lists.sheets import Item, Sheet, number, plain, records, word
from serving.i18n.languages import mark
from serving.scoring.scorer import Scorer


def accounts(asof: AsOfFrames, scorers: Mapping[str, Scorer], options: DeskOptions) -> Sheet:
    """One row a present customer, the most worth first."""
    shared = share(asof, scorers.get("churn"), scorers.get("deal_close"), options.terms)
    made = plans(shared, list(shared.engagement), list(options.goals))
    if not made:
        return Sheet("accounts", [], {"empty": mark("the data know no customers")})
    rows = records(table(made))
    items = [_account(plan, row, options) for plan, row in zip(made, rows, strict=True)]
    items.sort(key=lambda i: (-(i.body["value"] or 0.0), i.id))
    return Sheet("accounts", items, _fit_head(shared, options))


def _account(plan: AccountPlan, row: dict[str, Any], options: DeskOptions) -> Item:
    body = {
        **row,
        "markdown": markdown(plan),
        "facts": [list(fact) for fact in plan.facts],
        "curve": [list(point) for point in plan.risk.curve] if plan.risk else [],
        "risks": [r.to_json() for r in plan.risk.risks] if plan.risk else [],
        "strengths": [r.to_json() for r in plan.risk.strengths] if plan.risk else [],
        "offers": records(plan.offers),
        **_best_offer(plan),
        "deals": records(plan.deals),
        "overdue_invoices": list(plan.overdue),
        "goals": [_goal(p) for p in plan.goals],
        "next_step": plan.steps[0].what.to_json(),
        "steps": [
            {"what": s.what.to_json(), "why": s.why.to_json(), "by": _instant(s.by)}
            for s in plan.steps
        ],
        "history": [{"at": _instant(h.at), "kind": h.kind, "said": h.said} for h in plan.history],
        "customer_at": _instant(plan.customer_at),
        "currency": plan.currency,
        "margin": options.terms.margin if options.margin_stated else None,
        "as_of": _instant(plan.as_of),
    }
    return Item(
        plan.account_id,
        plan.name,
        "accounts",
        plan.account_id,
        plan.owner,
        word(row.get("segment")),
        plain(body),
    )


def _best_offer(plan: AccountPlan) -> dict[str, Any]:
    """The first offer's chance and money, for the list."""
    if plan.offers.empty:
        return {"offer_chance": None, "offer_monthly": None}
    best = plan.offers.iloc[0]
    return {"offer_chance": float(best["chance"]), "offer_monthly": number(best["monthly"])}


def _goal(progress: Any) -> dict[str, Any]:
    goal = progress.goal
    told = {k: v for k, v in vars(progress).items() if k != "goal"}
    return {**told, **vars(goal), "start": _instant(goal.start), "due": _instant(goal.due)}


def _instant(at: int) -> str | None:
    return None if at == NAT else plain(pd.Timestamp(at, unit="us", tz="UTC").to_pydatetime())


def _fit_head(shared: Shared, options: DeskOptions) -> dict[str, Any]:
    fitted = shared.fit
    return {
        "fit": plain(
            {"auc": fitted.auc, "n": fitted.n, "stayed": fitted.stayed, "why": fitted.why}
        ),
        "terms": plain(vars(options.terms)),
        "margin": options.terms.margin if options.margin_stated else None,
    }
