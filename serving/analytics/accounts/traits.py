"""What kind of company an account is: its fixed fields as one matrix, as of an instant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from features.catalog import chosen, compute, supported
from features.definitions import fields
from features.spine import Features, Spine
from features.tables import Bools, Coded, Floats, Ints
from features.view import View
from serving.analytics.asof.frames import AsOfFrames
from training.models.baselines.logistic import Logistic
from training.models.encoding import Encoding

FOLDS = 5
"""Parts of the cross-fit: nobody is judged by a model that has seen it."""
FEWEST = 20
"""Cases of either kind below which nothing is learned."""
LEVEL = 5
"""Accounts that must share a word for it to be a trait."""
IN_TIME = ("region", "owner_id", "tier")
"""Fields that say who serves the account or how, not what it is."""


@dataclass(frozen=True)
class Traits:
    """Fields (n accounts) as features, and as the matrix X (n, F) of ``encoding``."""

    ids: list[str]
    features: Features
    encoding: Encoding
    X: Floats

    def word(self, name: str) -> Coded:
        """A category of the accounts."""
        column = self.features.columns[name]
        if not isinstance(column, Coded):
            raise ValueError(f"trait {name!r} is a number, not a word")
        return column

    @property
    def words(self) -> list[str]:
        """The names of the category traits."""
        return [s.name for s in self.features.specs if s.kind == "category"]


def traits(asof: AsOfFrames, ids: Sequence[str]) -> Traits:
    """The fixed fields, canonical and custom, of accounts as known at the as-of instant."""
    meta = asof.tables.meta
    own = {d.spec.name for d in fields.definitions("accounts", meta) if d.spec.name not in IN_TIME}
    specs = [s for s in supported("accounts", asof.tables) if s.name in own]
    spine = Spine("accounts", list(ids), np.full(len(ids), asof.as_of, np.int64))
    features = compute(View(asof.timeline, spine), chosen("accounts", meta, specs))
    encoding = Encoding.fit(features, min_count=LEVEL)
    return Traits(list(ids), features, encoding, encoding.matrix(features))


def cross_fitted(X: Floats, categorical: Sequence[int], hit: Bools, seed: int = 7) -> Floats | None:
    """(n,) probability of ``hit``, each row by a logistic regression that has not seen it.

    None where either kind has fewer than FEWEST rows, or the matrix has no column.
    """
    if min(int(hit.sum()), int((~hit).sum())) < FEWEST or X.shape[1] == 0:
        return None
    part = _parts(hit, seed)
    found = np.empty(len(hit))
    for fold in range(FOLDS):
        here = part == fold
        model = Logistic(categorical, seed).fit(X[~here], hit[~here])
        found[here] = model.predict(X[here])
    return found


def _parts(hit: Bools, seed: int) -> Ints:
    """(n,) the fold of each row, either kind spread evenly over all."""
    part = np.empty(len(hit), np.int64)
    rng = np.random.default_rng(seed)
    for kind in (hit, ~hit):
        rows = rng.permutation(np.flatnonzero(kind))
        part[rows] = np.arange(len(rows)) % FOLDS
    return part
