"""What was asked, of which data, and what is not known: the first section and the last."""

from __future__ import annotations

import numpy as np

from features.tables import Ints, instant_text, micros
from training.charts.numbers import count, many, percent, typeset
from training.charts.page import PageTable, Section
from training.evaluation.slices import FEWEST
from training.reports.model.subject import Subject, column_name
from training.task.questions import label


def asked(subject: Subject) -> Section:
    """The question, the data and how they were divided."""
    teaching, bundle = subject.teaching, subject.bundle
    question, meta, split = teaching.question, teaching.tables.meta, teaching.split
    newest = split.newest
    taught, judged = newest.train_rows, subject.judgement.rows
    facts = [
        (
            "Question",
            f"{subject.asked} Scored: the probability of “{question.happened}”"
            + (f" {subject.by_when} of the look." if subject.by_when else "."),
        ),
        ("Looks", _looks(subject)),
        ("Data", f"mapping {meta.mapping or 'not named'}; {_tables(subject)}"),
        ("Period", _period(subject)),
        ("Taught on", _rows(subject, taught)),
        (
            "Judged on",
            _rows(subject, judged)
            + (", the newest, seen once" if split.timed else ", held out by chance, seen once"),
        ),
        ("Columns", _columns(subject)),
        ("Version", bundle.version),
        ("Fingerprint", f"sha256 {bundle.trained_on.get('fingerprint', 'not kept')}"),
    ]
    return Section(
        "asked",
        "What was asked, and of which data",
        "Whom is this about, what counts as success, and what may the numbers be compared with?",
        facts=facts,
        tables=[_folds(subject)],
    )


def _looks(subject: Subject) -> str:
    question = subject.teaching.question
    if question.flat:
        return f"each of the {subject.many} once; the table has no dates"
    often = (
        "once, at the first midnight after they were created"
        if question.snapshots == "created"
        else f"at birth and every {question.every_days:g} days while open"
    )
    ends = ", ".join(f"{edge:g}" for edge in question.edges)
    return f"{subject.many} are looked at {often}; the curve has steps at {ends} days"


def _tables(subject: Subject) -> str:
    tables = subject.teaching.tables
    held = [f"{name} {count(tables[name].n)}" for name in tables if tables[name].n]
    return "rows: " + ", ".join(held)


def _period(subject: Subject) -> str:
    teaching = subject.teaching
    if teaching.question.flat or not len(teaching.spine):
        return "no dates: one table, as it was exported"
    first = instant_text(int(teaching.spine.cutoffs.min()))[:10]
    return f"{first} to {teaching.tables.meta.as_of[:10]} (end of the data)"


def _rows(subject: Subject, rows: Ints) -> str:
    entities = len(set(subject.teaching.entities(rows)))
    if entities == len(rows):
        return f"{count(entities)} {subject.many}"
    return f"{count(len(rows))} looks at {count(entities)} {subject.many}"


def _columns(subject: Subject) -> str:
    names, useless = subject.bundle.model.encoding.names, subject.bundle.model.encoding.useless
    left = sum(len(columns) for columns in subject.teaching.tables.meta.left_out.values())
    said = f"{many(len(names), 'fact')} known before each look"
    if useless:
        said += f", of which {len(useless)} held one value only"
    return said + (f"; {left} left out by the mapping" if left else "")


def _folds(subject: Subject) -> PageTable:
    split = subject.teaching.split
    rows = [
        [
            "newest (judged once)" if f["fold"] == "newest" else f"fold {f['fold']}",
            str(f["origin"])[:10] or "by chance",
            count(f["train_rows"]),
            count(f["valid_rows"]),
        ]
        for f in split.table().to_dict("records")
    ]
    return PageTable(
        ["Part", "Origin", "Rows that teach", "Rows that test"],
        rows,
        words=2,
        caption="Each part is taught only with what was known at its origin.",
    )


def unknown(subject: Subject) -> Section:
    """What this page cannot say, and why."""
    return Section(
        "unknown",
        "What is not known",
        "Which doubts can no number above remove?",
        points=[*_notes(subject), *_time(subject), *_columns_left(subject), *_always(subject)],
    )


def _notes(subject: Subject) -> list[str]:
    shown = {subject.judgement.verdict.sentence}
    rate = subject.bundle.track_record.base_rate
    if rate is not None:
        shown.add(rate.sentence)
    notes = [n for n in dict.fromkeys(subject.notes) if n not in shown]
    notes = [typeset(n) for n in notes]
    return [n[:1].upper() + n[1:].rstrip(".") + "." for n in notes]


def _time(subject: Subject) -> list[str]:
    teaching = subject.teaching
    question = teaching.question
    if question.flat:
        return [
            "Without dates nobody can tell whether the model holds over time, whether a column was "
            "filled in after the outcome, or by when the outcome comes: the score says whether, "
            "not when."
        ]
    end = micros(teaching.tables.meta.as_of)
    labels = label(teaching.tables, question, teaching.spine, end)
    still = int((~labels.matured & (labels.event == 0)).sum())
    return [
        f"{count(still)} of {count(len(labels))} looks ({percent(still / max(len(labels), 1))}) "
        f"are too recent to know how they end {subject.by_when}: they taught with the days that "
        f"were seen, and are not among the judged."
    ]


def _columns_left(subject: Subject) -> list[str]:
    meta, said = subject.teaching.tables.meta, []
    for table, columns in sorted(meta.left_out.items()):
        if columns:
            names = ", ".join(column_name(c) for c in columns)
            said.append(f"The mapping leaves out of {table}: {names}. They teach nothing.")
    useless = subject.bundle.model.encoding.useless
    if useless:
        names = ", ".join(column_name(c) for c in useless[:12])
        more = f" and {len(useless) - 12} more" if len(useless) > 12 else ""
        said.append(f"Columns with one value only, which say nothing: {names}{more}.")
    return said


def _always(subject: Subject) -> list[str]:
    hits = int(np.sum(subject.judgement.hit))
    return [
        f"Groups of fewer than {FEWEST} {subject.many} are not judged.",
        f"Intervals are 95 %: they say what {count(hits)} outcomes can support if tomorrow is like "
        f"the judged rows, and nothing about a change in the market.",
        "An effect is what the model uses, not what causes the outcome: changing a value in the "
        "field need not change the result.",
    ]
