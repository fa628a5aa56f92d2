"""Which rows teach and which test: rolling origins that never look past themselves.

The gap of one horizon, bin by bin. A label of bin k needs the time up to cutoff + t_{k+1}. At an
origin o the rows with cutoff < o are labelled with ``data_end = o``: a bin teaches only when
cutoff + t_{k+1} <= o, so no training label uses an instant at or after the origin, and a direct
classifier of the whole horizon, which needs matured rows, keeps the classic gap
cutoff + horizon <= o by itself. Nothing recent is thrown away that could honestly be used. An
entity may teach at an early cutoff and be tested at a later one: that is how a company uses it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pandas as pd

from features.tables import DAY, NAT, Bools, Floats, Instants, Ints, instant_text


class TooLittleDataError(ValueError):
    """The rows cannot be divided into a teaching and a testing part."""


@dataclass(frozen=True)
class Fold:
    """One origin: what teaches there, and what it is tested on.

    origin      instant in microseconds; NAT in flat data, like the two ends
    train_rows  positions with cutoff < origin; label them with ``data_end = train_end`` (= origin)
    valid_rows  positions with origin <= cutoff < next origin; label with ``data_end = valid_end``
    """

    origin: int
    train_rows: Ints
    valid_rows: Ints
    train_end: int
    valid_end: int


@dataclass(frozen=True)
class Split:
    """The folds to tune and blend on, and the newest period to look at once.

    newest  its valid_rows have their whole horizon observed; no fold's label looks into it
    timed   False for flat data: what only time can check was not checked
    notes   what was reduced or could not be done, and why, in sentences for the report
    """

    folds: list[Fold]
    newest: Fold
    timed: bool = True
    notes: list[str] = field(default_factory=list)

    def table(self) -> pd.DataFrame:
        """One row a fold: fold, origin, train_rows, valid_rows, train_end, valid_end."""
        named = [(str(i + 1), f) for i, f in enumerate(self.folds)] + [("newest", self.newest)]
        return pd.DataFrame(
            {
                "fold": [n for n, _ in named],
                "origin": [_text(f.origin) for _, f in named],
                "train_rows": [len(f.train_rows) for _, f in named],
                "valid_rows": [len(f.valid_rows) for _, f in named],
                "train_end": [_text(f.train_end) for _, f in named],
                "valid_end": [_text(f.valid_end) for _, f in named],
            }
        )


def _text(at: int) -> str:
    return "" if at == NAT else instant_text(at)


def rolling_origins(
    cutoffs: Instants,
    data_end: int,
    horizon_days: float,
    folds: int = 4,
    newest_share: float = 0.2,
    newest_days: float | None = None,
    first_share: float = 0.55,
    hit_at: Instants | None = None,
    min_rows: int = 30,
    min_hits: int = 2,
) -> Split:
    """Divide a spine forward in time.

    cutoffs       (n,) microseconds
    data_end      microseconds, exclusive: nothing is known from there on
    newest_share  share of the matured rows kept unseen as the newest period …
    newest_days   … or its length in days, ending at data_end - horizon
    first_share   share of the tuning rows before the first origin: parts that learned from much
                  less than the last fit will are less sure than it, and a blend fitted on them
                  would hold the last fit back
    hit_at        (n,) instant of the scored outcome of each row's entity, NAT without one; with it
                  a fold that would have fewer than ``min_hits`` to learn from or to test on is
                  dropped, with a note

    Raises TooLittleDataError for no rows, no matured row, or nothing before the newest period.
    """
    horizon = round(horizon_days * DAY)
    start = _newest_start(cutoffs, data_end, horizon, newest_share, newest_days)
    newest = _fold(cutoffs, start, data_end - horizon + 1, data_end)
    _require_sides(newest, cutoffs, start)
    notes: list[str] = []
    origins = _origins(cutoffs, start, horizon, folds, first_share, notes)
    made = [
        _fold(cutoffs, a, b, start) for a, b in zip(origins, [*origins[1:], start], strict=True)
    ]
    kept = [f for f in made if _usable(f, cutoffs, horizon, hit_at, min_rows, min_hits, notes)]
    if not kept:
        notes.append(
            "no fold holds enough to tune on: the learner keeps its default settings and is "
            "judged on the newest period alone"
        )
    elif len(kept) < folds:
        notes.append(f"{len(kept)} of {folds} folds asked for")
    return Split(kept, newest, True, notes)


def _newest_start(
    cutoffs: Instants, data_end: int, horizon: int, share: float, days: float | None
) -> int:
    if len(cutoffs) == 0:
        raise TooLittleDataError(
            "there are no rows to split; check the mapping's dates and outcomes"
        )
    matured = np.sort(cutoffs[cutoffs <= data_end - horizon])
    if len(matured) == 0:
        raise TooLittleDataError(
            f"no row has its whole horizon of {horizon / DAY:g} days observed: the first cutoff is "
            f"{instant_text(int(cutoffs.min()))} and the data end {instant_text(data_end)}; set a "
            f"shorter horizon (edges) or bring a longer history"
        )
    if days is not None:
        return data_end - horizon - round(days * DAY)
    if not 0 < share < 1:
        raise ValueError(f"newest_share must lie between 0 and 1, got {share}")
    return int(matured[min(int(np.ceil(len(matured) * (1 - share))), len(matured) - 1)])


def _fold(cutoffs: Instants, origin: int, until: int, valid_end: int) -> Fold:
    train = np.flatnonzero(cutoffs < origin)
    valid = np.flatnonzero((cutoffs >= origin) & (cutoffs < until))
    return Fold(int(origin), train, valid, int(origin), int(valid_end))


def _require_sides(newest: Fold, cutoffs: Instants, start: int) -> None:
    if len(newest.train_rows) == 0:
        raise TooLittleDataError(
            f"no row lies before the newest period, which begins {instant_text(start)}: all "
            f"{len(cutoffs)} cutoffs are as late or later; make the newest period shorter, or "
            f"treat the table as flat if its dates mean nothing"
        )
    if len(newest.valid_rows) == 0:
        raise TooLittleDataError(
            f"the newest period, from {instant_text(start)}, holds no row whose horizon is "
            f"observed; make it longer or the horizon shorter"
        )


def _origins(
    cutoffs: Instants, start: int, horizon: int, folds: int, first: float, notes: list[str]
) -> list[int]:
    """Origins with about as many validation rows in between, earliest first."""
    before = np.sort(cutoffs[cutoffs < start])
    matured = before[before <= start - horizon]
    if len(matured) < len(before) / 4:
        # With a long horizon and a short history every fold would lie in the oldest corner.
        notes.append(
            "the horizon is long against the history: validation rows of the folds are observed "
            "for part of it only, and are judged on the bins that were"
        )
        matured = before
    shares = first + (1 - first) * np.arange(folds) / max(folds, 1)
    places = np.minimum((len(matured) * shares).astype(np.int64), len(matured) - 1)
    return sorted({int(matured[p]) for p in places})


def _usable(
    fold: Fold,
    cutoffs: Instants,
    horizon: int,
    hit_at: Instants | None,
    min_rows: int,
    min_hits: int,
    notes: list[str],
) -> bool:
    name = f"the fold at {instant_text(fold.origin)} was dropped"
    fewest = min(len(fold.train_rows), len(fold.valid_rows))
    if fewest < min_rows:
        notes.append(f"{name}: {fewest} rows to teach or to test, fewer than {min_rows}")
        return False
    if hit_at is None:
        return True
    taught = _hits(cutoffs, hit_at, horizon, fold.train_rows, fold.train_end)
    tested = _hits(cutoffs, hit_at, horizon, fold.valid_rows, fold.valid_end)
    if min(taught.sum(), tested.sum()) < min_hits:
        notes.append(
            f"{name}: {taught.sum()} outcomes to learn from and {tested.sum()} to test on, "
            f"{min_hits} needed of each"
        )
        return False
    return True


def _hits(cutoffs: Instants, hit_at: Instants, horizon: int, rows: Ints, end: int) -> Bools:
    at, cutoff = hit_at[rows], cutoffs[rows]
    hits: Bools = (at != NAT) & (at >= cutoff) & (at < np.minimum(cutoff + horizon, end))
    return hits


def stratified(hit: Bools, seed: int, folds: int = 5, newest_share: float = 0.2) -> Split:
    """Divide a flat table by seeded chance, the outcome's share equal in every part.

    hit  (n,) whether the scored outcome happened. A hold-out of ``newest_share`` stands in for the
    newest period. Raises TooLittleDataError for no rows, or fewer than 3 of either kind.
    """
    hit = np.asarray(hit, bool)
    fewest = _require_both(hit)
    order = _dealt(hit, np.random.default_rng(seed))
    rows, rank, size = order[:, 0], order[:, 1], order[:, 2]
    # In each class the first share of the shuffled rows is held out, at least 1, leaving 2.
    held = rank < np.clip(np.round(size * newest_share), 1, size - 2)
    notes = [
        "the table has no dates: rows were divided by chance, so drift and leaks through time "
        "could not be checked"
    ]
    used = min(folds, int(fewest - np.clip(np.round(fewest * newest_share), 1, fewest - 2)))
    if used < folds:
        notes.append(f"{used} of {folds} folds: the rarer outcome has only {fewest} rows")
    part = np.where(held, -1, rank % used)
    made = [_flat_fold(rows[(part >= 0) & (part != f)], rows[part == f]) for f in range(used)]
    return Split(made, _flat_fold(rows[~held], rows[held]), False, notes)


def ordered(
    order: Floats, hit: Bools, name: str, folds: int = 4, newest_share: float = 0.2
) -> Split:
    """Divide a flat table by a column that says which rows are newer, as if by time.

    order  (n,) rising; rows of one value stay together, and rows without one are the oldest
    The newest ``newest_share`` is looked at once; every fold learns from what comes before it.
    Raises TooLittleDataError where either side would lack one of the two outcomes.
    """
    fewest = _require_both(hit)
    levels = np.unique(np.where(np.isnan(order), -np.inf, order), return_inverse=True)[1]
    ends = _cuts(levels, [1 - newest_share])
    newest = _flat_fold(np.flatnonzero(levels < ends[0]), np.flatnonzero(levels >= ends[0]))
    for side, rows in (("before", newest.train_rows), ("in", newest.valid_rows)):
        if not 0 < hit[rows].sum() < len(rows):
            raise TooLittleDataError(
                f"ordered by {name}, all {len(rows)} rows {side} the newest part have one outcome: "
                f"bring more rows, or leave order_by out"
            )
    shares = 0.55 + 0.45 * np.arange(folds + 1) / folds
    before = newest.train_rows
    cuts = [*_cuts(levels[before], shares[:-1].tolist()), int(ends[0])]
    made = [
        _flat_fold(before[levels[before] < a], before[(levels[before] >= a) & (levels[before] < b)])
        for a, b in pairwise(sorted(set(cuts)))
    ]
    usable = [f for f in made if all(_two(hit[r]) for r in (f.train_rows, f.valid_rows))]
    notes = [
        f"the table has no dates: rows were divided in the order of {name}, so that what tests is "
        f"newer than what teaches; leaks through time could not be checked"
    ]
    if len(usable) < folds:
        notes.append(f"{len(usable)} of {folds} folds: the rarer outcome has only {fewest} rows")
    return Split(usable, newest, False, notes)


def _cuts(levels: Ints, shares: Sequence[float]) -> list[int]:
    """The level at which each share of the rows lies before."""
    ranked = np.sort(levels)
    return [int(ranked[min(int(len(ranked) * s), len(ranked) - 1)]) for s in shares]


def _two(hit: Bools) -> bool:
    """Whether there are at least two rows with the outcome and two without."""
    return min(int(hit.sum()), int((~hit).sum())) >= 2


def _require_both(hit: Bools) -> int:
    if len(hit) == 0:
        raise TooLittleDataError("there are no rows to split; check the mapping")
    fewest = int(min(hit.sum(), (~hit).sum()))
    if fewest < 3:
        raise TooLittleDataError(
            f"{int(hit.sum())} of {len(hit)} rows have the outcome: at least 3 with and 3 without "
            f"are needed to learn and to test; check the outcome words in the mapping"
        )
    return fewest


def _dealt(hit: Bools, rng: np.random.Generator) -> Ints:
    """(n, 3): row, its place in the shuffled rows of its class, the size of that class."""
    dealt = []
    for rows in (np.flatnonzero(hit), np.flatnonzero(~hit)):
        shuffled = rng.permutation(rows)
        dealt.append(
            np.column_stack([shuffled, np.arange(len(rows)), np.full(len(rows), len(rows))])
        )
    return np.concatenate(dealt).astype(np.int64)


def _flat_fold(train: Ints, valid: Ints) -> Fold:
    return Fold(NAT, np.sort(train), np.sort(valid), NAT, NAT)
