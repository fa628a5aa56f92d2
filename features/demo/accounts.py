"""Accounts: prospects, and customers whose state = usage tier x overdue invoices; churned or not.

What drives the truth: the usage tier (the last weekly "usage" activity says it: below 20 sessions
low, below 60 mid, else high), overdue invoices, the renewal day of the subscription, months as a
customer, industry, plan, country, size of the company, health_plan, integrations, the owner's
skill, starter x no health_plan together, a mild season, and from the drift on more churn in retail.
Support tickets and e-mails follow from the usage tier or mean nothing.

Planted: in the industry "logistics" three of four customers have the product "routing" beside the
main one, elsewhere one of twelve; a logistics customer without it is the whitespace.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from features.demo.chain import Chain, StageMove, by_state, kron, simulate
from features.demo.draw import (
    HOUR,
    REGION_OF,
    DemoPeriod,
    Factor,
    Rng,
    births,
    companies,
    day_of,
    instants,
    season,
    texts,
    within,
    words,
)
from features.demo.people import Owners
from features.demo.world import Batch, Moves, World, emitted
from features.tables import Bools, Codes, Floats, Instants, Ints

OUTCOMES = ("churned",)
TIERS = 3  # low, mid, high usage
OVERDUE = 3  # 0, 1, 2 or more invoices
SESSIONS = ((0, 20), (20, 60), (60, 200))
"""Weekly sessions of each usage tier, half-open."""
WEEK = 7

INDUSTRY = Factor(
    {
        "finance": (0.2, 0.0),
        "health": (0.2, -0.15),
        "logistics": (0.2, 0.0),
        "retail": (0.2, 0.2),
        "software": (0.2, -0.1),
    }
)
RETAIL_CRISIS = 0.4
"""What the drift adds to the log odds of churn in retail."""
COUNTRY = Factor(
    {
        "Germany": (0.28, -0.2),
        "Austria": (0.10, -0.1),
        "Spain": (0.26, 0.0),
        "Mexico": (0.20, 0.3),
        "United States": (0.16, 0.1),
    }
)
PLAN = Factor({"starter": (0.45, 0.45), "team": (0.35, 0.0), "enterprise": (0.2, -0.5)})
PRICE = np.array([120.0, 480.0, 1900.0])
PRODUCT = Factor({"core": (0.55, 0.0), "suite": (0.3, 0.0), "insights": (0.15, 0.0)})
TERM = np.array([30, 365])
PERIOD = np.array([30, 90])
"""Days between invoices, by monthly and annual billing."""
DUE_AFTER = 14
TOGETHER = 0.5
"""Interaction: the plan "starter" without a health plan."""
RENEWAL = np.array([1.3, 4.3])
"""Log odds of churn added on the day of renewal, by monthly and annual billing."""
ADD_ON = "routing"
ADD_ON_SHARE = {"logistics": 0.75}
ADD_ON_ELSEWHERE = 1 / 12


@dataclass(frozen=True)
class AccountFacts:
    """What is fixed, (n,) each: n customers; prospects have the first group only.

    customer_at is the start of the subscription; ``score`` adds up all effects on churn but the
    drift and the day.
    """

    industry: Codes
    country: Codes
    employees: Floats
    health_plan: Bools
    integrations: Floats
    owner: Ints
    customer_at: Instants
    plan: Codes
    product: Codes
    annual: Ints
    seats: Floats
    mrr: Floats
    add_on: Bools
    score: Floats

    def __len__(self) -> int:
        return len(self.industry)

    @cached_property
    def start(self) -> Ints:
        """(n,) the day the subscription began."""
        return day_of(self.customer_at)

    @cached_property
    def period(self) -> Ints:
        """(n,) days between invoices."""
        period: Ints = PERIOD[self.annual]
        return period


def draw_accounts(rng: Rng, calendar: DemoPeriod, owners: Owners, n: int) -> AccountFacts:
    """Accounts with a subscription; a prospect is drawn alike and then not given one."""
    start = births(rng, calendar, n)
    industry, country, plan, product = (f.draw(rng, n) for f in (INDUSTRY, COUNTRY, PLAN, PRODUCT))
    employees = np.maximum(1.0, np.round(rng.lognormal(np.log(90) + 0.6 * plan, 1.0)))
    health = rng.random(n) < 0.4
    integrations = rng.poisson(1.5, n).astype(np.float64)
    annual = (rng.random(n) < np.array([0.25, 0.45, 0.7])[plan]).astype(np.int64)
    seats = np.maximum(1.0, np.round(rng.lognormal(1.2 + 0.5 * plan, 0.5)))
    mrr = np.round(PRICE[plan] * rng.lognormal(0, 0.35, n), 0)
    share = np.array([ADD_ON_SHARE.get(w, ADD_ON_ELSEWHERE) for w in INDUSTRY.words])[industry]
    owner = owners.assign(rng, day_of(start))
    score = (
        INDUSTRY.effect(industry)
        + COUNTRY.effect(country)
        + PLAN.effect(plan)
        - 0.6 * health
        + TOGETHER * ((plan == PLAN.code("starter")) & ~health)
        - 0.22 * (np.minimum(integrations, 4) - 1.5)
        - 0.15 * np.log(employees / 90.0)
        - 0.6 * owners.skill[owner]
    )
    add_on = rng.random(n) < share
    facts = (industry, country, employees, health, integrations, owner, start, plan, product)
    return AccountFacts(*facts, annual, seats, mrr, add_on, score)


BASE = by_state((-6.3, -7.8, -8.8), (0.0, 0.8, 1.4))[None, :]
UP = kron(np.diag([0.06, 0.05], k=1), np.eye(OVERDUE))
DOWN = kron(np.diag([0.06, 0.06], k=-1), np.eye(OVERDUE))
SETTLE = kron(np.eye(TIERS), np.array([[0, 0, 0], [0.05, 0, 0], [0.035, 0, 0]]))
UNPAID = np.array([0.30, 0.18, 0.10])
"""Chance by usage tier that an invoice is not paid when it falls due."""
MISS = kron(np.diag(UNPAID), np.eye(OVERDUE, k=1))


def falls_due(facts: AccountFacts, rows: Ints, days: Ints) -> Bools:
    """Whether an invoice falls due on the day: two weeks after issue, issued from the start on."""
    since = days - facts.start[rows] - DUE_AFTER
    due: Bools = (since >= 0) & (since % facts.period[rows] == 0)
    return due


def is_weekly(facts: AccountFacts, rows: Ints, days: Ints) -> Bools:
    """Whether the weekly usage row is written on the day."""
    weekly: Bools = (days - facts.start[rows]) % WEEK == 0
    return weekly


def account_chain(facts: AccountFacts, calendar: DemoPeriod) -> Chain:
    """The chain of these customers; the rates are a day's, the usage tier moves once a week."""
    start = facts.start
    retail = facts.industry == INDUSTRY.code("retail")
    term = TERM[facts.annual]
    slow = np.where(facts.plan == PLAN.code("starter"), 1.3, 0.9)
    climb = np.where(facts.health_plan, 1.3, 0.9)

    def log_odds(rows: Ints, days: Ints) -> Floats:
        age = days - start[rows]
        renewal = np.where(age % term[rows] == 0, RENEWAL[facts.annual[rows]], 0.0)
        drift = calendar.after_drift(days) * RETAIL_CRISIS * retail[rows]
        settled = -0.3 * np.log1p(age / 180.0)
        together: Floats = facts.score[rows] + renewal + drift + settled + season(days, 10, 0.1)
        return together[None, :]

    def weekly(rows: Ints, days: Ints) -> Floats:
        return is_weekly(facts, rows, days).astype(np.float64)

    def due(rows: Ints, days: Ints) -> Floats:
        return np.where(falls_due(facts, rows, days), slow[rows], 0.0)

    steps = (
        StageMove(UP, lambda rows, days: weekly(rows, days) * climb[rows]),
        StageMove(DOWN, weekly),
        StageMove(SETTLE, lambda rows, days: 1.0 - falls_due(facts, rows, days).astype(np.float64)),
        StageMove(MISS, due),
    )
    return Chain(OUTCOMES, BASE, log_odds, steps)


def live_accounts(rng: Rng, facts: AccountFacts, calendar: DemoPeriod, ids: list[str]) -> World:
    """Simulate the customers, each beginning in a usage tier drawn at random, nothing overdue."""
    n = len(facts)
    chain = account_chain(facts, calendar)
    tier = rng.choice(TIERS, n, p=[0.25, 0.45, 0.3])
    state = (tier * OVERDUE).astype(np.int8)
    path = simulate(chain, facts.start + 1, state, calendar.end, rng)
    return World("churn", "accounts", ids, facts.owner, chain, path)


def account_frame(
    rng: Rng, facts: AccountFacts, ids: list[str], created_at: Instants, owner_ids: list[str]
) -> pd.DataFrame:
    """The table ``accounts`` but for customer_at, outcome and closed_at."""
    n = len(facts)
    segment = np.digitize(facts.employees, [50, 500])
    return pd.DataFrame(
        {
            "account_id": texts(ids),
            "created_at": instants(created_at),
            "name": texts(companies(rng, n)),
            "industry": words(facts.industry, INDUSTRY.words),
            "country": words(facts.country, COUNTRY.words),
            "region": words(facts.country, [REGION_OF[c] for c in COUNTRY.words]),
            "segment": words(segment, ("small", "middle", "large")),
            "employees": facts.employees,
            "owner_id": words(facts.owner, owner_ids),
            "health_plan": facts.health_plan,
            "integrations": facts.integrations,
        }
    )


def account_activities(rng: Rng, facts: AccountFacts, moves: Moves, world: World) -> list[Batch]:
    """The weekly usage rows, which say the tier exactly, support tickets and e-mails."""

    def by_tier(*rates: float) -> Floats:
        return np.repeat(rates, OVERDUE)

    start = np.flatnonzero(world.path.length > 0)
    first = world.path.state[world.path.offset[start]]
    weekly = np.flatnonzero(is_weekly(facts, moves.rows, moves.days))
    tier = np.concatenate([first, moves.after[weekly]]) // OVERDUE
    low, high = np.array(SESSIONS).T
    sessions = {"sessions": rng.integers(low[tier], high[tier]).astype(np.float64)}
    later = within(rng, moves.days[weekly], 20, 23)
    at = np.concatenate([facts.customer_at[start] + 5 * HOUR, later])
    rows = np.concatenate([start, moves.rows[weekly]])
    return [
        Batch("account", "usage", rows, at, numbers=sessions),
        emitted(rng, "account", moves, "support", by_tier(0.012, 0.010, 0.012), "inbound"),
        emitted(rng, "account", moves, "email", by_tier(0.010, 0.015, 0.020), "outbound"),
        emitted(rng, "account", moves, "call", by_tier(0.006, 0.006, 0.008), "outbound"),
    ]
