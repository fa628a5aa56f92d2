"""The curve of open entities as a forecast uses it: the product's learner with a fixed recipe.

No tuning: a ridge and small trees, blended on the newest third of what was known, the level of each
bin then set so that the recent rows come out as they did. A forecast is a sum over many deals: the
level matters more to it than the order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy.optimize import minimize

from features.catalog import build_features, supported
from features.schema import TABLES
from features.spine import Features, FeatureSpec, Spine
from features.tables import DAY, Floats, Ints, Tables
from features.timeline import Timeline
from training.fit.parts import TreeParams, decay, fit_trees
from training.fit.threads import one_blas_thread
from training.forecast.data.export_as_of import known_before
from training.forecast.data.random import Keys, keys_of
from training.models.blend import Blend
from training.models.curves import incidence, loss, pooled_rates
from training.models.encoding import Encoding
from training.models.linear.model import LinearModel
from training.models.trees import paths
from training.models.trees.forest import parse
from training.models.trees.model import margins_of
from training.task.questions import Labels, Question, label
from training.task.snapshots import lives

TREES = TreeParams(learning_rate=0.1, num_leaves=8, max_depth=3, min_data_in_leaf=60, rounds=50)
EVERY = {"deal_close": 21, "churn": 30}
"""Days between snapshots."""
MOST = 150_000
"""Snapshots that a model is fitted on at most."""
TREE_ROWS = 12_000
"""Snapshots that small trees are fitted on at most: more cost time and change little."""
RIDGE = 30.0
HALF_LIFE = 730.0
OLDER = 0.65
"""Share of the rows that the blend's parts learn from; it is fitted on the rest."""
FEWEST = 20
"""Outcomes on either side without which a part is not believed."""
LEVEL_DAYS = 365.0
"""Half-life of the rows that set the level."""


def on_calendar(tables: Tables, question: Question, end: int, every: int) -> Spine:
    """Every open entity at every midnight that is a multiple of ``every`` days, by cutoff."""
    first, until = lives(tables, question, end)
    step = every * DAY
    begin, stop = -(-first // step), -(-until // step)
    times = np.where(first < until, np.maximum(stop - begin, 0), 0)
    rows = np.repeat(np.arange(len(first)), times)
    turn = np.arange(len(rows)) - np.repeat(np.cumsum(times) - times, times)
    cutoffs = (begin[rows] + turn) * step
    order = np.argsort(cutoffs, kind="stable")
    keys = tables[question.entity].coded(TABLES[question.entity].key)
    ids = [keys.values[c] for c in keys.codes[rows[order]]]
    return Spine(question.entity, ids, cutoffs[order])


@dataclass(frozen=True)
class PanelSnapshots:
    """The snapshots of a question up to an end, with every feature the data could give by then.

    They lie on the calendar, every ``every`` days for all: who is open then is of every age, as at
    an origin. Snapshots counted from each birth would show new deals too often, and a curve learned
    on them is too low at first and too high later (measured on the demo: docs/decisions.md).
    """

    timeline: Timeline
    question: Question
    spine: Spine
    features: Features
    end: int
    every: int

    @staticmethod
    def of(timeline: Timeline, question: Question, end: int, every: int) -> PanelSnapshots:
        """Look at all entities at all cutoffs before ``end`` (microseconds), once."""
        spine = on_calendar(timeline.tables, question, end, every)
        there = supported(question.entity, known_before(timeline.tables, end))
        specs = [s for s in there if s.group != "season"]  # ``season`` learns it, once
        found = build_features(timeline, spine, specs)
        return PanelSnapshots(timeline, question, spine, found, end, every)

    def specs(self, at: int) -> list[FeatureSpec]:
        """The features that data known before ``at`` could give."""
        there = {
            s.name for s in supported(self.question.entity, known_before(self.timeline.tables, at))
        }
        return [s for s in self.features.specs if s.name in there]

    def rows(self, at: int) -> Ints:
        """The snapshots before ``at``; of very many those of a share of the entities, by name."""
        rows = np.flatnonzero(self.spine.cutoffs < at)
        if len(rows) <= MOST:
            return rows
        shares = self.keys[rows] / np.float64(2.0**64)
        return rows[shares < MOST / len(rows)]

    def spread(self, rows: Ints) -> Ints:
        """Which of the ``rows`` trees learn from: every k-th snapshot of each entity, of very many.

        Snapshots of one entity are much alike; the ridge and the level still see them all.
        """
        step = -(-len(rows) // TREE_ROWS)
        turn = self.spine.cutoffs[rows] // DAY // self.every
        mine = (self.keys[rows] % np.uint64(step)).astype(np.int64)
        return np.flatnonzero((turn + mine) % step == 0)

    @cached_property
    def keys(self) -> Keys:
        """A number for each snapshot's entity, by its name."""
        known: dict[str, int] = {}
        place = [known.setdefault(name, len(known)) for name in self.spine.ids]
        return keys_of(known)[np.array(place, np.int64)]

    def labels(self, rows: Ints, at: int) -> Labels:
        """What was known before ``at`` to have happened to the rows."""
        return label(self.timeline.tables, self.question, self.spine.take(rows), at)


@dataclass(frozen=True)
class CurveModel:
    """A curve model as fitted at an instant; ``booster`` "" where the trees have no weight."""

    at: int
    question: Question
    specs: list[FeatureSpec]
    encoding: Encoding
    linear: LinearModel
    booster: str
    blend: Blend

    def incidence(self, timeline: Timeline, spine: Spine) -> Floats:
        """(n, K, J) probability of each outcome by the end of each bin after each cutoff."""
        if len(spine) == 0:
            return np.zeros((0, self.question.bins, len(self.question.outcomes)))
        return incidence(
            self.margins(self.encoding.matrix(build_features(timeline, spine, self.specs)))
        )

    def margins(self, X: Floats) -> Floats:
        """(n, K, J) margins of rows X (n, F)."""
        linear = self.linear.margins(X)
        return self.blend.margins(linear, self._trees(X) if self.booster else None)

    def _trees(self, X: Floats) -> Floats:
        raw = np.zeros((len(X), self.question.bins, self._classes))
        paths.margins(self._forest, np.ascontiguousarray(X), raw)
        return raw if self._classes == 1 else raw[..., 1:] - raw[..., :1]

    @property
    def _classes(self) -> int:
        outcomes = len(self.question.outcomes)
        return outcomes + 1 if outcomes > 1 else 1

    @cached_property
    def _forest(self) -> Any:
        return parse(self.booster, len(self.encoding.names), self.question.bins, self._classes)


@one_blas_thread
def fit_curve(looks: PanelSnapshots, at: int) -> CurveModel:
    """Fit on what was known before ``at`` (microseconds).

    ValueError where that holds no outcome, or nothing else.
    """
    rows = looks.rows(at)
    specs = looks.specs(at)
    chosen = looks.features.take(rows)
    features = Features(chosen.spine, specs, {s.name: chosen.columns[s.name] for s in specs})
    encoding = Encoding.fit(features)
    X, labels = encoding.matrix(features), looks.labels(rows, at)
    cutoffs = looks.spine.cutoffs[rows]
    weights = decay(cutoffs, HALF_LIFE)
    blend = _blend(X, encoding, looks, rows, at)
    linear = LinearModel.fit(X, labels, encoding, weights, RIDGE)
    booster = ""
    if blend.b:
        few = looks.spread(rows)
        seen = looks.labels(rows[few], at)
        booster = fit_trees(X[few], seen, encoding, weights[few], TREES).text
    curve = CurveModel(at, looks.question, specs, encoding, linear, booster, blend)
    level = _level(curve.margins(X), labels, decay(cutoffs, LEVEL_DAYS))
    return replace(curve, blend=replace(blend, c=blend.c + level))


def _blend(X: Floats, encoding: Encoding, looks: PanelSnapshots, rows: Ints, at: int) -> Blend:
    """How far each part is believed, on rows it had not seen; without such rows the ridge alone."""
    cutoffs = looks.spine.cutoffs[rows]
    middle = int(np.sort(cutoffs)[int(len(cutoffs) * OLDER)]) if len(cutoffs) else at
    old, new = np.flatnonzero(cutoffs < middle), np.flatnonzero(cutoffs >= middle)
    shape = looks.question.bins, len(looks.question.outcomes)
    alone = Blend(1.0, 0.0, np.zeros(shape))
    if min(len(old), len(new)) == 0:
        return alone
    taught, tested = looks.labels(rows[old], middle), looks.labels(rows[new], at)
    if min(taught.hit.sum(), tested.hit.sum()) < FEWEST:
        return alone
    weights = decay(cutoffs[old], HALF_LIFE)
    linear = LinearModel.fit(X[old], taught, encoding, weights, RIDGE)
    few = looks.spread(rows[old])
    chosen = looks.labels(rows[old[few]], middle)
    boosted = fit_trees(X[old[few]], chosen, encoding, weights[few], TREES)
    unseen = margins_of(boosted.text, X[new], *shape)
    return Blend.fit(linear.margins(X[new]), unseen, tested)


def _level(margins: Floats, labels: Labels, weights: Floats) -> Floats:
    """(K, J) what to add to each bin's margins so that the weighted rows come out as they did.

    A normal prior of deviation 1 keeps a bin without outcomes finite.
    """
    rates = pooled_rates(labels, weights)
    shape = margins.shape[1:]
    spread = rates * (1 - rates)
    scale = np.sqrt((1.0 + weights.sum()) * np.tile(spread, (shape[0], 1)))

    def objective(at: Floats) -> tuple[float, Floats]:
        shift = at.reshape(shape) / scale
        value, residual = loss(margins + shift, labels, weights)
        gradient = residual.sum(axis=0) + shift
        return value + 0.5 * float((shift**2).sum()), (gradient / scale).ravel()

    found = minimize(objective, np.zeros(margins[0].size), jac=True, method="L-BFGS-B")
    level: Floats = found.x.reshape(shape) / scale
    return level
