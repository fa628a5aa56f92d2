"""Incidence of competing outcomes over bins of time: the Aalen–Johansen estimate (1978).

Of 10 entities that entered a bin 2 converted and 1 was lost: hazards .2 and .1. Of the .7 that are
left, the next bin's hazards take their shares: incidence adds survival times hazard, bin by bin.
"""

from __future__ import annotations

import numpy as np

from features.tables import Floats


def aalen_johansen(at_risk: Floats, events: Floats) -> Floats:
    """(…, K, J) incidence by the end of each bin.

    at_risk  (…, K) entities that entered each bin and were observed through it
    events   (…, K, J) how many of them had each outcome there; a bin nobody entered has hazard 0
    """
    entered = np.where(at_risk > 0, at_risk, np.inf)
    hazards = events / entered[..., None]
    survival = np.cumprod(1.0 - hazards.sum(axis=-1), axis=-1)
    before = np.concatenate([np.ones_like(survival[..., :1]), survival[..., :-1]], axis=-1)
    incidence: Floats = np.cumsum(before[..., None] * hazards, axis=-2)
    return incidence
