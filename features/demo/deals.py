"""Deals: state = stage x pushes of the close date x discounted or not; won or lost.

What drives the truth: stage, pushes, a discount (one cut of the amount by 15 %), days since
creation, amount, product, competitor, type, discovery_score, the owner's skill, suite x Norte
together, a mild end-of-quarter season, and from the drift on the competitor "Norte", who gets
stronger. Proposal is the planted bottleneck: deals leave it at a third of the pace of the stages
before it. Region, the close date itself, calls, e-mails and meetings add nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.demo.chain import Chain, StageMove, by_state, kron, simulate
from features.demo.draw import (
    DemoPeriod,
    Factor,
    Rng,
    births,
    day_of,
    instant_texts,
    instants,
    keys,
    number_texts,
    season,
    texts,
    within,
    words,
)
from features.demo.people import USD, Owners
from features.demo.world import Batch, Edits, Moves, World, emitted
from features.tables import DAY, Codes, Floats, Instants, Ints

OUTCOMES = ("won", "lost")
STAGES = ("discovery", "demo", "proposal", "negotiation")
BOTTLENECK = "proposal"
PUSHES = 3  # 0, 1, 2 or more
EACH = PUSHES * 2  # states of one stage
CUT = 0.85
"""The amount after the discount, as a share of the first."""

PRODUCT = Factor({"core": (0.5, 0.1), "suite": (0.3, -0.1), "insights": (0.2, 0.35)})
REGION = Factor({"DACH": (0.4, 0.0), "Iberia": (0.3, 0.0), "Americas": (0.3, 0.0)})
COMPETITOR = Factor(
    {"none": (0.4, 0.6), "Norte": (0.25, -0.3), "Lumen": (0.2, -0.1), "in-house": (0.15, -0.7)}
)
TYPE = Factor({"new business": (0.75, 0.0), "extension": (0.25, 0.6)})
TOGETHER = -0.6
"""Interaction: the suite against Norte."""
STRONGER = -0.35
"""What the drift adds to the effect of Norte."""
CURRENCIES = ("EUR", "USD")
TYPICAL = 12_000.0
"""Median amount in EUR."""


@dataclass(frozen=True)
class DealFacts:
    """What is fixed at birth, (n,) each; ``score`` adds up all effects but the drift and the day.

    amount  the first amount, in the deal's own currency
    """

    created_at: Instants
    product: Codes
    region: Codes
    competitor: Codes
    type: Codes
    amount: Floats
    discovery_score: Floats
    owner: Ints
    score: Floats


def draw_deals(rng: Rng, calendar: DemoPeriod, owners: Owners, n: int) -> DealFacts:
    """Deals as they are born; discovery_score (0 to 10) is missing for 6 %, then without effect."""
    created = births(rng, calendar, n)
    product, region, rival, kind = (f.draw(rng, n) for f in (PRODUCT, REGION, COMPETITOR, TYPE))
    euros = TYPICAL * rng.lognormal(0.35 * (product == PRODUCT.code("suite")), 0.8)
    dollars = region == REGION.code("Americas")
    fit = np.where(rng.random(n) < 0.06, np.nan, np.round(10 * rng.beta(2.5, 2, n)))
    owner = owners.assign(rng, day_of(created))
    score = (
        PRODUCT.effect(product)
        + COMPETITOR.effect(rival)
        + TYPE.effect(kind)
        + TOGETHER * ((product == PRODUCT.code("suite")) & (rival == COMPETITOR.code("Norte")))
        - 0.4 * np.log(euros / TYPICAL)
        + np.nan_to_num(0.22 * (fit - 5.5))
        + 0.8 * owners.skill[owner]
    )
    amount = np.round(np.where(dollars, euros / USD, euros), -1)
    return DealFacts(created, product, region, rival, kind, amount, fit, owner, score)


BASE = np.array(
    [
        by_state((-8.2, -7.0, -5.6, -4.0), (0.0, -0.5, -0.9), (0.0, 0.4)),
        by_state((-5.1, -4.9, -5.0, -4.8), (0.0, 0.35, 0.6), (0.0, 0.0)),
    ]
)
STAGE_RATES = np.array(  # from row to column, in the order of STAGES
    [[0, 0.07, 0, 0], [0, 0, 0.06, 0], [0, 0.004, 0, 0.02], [0, 0, 0.006, 0]]
)
PUSH_RATES = np.array([0.006, 0.008, 0.014, 0.016])
DISCOUNT_RATES = np.array([0.0, 0.0, 0.010, 0.025])


def deal_chain(facts: DealFacts, calendar: DemoPeriod) -> Chain:
    """The chain of these deals; the rates are a day's."""
    first = day_of(facts.created_at) + 1
    norte = facts.competitor == COMPETITOR.code("Norte")
    worse = -0.35 * facts.score
    speed = np.exp(np.clip(0.12 * facts.score, -0.4, 0.4))

    def log_odds(rows: Ints, days: Ints) -> Floats:
        drift = calendar.after_drift(days) * STRONGER * norte[rows]
        stale = -0.25 * np.log1p((days - first[rows]) / 60.0)
        quarter = season(days, 85, 0.2, 365.25 / 4)
        return np.stack([facts.score[rows] + drift + stale + quarter, worse[rows] - drift / 2])

    def always(rows: Ints, _: Ints) -> Floats:
        return np.ones(len(rows))

    pushed = kron(np.diag(PUSH_RATES), np.eye(PUSHES, k=1), np.eye(2))
    cut = kron(np.diag(DISCOUNT_RATES), np.eye(PUSHES), np.eye(2, k=1))
    moved = kron(STAGE_RATES, np.eye(PUSHES), np.eye(2))
    steps = (StageMove(pushed + cut, always), StageMove(moved, lambda rows, _: speed[rows]))
    return Chain(OUTCOMES, BASE, log_odds, steps)


def live_deals(rng: Rng, facts: DealFacts, calendar: DemoPeriod) -> World:
    """Simulate the deals to the end of the history; every deal begins in discovery."""
    n = len(facts.created_at)
    chain = deal_chain(facts, calendar)
    path = simulate(chain, day_of(facts.created_at) + 1, np.zeros(n, np.int8), calendar.end, rng)
    return World("deal_close", "deals", keys("D", n), facts.owner, chain, path)


def discounted(amount: Floats) -> Floats:
    """The amount after the cut."""
    return np.round(amount * CUT, -1)


def deal_frame(
    rng: Rng,
    facts: DealFacts,
    world: World,
    closed_at: Instants,
    dates: Instants,
    owner_ids: list[str],
) -> pd.DataFrame:
    """The table ``deals`` but for account_id and lead_id; ``dates`` are the last close dates."""
    n = len(facts.created_at)
    won = world.path.outcome == 1
    last = world.path.state[world.path.offset[1:] - 1]
    amount = np.where(last % 2 == 1, discounted(facts.amount), facts.amount)
    dollars = facts.region == REGION.code("Americas")
    booked = np.round(amount * rng.lognormal(0, 0.04, n), 2)
    return pd.DataFrame(
        {
            "deal_id": texts(world.ids),
            "owner_id": words(facts.owner, owner_ids),
            "created_at": instants(facts.created_at),
            "type": words(facts.type, TYPE.words),
            "product": words(facts.product, PRODUCT.words),
            "region": words(facts.region, REGION.words),
            "stage": words(last // EACH, STAGES),
            "amount": amount,
            "currency": words(dollars.astype(np.int64), CURRENCIES),
            "expected_close_at": instants(dates),
            "competitor": words(facts.competitor, COMPETITOR.words),
            "discovery_score": facts.discovery_score,
            "outcome": words(world.path.outcome - 1, OUTCOMES),
            "closed_at": instants(closed_at),
            "closed_amount": np.where(won, booked, np.nan),
        }
    )


def push_days(rng: Rng, moves: Moves) -> Ints:
    """Positions in ``moves`` of every push: as the state says, and more once it cannot rise."""
    pushes = moves.before // 2 % PUSHES
    seen = np.flatnonzero(moves.after // 2 % PUSHES != pushes)
    many = np.arange(BASE.shape[1]) // 2 % PUSHES == PUSHES - 1
    more = moves.emit(rng, np.where(many, np.repeat(PUSH_RATES, EACH), 0.0))
    return np.sort(np.concatenate([seen, np.unique(more)]))


def close_dates(rng: Rng, facts: DealFacts, moves: Moves, pushed: Ints) -> tuple[Edits, Instants]:
    """The pushes as rows of ``changes`` and the close date (n,) each deal ended with.

    The first date is three months or so after creation; a push adds some weeks.
    """
    n = len(facts.created_at)
    start = (day_of(facts.created_at) + rng.integers(60, 120, n)) * DAY
    rows, at = moves.rows[pushed], within(rng, moves.days[pushed])
    added = rng.integers(14, 60, len(rows)) * DAY
    so_far = np.cumsum(added)
    before_entity = np.concatenate([[0], so_far])[np.searchsorted(rows, rows, side="left")]
    new = start[rows] + so_far - before_entity
    last = start + np.bincount(rows, weights=added, minlength=n).astype(np.int64)
    edits = Edits(
        "deal", "expected_close_at", rows, at, instant_texts(new), instant_texts(new - added)
    )
    return edits, last


def deal_history(rng: Rng, facts: DealFacts, moves: Moves) -> list[Edits]:
    """Stage moves, the first stage being written at creation, and the discounts."""
    n = len(facts.created_at)
    before, after = moves.before // EACH, moves.after // EACH
    moved = np.flatnonzero(before != after)
    cut = np.flatnonzero(moves.before % 2 != moves.after % 2)
    rows = moves.rows[cut]
    first, nothing = words(np.zeros(n, np.int32), STAGES), words(np.full(n, -1), STAGES)
    return [
        Edits("deal", "stage", np.arange(n), facts.created_at, first, nothing),
        Edits(
            "deal",
            "stage",
            moves.rows[moved],
            within(rng, moves.days[moved]),
            words(after[moved], STAGES),
            words(before[moved], STAGES),
        ),
        Edits(
            "deal",
            "amount",
            rows,
            within(rng, moves.days[cut]),
            number_texts(discounted(facts.amount[rows])),
            number_texts(facts.amount[rows]),
        ),
    ]


def deal_activities(rng: Rng, moves: Moves) -> list[Batch]:
    """Calls, e-mails and meetings at rates that depend on the stage alone."""

    def by_stage(*rates: float) -> Floats:
        return np.repeat(rates, EACH)

    return [
        emitted(rng, "deal", moves, "call", by_stage(0.05, 0.04, 0.04, 0.08), "outbound"),
        emitted(rng, "deal", moves, "email", by_stage(0.05, 0.06, 0.05, 0.10), "outbound"),
        emitted(rng, "deal", moves, "email", by_stage(0.03, 0.04, 0.03, 0.08), "inbound"),
        emitted(rng, "deal", moves, "meeting", by_stage(0.02, 0.04, 0.01, 0.03)),
    ]
