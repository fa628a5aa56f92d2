"""How long until a deal is won (or a customer leaves), by age, from what recently happened.

The Aalen–Johansen estimate over a recent stretch of the calendar: an entity is at risk at age a
while it was of that age, open, inside the stretch (delayed entry), so that old entities teach about
late ages, new ones about early ages, and open ones count for as long as they were seen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.tables import DAY, Bools, Floats, Instants, Ints


@dataclass(frozen=True)
class EventAges:
    """The estimated distribution of the age at the target outcome: a jump at each observed one.

    rows    (m,) the entity of each jump; its marks are what such an outcome brings
    ages    (m,) days, rising
    weight  (m,) what the jump adds to the cumulative incidence, S(a-) / at risk(a)
    """

    rows: Ints
    ages: Floats
    weight: Floats

    def incidence(self, ages: Floats) -> Floats:
        """The cumulative incidence by each age, in days."""
        total = np.concatenate([[0.0], np.cumsum(self.weight)])
        found: Floats = total[np.searchsorted(self.ages, ages, side="right")]
        return found

    def conditional(self, ages: Floats, days: Floats) -> Floats:
        """(n, D) chance of the outcome within ``days`` (D,) of entities open at ``ages`` (n,).

        What competes with it is left out: an upper bound, used only while no curve is known.
        """
        now = self.incidence(ages)[:, None]
        later = self.incidence(ages[:, None] + days)
        found: Floats = np.clip((later - now) / np.maximum(1.0 - now, 1e-9), 0.0, 1.0 - 1e-12)
        return found


def event_ages(
    born: Instants, ended: Instants, target: Bools, other: Bools, since: int, until: int
) -> EventAges:
    """Estimate from n entities, looking at [since, until) only.

    born, ended    microseconds; ``ended`` counts only where ``target`` or ``other`` says how
    target, other  (n,) whether it ended in the outcome asked about, or in another
    """
    done = (target | other) & (ended < until)
    entry = np.maximum(since - born, 0) / DAY
    leave = (np.where(done, ended, until) - born) / DAY
    seen = (born < until) & (leave >= entry)
    event = seen & done & (ended >= since)
    order = np.flatnonzero(event)[np.argsort(leave[event], kind="stable")]
    ages = leave[order]
    at_risk = np.searchsorted(np.sort(entry[seen]), ages, side="right") - np.searchsorted(
        np.sort(leave[seen]), ages, side="left"
    )
    hazard = 1.0 / np.maximum(at_risk, 1)
    survival = np.concatenate([[1.0], np.cumprod(1.0 - hazard)[:-1]]) if len(hazard) else hazard
    hit = target[order]
    return EventAges(order[hit], ages[hit], (survival * hazard)[hit])
