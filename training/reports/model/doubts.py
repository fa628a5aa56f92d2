"""Where to be careful: the leak audit, and how past scores turned out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping
from typing import Any

from training.charts.numbers import count, many, percent, percents, typeset
from training.charts.page import PageTable, Section
from training.reports.model.subject import Subject

_COLOURS = ("red", "amber", "grey", "green")


def leaks(subject: Subject) -> Section:
    """Does a column know the answer?"""
    title, asks = "Leak audit", "Does any column know the outcome before it happened?"
    findings = subject.findings
    if findings is None:
        said = "No leak audit was made for this run: nothing here rules out a column that knows."
        return Section("leaks", title, asks, paragraphs=[said])
    if findings.empty:
        return Section("leaks", title, asks, paragraphs=["No check found anything to report."])
    accepted = set(subject.bundle.meta.acknowledged)
    fine = [str(c) for c in findings.loc[findings["colour"] == "green", "column"]]
    doubtful = findings[findings["colour"] != "green"].to_dict("records")
    rank = {colour: i for i, colour in enumerate(_COLOURS)}
    doubtful.sort(key=lambda f: rank.get(f["colour"], len(rank)))
    counts = Counter(str(f["colour"]) for f in doubtful)
    said = ", ".join(f"{n} {colour}" for colour, n in counts.items()) or "none"
    alike: dict[tuple[str, ...], list[str]] = {}
    for f in doubtful:
        same = _mark(f, accepted), str(f["check"]), _advice(f)
        alike.setdefault(same, []).append(str(f["column"]))
    rows = [[mark, ", ".join(c), check, seen] for (mark, check, seen), c in alike.items()]
    red = frozenset(i for i, row in enumerate(rows) if row[0].startswith("red"))
    table = PageTable(["Finding", "Column", "Check", "What was seen"], rows, words=4, marked=red)
    return Section(
        "leaks",
        title,
        asks,
        paragraphs=[f"Findings: {said}. {_MEANING}"],
        tables=[table] if rows else [],
        after=[f"Nothing found in {many(len(fine), 'column')}: {', '.join(fine)}."] if fine else [],
    )


_MEANING = (
    "Red: a column the model reads tells the outcome. Amber: a person should look. Grey: nothing "
    "reads it, or it cannot be told."
)


def _mark(finding: Mapping[Hashable, Any], accepted: set[str]) -> str:
    known = finding["column"] in accepted
    return f"{finding['colour']}, acknowledged" if known else str(finding["colour"])


def _advice(finding: Mapping[Hashable, Any]) -> str:
    what = finding.get("what_to_do") or ""
    return typeset(f"{finding['sentence']} {_capital(str(what))}".strip())


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def track_record(subject: Subject) -> Section:
    """How scores like it turned out, over all past scores that have matured."""
    kept = subject.bundle.track_record
    rows = [
        [
            percents(b.low_score, b.high_score),
            count(b.n),
            count(b.happened),
            percent(b.share, 1),
            percents(b.low, b.high),
            percent(b.predicted, 1),
            "yes" if b.calibrated else "no",
        ]
        for b in kept.bands
    ]
    unseen = "held out by chance" if subject.teaching.question.flat else "out of time"
    said = (
        f"Each answer carries the line of this table its score falls into. The past scores are "
        f"{unseen}: no row was scored by a model that had seen it."
    )
    if kept.since:
        said += f" They were made from {kept.since[:10]} to {kept.until[:10]}."
    off = frozenset(i for i, b in enumerate(kept.bands) if not b.calibrated)
    head = [
        "Scores",
        "Past scores",
        "Happened",
        "Share",
        "95 % interval",
        "Predicted",
        "Calibrated",
    ]
    return Section(
        "track-record",
        "Track record",
        "How did scores like this one turn out before?",
        paragraphs=[said]
        if rows
        else ["No past score has matured: answers carry no track record yet."],
        tables=[PageTable(head, rows, marked=off)] if rows else [],
    )
