"""The people's own call of every deal: pipeline, best case or commit.

A call is a function of what anybody can see of the deal (stage, pushes, discount) and of how
optimistic its seller is, so it adds nothing to the truth: who knows the state and the seller knows
the call. It is drawn from a stream of its own; without it the CRM would be the same to the bit.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.demo import deals
from features.demo.deals import DealFacts
from features.demo.draw import Rng, within, words
from features.demo.people import OWNERS
from features.demo.world import Edits, Moves, World
from features.tables import Floats, Ints

CALLS = ("pipeline", "best case", "commit")
FROM = (1.9, 2.9)
"""How hopeful a deal must look to its seller to be called best case, and commit."""
BY_STAGE = (0.0, 1.0, 2.0, 3.1)
BY_PUSHES = (0.0, -0.4, -0.9)
BY_DISCOUNT = (0.0, 0.3)
OPTIMISM = 0.5
"""Standard deviation of the sellers' optimism, on the same scale."""


def draw_optimism(rng: Rng) -> Floats:
    """How optimistic each seller is, (owners,)."""
    return rng.normal(0.0, OPTIMISM, OWNERS)


def called(stage: Ints, pushes: Ints, discounted: Ints, optimism: Floats) -> Ints:
    """(n,) the call, a position in ``CALLS``, of deals that look so to sellers that hopeful."""
    hope = np.array(BY_STAGE)[stage] + np.array(BY_PUSHES)[pushes]
    hope = hope + np.array(BY_DISCOUNT)[discounted] + optimism
    call: Ints = np.searchsorted(np.array(FROM), hope, side="right").astype(np.int64)
    return call


def _of_states(states: Ints, optimism: Floats) -> Ints:
    return called(states // deals.EACH, states // 2 % deals.PUSHES, states % 2, optimism)


def call_history(rng: Rng, facts: DealFacts, moves: Moves, optimism: Floats) -> Edits:
    """The first call at creation, then a row of ``changes`` whenever the state changed the call."""
    n = len(facts.created_at)
    first = _of_states(np.zeros(n, np.int64), optimism[facts.owner])
    hopeful = optimism[facts.owner[moves.rows]]
    before = _of_states(moves.before.astype(np.int64), hopeful)
    after = _of_states(moves.after.astype(np.int64), hopeful)
    moved = np.flatnonzero(before != after)
    new = np.concatenate([first, after[moved]])
    old = np.concatenate([np.full(n, -1), before[moved]])
    return Edits(
        "deal",
        "forecast_category",
        np.concatenate([np.arange(n), moves.rows[moved]]),
        np.concatenate([facts.created_at, within(rng, moves.days[moved])]),
        words(new, CALLS),
        words(old, CALLS),
    )


def last_calls(world: World, facts: DealFacts, optimism: Floats) -> pd.Series[str]:
    """(n,) the call each deal ended with, or has now."""
    last = world.path.state[world.path.offset[1:] - 1].astype(np.int64)
    return words(_of_states(last, optimism[facts.owner]), CALLS)
