"""The leak audit: every column a question could read, and what it gives away."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.catalog import columns_read
from features.tables import NAT, Bools, Floats, Instants, Tables, micros
from training.leaks.columns import Candidate, candidates
from training.leaks.elapsed import counts_time, follows_the_end
from training.leaks.events import event_tables, of_events
from training.leaks.fields import Suspicion, percent, suspicions
from training.leaks.findings import ORDER, Finding
from training.leaks.history import FieldViews, field_views, of_history, replayed
from training.leaks.lost import of_reading
from training.leaks.rest import filled_together, rests_on
from training.leaks.strength import Gain, Target, cohorts, known, levels, target
from training.task.questions import Question, ever
from training.task.snapshots import rows_of

FEWEST = 20
"""Outcomes, and cases without, below which nothing can be told of any column."""


@dataclass(frozen=True)
class Case:
    """What the checks share; targets hold the rows marked in ``judged`` (n,) of the entity table.

    goals    the scored outcome and, with dates, being closed at all
    classes  every outcome, and having none
    born     (n,) when each entity began
    ends     (n,) when each entity closed, or the end of the data
    """

    tables: Tables
    question: Question
    judged: Bools
    goals: list[Target]
    classes: list[Target]
    born: Instants
    ends: Instants
    views: FieldViews | None


@dataclass
class Audited:
    """One column, what is held against it, and what it tells."""

    candidate: Candidate
    suspicions: list[Suspicion]
    evidence: dict[str, float]
    gain: Gain
    filled: Bools
    n: int


def audit(tables: Tables, question: Question) -> list[Finding]:
    """Every finding about the columns and tables ``question`` could read, the worst first.

    A column that no feature reads (left out, or without a history) is looked at too, but never red.
    The same data give the same findings.
    """
    tables = tables if question.asked is None else question.asked.seen_by(tables)
    case = _case(tables, question)
    few = case.goals[0].fewest
    if few < FEWEST:
        found = [_too_few(c, few) for c in candidates(tables, question.entity)]
    else:
        found = _columns(case) + _tables(case)
    found += of_reading(tables, question) + _closed_only(case)
    return sorted(found, key=lambda f: (ORDER.index(f.colour), f.column))


def _case(tables: Tables, question: Question) -> Case:
    table = tables[question.entity]
    codes, closed = ever(tables, question)
    born = np.full(table.n, NAT, np.int64) if question.flat else rows_of(tables, question).born
    judged = np.ones(table.n, np.bool_) if question.flat else born != NAT
    if not question.flat:
        codes = np.where(closed == NAT, 0, codes)
    end = NAT if question.flat else micros(tables.meta.as_of)
    codes, cohort = codes[judged], cohorts(born[judged])
    hit = target(question.happened, codes == 1, cohort)
    words = (question.happened, *question.outcomes[1:])
    classes = [target(word, codes == i + 1, cohort) for i, word in enumerate(words)]
    classes.append(target(f"not {question.happened}", codes != 1, cohort))
    goals = [hit]
    if len(question.outcomes) > 1:
        at_all = target("closed", codes > 0, cohort)
        goals += [at_all] if at_all.fewest >= FEWEST else []
        classes.append(target("still open", codes == 0, cohort))
    ends = np.where(closed == NAT, np.int64(end), closed)
    seen = None if question.flat else field_views(tables, question, end)
    return Case(tables, question, judged, goals, classes, born, ends, seen)


def _closed_only(case: Case) -> list[Finding]:
    """What an export without open rows, the commonest there is, leaves unchecked."""
    n, entity = len(case.goals[0]), case.question.entity
    happened = np.any([of.hit for of in case.classes[: len(case.question.outcomes)]], axis=0)
    still_open = n - int(np.sum(happened))
    if case.question.flat or case.question.event is not None or n == 0 or still_open >= FEWEST:
        return []
    text = (
        f"{still_open or 'None'} of {n:,} {entity} {'is' if still_open < 2 else 'are'} still open: "
        f"it cannot be checked which columns are filled when a case closes, whatever its outcome."
    )
    todo = "Export open cases too; till then ask when each column is filled in."
    return [Finding(entity, "grey", "closed cases only", text, todo, {"open": still_open}, n)]


def _columns(case: Case) -> list[Finding]:
    found = [_one(case, c) for c in candidates(case.tables, case.question.entity)]
    if case.question.flat:
        _beside_the_rest(case, found)
    # a reference that no feature reads is no field anybody would look for in the table
    named = [a for a in found if a.suspicions or a.candidate.words or a.candidate.status == "read"]
    return [_finding(a) for a in named]


def _one(case: Case, candidate: Candidate) -> Audited:
    if candidate.tracked and case.views is not None:
        return _tracked(case, candidate, case.views)
    rows = candidate.judged[case.judged]
    goals = [g.take(rows) for g in case.goals]
    classes = [c.take(rows) for c in case.classes]
    kept = case.judged & candidate.judged
    codes, filled = levels(candidate.values)[kept], known(candidate.values)[kept]
    found, evidence, gain = suspicions(codes, filled, goals, classes, candidate.words)
    found += _elapsed(case, candidate, gain)
    return Audited(candidate, found, evidence, gain, filled, int(rows.sum()))


def _elapsed(case: Case, candidate: Candidate, gain: Gain) -> list[Suspicion]:
    """A duration whose counting may have stopped at the outcome, or one that surely has."""
    flat, own = case.question.flat, candidate.table == case.question.entity
    found = [counts_time(candidate.column, candidate.unit, flat, gain)]
    if not flat and own:
        closed = case.tables[candidate.table].instant("closed_at")
        found.append(follows_the_end(candidate.values, case.born, closed))
    return [s for s in found if s is not None]


def _tracked(case: Case, candidate: Candidate, at: FieldViews) -> Audited:
    """A field with history is judged by what the first look reads, and by its history."""
    rows = at.seen[case.judged]
    goals = [g.take(rows) for g in case.goals]
    classes = [c.take(rows) for c in case.classes]
    values = replayed(at.first, candidate)
    filled = known(values)
    found, evidence, gain = suspicions(levels(values), filled, goals, classes, candidate.words)
    more, numbers = of_history(
        case.tables, candidate, at, goals[0], classes[: len(case.question.outcomes)]
    )
    return Audited(candidate, found + more, evidence | numbers, gain, filled, int(rows.sum()))


def _beside_the_rest(case: Case, found: list[Audited]) -> None:
    """Without dates: what each column holds that the others do not, and columns filled at once."""
    of = case.goals[0]
    shifts, filled = {}, {}
    for a in found:
        shifts[a.candidate.name] = _spread(a.gain.shift, a.candidate.judged)
        if a.candidate.table == case.question.entity:
            filled[a.candidate.name] = _spread(a.filled, a.candidate.judged).astype(np.bool_)
    base = [a.candidate.name for a in found if a.candidate.status == "read" and not _red(a)]
    held = rests_on(shifts, base, of)
    at_once = filled_together(filled, shifts, of)
    for a in found:
        name = a.candidate.name
        more = (held.get(name), at_once.get(name))
        a.suspicions += [s for s in more if s is not None]


def _spread(values: Floats | Bools, rows: Bools) -> Floats:
    """Values of the rows marked, 0 elsewhere."""
    out = np.zeros(len(rows))
    out[rows] = values
    return out


def _red(audited: Audited) -> bool:
    return any(s.colour == "red" for s in audited.suspicions)


def _finding(audited: Audited) -> Finding:
    candidate, held = audited.candidate, audited.suspicions
    held = sorted(held, key=lambda s: ORDER.index(s.colour))
    evidence = dict(audited.evidence)
    for suspicion in held:
        evidence |= suspicion.evidence
    said = _capital("; ".join(s.sentence for s in held)) + "."
    check = held[0].check if held else "nothing found"
    if candidate.status != "read":
        sentence, todo = _not_read(candidate, said if held else "")
        return Finding(candidate.name, "grey", check, sentence, todo, evidence, audited.n)
    if not held:
        sentence = _fine(audited)
        return Finding(candidate.name, "green", check, sentence, "", evidence, audited.n)
    todo = "Ask when it is filled in; leave it out if that is after the outcome is known."
    if held[0].colour == "red":
        todo = f'Leave it out, or acknowledge "{candidate.name}" if it was truly known in time.'
    return Finding(candidate.name, held[0].colour, check, said, todo, evidence, audited.n)


def _fine(audited: Audited) -> str:
    share = percent(max(audited.gain.share, 0.0))
    sentence = f"Nothing found: alone it tells {share} of what there is to know."
    if "changed_hit" in audited.evidence:
        hit, other = (percent(audited.evidence[k]) for k in ("changed_hit", "changed_other"))
        sentence += (
            f" It was edited after the first look in {hit} of the outcomes and {other} of the "
            f"others; its history is kept, so that a look reads what it was."
        )
    return sentence


def _not_read(candidate: Candidate, said: str) -> tuple[str, str]:
    if candidate.status == "left out":
        return f"Left out by the mapping. {said}".strip(), ""
    if candidate.status == "not read":
        return f"No feature reads it. {said}".strip(), ""
    why = "Not used: it is edited while the entity lives, and no history tells what it was."
    if said:
        return f"{why} {said}", "Do not declare it fixed; leave it out or bring its history."
    return why, "Bring its history as changes, or declare it fixed if it never changes."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _too_few(candidate: Candidate, few: int) -> Finding:
    text = f"It cannot be told: {few} cases of the rarer outcome, {FEWEST} are the least."
    return Finding(candidate.name, "grey", "too few outcomes", text, "", {}, few)


def _tables(case: Case) -> list[Finding]:
    if case.question.flat:
        return []
    entity = case.question.entity
    read = columns_read(entity, case.tables)
    outcomes = case.classes[: len(case.question.outcomes)]
    return [
        finding
        for name in event_tables(case.tables, entity)
        for finding in of_events(
            case.tables, entity, name, case.ends, case.judged, case.goals[0], outcomes, read
        )
    ]
