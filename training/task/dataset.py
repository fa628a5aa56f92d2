"""What a question's training sees: snapshots, features, labels at any origin, and the split."""

from __future__ import annotations

from dataclasses import dataclass, replace
from difflib import get_close_matches

import numpy as np

from features.catalog import build_features, grouped, supported, without_feature
from features.spine import Features, FeatureSpec, Spine
from features.tables import NAT, Coded, Floats, Instants, Ints, Tables, micros
from features.timeline import Timeline
from training.config import Config
from training.models.encoding import Encoding
from training.task.questions import (
    QUESTIONS,
    Labels,
    Question,
    ever,
    label,
    next_outcome,
    own_question,
    rows_of,
)
from training.task.snapshots import snapshots
from training.task.splits import Split, ordered, rolling_origins, stratified


def question_of(name: str, tables: Tables) -> Question:
    """The question as this data set asks it: its overrides, and flat where it has no dates."""
    stated = tables.meta.questions
    known = dict.fromkeys([*QUESTIONS, *stated])
    if name not in known:
        raise ValueError(f"no question {name!r}; there are {', '.join(known)}")
    if name not in QUESTIONS:
        return _dated(own_question(name, stated[name]), tables)
    question = QUESTIONS[name].with_overrides(stated.get(name, {}))
    if not tables.meta.as_of:
        question = replace(question, flat=True, edges=(1.0,), snapshots="created")
    return question


def _dated(question: Question, tables: Tables) -> Question:
    if not tables.meta.as_of:
        raise ValueError(
            f"question {question.name}: an event has a date, and this data set is a flat table "
            f"without any; map the dates, or an outcome"
        )
    return question


def askable(tables: Tables) -> list[str]:
    """The questions for which the data set holds at least one outcome, and its owner's own."""
    usual = [n for n, q in QUESTIONS.items() if tables[q.entity].has("outcome")]
    return [*usual, *(n for n in tables.meta.questions if n not in QUESTIONS)]


@dataclass(frozen=True)
class TrainingData:
    """Everything a question's training may look at; rows are rows of ``spine``.

    encoding is learned on the rows before the newest period; X is (n, F).
    """

    tables: Tables
    question: Question
    spine: Spine
    features: Features
    encoding: Encoding
    X: Floats
    split: Split
    notes: list[str]

    def less(self, names: set[str]) -> TrainingData:
        """The same rows without the features ``names``."""
        specs = [s for s in self.features.specs if s.name not in names]
        columns = {s.name: self.features.columns[s.name] for s in specs}
        kept = np.array([n not in names for n in self.encoding.names], np.bool_)
        features = replace(self.features, specs=specs, columns=columns)
        encoding = self.encoding.without(names)
        return replace(self, features=features, encoding=encoding, X=self.X[:, kept])

    def labels(self, rows: Ints, end: int) -> Labels:
        """What was known at ``end`` to have happened to ``rows``."""
        return label(self.tables, self.question, self.spine.take(rows), end)

    def cutoffs(self, rows: Ints) -> Instants:
        """Cutoffs of ``rows``; zeros for a flat table, where all rows are of one age."""
        return np.zeros(len(rows), np.int64) if self.question.flat else self.spine.cutoffs[rows]

    def entities(self, rows: Ints) -> list[str]:
        """Entity ids of ``rows``."""
        return [self.spine.ids[r] for r in rows]


def teach(tables: Tables, question: Question, config: Config) -> TrainingData:
    """Look at the data as the question asks: the first steps of every training run."""
    notes: list[str] = []
    tables = tables if question.asked is None else question.asked.seen_by(tables)
    end = NAT if question.flat else micros(tables.meta.as_of)
    spine = _sampled(snapshots(tables, question, end), config, notes)
    _require_outcomes(tables, question, spine)
    split = _split(tables, question, spine, end, config)
    specs = _wanted(supported(question.entity, tables), question, notes)
    notes += grouped(without_feature(tables, [question.entity]))
    if not specs:
        raise ValueError(
            f"{question.name}: the data hold no fact that could be a feature; map columns of "
            f"{question.entity}, declare custom fields, or bring activities or changes"
        )
    features = build_features(Timeline(tables), spine, specs)
    known = features.take(split.newest.train_rows)
    encoding = Encoding.fit(known, config.min_count, config.max_levels)
    return TrainingData(
        tables,
        question,
        spine,
        features,
        encoding,
        encoding.matrix(features),
        split,
        notes + split.notes,
    )


def _wanted(specs: list[FeatureSpec], question: Question, notes: list[str]) -> list[FeatureSpec]:
    """The features that the mapping's ``without`` leaves; a name that is none is an error."""
    known = sorted({name for spec in specs for name in (spec.name, spec.group)})
    for name in question.without:
        if name not in known:
            near = get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
            raise ValueError(
                f"question {question.name}: without names {name!r}, which is neither a feature nor "
                f"a group of features here; {hint}"
            )
    left_out = [s.name for s in specs if {s.name, s.group} & set(question.without)]
    if left_out:
        notes.append(f"left out as the mapping asks: {', '.join(left_out)}")
    return [s for s in specs if s.name not in left_out]


def _sampled(spine: Spine, config: Config, notes: list[str]) -> Spine:
    """At most ``max_snapshots`` rows, whole entities at a time."""
    if len(spine) <= config.max_snapshots:
        return spine
    entities = sorted(set(spine.ids))
    share = config.max_snapshots / len(spine)
    drawn = np.random.default_rng(config.seed).random(len(entities)) < share
    kept = {e for e, keep in zip(entities, drawn, strict=True) if keep}
    rows = np.flatnonzero(np.fromiter((i in kept for i in spine.ids), np.bool_, len(spine)))
    notes.append(f"{len(kept)} of {len(entities)} entities were sampled: {len(rows)} snapshots")
    return spine.take(rows)


def _require_outcomes(tables: Tables, question: Question, spine: Spine) -> None:
    if tables[question.entity].n == 0:
        raise ValueError(
            f"{question.name}: the data hold no {question.entity}; check that the mapping's file "
            f"has rows and that none of them was rejected (ingest_report.md)"
        )
    if len(spine) == 0:
        raise ValueError(
            f"{question.name}: no row of {question.entity} was ever open at a midnight before the "
            f"export's end; check the mapping's created and closed dates"
        )
    codes, _ = ever(tables, question)
    hits = int((codes[np.unique(rows_of(tables, spine))] == 1).sum())
    if hits == 0:
        raise ValueError(
            f"{question.name}: none of {len(set(spine.ids))} {question.entity} is "
            f"{question.happened!r}: there is nothing to learn; check the "
            f"{'event' if question.event else 'value map of the outcome'}"
        )


def _split(tables: Tables, question: Question, spine: Spine, end: int, config: Config) -> Split:
    if question.flat:
        hit = ever(tables, question)[0][rows_of(tables, spine)] == 1
        if question.order_by:
            order = _order(tables, question, spine)
            return ordered(order, hit, question.order_by, config.folds, config.newest_share)
        return stratified(hit, config.seed, config.folds, config.newest_share)
    codes, closed = next_outcome(tables, question, spine)
    hit = codes == 1
    return rolling_origins(
        spine.cutoffs,
        end,
        question.horizon,
        config.folds,
        config.newest_share,
        hit_at=np.where(hit, closed, np.int64(NAT)),
    )


def _order(tables: Tables, question: Question, spine: Spine) -> Floats:
    """(n,) the place of each spine row in the order that the mapping names; words sort as words."""
    table, name = tables[question.entity], question.order_by
    if not table.has(name):
        raise ValueError(
            f"question {question.name}: order_by names {name!r}, which {question.entity} does not "
            f"hold; map it, as a custom field that is left out if it is no feature"
        )
    column, rows = table.columns[name], rows_of(tables, spine)
    if isinstance(column, Coded):
        ranks = np.argsort(np.argsort(np.array(column.values))).astype(np.float64)
        return np.append(ranks, np.nan)[column.codes[rows]]
    if column.dtype == np.int64:
        return np.where(column[rows] == NAT, np.nan, column[rows].astype(np.float64))
    return np.asarray(column[rows], np.float64)
