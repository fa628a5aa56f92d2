"""The learner as scoring sees it: margins, a curve, a score, and reasons that add up to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from features.tables import Floats, Ints
from training.models.attribution import attribution_weights
from training.models.blend import Blend
from training.models.curves import incidence, log_odds
from training.models.encoding import Encoding
from training.models.linear.model import LinearModel
from training.models.trees.model import Trees

if TYPE_CHECKING:
    import shap

BLOCK = 8_192
"""Rows handled at a time, so that a batch of any size needs little memory."""


@dataclass(frozen=True)
class OutcomeModel:
    """One question's fitted learner.

    edges    the K bin ends in days
    booster  the text ``trees`` was read from, and ``covers`` the person-periods in its leaves
    trees    None where the blend gives them no weight
    """

    encoding: Encoding
    linear: LinearModel
    trees: Trees | None
    blend: Blend
    edges: tuple[float, ...]
    booster: str = ""
    covers: Ints | None = None

    @cached_property
    def baseline_margins(self) -> Floats:
        """(K, J) margins the contributions start from: the average training row's."""
        trees = None if self.trees is None else self.trees.baseline
        return self.blend.margins(self.linear.baseline, trees)

    @property
    def baseline_log_odds(self) -> float:
        """logit F_1(H) of the baseline: where the effects of ``explain`` start."""
        return float(log_odds(self.baseline_margins[None])[0])

    def margins(self, X: Floats) -> Floats:
        """(n, K, J) margins of rows X (n, F) of ``encoding``."""
        trees = None if self.trees is None else self.trees.margins(X)
        return self.blend.margins(self.linear.margins(X), trees)

    def curve(self, X: Floats) -> Floats:
        """(n, K, J) probability of each outcome by the end of each bin."""
        return incidence(self.margins(X))

    def score(self, X: Floats) -> Floats:
        """(n,) probability of the scored outcome by the horizon, F_1(H)."""
        return self.curve(X)[:, -1, 0]

    def explain(self, X: Floats) -> tuple[Floats, float, Floats]:
        """Scores (n,), the baseline's score, and effects (n, F) in log-odds.

        Effects sum to logit(score) - logit(baseline score); ``reasons.points`` turns them into
        probability.
        """
        margins, effects = self.explained(X)
        return incidence(margins)[:, -1, 0], self.baseline_score, effects

    def explanation(self, X: Floats) -> shap.Explanation:
        """The effects on logit(score) of rows X (n, F), as ``shap``'s own plots take them.

        ``values`` (n, F) and ``base_values`` (n,) sum to logit(score); ``data`` is X, and
        ``display_data`` has the words of the categories in place of their codes.
        """
        import shap  # noqa: PLC0415  # costs seconds, and scoring never needs it

        _, effects = self.explained(X)
        return shap.Explanation(
            values=effects,
            base_values=np.full(len(X), self.baseline_log_odds),
            data=X,
            display_data=self.encoding.decoded(X),
            feature_names=list(self.encoding.names),
        )

    @cached_property
    def baseline_score(self) -> float:
        """The score of the baseline, F_1(H)."""
        return float(incidence(self.baseline_margins[None])[0, -1, 0])

    def explained(self, X: Floats) -> tuple[Floats, Floats]:
        """Margins (n, K, J) and effects (n, F) in log-odds."""
        margins, effects = np.empty((len(X), *self.blend.c.shape)), np.empty(X.shape)
        start = self.baseline_margins
        for first in range(0, len(X), BLOCK):
            block = slice(first, first + BLOCK)
            margins[block], effects[block] = self._explain(X[block], start)
        return margins, effects

    def _explain(self, X: Floats, start: Floats) -> tuple[Floats, Floats]:
        linear = self.linear.contributions(X)
        level = self.linear.baseline + linear.sum(axis=2)[:, None, :]
        margins = self.blend.margins(level, None if self.trees is None else self.trees.margins(X))
        weights = attribution_weights(start, margins)
        effects = self.blend.a * (weights.sum(axis=1)[:, None, :] @ linear)[:, 0]
        if self.trees is not None and self.blend.b:
            effects += self.blend.b * self.trees.attributions(X, weights)
        return margins, effects

    def to_state(self) -> dict[str, Any]:
        """JSON types: one part each, and the booster's text under ``booster``."""
        return {
            "encoding": self.encoding.to_json(),
            "linear": self.linear.to_json(),
            "blend": self.blend.to_json(),
            "edges": list(self.edges),
            "covers": None if self.covers is None else self.covers.tolist(),
            "booster": self.booster,
        }

    @staticmethod
    def from_state(state: Mapping[str, Any]) -> OutcomeModel:
        """The inverse of ``to_state``; ValueError where the booster's text is damaged."""
        encoding, blend = Encoding.from_json(state["encoding"]), Blend.from_json(state["blend"])
        covers = None if state["covers"] is None else np.array(state["covers"], np.int64)
        trees = None
        if state["booster"]:
            bins, outcomes = blend.c.shape
            features = len(encoding.names)
            trees = Trees.from_text(state["booster"], features, bins, outcomes, covers)
        linear, edges = LinearModel.from_json(state["linear"]), tuple(state["edges"])
        return OutcomeModel(encoding, linear, trees, blend, edges, state["booster"], covers)
