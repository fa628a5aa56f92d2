"""How it ended: the column that says so, its words, and the day."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from features.draft.model import Spec, Sureness
from features.draft.outcome_words import TARGETS, means
from features.draft.values.profile import YES, ColumnProfile, FileProfile
from features.ingest.values.clean import TRUE
from features.schema import OUTCOMES
from features.tables import Bools

Words = npt.NDArray[np.object_]

FLAGS = {
    "deals": {"won": "won", "lost": "lost"},
    "leads": {"convert": "converted", "won": "converted", "lost": "disqualified"},
    "accounts": {"churn": "churned", "lost": "churned"},
}
"""Concept of a yes/no column or a day -> the outcome that it says has happened."""


@dataclass
class OutcomeFound:
    """The outcome of a file's rows.

    spec     of the mapping's ``outcome``
    rows     (n,) the canonical outcome of each row, "" open
    columns  the source columns that it is told from
    doubts   what a person has to say, in sentences
    """

    spec: Spec
    rows: Words
    columns: tuple[str, ...]
    sure: Sureness
    evidence: str
    doubts: list[str] = field(default_factory=list)

    @property
    def ended(self) -> Bools:
        """(n,) whether the row has ended."""
        return np.asarray(self.rows != "", bool)


def outcome_of(file: FileProfile, table: str) -> OutcomeFound | None:
    """The outcome of a file of deals, leads or accounts; None where nothing says one."""
    flags = _flags(file, table)
    if table == "deals" and (weighed := _weighed(file)) is not None:
        return weighed
    words = [w for c in file.columns.values() if (w := _worded(c, table)) is not None]
    found = [*words, *flags, *_dated(file, table)]
    if not found:
        return _target(file, table)
    found.sort(key=lambda f: -_standing(f, file))
    best = found[0]
    for other in found[1:]:
        both = best.ended & other.ended & (best.rows != other.rows)
        if both.sum() > 0.005 * max(best.ended.sum(), 1):
            best.doubts.append(
                f"{_quoted(best.columns)} and {_quoted(other.columns)} contradict each other in "
                f"{int(both.sum()):,} rows: which one says how it ended?"
            )
            best.sure = "unsure"
            break
    return best


def _quoted(columns: tuple[str, ...]) -> str:
    return ", ".join(f"“{c}”" for c in columns)


def _standing(found: OutcomeFound, file: FileProfile) -> float:
    """How well a candidate is suited: words before flags before days, a result before a stage."""
    meaning = file.columns[found.columns[0]].concepts
    place = (
        3.0
        if meaning & {"outcome", "churn", "convert", "won"}
        else 2.0
        if "status" in meaning
        else 1.0
    )
    worded = isinstance(found.spec, dict) and "values" in found.spec
    place += 0.5 if worded else 0.0
    by_day = not worded and not (isinstance(found.spec, dict) and "weigh" in found.spec)
    place -= 2.0 if by_day and found.sure == "likely" else 0.0
    kinds = len(set(found.rows.tolist()) - {""})
    return place + 2 * kinds + (0.5 if found.sure == "sure" else 0)


def _worded(column: ColumnProfile, table: str) -> OutcomeFound | None:
    """A column of words such as Won, Lost, Negotiation."""
    if column.held != "category" or not 0 < len(column.counts) <= 60:
        return None
    known = column.concepts & {
        "status",
        "stage",
        "outcome",
        "won",
        "churn",
        "convert",
        "close",
        "type",
        "state",
    }
    said = {w: means(w, table) for w in column.counts}
    hits = [w for w, m in said.items() if m]
    plain = None not in said.values() and table == "deals"
    if (
        not hits
        or (len(hits) < 2 and not known and not plain)
        or (table == "accounts" and not known)
    ):
        return None
    if not known and sum(m is None for m in said.values()) > len(said) / 2:
        return None
    values = {w: m or "" for w, m in said.items()}
    rows = _by_word(column, values)
    unknown = [w for w, m in said.items() if m is None]
    doubts = []
    n_unknown = sum(column.counts[w] for w in unknown)
    # in a list of stages a word of no outcome is a stage on the way; in a result it is not
    staged = bool(column.concepts & {"stage"}) or len(said) > 4
    if unknown and (
        not staged or (len(hits) == len(said) - len(unknown) and n_unknown > 0 and not staged)
    ):
        doubts.append(
            f"“{column.heading}”: what do {', '.join(f'“{w}”' for w in unknown[:6])} mean "
            f"({n_unknown:,} rows)? They are read as open"
        )
    counted = ", ".join(f"{w} {column.counts[w]:,}" for w in hits[:4])
    spec = {"from": column.heading, "values": values}
    return OutcomeFound(
        spec, rows, (column.heading,), "unsure" if doubts else "sure", f"words: {counted}", doubts
    )


def _by_word(column: ColumnProfile, values: dict[str, str]) -> Words:
    listed = [values.get(w or "", "") for w in column.words.values.to_pylist()]
    return np.array([*listed, ""], object)[np.where(column.present, column.words.codes, -1)]


def true_words(column: ColumnProfile) -> list[str]:
    """The words of a yes/no column that mean yes."""
    return [w for w in column.counts if w.lower() in (*TRUE, *YES)]


def _flags(file: FileProfile, table: str) -> list[OutcomeFound]:
    """Yes/no columns named after an outcome."""
    found = []
    for column in file.columns.values():
        if column.held != "boolean" or len(column.counts) > 4:
            continue
        word = _flagged(column, table)
        if not word:
            continue
        yes = true_words(column)
        if not yes or len(yes) == len(column.counts):
            continue
        if table == "deals" and word == "won" and (ended := _ended(file, column)) is not None:
            found.append(_won_or_over(column, ended))
            continue
        no_word = OUTCOMES[table][1] if table == "deals" and word == "won" else ""
        values = {w: word if w in yes else no_word for w in column.counts}
        n = sum(column.counts[w] for w in yes)
        found.append(
            OutcomeFound(
                {"from": column.heading, "values": values},
                _by_word(column, values),
                (column.heading,),
                "sure",
                f"yes in {n:,} of {column.filled:,} rows",
            )
        )
    return found


def _ended(file: FileProfile, won: ColumnProfile) -> ColumnProfile | None:
    """A day of the end that some deals that are not won lack: those are open, and not lost."""
    no = won.present & ~np.isin(_texts(won), true_words(won))
    days = [
        c
        for c in file.columns.values()
        if c.held == "instant" and "close" in c.concepts and "expected" not in c.concepts
    ]
    return next((c for c in days if 0 < c.present[no].mean() < 0.995), None)


def _won_or_over(won: ColumnProfile, ended: ColumnProfile) -> OutcomeFound:
    yes = true_words(won)
    is_won = np.isin(_texts(won), yes)
    rows = np.where(is_won, "won", np.where(ended.present, "lost", "")).astype(object)
    spec = [
        {"const": "won", "when": {won.heading: yes}},
        {"const": "lost", "when": {ended.heading: True}},
    ]
    evidence = f"won where “{won.heading}” is yes, lost where only “{ended.heading}” is there"
    return OutcomeFound(spec, rows, (won.heading,), "likely", evidence)


def _flagged(column: ColumnProfile, table: str) -> str:
    meaning = column.concepts - {"is", "date", "status", "customer", "account", "lead", "deal"}
    for concept, word in FLAGS[table].items():
        if meaning == {concept} or meaning == {concept, "close"}:
            return word
    return ""


def _weighed(file: FileProfile) -> OutcomeFound | None:
    """A flag for closed beside a flag for won, as many CRMs keep them, with the stage's name."""
    booleans = [c for c in file.columns.values() if c.held == "boolean"]
    closed = next(
        (c for c in booleans if c.concepts <= {"is", "close", "deal"} and "close" in c.concepts),
        None,
    )
    won = next((c for c in booleans if "won" in c.concepts and len(c.concepts) <= 4), None)
    if closed is None or won is None:
        return None
    label = next(
        (c for c in file.columns.values() if "stage" in c.concepts and c.held == "category"), None
    )
    parts = {"closed": [closed.heading], "won": [won.heading]}
    if label is not None:
        parts["label"] = [label.heading]
    is_closed, is_won = (np.isin(_texts(c), true_words(c)) for c in (closed, won))
    rows = np.where(is_closed, np.where(is_won, "won", "lost"), "").astype(object)
    n = int(is_closed.sum())
    return OutcomeFound(
        {"weigh": parts}, rows, (closed.heading, won.heading), "sure", f"flags: {n:,} closed"
    )


def _texts(column: ColumnProfile) -> Words:
    return np.array([*column.words.values.to_pylist(), ""], object)[column.words.codes]


def _dated(file: FileProfile, table: str) -> list[OutcomeFound]:
    """Days named after an outcome: "won on", "lost on", "converted at"."""
    made: dict[str, ColumnProfile] = {}
    for column in file.columns.values():
        if column.held != "instant" or "expected" in column.concepts or column.filled == column.n:
            continue
        for concept, word in FLAGS[table].items():
            if concept in column.concepts and len(column.concepts) <= 4:
                made.setdefault(word, column)
    if not made:
        return []
    specs = [{"const": w, "when": {c.heading: True}} for w, c in made.items()]
    rows = np.full(file.n, "", object)
    for word, column in reversed(made.items()):
        rows[column.present] = word
    n = int((rows != "").sum())
    columns = tuple(c.heading for c in made.values())
    return [
        OutcomeFound(
            specs if len(specs) > 1 else specs[0],
            rows,
            columns,
            "likely",
            f"a day is there in {n:,} rows",
        )
    ]


def _target(file: FileProfile, table: str) -> OutcomeFound | None:
    """A yes/no column called target, y, class: what it means is a question."""
    for column in file.columns.values():
        names = column.concepts - {"is"}
        if column.held == "boolean" and names and names <= TARGETS and len(true_words(column)) == 1:
            word = OUTCOMES[table][0]
            values = {w: word if w in true_words(column) else "" for w in column.counts}
            doubt = f"“{column.heading}” is taken for {word} where it is yes: is it?"
            return OutcomeFound(
                {"from": column.heading, "values": values},
                _by_word(column, values),
                (column.heading,),
                "unsure",
                "a yes/no column named as what is to be foretold",
                [doubt],
            )
    return None
