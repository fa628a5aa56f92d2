"""One record on a page: what it scores, by when, why, how such scores turned out, its history."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from features.schema import QUESTIONS, TABLES
from features.tables import DAY, NAT, Tables
from features.timeline import Timeline
from serving.analytics.asof.history import date, history, title
from serving.scoring.scorer import Scored, Scorer
from serving.web.record.past import before, story
from serving.web.record.score import curve, fact, receipt, why
from training.charts.numbers import count, percent, percents, typeset
from training.charts.page import Page, render
from training.models import bundle as bundles
from training.models.prior import restated

REASONS = 10
"""Reasons told one by one; the rest are one step."""

ASKED = {
    "leads": ("lead", "convert", "disqualified"),
    "deals": ("deal", "be won", "lost"),
    "accounts": ("customer", "leave", ""),
}


def record_page(scorer: Scorer, tables: Tables, key: str, cutoff: int) -> str:
    """The page of one record of a whole data set, as it was just before ``cutoff``, as HTML.

    ValueError where the data hold no such record, or it was not open at the cutoff.
    """
    return render(page_of(scorer, tables, key, cutoff))


def page_of_any(
    champions: Mapping[str, Path], tables: Tables, key: str, cutoff: int
) -> tuple[str, str]:
    """File name and page of a record by the bundle (name -> folder) whose table holds its key.

    ValueError where none does, or as ``record_page``.
    """
    usual_first = sorted(champions.items(), key=lambda champion: champion[0] not in QUESTIONS)
    for name, folder in usual_first:
        scorer = Scorer(bundles.read(folder))
        if key in tables[scorer.entity].coded(TABLES[scorer.entity].key).values:
            unusual = re.sub(r"[^\w.-]+", "_", key)[:120]
            return f"{name}-{unusual}.html", record_page(scorer, tables, key, cutoff)
    raise ValueError(
        f"no table that {', '.join(champions)} can be asked about holds the key {key!r}; check it"
    )


def page_of(scorer: Scorer, tables: Tables, key: str, cutoff: int) -> Page:
    """The page as data."""
    at = NAT if scorer.flat else cutoff
    tables = scorer.seen_by(tables)
    seen = Timeline(tables)
    _require(scorer, tables, seen, key, at)
    scored = scorer.score(seen, [key], at, top=REASONS)
    thing, does, _ = ASKED[scorer.entity]
    does = does if scorer.asked is None else f"have “{scorer.outcome}”"
    probability = float(scored.probability[0])
    when = "" if scorer.flat else f" by {date(at + round(scorer.edges[-1] * DAY))}"
    name = title(tables, scorer.entity, key)
    sections = [why(scored, thing), receipt(scored)]
    if not scorer.flat:
        happened = history(tables, scorer.entity, key, at)
        sections.insert(0, curve(scorer, scored))
        sections.append(before(scorer, tables, seen, key, at))
        sections.append(story(happened, scorer, tables, key, at))
    as_of = "one look, without a date" if scorer.flat else f"as known before {date(at)}"
    return Page(
        kicker=f"{thing.capitalize()} {key} · {as_of}",
        title=f"{name or f'This {thing}'}: {percent(probability, 0)} likely to {does}{when}",
        standfirst=_standfirst(scored, thing),
        keys=_keys(scorer, scored),
        sections=sections,
        footer=[
            f"Scored by {scorer.bundle.version}. {typeset(scorer.bundle.verdict)}",
            "Effects say what the model uses, not what causes the outcome.",
        ],
    )


def _require(scorer: Scorer, tables: Tables, seen: Timeline, key: str, at: int) -> None:
    row = int(seen.rows(scorer.entity, [key])[0])
    if row < 0:
        raise ValueError(f"the data hold no {scorer.entity} with key {key!r}; check --record")
    unknown, unborn, closed = (bool(m[row]) for m in scorer.standing(tables[scorer.entity], at))
    if unknown or unborn or closed:
        why = "closed before" if closed else "not in the system before" if unborn else "undated at"
        raise ValueError(
            f"{key} was {why} {date(at)}: there is nothing to foresee; choose --as-of while it "
            f"was open"
        )


def _standfirst(scored: Scored, thing: str) -> str:
    score, start = float(scored.probability[0]), restated(scored.baseline, scored.shift)
    reasons = scored.reasons[0]
    way = "above" if score > start else "below"
    said = f"That is {way} the {percent(start, 0)} of the average {thing}"
    largest = [r for r in reasons if (r.points > 0) == (score > start)][:2]
    facts = " and ".join(f"“{fact(r.sentence)}”" for r in largest)
    return f"{said}, most of all for {facts}." if facts else f"{said}."


def _keys(scorer: Scorer, scored: Scored) -> list[tuple[str, str, str]]:
    band, score = scored.track_record[0], float(scored.probability[0])
    horizon = "" if scorer.flat else f" within {scorer.edges[-1]:g} days"
    found = [
        (percent(score, 0), f"probability of “{scorer.outcome}”{horizon}", ""),
        (scored.grades[0], "grade", _grade_text(scorer)),
        (
            percent(restated(scored.baseline, scored.shift), 0),
            f"the average {ASKED[scorer.entity][0]}",
            "",
        ),
    ]
    if band is not None:
        said = f"of {count(band.n)} scores like it came true"
        found.append((percent(band.share, 0), said, percents(band.low, band.high)))
    return found


def _grade_text(scorer: Scorer) -> str:
    grades = sorted(scorer.grades.items(), key=lambda g: -g[1])
    return ", ".join(f"{letter} from {percent(least, 0)}" for letter, least in grades[:-1])
