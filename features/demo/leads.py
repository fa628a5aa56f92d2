"""Leads: state = status x meetings held; converted or disqualified.

What drives the truth: status and meetings, days since creation, source, country, employees (best
in the middle), company_fit, use_case, the owner's skill, event x analytics together, a mild season,
and from the drift on the source "partner", whose effect turns round. Campaign, title,
industry, calls, e-mails and web visits follow from the rest or mean nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.demo.chain import Chain, StageMove, by_state, kron, simulate
from features.demo.draw import (
    REGION_OF,
    DemoPeriod,
    Factor,
    Rng,
    births,
    companies,
    day_of,
    instants,
    keys,
    people,
    season,
    texts,
    within,
    words,
)
from features.demo.people import Owners
from features.demo.world import Batch, Edits, Moves, World, emitted
from features.tables import Codes, Floats, Instants, Ints

OUTCOMES = ("converted", "disqualified")
STATUSES = ("new", "working", "engaged", "nurturing")
MEETINGS = 3  # 0, 1, 2 or more
NEW, WORKING, ENGAGED, NURTURING = range(4)

SOURCE = Factor(
    {
        "website": (0.30, 0.25),
        "event": (0.16, 0.0),
        "partner": (0.14, 0.35),
        "referral": (0.10, 0.75),
        "advertisement": (0.18, -0.35),
        "bought list": (0.12, -0.9),
    }
)
PARTNER_TURN = -0.6
"""What the drift adds to the effect of the source "partner": +0.35 becomes -0.25."""
BASE_MOVE = 0.1
"""What the drift adds to everybody's log odds of converting."""
COUNTRY = Factor(
    {
        "Germany": (0.28, 0.15),
        "Austria": (0.10, 0.25),
        "Spain": (0.26, 0.0),
        "Mexico": (0.20, -0.35),
        "United States": (0.16, 0.1),
    }
)
USE_CASE = Factor(
    {
        "analytics": (0.25, 0.2),
        "automation": (0.25, 0.5),
        "compliance": (0.2, 0.0),
        "reporting": (0.2, -0.3),
        "curiosity": (0.1, -0.9),
    }
)
TOGETHER = 0.6
"""Interaction: a lead met at an event that wants analytics."""
INDUSTRY = Factor(
    dict.fromkeys(("finance", "health", "industry", "retail", "software"), (1.0, 0.0))
)
TITLE = Factor(
    {
        "analyst": (0.3, 0.0),
        "manager": (0.35, 0.0),
        "head": (0.2, 0.0),
        "director": (0.1, 0.0),
        "chief": (0.05, 0.0),
    }
)
CAMPAIGNS = 24
CONTRACTS = ("framework A", "framework B", "framework C", "single order")
BEST_SIZE = 150.0


@dataclass(frozen=True)
class LeadFacts:
    """What is fixed at birth, (n,) each; ``score`` adds up the effects but drift and day."""

    created_at: Instants
    source: Codes
    country: Codes
    use_case: Codes
    employees: Floats
    company_fit: Floats
    owner: Ints
    score: Floats


def draw_leads(rng: Rng, calendar: DemoPeriod, owners: Owners, n: int) -> LeadFacts:
    """Leads as they are born; company_fit is missing for 8 % and then has no effect."""
    created = births(rng, calendar, n)
    source, country, use_case = (f.draw(rng, n) for f in (SOURCE, COUNTRY, USE_CASE))
    employees = np.maximum(1.0, np.round(rng.lognormal(np.log(120), 1.2, n)))
    fit = np.where(rng.random(n) < 0.08, np.nan, np.round(100 * rng.beta(2, 2, n)))
    owner = owners.assign(rng, day_of(created))
    score = (
        SOURCE.effect(source)
        + COUNTRY.effect(country)
        + USE_CASE.effect(use_case)
        + TOGETHER * ((source == SOURCE.code("event")) & (use_case == USE_CASE.code("analytics")))
        - 0.2 * np.log(employees / BEST_SIZE) ** 2
        + np.nan_to_num(0.022 * (fit - 50.0))
        + owners.skill[owner]
    )
    return LeadFacts(created, source, country, use_case, employees, fit, owner, score)


BASE = np.array(
    [
        by_state((-8.6, -7.1, -5.6, -7.5), (0.0, 0.8, 1.3)),
        by_state((-5.0, -4.6, -5.4, -4.0), (0.0, -0.5, -0.9)),
    ]
)
STATUS_RATES = np.array(  # from row to column: new, working, engaged, nurturing
    [[0, 0.25, 0, 0], [0, 0, 0.05, 0.03], [0, 0, 0, 0.015], [0, 0, 0.015, 0]]
)
MEETING_RATES = np.array([0.005, 0.03, 0.07, 0.008])


def lead_chain(facts: LeadFacts, calendar: DemoPeriod) -> Chain:
    """The chain of these leads; the rates are a day's."""
    first = day_of(facts.created_at) + 1
    partner = facts.source == SOURCE.code("partner")
    worse = -0.35 * facts.score
    speed = np.exp(np.clip(0.15 * facts.score, -0.4, 0.4))

    def log_odds(rows: Ints, days: Ints) -> Floats:
        drift = calendar.after_drift(days) * (BASE_MOVE + PARTNER_TURN * partner[rows])
        stale = -0.35 * np.log1p((days - first[rows]) / 30.0)
        return np.stack([facts.score[rows] + drift + stale + season(days, 75, 0.1), worse[rows]])

    status = kron(STATUS_RATES, np.eye(MEETINGS))
    held = kron(np.diag(MEETING_RATES), np.eye(MEETINGS, k=1))
    steps = (
        StageMove(held, lambda rows, _: np.ones(len(rows))),
        StageMove(status, lambda rows, _: speed[rows]),
    )
    return Chain(OUTCOMES, BASE, log_odds, steps)


def live_leads(rng: Rng, facts: LeadFacts, calendar: DemoPeriod) -> World:
    """Simulate the leads to the end of the history; every lead begins as new, without a meeting."""
    n = len(facts.created_at)
    chain = lead_chain(facts, calendar)
    path = simulate(chain, day_of(facts.created_at) + 1, np.zeros(n, np.int8), calendar.end, rng)
    return World("lead_conversion", "leads", keys("L", n), facts.owner, chain, path)


def lead_frame(
    rng: Rng, facts: LeadFacts, world: World, closed_at: Instants, owner_ids: list[str]
) -> pd.DataFrame:
    """The table ``leads``; contract_reference is the trap, filled only once converted."""
    n = len(facts.created_at)
    converted = world.path.outcome == 1
    region = [REGION_OF[c] for c in COUNTRY.words]
    names = zip(people(rng, n), companies(rng, n), strict=True)
    last = world.path.state[world.path.offset[1:] - 1] // MEETINGS
    return pd.DataFrame(
        {
            "lead_id": texts(world.ids),
            "owner_id": words(facts.owner, owner_ids),
            "created_at": instants(facts.created_at),
            "name": texts([f"{person}, {company}" for person, company in names]),
            "source": words(facts.source, SOURCE.words),
            "campaign": words(rng.integers(0, CAMPAIGNS, n), keys("campaign ", CAMPAIGNS, 2)),
            "status": words(last, STATUSES),
            "country": words(facts.country, COUNTRY.words),
            "region": words(facts.country, region),
            "industry": words(INDUSTRY.draw(rng, n), INDUSTRY.words),
            "title": words(TITLE.draw(rng, n), TITLE.words),
            "employees": facts.employees,
            "annual_revenue": np.round(facts.employees * rng.lognormal(11.5, 0.5, n), 1),
            "currency": words(np.zeros(n, np.int32), ("EUR",)),
            "company_fit": facts.company_fit,
            "use_case": words(facts.use_case, USE_CASE.words),
            "contract_reference": words(
                np.where(converted, rng.integers(0, len(CONTRACTS), n), -1), CONTRACTS
            ),
            "outcome": words(world.path.outcome - 1, OUTCOMES),
            "closed_at": instants(closed_at),
        }
    )


def lead_history(rng: Rng, facts: LeadFacts, moves: Moves) -> list[Edits]:
    """Status changes, the first status being written at creation."""
    n = len(facts.created_at)
    before, after = moves.before // MEETINGS, moves.after // MEETINGS
    moved = np.flatnonzero(before != after)
    new, nothing = np.full(n, NEW), np.full(n, -1)
    at = within(rng, moves.days[moved])
    return [
        Edits(
            "lead",
            "status",
            np.arange(n),
            facts.created_at,
            words(new, STATUSES),
            words(nothing, STATUSES),
        ),
        Edits(
            "lead",
            "status",
            moves.rows[moved],
            at,
            words(after[moved], STATUSES),
            words(before[moved], STATUSES),
        ),
    ]


def lead_activities(rng: Rng, facts: LeadFacts, moves: Moves) -> list[Batch]:
    """Meetings exactly as the state says; everything else at rates that depend on the status."""

    def by_status(*rates: float) -> Floats:
        return np.repeat(rates, MEETINGS)

    many = MEETINGS - 1
    first = np.flatnonzero(moves.before % MEETINGS != moves.after % MEETINGS)
    more = np.where(
        np.arange(BASE.shape[1]) % MEETINGS == many, np.repeat(MEETING_RATES, MEETINGS), 0
    )
    held = np.concatenate([first, np.unique(moves.emit(rng, more))])
    minutes = np.round(rng.gamma(2.0, 20.0, len(held)), 1)
    meetings = Batch(
        "lead",
        "meeting",
        moves.rows[held],
        within(rng, moves.days[held]),
        numbers={"duration": minutes},
    )
    website = np.flatnonzero(facts.source == SOURCE.code("website"))
    filled = facts.created_at[website] + 60_000_000
    return [
        meetings,
        Batch("lead", "form", website, filled, "inbound"),
        emitted(rng, "lead", moves, "call", by_status(0.07, 0.10, 0.08, 0.01), "outbound"),
        emitted(rng, "lead", moves, "email", by_status(0.08, 0.12, 0.10, 0.03), "outbound"),
        emitted(rng, "lead", moves, "email", by_status(0.01, 0.04, 0.10, 0.01), "inbound"),
        emitted(rng, "lead", moves, "web", by_status(0.08, 0.05, 0.10, 0.02), "inbound"),
        emitted(rng, "lead", moves, "form", by_status(0.004, 0.004, 0.01, 0.002), "inbound"),
    ]
