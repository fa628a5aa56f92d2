"""The account plan as data: put together by ``filled``, told by ``export`` and the pages."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from features.tables import NAT
from serving.analytics.accounts.goals import Progress
from serving.analytics.asof.history import Happened
from serving.i18n.lazy_text import LazyText
from serving.scoring.reasons import Reason


@dataclass(frozen=True)
class NextStep:
    """One thing to do: what, why, and by when (microseconds; NAT: no date of its own)."""

    what: LazyText
    why: LazyText
    by: int = NAT


@dataclass(frozen=True)
class Risk:
    """Churn of one customer: probability by the horizon, the curve by day, reasons, a receipt."""

    probability: float
    grade: str
    curve: list[tuple[float, float]]
    strengths: list[Reason]
    risks: list[Reason]


@dataclass(frozen=True)
class AccountPlan:
    """One customer; money in the reporting currency, instants in microseconds, NaN: not known.

    facts      (what, value) of the account's own fields
    fit        letter and probability, None where none could be learned; kept apart from engagement
    months     expected months of membership within the terms' years; value likewise
    offers     rows of ``whitespace``; deals its open deals; overdue invoices: how many, how much
    """

    account_id: str
    name: str
    as_of: int
    currency: str
    owner: str | None
    customer_at: int
    facts: list[tuple[str, str]]
    fit: tuple[str, float] | None
    engagement: tuple[int, str]
    mrr: float
    months: float
    value: float
    risk: Risk | None
    products: list[str]
    offers: pd.DataFrame
    deals: pd.DataFrame
    overdue: tuple[int, float]
    renews_at: int
    goals: list[Progress]
    history: list[Happened]
    steps: list[NextStep] = field(default_factory=list)
