"""Why scores moved since an earlier date, told of the facts that did it.

``training.models.explain_change`` splits the change; here its two views of the past are made and
its parts are put in words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from features.frozen import frozen
from features.spine import Features, FeatureSpec
from features.tables import Floats, Tables, micros
from features.timeline import Timeline
from serving.i18n.languages import LANGUAGES, date, translations
from serving.i18n.sentences import SUMMARY, change, effect, part_sentence, share
from serving.scoring.reasons import value_of
from serving.scoring.scorer import Scorer
from training.models.explain_change import ChangeAttribution, ExplainedScore, moved


@dataclass(frozen=True)
class ScoreChange:
    """The change of n scores between two dates, two versions of a model, or both.

    still, now  features of the earlier version at the later date: of what was known at the earlier
                one, and of all
    """

    moved: ChangeAttribution
    still: Features
    now: Features
    since: int
    cutoff: int


def moved_since(
    scorer: Scorer,
    tables: Tables,
    ids: list[str],
    since: int,
    cutoff: int,
    history: Timeline | None = None,
    prior: float | None = None,
    successor: Scorer | None = None,
) -> ScoreChange:
    """Split the change of the scores of ``ids`` from ``since`` to ``cutoff`` (microseconds).

    tables     those of a data set, or of a request (then ``history`` is the scorer's own)
    history    as for ``Scorer.score``; what the company learned since from others are facts too
    successor  another version, which gives the later score; ``since`` may then be ``cutoff``.
               ValueError where it answers about others.
    """
    later = successor or scorer
    if later.entity != scorer.entity:
        message = f"a score of {scorer.entity} cannot move to one of {later.entity}"
        raise ValueError(f"{message}: compare versions of one question")
    then = None if history is None else _history_at(scorer, since)
    was, now = _timeline(scorer, tables, history), _timeline(scorer, frozen(tables, since), then)
    before = scorer.features(was, ids, since, history)
    still = scorer.features(now, ids, cutoff, then)
    known = scorer.features(was, ids, cutoff, history)
    own = later.history if history is not None else None
    after = known if successor is None else later.features(was, ids, cutoff, own)
    matrix = scorer.bundle.model.encoding.matrix
    found = moved(
        ExplainedScore(scorer.bundle.model, matrix(before), _shift(scorer, prior)),
        ExplainedScore(
            later.bundle.model, later.bundle.model.encoding.matrix(after), _shift(later, prior)
        ),
        aged=matrix(still),
        known=matrix(known),
    )
    return ScoreChange(found, still, known, since, cutoff)


def _shift(scorer: Scorer, prior: float | None) -> float:
    stated = scorer.prior(prior)
    return 0.0 if stated is None else stated.shift


def _timeline(scorer: Scorer, tables: Tables, history: Timeline | None) -> Timeline:
    return Timeline(tables) if history is None else scorer.timeline(tables, history)


def _history_at(scorer: Scorer, since: int) -> Timeline:
    """The bundle's history as it was then: the same where it is older than that."""
    end = scorer.bundle.meta.as_of
    if end and micros(end) <= since:
        return scorer.history
    return Timeline(frozen(scorer.history.tables, since))


class ChangeExplainer:
    """Puts changes in the words of a language."""

    def __init__(self, scorer: Scorer, lang: str = LANGUAGES[0]) -> None:
        self.scorer, self.lang = scorer, lang
        self.groups = [spec.group for spec in scorer.specs]

    def rows(self, change_of: ScoreChange, row: int) -> list[dict[str, Any]]:
        """One record's parts: as ``Moved.table``, each with its sentence; a fact with its values.

        What did exactly nothing is left out, but for time.
        """
        table = change_of.moved.table(row, self.groups, self.scorer.explainer.groups)
        shown = [part for part in table if part["effect"] != 0 or part["part"] == "time"]
        return [part | self._words(part, change_of, row) for part in shown]

    def _words(self, part: dict[str, Any], change_of: ScoreChange, row: int) -> dict[str, Any]:
        outcome = self.scorer.outcome
        if part["part"] != "facts":
            return {"sentence": part_sentence(part["part"], part["points"], outcome, self.lang)}
        spec = self._named(part["code"], part["effect"], change_of.moved.facts[row])
        values = value_of(change_of.still, spec, row), value_of(change_of.now, spec, row)
        message = change(spec, *values, self.scorer.bundle.meta.currency, self.lang)
        return {
            "feature": spec.name,
            "before": values[0],
            "after": values[1],
            "unit": spec.unit,
            "sentence": f"{message} ({effect(part['points'], outcome, self.lang)})",
        }

    def _named(self, group: str, size: float, effects: Floats) -> FeatureSpec:
        """The feature of the group that pushed most in the group's direction."""
        explainer = self.scorer.explainer
        members = explainer.members[explainer.groups.index(group)]
        way = 1.0 if size > 0 else -1.0
        return self.scorer.specs[max(members, key=lambda f: way * effects[f])]

    def record(self, change_of: ScoreChange, row: int) -> dict[str, Any]:
        """One record's change as an answer gives it."""
        ends = change_of.moved.before[row], change_of.moved.after[row]
        before, after = (float(1 / (1 + np.exp(-z))) for z in ends)
        message = translations(self.lang).gettext(SUMMARY)
        return {
            "probability": before,
            "effect": float(ends[1] - ends[0]),
            "points": after - before,
            "sentence": message.format(
                before=share(before, self.lang),
                after=share(after, self.lang),
                start=date(change_of.since, self.lang),
                end=date(change_of.cutoff, self.lang),
            ),
            "parts": self.rows(change_of, row),
        }
