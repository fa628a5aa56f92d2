"""How long the draws of a forecast take: open deals, periods, draws, and all five dimensions."""

from __future__ import annotations

import argparse
import time

import numpy as np

from training.forecast.simulate.deal_kernels import (
    NewDealInputs,
    OpenDealInputs,
    new_deal_draws,
    open_deal_draws,
)

GROUPS = (60, 8, 5, 4, 12)
"""Values of owner, team, region, segment and product."""


def pipeline(deals: int, cells: int, seed: int = 0) -> OpenDealInputs:
    """A made-up pipeline: a third of the deals is won within the cells, amounts are log-normal."""
    rng = np.random.default_rng(seed)
    chance = np.cumsum(rng.uniform(0.0, 0.08, (deals, cells)), axis=1)
    first = np.cumsum((0, *GROUPS[:-1]))
    group = np.stack([rng.integers(0, n, deals) for n in GROUPS], axis=1) + first
    return OpenDealInputs(
        rng.integers(0, 2**63, deals).astype(np.uint64),
        -np.log1p(-chance),
        rng.lognormal(9.4, 0.8, deals),
        rng.lognormal(0.0, 0.1, 900),
        np.array([0, 300, 600, 900]),
        rng.integers(0, 3, (deals, cells)).astype(np.int32),
        group.astype(np.int32),
        sum(GROUPS),
    )


def unborn(cells: int, draws: int, monthly: float, seed: int = 0) -> NewDealInputs:
    """As many wins a month of deals that are not there yet."""
    rng = np.random.default_rng(seed)
    first = np.cumsum((0, *GROUPS[:-1]))
    group = np.stack([rng.integers(0, n, 2_000) for n in GROUPS], axis=1) + first
    return NewDealInputs(
        rng.integers(0, 2**63, cells).astype(np.uint64),
        np.full((cells, draws), monthly),
        np.tile(np.arange(1, 2_001) / 2_000, (cells, 1)),
        rng.lognormal(9.4, 0.8, 2_000),
        group.astype(np.int32),
        sum(GROUPS),
    )


def _now() -> tuple[float, float]:
    """Seconds by the clock and of processor, all threads together."""
    return time.perf_counter(), time.process_time()


def main() -> None:
    """Print seconds of the second of two runs: the first compiles."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deals", type=int, default=50_000)
    parser.add_argument("--draws", type=int, default=10_000)
    parser.add_argument("--cells", type=int, default=8)
    parser.add_argument("--monthly", type=float, default=2_000.0, help="new wins a month")
    asked = parser.parse_args()
    shape = (asked.cells, asked.draws)
    pace, one = np.exp(0.1 * np.random.default_rng(1).normal(size=shape)), np.ones(shape)
    open_deal_draws(pipeline(100, asked.cells), pace[:, :300], one[:, :300])
    new_deal_draws(unborn(2, 300, 3.0), one[:2, :300])
    deals = pipeline(asked.deals, asked.cells)
    start = _now()
    whole, groups = open_deal_draws(deals, pace, one)
    drawn = _now()
    new_deal_draws(unborn(asked.cells, asked.draws, asked.monthly), one)
    done = _now()
    values = np.split(groups, np.cumsum(GROUPS)[:-1])
    exact = all(np.array_equal(part.sum(axis=0), whole) for part in values)
    print(f"{asked.deals:,} open deals, {asked.draws:,} draws, {asked.cells} months, {GROUPS}")
    for name, a, b in (("open", start, drawn), ("unborn", drawn, done)):
        print(f"{name} deals: {b[0] - a[0]:.1f} s by the clock, {b[1] - a[1]:.1f} s of processor")
    print(f"the values of every dimension add up to the whole, draw by draw: {exact}")


if __name__ == "__main__":
    main()
