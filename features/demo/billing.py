"""What a customer leaves in the CRM: subscriptions, and invoices paid in time, late or never."""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.demo.accounts import (
    ADD_ON,
    COUNTRY,
    DUE_AFTER,
    OVERDUE,
    PERIOD,
    PLAN,
    PRODUCT,
    TERM,
    TIERS,
    UNPAID,
    AccountFacts,
    falls_due,
)
from features.demo.draw import (
    DemoPeriod,
    Rng,
    day_of,
    instants,
    keys,
    long_keys,
    texts,
    within,
    words,
)
from features.demo.world import Moves, World
from features.tables import DAY, NAT, Bools, Instants, Ints

BILLING = ("monthly", "annual")
CURRENCIES = ("EUR", "USD")
DUE_HOUR = 17
SPAN = 1 << 20
"""More days than there are: row * SPAN + day orders events by entity, then day."""


def _currency(facts: AccountFacts) -> Ints:
    dollars: Ints = (facts.country == COUNTRY.code("United States")).astype(np.int64)
    return dollars


def subscription_frame(facts: AccountFacts, world: World, closed_at: Instants) -> pd.DataFrame:
    """The table ``subscriptions``: the main contract of each customer, then the add-ons.

    An add-on runs beside the main contract, with the same term, and ends with it.
    """
    n = len(facts)
    extra = np.flatnonzero(facts.add_on)
    who = np.concatenate([np.arange(n), extra])
    main = np.arange(len(who)) < n
    products = [*PRODUCT.words, ADD_ON]
    started = facts.customer_at[who]
    term = TERM[facts.annual[who]]
    return pd.DataFrame(
        {
            "subscription_id": texts(keys("S", len(who))),
            "account_id": words(who, world.ids),
            "product": words(np.where(main, facts.product[who], len(products) - 1), products),
            "plan": words(facts.plan[who], PLAN.words),
            "billing": words(facts.annual[who], BILLING),
            "mrr": np.where(main, facts.mrr[who], np.round(facts.mrr[who] * 0.3)),
            "seats": facts.seats[who],
            "currency": words(_currency(facts)[who], CURRENCIES),
            "started_at": instants(started),
            "renews_at": instants(started + term * DAY),
            "term_days": term.astype(np.float64),
            "ended_at": instants(closed_at[who]),
        }
    )


def invoice_frame(
    rng: Rng,
    facts: AccountFacts,
    world: World,
    moves: Moves,
    closed_at: Instants,
    calendar: DemoPeriod,
) -> pd.DataFrame:
    """The table ``invoices``.

    An invoice is paid on the day it is due or becomes overdue then, so that a payment never tells
    of a day to come; a customer settles everything overdue at once.
    """
    rows, issued = _issued(facts, closed_at, calendar)
    due_day = day_of(issued) + DUE_AFTER
    paid = _paid(rng, facts, moves, rows, due_day)
    months = PERIOD[facts.annual[rows]] / 30
    monthly = facts.mrr + np.where(facts.add_on, np.round(facts.mrr * 0.3), 0.0)
    order = np.argsort(issued, kind="stable")
    return pd.DataFrame(
        {
            "invoice_id": long_keys("i", len(rows)),
            "account_id": words(rows[order], world.ids),
            "subscription_id": words(rows[order], keys("S", len(facts))),
            "amount": (monthly[rows] * months)[order],
            "currency": words(_currency(facts)[rows][order], CURRENCIES),
            "issued_at": instants(issued[order]),
            "due_at": instants((due_day * DAY + DUE_HOUR * DAY // 24)[order]),
            "paid_at": instants(paid[order]),
        }
    )


def _issued(
    facts: AccountFacts, closed_at: Instants, calendar: DemoPeriod
) -> tuple[Ints, Instants]:
    """Entity and instant of every invoice: at the start, then every period, while a customer."""
    period = PERIOD[facts.annual] * DAY
    stop = np.where(closed_at == NAT, calendar.end * DAY, closed_at)
    times = np.maximum(-(-(stop - facts.customer_at) // period), 0)
    rows = np.repeat(np.arange(len(facts)), times)
    turn = np.arange(len(rows)) - np.repeat(np.cumsum(times) - times, times)
    return rows, facts.customer_at[rows] + turn * period[rows]


def _paid(rng: Rng, facts: AccountFacts, moves: Moves, rows: Ints, due_day: Ints) -> Instants:
    """When each invoice was paid, read from the path of overdue invoices; NAT if it is open."""
    missed, due = _missed(rng, facts, moves)
    settled = np.flatnonzero((moves.before % OVERDUE > 0) & (moves.after % OVERDUE == 0))
    settle_key = moves.rows[settled] * SPAN + moves.days[settled]
    settle_at = np.append(within(rng, moves.days[settled], 7, 16), NAT)
    key = rows * SPAN + due_day
    next_one = np.searchsorted(settle_key, key)
    belongs = np.append(moves.rows[settled], -1)[next_one] == rows
    late = np.where(belongs, settle_at[next_one], NAT)
    on_time = within(rng, due_day, 6, DUE_HOUR)
    due_key = moves.rows[due] * SPAN + moves.days[due]
    came = np.isin(key, due_key)
    return np.where(~came, NAT, np.where(np.isin(key, due_key[missed]), late, on_time))


def _missed(rng: Rng, facts: AccountFacts, moves: Moves) -> tuple[Bools, Ints]:
    """Which due days were missed, and the positions of all due days lived through.

    The state tells it, but for two or more overdue, where it is drawn as the chain would.
    """
    due = np.flatnonzero(falls_due(facts, moves.rows, moves.days))
    before, after = moves.before[due], moves.after[due]
    many = before % OVERDUE == OVERDUE - 1
    chance = UNPAID[np.clip(before // OVERDUE, 0, TIERS - 1)]
    missed: Bools = np.where(
        many, rng.random(len(due)) < chance, after % OVERDUE > before % OVERDUE
    )
    return missed, due
