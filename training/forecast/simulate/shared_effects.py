"""What all deals of a draw share: the shock on their hazards and the luck of arrivals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.tables import Floats
from training.forecast.data.random import key_of, normals
from training.forecast.data.settings import ForecastSettings


@dataclass(frozen=True)
class SharedEffects:
    """The shared luck of ``draws`` futures; the same at every origin, so that forecasts compare.

    z        (draws,) standard normal, behind the shock; arrivals likewise
    shock    (draws,) the factor on cumulative hazards, with mean 1
    """

    z: Floats
    arrivals: Floats
    shock: Floats

    @staticmethod
    def of(settings: ForecastSettings, sigma: float, purpose: str = "deals") -> SharedEffects:
        """The luck of the futures that ``settings.seed`` names."""
        z = normals(key_of(settings.seed, purpose, "shock"), settings.draws)
        come = normals(key_of(settings.seed, purpose, "arrivals"), settings.draws)
        return SharedEffects(z, come, strengths(sigma, z))


def strengths(sigma: float, z: Floats) -> Floats:
    """exp(sigma z - sigma²/2): 1 on average."""
    found: Floats = np.exp(sigma * z - sigma**2 / 2)
    return found
