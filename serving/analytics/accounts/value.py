"""What a customer is worth: what it pays, for as long as its own churn curve lets it stay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from features.tables import Floats

MONTH = 365.25 / 12
"""Days in a mean month."""


@dataclass(frozen=True)
class Terms:
    """What the user states: the margin on a recurring amount, how far to look, the discount.

    margin 1.0 values revenue itself. discount a year; years beyond which nothing is counted.
    """

    margin: float = 1.0
    years: float = 5.0
    discount: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.margin <= 1:
            raise ValueError(f"margin is a share above 0, at most 1, got {self.margin}")
        if not self.years > 0:
            raise ValueError(f"years must be above 0, got {self.years}")
        if not self.discount >= 0:
            raise ValueError(f"discount is a share a year, 0 or more, got {self.discount}")


def survival(edges: Sequence[float], churned: Floats, days: Floats) -> Floats:
    """(n, d) chance to be a customer still after ``days``, from churn curves (n, K) by ``edges``.

    Between two edges the hazard is constant; beyond the last it stays what it was over the whole
    curve, which a curve of some months cannot know better.
    """
    ends = np.concatenate([[0.0], edges])
    logs = np.concatenate(
        [np.zeros((len(churned), 1)), np.log1p(-np.minimum(churned, 1 - 1e-12))], 1
    )
    inside = np.stack([np.interp(days, ends, row) for row in logs])
    beyond = logs[:, -1:] * (days[None, :] / ends[-1])
    curve: Floats = np.exp(np.where(days[None, :] <= ends[-1], inside, beyond))
    return curve


def lifetime_value(
    mrr: Floats, edges: Sequence[float], churned: Floats, terms: Terms
) -> tuple[Floats, Floats]:
    """(value (n,), months (n,)): margin x mrr x expected months, discounted, within ``years``.

    A month counts if the customer is there at its middle: Σ_m S((m + ½) months) / (1 + r)^(m / 12).
    """
    months: Floats = np.arange(round(12 * terms.years)).astype(np.float64)
    middle: Floats = (months + 0.5) * MONTH
    curve = survival(edges, churned, middle)
    worth = (1.0 + terms.discount) ** (-(months + 0.5) / 12)
    return terms.margin * mrr * (curve @ worth), curve.sum(axis=1)
