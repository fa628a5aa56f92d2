"""The page of one model and run: what was asked, how right it is, why, and what is not known."""

from __future__ import annotations

from training.charts.numbers import count, decimal, percent, percents, span
from training.charts.page import Page, render
from training.evaluation.holdout import BASE
from training.reports.model.accuracy import probabilities, telling_apart
from training.reports.model.asked import asked, unknown
from training.reports.model.causes import drivers
from training.reports.model.comparison import verdict
from training.reports.model.doubts import leaks, track_record
from training.reports.model.over_time import over_time
from training.reports.model.subject import Subject
from training.reports.model.weak import weak

HEADLINES = {
    "better": "The scores beat everything easier",
    "as good as": "The scores work; a simpler way does as well",
    "worse": "A simpler way is better",
    "no skill": "No skill in this data",
    "too little data": "Too few outcomes to tell",
}


def model_page(subject: Subject) -> str:
    """The report as one HTML file."""
    return render(page_of(subject))


def page_of(subject: Subject) -> Page:
    """The report as data: what ``pages`` draws, and what the tests read."""
    bundle, judgement = subject.bundle, subject.judgement
    made = str(bundle.trained_on.get("made_at", ""))[:10]
    return Page(
        kicker=f"{bundle.name.replace('_', ' ').capitalize()} · "
        f"{bundle.meta.mapping or 'company data'} · {made}",
        title=f"{subject.asked} {HEADLINES[judgement.verdict.word]}",
        standfirst=_standfirst(subject),
        keys=_keys(subject),
        sections=[
            asked(subject),
            verdict(subject),
            telling_apart(subject),
            probabilities(subject),
            over_time(subject),
            track_record(subject),
            drivers(subject),
            leaks(subject),
            weak(subject),
            unknown(subject),
        ],
        footer=[
            f"Embudo, {bundle.version}. Every interval is 95 %, by a bootstrap over "
            f"{subject.many} or Wilson's; n is given with each.",
        ],
    )


def _standfirst(subject: Subject) -> str:
    hits, rows = int(subject.judgement.hit.sum()), len(subject.judgement.rows)
    when = f" {subject.by_when}" if subject.by_when else ""
    entities = len(set(subject.judged_entities))
    looks = "" if entities == rows else f" looks at {count(entities)} {subject.many}"
    of = f"{count(rows)}{looks or ' ' + subject.many}"
    share = percent(hits / rows, 1)
    return (
        f"Tested on {of} the model had never seen: {share} of them {subject.did}{when}. "
        f"{_against(subject)}"
    )


def _against(subject: Subject) -> str:
    base = next(c for c in subject.judgement.comparisons if c.against == BASE)
    if not base.log_loss.low > 0:
        return "It is not better, beyond chance, than giving everybody the same share."
    rest = [c for c in subject.judgement.comparisons if c.against != BASE]
    if not rest:
        return "There was no other baseline to compare with."
    best = min(rest, key=lambda c: c.log_loss.value)
    name = "logistic regression" if best.against == "logistic" else best.against
    if best.log_loss.low > 0:
        return f"It is ahead of {name}, the best of the simpler ways, beyond chance."
    if best.log_loss.high < 0:
        return f"It is behind {name}, beyond chance."
    return (
        f"It is as good as {name}, the best of the simpler ways: "
        f"the difference is not beyond chance."
    )


def _keys(subject: Subject) -> list[tuple[str, str, str]]:
    judgement = subject.judgement
    auc, lift = subject.measured("auc"), subject.measured("lift_10")
    said, true = float(judgement.scores.mean()), float(judgement.hit.mean())
    gap = 100 * (said - true)
    top = min(lift.value * true, 1.0)
    return [
        (
            percent(top, 0),
            f"of the top tenth by score {subject.did}",
            f"{percents(lift.low * true, min(lift.high * true, 1.0))}; all: {percent(true, 0)}",
        ),
        (
            f"{decimal(lift.value, 1)} ×",
            "as many as in a tenth picked by chance",
            span(lift.low, lift.high, 1),
        ),
        (
            percent(auc.value, 0),
            "of pairs are put in the right order (AUC)",
            f"{percents(auc.low, auc.high)}; a coin: 50\u00a0%",
        ),
        (
            f"{decimal(abs(gap), 1)} points",
            _direction(gap),
            f"said {percent(said, 1)}, came true {percent(true, 1)}",
        ),
    ]


def _direction(gap: float) -> str:
    """Which way the average score is off; ``gap`` in points."""
    if abs(gap) < 0.05:
        return "off on average"
    return f"too {'high' if gap > 0 else 'low'} on average"
