"""How much one column tells of an outcome: out of fold, smoothed, within cohorts.

Every level of a column gets the odds by which its rows differ from what their cohort alone would
make one expect; the odds are learnt on four fifths of the rows and judged on the fifth, so that ten
thousand ids, each seen once, tell nothing. Rows are compared within cohorts of one age, because a
lead of last week had no time to convert, whatever its fields say.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit
from scipy.stats import rankdata

from features.tables import NAT, Bools, Coded, Floats, Instants, Ints

FOLDS = 5
PRIOR = 5.0
"""How many rows of its cohort's rate a level counts for: a level seen twice moves little."""
COMMON = 0.01
"""A number that this share of the rows has is a level of its own (0, -1, 999 often are codes)."""
BINS = 20
COHORTS = 10
COHORT_ROWS = 100
RIDGE = 1.0


@dataclass(frozen=True)
class Target:
    """An outcome to be told: hit (n,), its cohort (n,), expected (n,) the cohort's own share, and
    the fold (n,) in which each row is judged; says is the class in words, as in "converted".
    """

    says: str
    hit: Bools
    cohort: Ints
    expected: Floats
    fold: Ints

    def __len__(self) -> int:
        return len(self.hit)

    def take(self, rows: Bools) -> Target:
        """The target of the rows marked alone: their cohorts' shares are counted among them."""
        if rows.all():
            return self
        hit, cohort = self.hit[rows], self.cohort[rows]
        return Target(self.says, hit, cohort, _shares(hit, cohort), self.fold[rows])

    @property
    def fewest(self) -> int:
        """Rows of the rarer class; 0 where there is one class only, and nothing to be told."""
        ones = int(self.hit.sum())
        return min(ones, len(self.hit) - ones)

    @property
    def entropy(self) -> float:
        """Mean loss in nats of knowing the cohort only: the uncertainty there is."""
        return float(_losses(self.hit, self.expected).mean())


@dataclass(frozen=True)
class Gain:
    """How much a column (or several) takes off the uncertainty, with its 95 % interval.

    share   1 - loss / entropy, judged out of fold: 0 tells nothing, 1 tells all
    auc     of the column's odds alone; nan where one class is absent
    shift   (n,) log-odds the column adds to each row
    """

    share: float
    low: float
    high: float
    auc: float
    shift: Floats


def target(says: str, hit: Bools, cohort: Ints, seed: int = 0) -> Target:
    """A target whose expectation is each cohort's own share, kept a row away from 0 and 1."""
    fold = np.random.default_rng(seed).permutation(len(hit)) % FOLDS
    return Target(says, hit, cohort, _shares(hit, cohort), fold)


def _shares(hit: Bools, cohort: Ints) -> Floats:
    overall = (hit.sum() + 0.5) / (len(hit) + 1.0)
    rate = (np.bincount(cohort, hit) + overall) / (np.bincount(cohort) + 1.0)
    shares: Floats = rate[cohort]
    return shares


def cohorts(born: Instants) -> Ints:
    """(n,) up to ``COHORTS`` groups of like age; one group where there are no dates."""
    groups = min(COHORTS, len(born) // COHORT_ROWS)
    if groups < 2 or (born == NAT).all():
        return np.zeros(len(born), np.int64)
    edges = np.quantile(born, np.arange(1, groups) / groups)
    return np.searchsorted(edges, born, side="right").astype(np.int64)


def levels(column: Coded | Floats | Instants) -> Ints:
    """(n,) codes 0 … L-1 of a column, missing being 0; numbers in ``BINS`` and common values."""
    if isinstance(column, Coded):
        return column.codes.astype(np.int64) + 1
    missing = column == NAT if column.dtype == np.int64 else np.isnan(column)
    codes = np.zeros(len(column), np.int64)
    values = np.asarray(column[~missing], np.float64)
    if len(values) == 0:
        return codes
    distinct, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    common = counts >= max(COMMON * len(column), 2.0)
    edges = np.unique(np.quantile(values, np.arange(1, BINS) / BINS))
    bins = np.searchsorted(edges, distinct, side="right")
    own = len(edges) + 1 + np.cumsum(common)
    codes[~missing] = 1 + np.where(common, own, bins)[place]
    return codes


def known(column: Coded | Floats | Instants) -> Bools:
    """(n,) whether each row holds a value."""
    if isinstance(column, Coded):
        return column.codes >= 0
    return column != NAT if column.dtype == np.int64 else ~np.isnan(column)


def alone(codes: Ints, of: Target) -> Gain:
    """What a column of levels (n,) tells by itself."""
    shift = np.zeros(len(of))
    size = int(codes.max(initial=0)) + 1
    for k in range(FOLDS):
        held = of.fold == k
        shift[held] = _odds(codes[~held], of.hit[~held], of.expected[~held], size)[codes[held]]
    return _gain(expit(logit(of.expected) + shift), shift, of)


def _odds(codes: Ints, hit: Bools, expected: Floats, size: int) -> Floats:
    """(L,) log of the odds of each level against those its cohorts make one expect."""
    n = np.bincount(codes, minlength=size)
    usual = np.bincount(codes, expected, minlength=size)
    mean = float(expected.mean()) if len(expected) else 0.5
    usual = (usual + mean) / (n + 1.0)
    found = (np.bincount(codes, hit, minlength=size) + PRIOR * usual) / (n + PRIOR)
    odds: Floats = logit(found) - logit(usual)
    return odds


def together(shifts: Floats, of: Target) -> Gain:
    """What several columns tell jointly: a ridge on their log-odds (n, F), out of fold."""
    if shifts.shape[1] == 0:
        return _gain(of.expected, np.zeros(len(of)), of)
    shift = np.zeros(len(of))
    for k in range(FOLDS):
        held = of.fold == k
        weights = _ridge(shifts[~held], of.hit[~held], logit(of.expected[~held]))
        shift[held] = shifts[held] @ weights[1:] + weights[0]
    return _gain(expit(logit(of.expected) + shift), shift, of)


def _ridge(X: Floats, hit: Bools, offset: Floats) -> Floats:
    """(1 + F,) logistic coefficients by Newton steps; the intercept is not shrunk."""
    A = np.column_stack([np.ones(len(X)), X])
    penalty = np.diag(np.r_[1e-6, np.full(X.shape[1], RIDGE)])
    weights = np.zeros(A.shape[1])
    for _ in range(12):
        p = expit(offset + A @ weights)
        curvature = (A * (p * (1 - p))[:, None]).T @ A + penalty
        step = np.linalg.solve(curvature, A.T @ (hit - p) - penalty @ weights)
        weights = weights + np.clip(step, -2.0, 2.0)
        if np.abs(step).max() < 1e-6:
            break
    return weights


def _gain(p: Floats, shift: Floats, of: Target) -> Gain:
    if of.fewest == 0:
        return Gain(0.0, 0.0, 0.0, float("nan"), shift)
    saved = _losses(of.hit, of.expected) - _losses(of.hit, p)
    entropy = max(of.entropy, 1e-12)
    share = float(saved.mean()) / entropy
    wide = 1.96 * float(saved.std()) / np.sqrt(max(len(of), 1)) / entropy
    return Gain(share, share - wide, share + wide, _auc(shift, of.hit), shift)


def mean_of(values: Bools | Floats) -> float:
    """The mean, nan of nothing."""
    return float(np.mean(values)) if len(values) else float("nan")


def _losses(hit: Bools, p: Floats) -> Floats:
    p = np.clip(p, 1e-9, 1 - 1e-9)
    return -np.log(np.where(hit, p, 1 - p))


def _auc(score: Floats, hit: Bools) -> float:
    ones, zeros = int(hit.sum()), int((~hit).sum())
    if ones == 0 or zeros == 0:
        return float("nan")
    return float((rankdata(score)[hit].sum() - ones * (ones + 1) / 2) / (ones * zeros))
