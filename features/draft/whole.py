"""What holds for the whole export: formats, placeholders, currency, time zone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from features.draft.model import DraftedLine, MappingDraft
from features.draft.values.names import CODES, tokens
from features.draft.values.profile import WEAK_PLACEHOLDERS, ColumnProfile, FileProfile, rows_of

_SIGNS = {"€": "EUR", "£": "GBP", "₹": "INR", "R$": "BRL"}
_DOLLARS = ("$", "¥")
_ONE_ZONE = {
    **{
        "united kingdom": "Europe/London",
        "germany": "Europe/Berlin",
        "deutschland": "Europe/Berlin",
    },
    **{
        "spain": "Europe/Madrid",
        "españa": "Europe/Madrid",
        "italy": "Europe/Rome",
        "italia": "Europe/Rome",
    },
    **{"france": "Europe/Paris", "austria": "Europe/Vienna", "switzerland": "Europe/Zurich"},
    **{"netherlands": "Europe/Amsterdam", "japan": "Asia/Tokyo", "india": "Asia/Kolkata"},
    **{"portugal": "Europe/Lisbon", "poland": "Europe/Warsaw", "sweden": "Europe/Stockholm"},
}
"""Countries of one time zone (islands apart): a hint for the question, never an answer."""


def export_lines(draft: MappingDraft, files: Iterable[FileProfile], dates: tuple[str, ...]) -> None:
    """The lines of ``[export]``, and the questions of currency and zone."""
    used = list(files)
    columns = [c for f in used for c in f.columns.values()]
    draft.export.append(DraftedLine("name", draft.name, "sure", "the folder's name"))
    if dates != ("iso",):
        n = sum(c.dates is not None and c.dates.patterns == dates for c in columns)
        draft.export.append(
            DraftedLine(
                "dates",
                list(dates),
                "sure",
                f"{n} {'column is' if n == 1 else 'columns are'} written so",
            )
        )
    _missing(draft, columns)
    _currency(draft, columns)
    _zone(draft, columns)


def _missing(draft: MappingDraft, columns: list[ColumnProfile]) -> None:
    found: Counter[str] = Counter()
    for column in columns:
        # a weak word counts where numbers or dates show that it is none
        strong = [
            w
            for w in column.missing
            if w != "false"  # reading sees where it is no answer; elsewhere it is one
            and (w not in WEAK_PLACEHOLDERS or column.held != "nothing")
        ]
        found.update(dict.fromkeys(strong, 1))
    if found:
        said = ", ".join(f"“{w}” in {n} column{'s' * (n > 1)}" for w, n in found.most_common(5))
        draft.export.append(DraftedLine("missing", sorted(found), "likely", said))


def _currency(draft: MappingDraft, columns: list[ColumnProfile]) -> None:
    """The one currency of the reports: from signs, headings or a column of codes."""
    signs = Counter(s for c in columns for s in c.symbols)
    named = Counter(
        t.upper()
        for c in columns
        if c.held == "number"
        for t in tokens(c.heading)
        if t.upper() in CODES
    )
    coded = Counter[str]()
    for column in columns:
        if "currency" in column.concepts and column.held in ("category", "text"):
            coded.update({w.upper(): n for w, n in column.counts.items() if w.upper() in CODES})
    known = {_SIGNS.get(s, s) for s in signs if s not in _DOLLARS} | set(named)
    if len(known) == 1:
        code = known.pop()
        said = f"“{next(iter(signs or named))}” beside amounts or in headings"
        draft.export.append(DraftedLine("currency", code, "sure", said))
        if len(coded) <= 1:
            return
    elif len(coded) == 1:
        code = next(iter(coded))
        draft.export.append(
            DraftedLine("currency", code, "sure", "the only currency code there is")
        )
        return
    rates = [c for c in columns if "rate" in c.concepts and c.held == "number"]
    if draft.export[-1].name != "currency" and rates:
        if own := _rated_one(columns, rates):
            draft.export.append(DraftedLine("currency", own, "likely", "its rate is 1"))
            return
        unrated = _without_rate(columns, coded)
        if unrated:
            draft.export.append(
                DraftedLine("currency", unrated, "likely", "amounts are in it, and it has no rate")
            )
            return
    if draft.export[-1].name == "currency":
        return
    money = {"amount", "revenue", "price", "mrr"}
    if not any(
        c.held == "number"
        and c.concepts & money
        and not c.concepts & {"days", "count", "activity", "date"}
        for c in columns
    ):
        return
    line = DraftedLine(
        "currency",
        coded.most_common(1)[0][0] if coded else "EUR",
        "unsure",
        "nothing states it",
        True,
    )
    draft.export.append(line)
    there = f" Its amounts are in {', '.join(c for c, _ in coded.most_common(5))}." if coded else ""
    sign = " The sign is $, which many countries use." if set(signs) & set(_DOLLARS) else ""
    draft.ask(
        55, f"In which currency are the amounts and the reports?{there}{sign}", "export.currency"
    )


def _rated_one(columns: list[ColumnProfile], rates: list[ColumnProfile]) -> str:
    """The one currency whose rate is always 1: rates are stated per unit of it, or in it."""
    for codes in (c for c in columns if "currency" in c.concepts):
        for rate in (r for r in rates if r.n == codes.n):
            held = {w.upper(): rate.numbers[rows_of(codes, [w])] for w in codes.counts}
            own = [w for w, found in held.items() if w in CODES and bool((found == 1.0).all())]
            if len(held) > 1 and len(own) == 1:
                return own[0]
    return ""


def _without_rate(columns: list[ColumnProfile], coded: Counter[str]) -> str:
    """The currency of amounts that the file of exchange rates has no rate for."""
    rated = [c for c in columns if "currency" in c.concepts and len(c.counts) < len(coded)]
    for column in rated:
        left = set(coded) - {w.upper() for w in column.counts}
        if len(left) == 1:
            return left.pop()
    return ""


def _zone(draft: MappingDraft, columns: list[ColumnProfile]) -> None:
    dated = [
        c for c in columns if c.dates is not None and c.held == "instant" and not c.dates.offset
    ]
    if not dated:
        return
    timed = any(c.dates is not None and c.dates.timed for c in dated)
    hint = _hint(columns)
    example = hint or "Europe/Berlin"
    draft.export.append(
        DraftedLine(
            "zone", example, "unsure", "no date names its zone; UTC is taken", left_out=True
        )
    )
    what = "times" if timed else "days"
    maybe = f" Most countries in it are of {hint}." if hint else ""
    draft.ask(
        50,
        f"In which time zone are the {what} of the export written?{maybe} UTC is taken now",
        "export.zone",
    )


def _hint(columns: list[ColumnProfile]) -> str:
    for column in columns:
        if "country" in column.concepts and column.counts:
            word, n = next(iter(column.counts.items()))
            if n > 0.6 * column.filled:
                return _ONE_ZONE.get(word.casefold(), "")
    return ""
