"""Level, growth and season of an intensity, with what is not yet known left in the draws.

The log of an intensity (arrivals, wins by what ages lead to expect, purchases, a price) is a
Gaussian process over time,

    f(t) = level + growth · t + random walk + season(t) + quarter(t) + noise of each four weeks,

observed through counts (Poisson) or mean logs (normal) of four-week bins back from the origin, by
Laplace's approximation (Rasmussen and Williams, 2006, algorithms 3.1 and 5.1). The sizes of growth,
walk, season, quarter and noise are averaged over ``SIZES`` by their evidence: with half a year of
history a season is drawn from its prior, with four years from what was seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np

from features.tables import DAY, Floats
from training.forecast.data.random import key_of, normals, uniforms

YEAR = 365.25
BIN = 28.0
"""Days of a bin: long enough for weekdays and months' ends to even out."""
MOST = 52
"""Bins looked at: four years."""
LEVEL = 1.0
"""Prior deviation of the level around the mean rate."""
SMOOTH = 0.6
"""Length of the season's kernel: months next to each other go together (correlation 0.7)."""
SIZES = {
    "growth": ((0.1, 0.65), (0.4, 0.35)),
    "walk": ((0.05, 0.4), (0.2, 0.4), (0.7, 0.2)),
    "season": ((0.07, 0.6), (0.3, 0.4)),
    "quarter": ((0.02, 0.7), (0.2, 0.3)),
    "noise": ((0.06, 0.6), (0.2, 0.4)),
}
"""Prior deviations of the parts of f, in log a year (noise: of a bin), and how likely each is."""
STEPS = 12
"""Newton steps; a count's posterior is found to 1e-6 within eight."""
FARTHEST = 2.5
"""Log factors are held within ±: a twelvefold change within a year is no extrapolation."""


@dataclass(frozen=True)
class Observed:
    """n bins, the newest first: counts beside what was expected, or means beside their variance.

    counts, expected  (n,) y ~ Poisson(expected · exp f); or, where ``variance`` is given,
    variance  (n,) y ~ normal(f, variance), infinite for a bin without an observation
    """

    counts: Floats
    expected: Floats
    variance: Floats | None = None

    def slope(self, f: Floats) -> tuple[Floats, Floats, Floats]:
        """Log likelihood (H,), its slope and minus its curvature (H, n) at f (H, n)."""
        if self.variance is None:
            mean = self.expected * np.exp(f)
            return (self.counts * f - mean).sum(axis=1), self.counts - mean, mean
        weight = (1.0 / self.variance).astype(np.float64)
        off = self.counts - f
        curve = np.broadcast_to(weight, f.shape).astype(np.float64)
        return -0.5 * (off**2 * weight).sum(axis=1), off * weight, curve


@dataclass(frozen=True)
class DriftPosterior:
    """What is known of f at an origin; factors are against the mean of ``weights`` over the bins.

    origin     days since 1970; n bins back from it were seen
    scale      the prior's deviations are multiplied by it (prices move less than numbers)
    """

    origin: float
    seen: Observed
    weights: Floats
    scale: float = 1.0

    @cached_property
    def _sizes(self) -> tuple[Floats, Floats]:
        """(H, 5) deviations of the parts of f and their prior (H,)."""
        combined = list(product(*SIZES.values()))
        sizes = np.array([[size for size, _ in one] for one in combined]) * self.scale
        prior = np.array([np.prod([p for _, p in one]) for one in combined])
        return sizes, prior / prior.sum()

    @cached_property
    def _times(self) -> Floats:
        """(n,) years from the origin to the middles of the bins: negative."""
        return (-(np.arange(len(self.seen.counts)) + 0.5) * BIN / YEAR).astype(np.float64)

    def season(self, bounds: Floats) -> Floats:
        """(C,) mean of the log of the season and the quarter's waves alone, by cells."""
        evidence, slope, _ = self._posterior
        cross = self._season((bounds[:-1] + bounds[1:]) / 2 / YEAR, self._times)
        found: Floats = evidence @ (cross @ slope[..., None])[..., 0]
        return found

    def _season(self, a: Floats, b: Floats) -> Floats:
        """(H, a, b) covariance of the waves of the year and the quarter."""
        sizes, _ = self._sizes
        season, quarter = (sizes[:, i, None, None] ** 2 for i in (2, 3))
        apart = np.pi * (a[:, None] - b)
        year, fast = np.sin(apart) ** 2, np.sin(4 * apart) ** 2
        found: Floats = season * np.exp(-2 * year / SMOOTH**2) + quarter * np.exp(-2 * fast)
        return found

    def _kernel(self, a: Floats, b: Floats) -> Floats:
        """(H, a, b) covariance of f at two sets of times, in years from the origin; no noise.

        The walk starts with the oldest bin; the quarter's waves are as smooth as a cosine's.
        """
        sizes, _ = self._sizes
        growth, walk = (sizes[:, i, None, None] ** 2 for i in (0, 1))
        oldest = len(self.seen.counts) * BIN / YEAR
        found: Floats = (
            LEVEL**2
            + growth * (a[:, None] * b)
            + walk * (np.minimum(a[:, None], b) + oldest)
            + self._season(a, b)
        )
        return found

    @cached_property
    def _posterior(self) -> tuple[Floats, Floats, Floats]:
        """Evidence weights (H,), the slope (H, n) and (K + 1/W)^-1 (H, n, n) at the mode."""
        sizes, prior = self._sizes
        n = len(self.seen.counts)
        K = self._kernel(self._times, self._times) + sizes[:, 4, None, None] ** 2 * np.eye(n)
        f = np.zeros((len(sizes), n))
        for _ in range(STEPS):
            _, slope, curve = self.seen.slope(f)
            root = np.sqrt(curve)
            B = np.eye(n) + root[:, :, None] * K * root[:, None, :]
            b = curve * f + slope
            inner = np.linalg.solve(B, (root * (K @ b[..., None])[..., 0])[..., None])[..., 0]
            f = np.clip((K @ (b - root * inner)[..., None])[..., 0], -6.0, 6.0)
        fit, slope, curve = self.seen.slope(f)
        root = np.sqrt(curve)
        B = np.eye(n) + root[:, :, None] * K * root[:, None, :]
        quadratic = np.einsum("hi,hi->h", f, slope)
        evidence = np.log(prior) + fit - 0.5 * quadratic - 0.5 * np.linalg.slogdet(B)[1]
        weight = np.exp(evidence - evidence.max())
        precision = root[:, :, None] * np.linalg.inv(B) * root[:, None, :]
        return weight / weight.sum(), slope, precision

    def ahead(self, bounds: Floats) -> tuple[Floats, Floats, Floats]:
        """Evidence (H,), mean (H, C) and covariance (H, C, C) of the log factor in C cells.

        bounds  (C + 1,) days from the origin
        """
        middle = (bounds[:-1] + bounds[1:]) / 2 / YEAR
        times = np.concatenate([middle, self._times])
        evidence, slope, precision = self._posterior
        sizes, _ = self._sizes
        noise = sizes[:, 4, None, None] ** 2
        # noise is of each four weeks: a week's is twice as large, and no cell's more than that
        length = np.clip(BIN / np.diff(bounds), 1.0, 4.0)
        apart = np.diag(np.concatenate([length, np.ones(len(self._times))]))
        prior = self._kernel(times, times) + noise * apart
        cross = prior[:, :, len(middle) :]
        mean = (cross @ slope[..., None])[..., 0]
        covariance = prior - cross @ precision @ cross.transpose(0, 2, 1)
        contrast = np.hstack([np.eye(len(middle)), -np.tile(self.weights, (len(middle), 1))])
        return evidence, mean @ contrast.T, contrast @ covariance @ contrast.T

    def factors(self, bounds: Floats, draws: int, *purpose: str | int) -> Floats:
        """(C, draws) factors; ``purpose`` names the random numbers, the same at every origin."""
        evidence, mean, covariance = self.ahead(bounds)
        cells = mean.shape[1]
        pick = uniforms(np.array([key_of(*purpose, "sizes")], np.uint64), draws)[0]
        chosen = np.minimum(np.searchsorted(np.cumsum(evidence), pick), len(evidence) - 1)
        z = np.stack([normals(key_of(*purpose, "drift", c), draws) for c in range(cells)])
        root = np.linalg.cholesky(covariance + 1e-9 * np.eye(cells))
        log = mean[chosen].T + np.einsum("dij,jd->id", root[chosen], z)
        found: Floats = np.exp(np.clip(log, -FARTHEST, FARTHEST))
        return found

    def expected(self, bounds: Floats) -> Floats:
        """(C,) the factors' geometric means."""
        evidence, mean, _ = self.ahead(bounds)
        found: Floats = np.exp(np.clip(evidence @ mean, -FARTHEST, FARTHEST))
        return found


def bins_of(history: float) -> int:
    """How many whole bins a history of so many days has, at least 1 and at most ``MOST``."""
    return int(np.clip(history // BIN, 1, MOST))


def count_drift(
    origin: int, counts: Floats, expected: Floats, half_life: float | None = None
) -> DriftPosterior:
    """The drift of counts against what was expected, (n,) each, the newest bin first.

    half_life  of the bins' weight in what the factors are against, in days; None: all weigh alike
    """
    n = len(counts)
    weights = expected * (1.0 if half_life is None else 0.5 ** (np.arange(n) * BIN / half_life))
    return DriftPosterior(
        origin / DAY, Observed(counts, np.maximum(expected, 1e-6)), weights / weights.sum()
    )


PRICES = 0.4
"""Prices are taken to move less than numbers of deals."""


def price_drift(origin: int, days_ago: Floats, amounts: Floats, recent: float) -> DriftPosterior:
    """The drift of the log of amounts (m,) paid ``days_ago``; amounts of 0 or less teach nothing.

    recent  factors are against the mean log of the amounts of so many days
    """
    good = amounts > 0
    ages, logs = days_ago[good], np.log(amounts[good])
    n = bins_of(float(ages.max(initial=0.0)))
    place = (ages // BIN).astype(np.int64)
    # sorted, so that sums are the same to the last bit in whatever order the rows come
    order = np.lexsort((logs, place))[: int((place < n).sum())]
    ages, logs, place = ages[order], logs[order], place[order]
    count = np.bincount(place, minlength=n).astype(np.float64)
    centre = float(np.median(logs)) if len(logs) else 0.0
    spread = max(float(logs.var()) if len(logs) > 1 else 1.0, 1e-4)
    off = np.bincount(place, weights=logs - centre, minlength=n) / np.maximum(count, 1.0)
    variance = np.where(count > 0, spread / np.maximum(count, 1.0), 1e12)
    weights = count * (np.arange(n) * BIN < recent)
    weights = weights / weights.sum() if weights.sum() else np.full(n, 1.0 / n)
    return DriftPosterior(origin / DAY, Observed(off, np.ones(n), variance), weights, PRICES)
