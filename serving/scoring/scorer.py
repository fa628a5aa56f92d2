"""Scoring: the one function behind the endpoint and the batch.

What a bundle needs once (definitions, the reference's events, the groups of columns) is made when
it is loaded; then a score is features, matrix, margins, curve and reasons, for one record or for
a hundred thousand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from features.asof import EventIndex
from features.catalog import chosen, compute, compute_record
from features.questions.asked import asked_of
from features.record import RecordView
from features.reference import CARRIED, tables_of
from features.rows_asof import RowsAsOf, born_column
from features.schema import OUTCOMES
from features.spine import FeatureRows, Features, FeatureSpec, Spine
from features.tables import NAT, Bools, Floats, Instants, Table, Tables
from features.timeline import Timeline, Where
from features.view import View
from serving.i18n.languages import LANGUAGES
from serving.scoring.reasons import Explainer, Prior, Reason
from training.models.bundle import Bundle
from training.models.curves import incidence as incidence_of
from training.models.curves import log_odds
from training.models.grades import at_prior, grade
from training.models.prior import log_odds_shift, shifted
from training.models.track_record import ReliabilityBin, TrackRecord

FEW = 8
"""Entities whose features are made one by one; more are made as columns."""

TOP = 5
"""Reasons given unless asked otherwise."""


@dataclass(frozen=True)
class Scored:
    """Scores of n entities at one cutoff.

    probability (n,) of the first outcome by the horizon; incidence (n, K, J) of each outcome by the
    end of each bin; reasons, largest first, and others (n,) the effect of all else in log-odds: the
    two sum to logit(probability) - logit(baseline). shift is what a stated prior adds to the own
    log-odds of the model: grades (n,) and receipts (n,) are those of its own scores, restated.
    """

    ids: list[str]
    cutoff: int | Instants
    probability: Floats
    incidence: Floats
    grades: list[str]
    reasons: list[list[Reason]]
    others: Floats
    baseline: float
    track_record: Sequence[ReliabilityBin | None]
    shift: float = 0.0

    @property
    def curve(self) -> Floats:
        """(n, K) probability of the scored outcome by the end of each bin."""
        return self.incidence[:, :, 0]


class RequestTimeline(Timeline):
    """A request's tables before the bundle's sellers and rates, which are sorted only once."""

    def __init__(self, tables: Tables, carried: Timeline) -> None:
        super().__init__(tables)
        self._carried = carried

    def row_of(self, table: str) -> dict[str, int]:
        """As ``Timeline.row_of``."""
        return self._carried.row_of(table) if table in CARRIED else super().row_of(table)

    def place_of(self, table: str, by: str) -> dict[str, int]:
        """As ``Timeline.place_of``."""
        if table in CARRIED:
            return self._carried.place_of(table, by)
        return super().place_of(table, by)

    def events(self, table: str, by: str, at: str = "", where: Where = ()) -> EventIndex:
        """As ``Timeline.events``."""
        if table in CARRIED:
            return self._carried.events(table, by, at, where)
        return super().events(table, by, at, where)


class Scorer:
    """A bundle made ready to score."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.entity: str = bundle.question["entity"]
        self.flat: bool = bool(bundle.question.get("flat", False))
        self.edges: tuple[float, ...] = bundle.model.edges
        self.asked = asked_of(bundle.question)
        self.outcome: str = OUTCOMES[self.entity][0]
        if self.asked is not None:
            self.outcome = bundle.question["says"] or bundle.name.replace("_", " ")
        self.definitions = chosen(self.entity, bundle.meta, bundle.features)
        self.history = Timeline(tables_of(bundle.reference, bundle.meta))
        self.specs = self._in_matrix_order()
        start, currency = bundle.model.baseline_log_odds, bundle.meta.currency
        self.explainer = Explainer(self.specs, start, self.outcome, currency)

    @property
    def slot(self) -> str:
        """Where the scores are kept and asked for: "accounts", or "accounts.buys_again"."""
        return self.entity if self.asked is None else f"{self.entity}.{self.bundle.name}"

    def seen_by(self, tables: Tables) -> Tables:
        """The tables as the bundle's question sees them: from when and until when it is asked."""
        return tables if self.asked is None else self.asked.seen_by(tables)

    def _in_matrix_order(self) -> list[FeatureSpec]:
        known = {spec.name: spec for spec in self.bundle.features}
        return [known[name] for name in self.bundle.model.encoding.names]

    def timeline(self, tables: Tables, history: Timeline | None = None) -> Timeline:
        """The timeline of a request, whose tables bring no sellers and rates of their own.

        They are the bundle's, or those of another ``history``.
        """
        history = history or self.history
        carried = {t: history.tables[t] for t in CARRIED}
        return RequestTimeline(Tables({**tables.tables, **carried}, tables.meta), history)

    def features(
        self,
        timeline: Timeline,
        ids: list[str],
        cutoff: int | Instants,
        history: Timeline | None = None,
    ) -> Features:
        """The bundle's features of the entities at the cutoff (ignored by a flat question)."""
        at = NAT if self.flat else cutoff
        spine = Spine(self.entity, ids, np.full(len(ids), at, np.int64))
        return compute(View(timeline, spine, history), self.definitions)

    def rows(
        self,
        timeline: Timeline,
        ids: list[str],
        cutoff: int | Instants,
        history: Timeline | None = None,
    ) -> FeatureRows:
        """``features`` record by record: the same to the bit, and faster for a few."""
        at = np.full(len(ids), NAT if self.flat else cutoff, np.int64).tolist()
        views = [
            RecordView(timeline, self.entity, key, instant, history)
            for key, instant in zip(ids, at, strict=True)
        ]
        return FeatureRows(self.specs, [compute_record(v, self.definitions) for v in views])

    def score(
        self,
        timeline: Timeline,
        ids: list[str],
        cutoff: int | Instants,
        history: Timeline | None = None,
        top: int | Sequence[int] = TOP,
        lang: str | Sequence[str] = LANGUAGES[0],
        prior: float | None = None,
    ) -> Scored:
        """Score the entities as they were just before ``cutoff`` (microseconds).

        ``history`` are the company's closed cases where ``timeline`` does not hold them: a
        request's come from the bundle (``Scorer.history``). An id without a row has every fact
        missing; ``standing`` tells who can be asked about. ``lang`` is the language of the
        sentences; ``prior`` a stated base rate, by default the bundle's (ValueError: ``prior``).
        ``cutoff``, ``top`` and ``lang`` may be one for all or one each; where ``top`` is 0 for all,
        nothing is explained.
        """
        few = len(ids) <= FEW
        features = (self.rows if few else self.features)(timeline, ids, cutoff, history)
        model, stated = self.bundle.model, self.prior(prior)
        X = model.encoding.matrix(features)
        if top == 0 or (not isinstance(top, int) and not any(top)):
            margins = model.margins(X)
            reasons, others = self._unexplained(margins, stated)
        else:
            margins, effects = model.explained(X)
            reasons, others = self.explainer.explain(features, X, effects, top, lang, stated)
        incidence = incidence_of(margins)
        own = incidence[:, -1, 0]
        if stated is not None:
            incidence = incidence_of(shifted(margins, stated.shift))
        return Scored(
            ids,
            cutoff,
            incidence[:, -1, 0],
            incidence,
            grade(own, self.bundle.grades),
            reasons,
            others,
            self.bundle.model.baseline_score,
            self._receipts(own, stated),
            0.0 if stated is None else stated.shift,
        )

    def _receipts(self, own: Floats, stated: Prior | None) -> Sequence[ReliabilityBin | None]:
        """The band of each of the model's own scores (n,), as a stated prior restates it."""
        kept = self.bundle.track_record
        if stated is None or not kept.bands:
            return kept.of(own)
        bands = kept.at_prior(stated.shift).bands
        return [bands[place] for place in kept.places(own).tolist()]

    def _unexplained(
        self, margins: Floats, stated: Prior | None
    ) -> tuple[list[list[Reason]], Floats]:
        """No reasons: all that there is to a score is among the others."""
        moved = margins if stated is None else shifted(margins, stated.shift)
        return [[] for _ in margins], log_odds(moved) - self.explainer.log_odds

    def prior(self, stated: float | None = None) -> Prior | None:
        """The stated base rate, or the bundle's; None where nobody states one.

        ValueError where it is no share, or the bundle does not know the base rate in training.
        """
        stated = self.bundle.prior if stated is None else stated
        if stated is None:
            return None
        known = self.bundle.track_record.base_rate
        if known is None:
            raise ValueError(
                "a prior cannot be stated: nothing was observed in training, so its base rate is "
                "not known; train on a longer history"
            )
        shift = log_odds_shift(stated, known.expected)
        return Prior(stated, known.expected, shift)

    @cached_property
    def track_record(self) -> TrackRecord:
        """The bundle's receipts, restated to the base rate that its mapping states."""
        stated = self.prior()
        kept = self.bundle.track_record
        return kept if stated is None else kept.at_prior(stated.shift)

    @cached_property
    def grades(self) -> dict[str, float]:
        """Letter -> lowest score, restated to the base rate that the bundle's mapping states."""
        stated = self.prior()
        kept = self.bundle.grades
        return kept if stated is None else at_prior(kept, stated.shift)

    @cached_property
    def born_column(self) -> str:
        """The instant from which an entity can be asked about.

        An account's is when it became a customer, where the training data knew that day (then the
        bundle has a tenure), as in ``training.task.snapshots``.
        """
        return born_column(self.entity, any(s.name == "tenure" for s in self.specs))

    def standing(self, table: Table, cutoff: int | Instants) -> tuple[Bools, Bools, Bools]:
        """Rows of the entity table whose birth is unknown, that are not yet born, that are closed.

        None of the three is open at ``cutoff``; all three are false for a flat question.
        """
        if self.flat:
            return (np.zeros(table.n, np.bool_),) * 3
        rows = RowsAsOf.of(table, self.born_column)
        unknown = rows.born == NAT
        return unknown, ~unknown & ~rows.known(cutoff), rows.has_closed(cutoff)


def score(
    bundle: Bundle, timeline: Timeline, ids: list[str], cutoff: int, top: int = TOP
) -> Scored:
    """Score entities of a whole data set: ``timeline`` holds them, and is its own history."""
    return Scorer(bundle).score(timeline, ids, cutoff, top=top)
