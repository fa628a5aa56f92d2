"""The true curve of every open entity at every cutoff of the training spine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from features.demo.chain import incidence
from features.demo.draw import instants, words
from features.demo.world import World
from features.tables import DAY, Floats, Instants, Ints

EDGES: dict[str, tuple[int, ...]] = {
    "lead_conversion": (3, 7, 14, 30, 60, 90),
    "deal_close": (7, 14, 30, 60, 90, 180),
    "churn": (14, 30, 60, 90),
}
"""Bin ends in days. This room may not import training.task.questions; a test compares the two."""
EVERY = 30
"""Days between the cutoffs of one entity."""


def grid(world: World) -> tuple[Ints, Ints]:
    """Rows and midnights: the first after birth, then every 30 days while open, to the end."""
    path = world.path
    times = -(-path.length // EVERY)
    rows = np.repeat(np.arange(len(times)), times)
    turn = np.arange(len(rows)) - np.repeat(np.cumsum(times) - times, times)
    return rows, path.first[rows] + EVERY * turn


def true_curve(
    world: World, rows: Ints, cutoffs: Instants, edges: Sequence[float] | None = None
) -> Floats:
    """The true incidence (n, J, K) by each edge (whole days) after cutoffs at midnight UTC."""
    if np.any(cutoffs % DAY):
        raise ValueError(
            "the truth is known at midnights UTC only, got another cutoff; use the start of a day"
        )
    days = cutoffs // DAY
    states = world.path.at(rows, days)
    return incidence(world.chain, rows, days, states, edges or EDGES[world.question])


def truth_frame(worlds: Mapping[str, World]) -> pd.DataFrame:
    """question, entity_id, cutoff, outcome, day, probability: a row for each bin and outcome."""
    return pd.concat([_truth(world) for world in worlds.values()], ignore_index=True)


def _truth(world: World) -> pd.DataFrame:
    rows, days = grid(world)
    curve = true_curve(world, rows, days * DAY)
    n, outcomes, bins = curve.shape
    each = outcomes * bins
    edges = np.array(EDGES[world.question], np.float64)
    return pd.DataFrame(
        {
            "question": words(np.zeros(n * each, np.int32), (world.question,)),
            "entity_id": words(np.repeat(rows, each), world.ids),
            "cutoff": instants(np.repeat(days * DAY, each)),
            "outcome": words(
                np.tile(np.repeat(np.arange(outcomes), bins), n), world.chain.outcomes
            ),
            "day": np.tile(edges, n * outcomes),
            "probability": curve.ravel(),
        }
    )
