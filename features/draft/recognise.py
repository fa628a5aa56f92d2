"""Which file is which canonical table: by its name, its headings and what stands in its columns."""

from __future__ import annotations

from dataclasses import dataclass

from features.draft.outcome_words import TARGETS, means
from features.draft.values.names import Concepts, countries, headings, lexicon, likeness, tokens
from features.draft.values.profile import ColumnProfile, FileProfile
from features.ingest.values.currencies import CODES
from features.schema import TABLES

OWN = {
    "deals": "deal",
    "leads": "lead",
    "accounts": "account",
    "contacts": "contact",
    "activities": "activity",
    "subscriptions": "subscription",
    "invoices": "invoice",
    "owners": "owner",
    "quotas": "quota",
    "fx_rates": "rate",
    "changes": "history",
}
"""The concept each table's rows are."""

WEIGHTS: dict[str, dict[str, float]] = {
    "deals": {
        **{"stage": 2, "amount": 1, "expected_close_at": 2, "closed_at": 1.5, "probability": 2},
        **{"forecast_category": 2, "pipeline": 1.5, "closed_amount": 1.5},
    },
    "leads": {"source": 1.5, "status": 1, "campaign": 1.5, "created_at": 0.5, "closed_at": 0.5},
    "accounts": {
        **{"industry": 1.5, "employees": 1.5, "annual_revenue": 1, "country": 0.5},
        **{"customer_at": 1, "closed_at": 1, "segment": 1},
    },
    "contacts": {"email": 2, "title": 1, "department": 1},
    "activities": {"occurred_at": 1, "kind": 1.5, "direction": 2, "duration": 1.5, "outcome": 0.5},
    "changes": {"old_value": 3, "field": 1.5, "value": 0.5, "changed_at": 1},
    "subscriptions": {
        **{"mrr": 1.5, "started_at": 1, "ended_at": 1, "plan": 1.5, "renews_at": 2},
        **{"seats": 1, "billing": 1.5, "term_days": 0.5},
    },
    "invoices": {"issued_at": 1.5, "due_at": 2, "paid_at": 2, "amount": 1},
    "owners": {"team": 2, "manager_id": 1, "region": 0.5, "name": 0.5},
    "quotas": {"period_start_at": 1.5, "period_end_at": 1, "amount": 1.5},
    "fx_rates": {"rate": 2, "currency": 1.5, "rate_at": 1},
}
"""How much a column that is there speaks for the table."""

_HISTORIES_FIRST = (
    *("changes", "activities", "quotas", "fx_rates", "subscriptions", "invoices"),
    *("owners", "contacts", "leads", "deals", "accounts"),
)
"""Of several tables that a name could mean the first: lead_history is a history of leads."""

ENOUGH, ENOUGH_NAMED, ENOUGH_ALONE = 4.5, 4.0, 2.0
"""Points that take a file for a table: of a file among others, of one called so, of a lone one."""


@dataclass(frozen=True)
class Recognised:
    """What a file was taken for.

    score   what speaks for it; ``second`` and ``second_score`` the next best table
    """

    table: str
    score: float
    second: str
    second_score: float
    evidence: str


def recognise(file: FileProfile, alone: bool) -> Recognised | None:
    """The table a file is, None where nothing speaks for any; ``alone``: the export's only file."""
    named = _named(file.concepts)
    scored = []
    for table in WEIGHTS:
        score, reasons = _speaks_for(file, table)
        if table in named:
            score += 4 if table == named[0] else 1.5
            reasons.insert(0, "the file's name")
        scored.append((score, table, reasons))
    scored.sort(key=lambda s: -s[0])
    (score, table, reasons), (second_score, second, _) = scored[:2]
    called_so = bool(named) and table == named[0]
    if score < (ENOUGH_ALONE if alone else ENOUGH_NAMED if called_so else ENOUGH):
        return None
    return Recognised(table, score, second, second_score, ", ".join(reasons[:5]))


_FLAGS = {"convert": "leads", "won": "deals", "churn": "accounts"}


def target_table(file: FileProfile) -> tuple[str, str] | None:
    """The table of a lone file that only has a yes/no column to learn for, and why; else None."""
    flags = [c for c in file.columns.values() if c.held == "boolean" and len(c.counts) == 2]
    for column in flags:
        for concept, table in _FLAGS.items():
            if concept in column.concepts and len(column.concepts) <= 2:
                return table, f"because of “{column.heading}”"
    named = [c for c in flags if c.concepts and c.concepts <= TARGETS]
    if named:
        return "leads", f"and “{named[0].heading}” as whether one converted"
    return None


def _named(name: Concepts) -> list[str]:
    """The tables a file's name may mean, the first the most."""
    found = {lexicon()["tables"][c] for c in name if c in lexicon()["tables"]}
    if "pipeline" in name and not found:
        found = {"deals"}
    return [t for t in _HISTORIES_FIRST if t in found]


def _speaks_for(file: FileProfile, table: str) -> tuple[float, list[str]]:
    """Points for a table and the headings they come from."""
    score, reasons, own = 0.0, [], OWN[table]
    taken: set[str] = set()
    for column, weight in WEIGHTS[table].items():
        best = max(
            (
                (fit(c, table, column), c.heading)
                for c in file.columns.values()
                if c.heading not in taken
            ),
            default=(0.0, ""),
        )
        if best[0] > 0.5:
            taken.add(best[1])
            score += weight * best[0]
            reasons.append(f"“{best[1]}”")
    for profile in file.columns.values():
        points = _key_or_outcome(profile, own, table)
        if points:
            score += points
            reasons.insert(0, f"“{profile.heading}”")
            break
    if table == "deals" and any(_won_and_lost(c) for c in file.columns.values()):
        # leads convert: what is won or lost, and has an amount, is a deal whatever the file's name
        priced = any(c.held == "number" and c.concepts & _MONEY for c in file.columns.values())
        score += 5 if priced else 3
        reasons.insert(0, "words for won and lost")
    if table == "contacts":
        names = [
            c
            for c in file.columns.values()
            if c.concepts & {"firstname", "lastname"} or {"last", "name"} <= c.concepts
        ]
        score += 2 if names else 0
    if table == "invoices" and _priced(file):
        score += 2
    if table == "activities" and _pointing(file):
        score += 1.5
    return score, reasons


def _key_or_outcome(column: ColumnProfile, own: str, table: str) -> float:
    """Points of a key named after the table, or of a flag that is its outcome."""
    meaning = column.concepts
    if own in meaning and meaning & {"id", "number"} and len(meaning) <= 3:
        if column.filled > 0.9 * column.n and len(column.counts) >= 0.8 * column.filled:
            return 4.0
        return 2.5 if table in ("invoices", "deals") and column.filled > 20 else 0.0
    flags = {"accounts": "churn", "leads": "convert", "deals": "won"}
    flag = flags.get(table, "?")
    short = flag in meaning and len(meaning - {"is", own}) == 1
    return 3.0 if short and column.held in ("boolean", "category") else 0.0


def _won_and_lost(column: ColumnProfile) -> bool:
    if column.held != "category" or len(column.counts) > 60:
        return False
    words = {means(w, "deals") for w in column.counts}
    return {"won", "lost"} <= words


def _pointing(file: FileProfile) -> bool:
    """Days, and ids of records that stand in several rows: what happened, not what there is."""
    dated = any(c.held == "instant" for c in file.columns.values())
    ids = [
        c
        for c in file.columns.values()
        if c.concepts & {"lead", "deal", "account", "contact"} and c.concepts & {"id", "number"}
    ]
    return dated and any(len(c.counts) < 0.8 * c.filled for c in ids)


_MONEY = frozenset({"amount", "revenue", "price"})


def _priced(file: FileProfile) -> bool:
    every = [c.concepts for c in file.columns.values() if c.held == "number"]
    return any("quantity" in c for c in every) and any("price" in c for c in every)


def fit(column: ColumnProfile, table: str, canonical: str) -> float:
    """How well a column fits a canonical one by its heading, 0 where its values are of "
    "another kind."""
    patterns = headings()[table].get(canonical, ())
    ignored = frozenset({OWN[table], "is", "associated"})
    if column.held == "category":
        ignored |= {"id"}  # the words themselves stand where other systems have ids
    found = max(
        (likeness(column.concepts, p, ignored) - 0.02 * i for i, p in enumerate(patterns)),
        default=0.0,
    )
    if found > 0 and canonical.removesuffix("_at").removesuffix("_id") in tokens(column.heading):
        found += 0.01  # of two headings of one meaning the one that is called so
    if canonical == "currency" and found < 0.6 and all(w.upper() in CODES for w in column.counts):
        found = 0.6
    if canonical == "country" and found < 0.6 and countries_in(column):
        found = 0.6
    return found if found > 0 and of_kind(column, table, canonical) else 0.0


def countries_in(column: ColumnProfile) -> bool:
    """Whether most words are names of countries."""
    if column.held != "category" or len(column.counts) < 3 or len(column.counts) > 250:
        return False
    known = sum(" ".join(tokens(w)) in countries() for w in column.counts)
    return known >= 0.7 * len(column.counts)


_CODED = ("stage", "status", "pipeline", "campaign", "product", "plan")
"""Categories that systems number."""


def of_kind(column: ColumnProfile, table: str, canonical: str) -> bool:
    """Whether what stands in the column can be a value of the canonical column."""
    declared = TABLES[table].column(canonical)
    assert declared is not None, canonical
    kind = declared.kind
    if column.held == "nothing":  # a history may say only what a value was, or became
        return table == "changes" and canonical in ("value", "old_value")
    if kind in ("key", "ref"):
        return column.held in ("number", "category", "text")
    if kind in ("number", "instant"):
        return column.held == kind
    if canonical == "currency":
        codes = [w for w in column.counts if w.upper() in CODES]
        return 2 * len(codes) >= len(column.counts)
    if kind == "category":
        coded = column.held == "number" and len(column.counts) <= 50 and canonical in _CODED
        return column.held in ("category", "text") or coded
    return column.held in ("category", "text", "number")
