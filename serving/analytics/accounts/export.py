"""Account plans as files: Markdown for people, CSV for lists."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from features.tables import NAT
from serving.analytics.accounts.plan import AccountPlan
from serving.analytics.asof.history import Happened, date


def markdown(plan: AccountPlan) -> str:
    """One plan as Markdown; what is not known is left out, not guessed."""
    parts = [
        f"# {_plain(plan.name)}",
        f"Account plan as of {date(plan.as_of)} · {_plain(plan.account_id)}"
        + (f" · owner {_plain(plan.owner)}" if plan.owner else ""),
        _section("Summary", _summary(plan)),
        _section(
            "Next steps",
            [f"**{_plain(str(s.what))}**{_by(s.by)}: {_plain(str(s.why))}" for s in plan.steps],
        ),
        _section("Risks", [_plain(r.sentence) for r in plan.risk.risks] if plan.risk else []),
        _section(
            "Strengths", [_plain(r.sentence) for r in plan.risk.strengths] if plan.risk else []
        ),
        _section("Products", [_plain(p) for p in plan.products]),
        _section("Whitespace", _offers(plan)),
        _section("Open deals", _deals(plan)),
        _section("Goals", _goals(plan)),
        _section("Last events", [_event(h) for h in reversed(plan.history)]),
    ]
    return "\n\n".join(p for p in parts if p) + "\n"


def _event(one: Happened) -> str:
    """The day, the kind of event, and what more is known of it."""
    return f"{date(one.at)} {_plain(one.kind)}" + (f": {_plain(one.said)}" if one.said else "")


def table(plans: Sequence[AccountPlan]) -> pd.DataFrame:
    """A row an account: what a list of customers needs."""
    rows = [
        {
            "account_id": p.account_id,
            "name": p.name,
            "owner": p.owner,
            **dict(p.facts),
            "fit": p.fit[0] if p.fit else None,
            "engagement": p.engagement[0],
            "trend": p.engagement[1],
            "risk": p.risk.probability if p.risk else float("nan"),
            "grade": p.risk.grade if p.risk else None,
            "mrr": p.mrr,
            "months": p.months,
            "value": p.value,
            "products": ", ".join(p.products),
            "offer": p.offers["product"].iloc[0] if len(p.offers) else None,
            "overdue": p.overdue[1],
            "renews_at": None if p.renews_at == NAT else date(p.renews_at),
            "next_step": str(p.steps[0].what),
        }
        for p in plans
    ]
    return pd.DataFrame(rows)


def _section(title: str, lines: list[str]) -> str:
    return f"## {title}\n\n" + "\n".join(f"- {line}" for line in lines) if lines else ""


def _plain(text: str) -> str:
    """Text of a CRM inside Markdown: one line, no mark that would format or link."""
    one = " ".join(str(text).split())
    return "".join("\\" + c if c in "\\`*_[]<>#|" else c for c in one)


def _by(at: int) -> str:
    return "" if at == NAT else f" by {date(at)}"


def _summary(plan: AccountPlan) -> list[str]:
    lines = [f"{what}: {_plain(value)}" for what, value in plan.facts]
    if plan.customer_at != NAT:
        lines.append(f"customer since {date(plan.customer_at)}")
    if plan.fit:
        lines.append(f"fit {plan.fit[0]}: {plan.fit[1]:.0%} of such customers stay and grow")
    lines.append(f"engagement {plan.engagement[0]} of 3, {plan.engagement[1]}")
    if not math.isnan(plan.mrr):
        lines.append(f"pays {plan.mrr:,.0f} {plan.currency} a month")
    if plan.risk:
        day = plan.risk.curve[-1][0]
        lines.append(
            f"{plan.risk.probability:.1%} to leave within {day:g} days (grade {plan.risk.grade})"
        )
    if not math.isnan(plan.value):
        lines.append(
            f"worth {plan.value:,.0f} {plan.currency} over {plan.months:.0f} expected months"
        )
    return lines


def _offers(plan: AccountPlan) -> list[str]:
    return [
        f"{_plain(o['product'])}: {o['chance']:.0%} of similar customers have it; "
        f"{_plain(o['evidence'])}: "
        f"{o['share']:.0%} [{o['low']:.0%}, {o['high']:.0%}] of {o['n']}"
        for o in plan.offers.to_dict("records")
    ]


def _deals(plan: AccountPlan) -> list[str]:
    lines = []
    for deal in plan.deals.to_dict("records"):
        name = deal["name"] if isinstance(deal["name"], str) else deal["deal_id"]
        lines = [_plain(name)]
        if isinstance(deal["stage"], str):
            lines.append(_plain(deal["stage"]))
        if not math.isnan(deal["amount"]):
            lines.append(f"{deal['amount']:,.0f} {plan.currency}")
        if not math.isnan(deal["probability"]):
            lines.append(f"{deal['probability']:.0%} to be won")
        lines.append(", ".join(lines))
    return lines


def _goals(plan: AccountPlan) -> list[str]:
    return [
        f"{p.goal.measure} {p.goal.target:,.0f} ({p.unit}) by {date(p.goal.due)}: {p.state}, "
        f"{p.at_start:,.0f} → {p.now:,.0f}"
        for p in plan.goals
    ]
