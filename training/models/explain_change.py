"""Why a score moved: between two dates, between two versions of a model, or both at once.

The change of logit F_1(H) is split, in this order, each step where the one before it ended:

1. **time**: the old model, the facts known then, looked at from the later date. What the score
   would be had nothing happened since: ages grow, windows empty, due dates pass;
2. **facts**: the old model at the later date, from those facts to the ones known by then;
3. **model** and **calibration**: the same facts, the old model and then the new one. With margins
   m = a · linear + b · trees + c, the parts' own change counts as *model* and the change of a, b
   and c as *calibration*, each at the mean of the other's two values (the Shapley value of two
   players), so the order does not matter. Where the versions have other bins or outcomes nothing
   can be told apart, and all of it is *model*; so are trees that only one version has;
4. **prior**: the change of a stated base rate.

Time and facts are shared among features by ``between``. Every part is carried through the curve by
Aumann-Shapley weights (``training.models.attribution``), so the parts sum to the change.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from features.tables import Floats
from training.models.attribution import attribution_weights, points
from training.models.curves import log_odds
from training.models.outcome import OutcomeModel

PARTS = ("time", "facts", "model", "calibration", "prior")


@dataclass(frozen=True)
class ExplainedScore:
    """Rows X (n, F) of a model's matrix, and the log-odds by which a stated prior shifts them."""

    model: OutcomeModel
    X: Floats
    shift: float = 0.0

    def log_odds(self) -> Floats:
        """(n,) logit of the score."""
        return log_odds(self.model.margins(self.X)) + self.shift


@dataclass(frozen=True)
class ChangeAttribution:
    """The change of n scores in log-odds, in parts that sum to after - before.

    before, after (n,) logit of the scores; time, facts (n, F) by the features of the earlier model;
    model, calibration, prior (n,)
    """

    before: Floats
    after: Floats
    time: Floats
    facts: Floats
    model: Floats
    calibration: Floats
    prior: Floats

    @property
    def parts(self) -> Floats:
        """(n, 5) the parts in the order of ``PARTS``."""
        by_feature = [self.time.sum(axis=1), self.facts.sum(axis=1)]
        return np.column_stack([*by_feature, self.model, self.calibration, self.prior])

    def points(self, effects: Floats) -> Floats:
        """Effects (n, m) that sum to the change, in probability: they sum to the score's change."""
        return points(effects, self.before)

    def table(self, row: int, groups: list[str], names: list[str]) -> list[dict[str, Any]]:
        """One record's change for a report: part, code, effect (log-odds), points; facts largest
        first, without those that did nothing.

        groups (F,) the reason of each feature; names: the reasons in any order
        """
        member = np.array([[g == name for name in names] for g in groups], np.float64)
        facts = self.facts[row] @ member.reshape(len(groups), len(names))
        codes = [("facts", name) for name in names]
        codes += [(part, part) for part in PARTS if part != "facts"]
        others = [e for part, e in zip(PARTS, self.parts[row], strict=True) if part != "facts"]
        effects = np.concatenate([facts, others])
        moved = points(effects[None], self.before[row : row + 1])[0]
        rows = [
            {"part": part, "code": code, "effect": float(e), "points": float(p)}
            for (part, code), e, p in zip(codes, effects, moved, strict=True)
        ]
        shown = [r for r in rows if r["part"] != "facts" or r["effect"] != 0]
        return sorted(shown, key=lambda r: (r["part"] != "facts", -abs(r["effect"])))


def moved(
    before: ExplainedScore,
    after: ExplainedScore,
    aged: Floats | None = None,
    known: Floats | None = None,
) -> ChangeAttribution:
    """Split the change of n scores from ``before`` to ``after``; the module says into what.

    aged   (n, F) of the earlier model: the earlier facts looked at from the later date
           (``features.frozen`` makes them); None where no time passed
    known  (n, F) of the earlier model: the later facts at the later date; None where the facts did
           not change. With one and the same model it is ``after.X`` and need not be given.
    """
    same = before.model is after.model
    start = before.X
    still = start if aged is None else aged
    if known is None:
        known = after.X if same else still
    model, calibration = _versions(before.model, known, after)
    return ChangeAttribution(
        before.log_odds(),
        after.log_odds(),
        between(before.model, start, still),
        between(before.model, still, known),
        model,
        calibration,
        np.full(len(start), after.shift - before.shift),
    )


def path_weights(before: Floats, after: Floats) -> Floats:
    """(n, K, J) Aumann-Shapley weight of each margin's move, each row from its own start.

    before, after (n, K, J): Σ weights (after - before) is the rise of logit F_1(H).
    """
    pairs = zip(before, after, strict=True)
    weights = [attribution_weights(a, b[None])[0] for a, b in pairs]
    return np.array(weights).reshape(before.shape)


def between(model: OutcomeModel, before: Floats, after: Floats) -> Floats:
    """(n, F) what each feature did to logit F_1(H) from ``before`` to ``after``, both (n, F).

    A row sums to the rise of the log-odds; a feature with the same value in both has exactly 0; and
    from ``after`` back to ``before`` every effect is the negative.
    """
    weights = path_weights(model.margins(before), model.margins(after))
    step = model.linear.contributions(after) - model.linear.contributions(before)
    effects: Floats = model.blend.a * (weights.sum(axis=1)[:, None, :] @ step)[:, 0]
    if model.trees is not None and model.blend.b:
        effects += model.blend.b * model.trees.between(before, after, weights)
    return effects


def _versions(old: OutcomeModel, X: Floats, after: ExplainedScore) -> tuple[Floats, Floats]:
    """(n,) what a new version's parts, and its calibration, did to the log-odds of the same facts.

    X (n, F) are the facts in the old model's matrix, ``after.X`` in the new one's.
    """
    new = after.model
    none = np.zeros(len(X))
    if new is old:
        return none, none
    was, now = old.margins(X), new.margins(after.X)
    if old.edges != new.edges or was.shape != now.shape:
        return log_odds(now) - log_odds(was), none
    linear = old.linear.margins(X), new.linear.margins(after.X)
    parts = _mean(old.blend.a, new.blend.a) * (linear[1] - linear[0])
    if old.trees is not None and new.trees is not None:
        trees = old.trees.margins(X), new.trees.margins(after.X)
        parts = parts + _mean(old.blend.b, new.blend.b) * (trees[1] - trees[0])
    elif new.trees is not None:
        parts = parts + new.blend.b * new.trees.margins(after.X)
    elif old.trees is not None:
        parts = parts - old.blend.b * old.trees.margins(X)
    weights = path_weights(was, now)
    model = (weights * parts).sum(axis=(1, 2))
    return model, (weights * (now - was - parts)).sum(axis=(1, 2))


def _mean(a: float, b: float) -> float:
    return (a + b) / 2
