"""What all deals or customers of a draw share: pace, arrivals and prices, by cell of time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.tables import Floats, Ints
from training.forecast.belief.drift import DriftPosterior
from training.forecast.data.random import key_of, normals


@dataclass(frozen=True)
class Assumed:
    """Factors that a scenario assumes, (months,) each: on pace, arrivals and prices."""

    pace: Floats
    arrivals: Floats
    price: Floats


@dataclass(frozen=True)
class SharedEffects:
    """Shared by everybody in each of ``draws`` futures; all (C, draws), C the cells to come.

    pace      factor on hazards of winning, or on rates of buying
    arrivals  new deals or customers a day
    price     factor on amounts that are not stated yet
    stated    factor on those that are: 1 but under an assumption

    The random numbers behind them are the same at every origin, so that forecasts compare.
    """

    pace: Floats
    arrivals: Floats
    price: Floats
    stated: Floats

    @property
    def spread(self) -> float:
        """Standard deviation of the log pace, on average of the cells."""
        return float(np.log(self.pace).std(axis=1).mean())

    def under(self, assumed: Assumed, future: Ints) -> SharedEffects:
        """These effects under a scenario; ``future`` are the months of the cells to come."""
        return SharedEffects(
            self.pace * assumed.pace[future, None],
            self.arrivals * assumed.arrivals[future, None],
            self.price * assumed.price[future, None],
            self.stated * assumed.price[future, None],
        )

    def without_prices(self) -> SharedEffects:
        """The same pace and arrivals with every price 1."""
        one = np.ones_like(self.price)
        return SharedEffects(self.pace, self.arrivals, one, one)


def pace_draws(
    drift: DriftPosterior, bounds: Floats, draws: int, shock: float | None, *purpose: str | int
) -> Floats:
    """(C, draws) factors of the drift; with a stated ``shock`` exp(shock z), alike in all cells."""
    if shock is None:
        return drift.factors(bounds, draws, *purpose, "pace")
    stated = strengths(shock, normals(key_of(*purpose, "shock"), draws))
    return np.tile(stated, (len(bounds) - 1, 1))


def strengths(sigma: float, z: Floats) -> Floats:
    """exp(sigma z - sigma²/2): 1 on average."""
    found: Floats = np.exp(sigma * z - sigma**2 / 2)
    return found
