"""A daily Markov chain with competing outcomes: drawn at random, and solved exactly.

Day m runs from midnight m to midnight m + 1 (days since 1970-01-01 UTC). The state is the one seen
at midnight m. First the entity may close, by a softmax over {stay open, outcomes}; an entity that
stays open then makes its moves, one ``Step`` after the other. The same numbers drive the simulation
and the forward recursion, so the recursion's probabilities are the truth of the simulated data.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from features.tables import Floats, Ints

States = npt.NDArray[np.int8]
Scale = Callable[[Ints, Ints], Floats]
"""(rows (n,), days (n,)) -> (n,) factor of a step's rates, or (J, n) log odds of the outcomes."""


def by_state(*effects: Sequence[float]) -> Floats:
    """The sum of the effects of a state's parts, for every state; the last part runs fastest."""
    total = np.zeros(1)
    for effect in effects:
        total = np.add.outer(total, np.asarray(effect, np.float64)).ravel()
    return total


def kron(*parts: npt.ArrayLike) -> Floats:
    """The Kronecker product of matrices, one for each part of the state."""
    product = np.ones((1, 1))
    for part in parts:
        product = np.kron(product, np.asarray(part, np.float64)).astype(np.float64)
    return product


CHUNK = 384
"""Snapshots solved at once: in the cache, and too small for the BLAS to wake a second thread."""


@dataclass(frozen=True)
class StageMove:
    """One kind of daily move.

    rates  (S, S) probability of moving from state [from] to state [to]; zero diagonal
    scale  factor of all the rates, by entity and day; rates times scale must stay below 1
    """

    rates: Floats
    scale: Scale

    def spread(self, mass: Floats, rows: Ints, days: Ints) -> Floats:
        """The state probabilities (S, n) after this move."""
        flow = self.flow @ mass
        flow *= self.scale(rows, days)
        flow += mass
        return flow

    @cached_property
    def flow(self) -> Floats:
        """(S, S) what a day at scale 1 brings to each state [row] and takes from each [column]."""
        flow: Floats = self.rates.T - np.diag(self.rates.sum(axis=1))
        return flow

    def move(self, state: States, rows: Ints, days: Ints, rng: np.random.Generator) -> States:
        """The states (n,) after this move, drawn at random."""
        draw = rng.random(len(rows))
        scale = self.scale(rows, days)
        at = np.zeros(len(rows))
        moved = state.copy()
        targets, rates = self.ways_out
        for target, rate in zip(targets, rates, strict=True):
            here = rate[state] * scale
            hit = (draw >= at) & (draw < at + here)
            moved[hit] = target[state[hit]]
            at += here
        return moved

    @cached_property
    def ways_out(self) -> tuple[States, Floats]:
        """The targets (K, S) and rates (K, S) of the at most K ways out of each state."""
        likely = np.argsort(-self.rates, axis=1, kind="stable").T
        rates = np.take_along_axis(self.rates.T, likely, axis=0)
        ways = max(1, int((self.rates > 0).sum(axis=1).max()))
        return likely[:ways].astype(np.int8), rates[:ways]


@dataclass(frozen=True)
class Chain:
    """What may happen to an entity each day.

    base      (J, S) log odds against staying open, by outcome and state
    log_odds  what the entity and the day add to them, the same in every state: (J, n)
    """

    outcomes: tuple[str, ...]
    base: Floats
    log_odds: Scale
    steps: tuple[StageMove, ...]

    def close(self, state: States, rows: Ints, days: Ints, rng: np.random.Generator) -> Ints:
        """Draw what happens on the day: (n,) 0 stays open, j the j-th outcome."""
        odds = np.exp(self.base[:, state] + self.log_odds(rows, days))
        odds /= 1.0 + odds.sum(axis=0)
        draw = rng.random(len(rows))
        event = np.zeros(len(rows), np.int64)
        at = np.zeros(len(rows))
        for j, probability in enumerate(odds):
            event[(draw >= at) & (draw < at + probability)] = j + 1
            at += probability
        return event


@dataclass(frozen=True)
class Path:
    """What happened to every entity, a state for each midnight at which it was open.

    first    (n,) the first midnight after birth
    offset   (n + 1,) where each entity's states begin
    state    (offset[-1],) states at first, first + 1, … while open, up to ``end``
    outcome  (n,) 0 open, j the j-th outcome
    end      the midnight at which history ends
    """

    first: Ints
    offset: Ints
    state: States
    outcome: Ints
    end: int

    @property
    def length(self) -> Ints:
        """(n,) midnights at which each entity was seen open."""
        return np.diff(self.offset)

    @property
    def closed_day(self) -> Ints:
        """(n,) the day of the outcome, the last midnight seen; meaningless while open."""
        closed: Ints = self.first + self.length - 1
        return closed

    @property
    def rows(self) -> Ints:
        """The entity of each state."""
        return np.repeat(np.arange(len(self.first)), self.length)

    @property
    def days(self) -> Ints:
        """The midnight of each state."""
        within = np.arange(self.offset[-1]) - np.repeat(self.offset[:-1], self.length)
        days: Ints = within + np.repeat(self.first, self.length)
        return days

    @property
    def lived(self) -> npt.NDArray[np.bool_]:
        """Which of the states begin a day that the entity lived through to the next midnight."""
        lived = np.ones(len(self.state), np.bool_)
        ends = self.offset[1:][self.length > 0] - 1
        lived[ends] = False
        return lived

    def at(self, rows: Ints, days: Ints) -> States:
        """The state of each entity at a midnight; an error where it was not open then."""
        age = days - self.first[rows]
        wrong = np.flatnonzero((age < 0) | (age >= self.length[rows]))
        if len(wrong):
            i = wrong[0]
            raise ValueError(
                f"the entity in row {rows[i]} was not open at midnight {days[i]}; "
                f"ask from {self.first[rows[i]]} to {self.closed_day[rows[i]]} (days since 1970)"
            )
        return self.state[self.offset[rows] + age]


def simulate(chain: Chain, first: Ints, state: States, end: int, rng: np.random.Generator) -> Path:
    """Let every entity live from its first midnight (n,), in its first state (n,), to ``end``.

    All entities take their k-th day together: as many steps as the longest life has days.
    """
    outcome = np.zeros(len(first), np.int64)
    length = np.zeros(len(first), np.int64)
    alive = np.flatnonzero(first <= end)
    now = state[alive]
    lives: list[tuple[Ints, States]] = []
    while len(alive):
        lives.append((alive, now))
        length[alive] += 1
        days = first[alive] + len(lives) - 1
        going = days < end
        alive, now, days = alive[going], now[going], days[going]
        event = chain.close(now, alive, days, rng)
        outcome[alive] = event
        alive, now, days = alive[event == 0], now[event == 0], days[event == 0]
        for step in chain.steps:
            now = step.move(now, alive, days, rng)
    return _path(first, length, outcome, lives, end)


def _path(
    first: Ints, length: Ints, outcome: Ints, lives: Sequence[tuple[Ints, States]], end: int
) -> Path:
    offset = np.concatenate([[0], np.cumsum(length)]).astype(np.int64)
    states = np.empty(offset[-1], np.int8)
    for age, (rows, now) in enumerate(lives):
        states[offset[rows] + age] = now
    return Path(first, offset, states, outcome, end)


def incidence(
    chain: Chain, rows: Ints, days: Ints, states: States, edges: Sequence[float]
) -> Floats:
    """The true cumulative incidence (n, J, K) within ``edges`` whole days of midnight ``days``.

    Forward recursion: F_j += Σ_s p_s h_js, then p_s <- p_s (1 - Σ_j h_js), then the steps.
    """
    out = np.empty((len(rows), len(chain.outcomes), len(edges)))
    for begin in range(0, len(rows), CHUNK):
        part = slice(begin, begin + CHUNK)
        out[part] = _incidence(chain, rows[part], days[part], states[part], edges)
    return out


def _incidence(
    chain: Chain, rows: Ints, days: Ints, states: States, edges: Sequence[float]
) -> Floats:
    base = np.exp(chain.base)
    mass = np.zeros((base.shape[1], len(rows)))
    mass[states, np.arange(len(rows))] = 1.0
    closed = np.zeros((len(base), len(rows)))
    out = np.empty((len(rows), len(base), len(edges)))
    ends = {round(edge): k for k, edge in enumerate(edges)}
    for t in range(max(ends)):
        odds = np.exp(chain.log_odds(rows, days + t))
        mass /= 1.0 + base.T @ odds
        closed += odds * (base @ mass)
        for step in chain.steps:
            mass = step.spread(mass, rows, days + t)
        if t + 1 in ends:
            out[:, :, ends[t + 1]] = closed.T
    return out
