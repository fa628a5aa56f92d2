"""Effects of columns become reasons: grouped, ranked, with their values and in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from features.spine import FeatureRows, Features, FeatureSpec
from features.tables import Floats, Ints
from serving.i18n.languages import LANGUAGES
from serving.i18n.sentences import prior_sentence, sentence
from serving.i18n.titles import absence
from training.models.attribution import points

FAINT = 0.01
"""An effect below this (log-odds) is no reason to tell anyone; it goes to the others."""

STATED_PRIOR = "stated_prior"
"""The code of the reason that a stated base rate is."""


@dataclass(frozen=True)
class Reason:
    """What one group of related features did to a score.

    code       the group; stable
    feature    the feature of the group that pushed most in the group's direction
    value      its value in its own unit, a word for a category; None where there was no event yet
    effect     of the whole group in log-odds; points the same in probability (0.06: 6 points)
    own        whether a seller can influence what the sentence states (the feature's own word)
    """

    code: str
    feature: str
    value: float | str | None
    unit: str
    effect: float
    points: float
    direction: Literal["up", "down"]
    sentence: str
    own: bool

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        return dict(vars(self))  # every field is a JSON type: nothing is copied deeper


@dataclass(frozen=True)
class Prior:
    """A stated base rate and the one the model expects; their log-odds differ by ``shift``."""

    stated: float
    expected: float
    shift: float


class Explainer:
    """Tells the reasons of scores from the effects of the matrix's columns.

    specs: of the columns, in order; log_odds of the baseline; outcome and currency for the words.
    Groups and their features stand in the order of their names: neither what is told nor its last
    bit depends on the order of the columns.
    """

    def __init__(
        self, specs: Sequence[FeatureSpec], log_odds: float, outcome: str, currency: str
    ) -> None:
        self.specs, self.log_odds = list(specs), log_odds
        self.outcome, self.currency = outcome, currency
        self.groups = sorted({spec.group for spec in specs})
        by_name = sorted(range(len(specs)), key=lambda f: specs[f].name)
        self.members = [[f for f in by_name if specs[f].group == g] for g in self.groups]
        sizes = np.array([len(group) for group in self.members], np.int64)
        self._order: Ints = np.array([f for group in self.members for f in group], np.int64)
        self._starts: Ints = np.cumsum(sizes) - sizes
        self._states_absence = np.array([bool(absence(spec)) for spec in specs])

    def explain(
        self,
        features: Features | FeatureRows,
        X: Floats,
        effects: Floats,
        top: int | Sequence[int],
        lang: str | Sequence[str] = LANGUAGES[0],
        prior: Prior | None = None,
    ) -> tuple[list[list[Reason]], Floats]:
        """The ``top`` reasons of each row, largest first, and (n,) the effect of all else.

        features and matrix X (n, F) of the rows; effects (n, F) in log-odds. What is not known (a
        missing value that states no fact) is no reason: its effect is among all else. A stated
        prior is a further reason, the last, beyond ``top``. ``top`` and ``lang`` are one for all,
        or one each.
        """
        tops = [top] * len(X) if isinstance(top, int) else top
        langs = [lang] * len(X) if isinstance(lang, str) else lang
        stated = ~np.isnan(X) | self._states_absence
        known_effects = np.where(stated, effects, 0.0)
        # not a matrix product: its rounding depends on how many rows there are
        grouped = np.add.reduceat(np.take(known_effects, self._order, axis=1), self._starts, axis=1)
        total = np.take(effects, self._order, axis=1).sum(axis=1)
        untold = total - grouped.sum(axis=1)
        shift = np.full(len(X), 0.0 if prior is None else prior.shift)
        moved = points(np.column_stack([grouped, untold, shift]), self.log_odds)
        most = max(tops, default=0)
        ranked = np.argsort(-np.abs(grouped), axis=1, kind="stable")[:, :most].tolist()
        reasons, others = [], total
        for i, (groups, n, word) in enumerate(zip(ranked, tops, langs, strict=True)):
            row, sizes, shares = known_effects[i].tolist(), grouped[i].tolist(), moved[i].tolist()
            clear = [g for g in groups[:n] if abs(sizes[g]) >= FAINT]
            reasons.append(
                [self._reason(features, i, g, sizes[g], shares[g], row, word) for g in clear]
            )
            others[i] -= sum(r.effect for r in reasons[i])
            if prior is not None and prior.shift != 0:
                reasons[i].append(self._prior_reason(prior, shares[-1], word))
        return reasons, others

    def _prior_reason(self, prior: Prior, moved: float, lang: str) -> Reason:
        said = prior_sentence(prior.stated, prior.expected, moved, self.outcome, lang)
        return Reason(
            code=STATED_PRIOR,
            feature=STATED_PRIOR,
            value=prior.stated,
            unit="share",
            effect=prior.shift,
            points=moved,
            direction="up" if prior.shift > 0 else "down",
            sentence=said,
            own=False,
        )

    def _reason(
        self,
        features: Features | FeatureRows,
        row: int,
        group: int,
        effect: float,
        moved: float,
        known_effects: list[float],
        lang: str,
    ) -> Reason:
        way = 1.0 if effect > 0 else -1.0
        spec = self.specs[max(self.members[group], key=lambda f: way * known_effects[f])]
        value = value_of(features, spec, row)
        return Reason(
            code=spec.group,
            feature=spec.name,
            value=value,
            unit=spec.unit,
            effect=effect,
            points=moved,
            direction="up" if effect > 0 else "down",
            sentence=sentence(spec, value, moved, self.outcome, self.currency, lang),
            own=spec.own,
        )


def value_of(features: Features | FeatureRows, spec: FeatureSpec, row: int) -> float | str | None:
    """A feature's value of one row as a JSON type; None where it is missing."""
    return features.value(spec.name, row)
