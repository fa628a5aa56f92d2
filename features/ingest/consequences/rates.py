"""Currencies without a rate, and rates that look like the other way round."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from collections.abc import Mapping as Dict

import numpy as np
import pyarrow.compute as pc

from features.ingest.consequences.shares import some_of
from features.ingest.rows import Draft
from features.ingest.table import TableSpec
from features.schema import TABLES
from features.sources.words import WordColumn
from features.tables import Bools, Consequence

SHOWN = 5
"""So many currencies are named."""


def without_rate(drafts: Dict[str, Draft], currency: str) -> Iterator[Consequence]:
    """Amounts in a currency that no rate converts: they are in no sum."""
    rates = {currency}
    if "fx_rates" in drafts:
        rates |= set(_used(drafts["fx_rates"]))
    for name, draft in drafts.items():
        if name == "fx_rates" or "currency" not in draft.columns:
            continue
        lost = sorted(set(_used(draft)) - rates)
        if not lost:
            continue
        words = draft.words("currency")
        rows = draft.alive & np.logical_or.reduce([_is(words, w) for w in lost])
        of, n = int(draft.alive.sum()), int(rows.sum())
        odd = [w for w in lost if not (len(w) == 3 and w.isalpha())]
        yield Consequence(
            code=f"no_rate:{name}",
            columns=(f"{name}.currency", *_amounts(draft)),
            rows=n,
            of=of,
            text=f"{some_of(n, of, name)} are in a currency without a rate in fx_rates "
            f"({', '.join(lost[:SHOWN])})",
            effect=f"their amounts are in no sum{_totals(draft, rows, lost)}"
            + (f"; {odd[0]!r} is no ISO 4217 code" if odd else ""),
        )


_FOREIGN_FIRST = ("conversionrate", "conversion_rate", "inverse_rate")
"""Columns of rates that CRMs state as foreign units per unit of the company's currency."""
STRONG = ("USD", "EUR", "GBP", "CHF")
"""Currencies of which one unit is worth more than one of any of ``WEAK``."""
WEAK = ("JPY", "KRW", "INR", "HUF", "CZK", "IDR", "VND", "CLP", "COP", "PHP", "THB", "TWD", "RUB")
"""Currencies of which one unit has been worth less than one of the strong for decades."""


def inverted_rates(
    drafts: Dict[str, Draft], specs: Iterable[TableSpec], currency: str
) -> Iterator[Consequence]:
    """Rates that look like foreign units per unit of the reporting currency."""
    draft = drafts.get("fx_rates")
    if draft is None or "rate" not in draft.columns:
        return
    rates = draft.columns["rate"]
    ways = [s for spec in specs if spec.to == "fx_rates" for s in spec.columns.get("rate", ())]
    named = [s.source[0] for s in ways if s.source and not s.inverse]
    named = [name for name in named if name.lower() in _FOREIGN_FIRST]
    weak = np.logical_or.reduce([_is(draft.words("currency"), w) for w in WEAK])
    large = draft.alive & weak & (np.asarray(rates) > 1.0) & (currency in STRONG)
    other = draft.alive & ~_is(draft.words("currency"), currency)
    n = int(other.sum()) if named else int(large.sum())
    if not n:
        return
    why = f"come from {named[0]}" if named else f"make a unit worth more than one {currency}"
    yield Consequence(
        code="rates_inverted:fx_rates",
        columns=("fx_rates.rate", *(f"{t}.{c}" for t, d in drafts.items() for c in _money(t, d))),
        rows=n,
        of=int(draft.alive.sum()),
        text=f"{some_of(n, int(draft.alive.sum()), 'rates of fx_rates')} {why}: they look like "
        f"foreign units per {currency or 'unit of the reporting currency'}",
        effect="amounts are multiplied where they should be divided; if so, write "
        "`inverse = true` beside rate",
    )


def _money(table: str, draft: Draft) -> list[str]:
    return [c.split(".")[1] for c in _amounts(draft)] if table != "fx_rates" else []


def _totals(draft: Draft, rows: Bools, lost: list[str]) -> str:
    """What is left out, where it is of one currency."""
    values = draft.columns.get("amount")
    if not isinstance(values, np.ndarray) or len(lost) != 1:
        return ""
    return f": {float(np.nansum(values[rows])):,.2f} {lost[0]} are left out"


def _amounts(draft: Draft) -> list[str]:
    """The table's columns of money."""
    columns = (c.name for c in TABLES[draft.name].columns if c.unit.startswith("money"))
    return [f"{draft.name}.{c}" for c in columns if c in draft.columns]


def _used(draft: Draft) -> list[str]:
    words = draft.words("currency")
    codes = np.flatnonzero(words.counts(draft.alive))
    return [words.values[int(c)].as_py() for c in codes]


def _is(words: WordColumn, word: str) -> Bools:
    return np.asarray(words.codes == pc.index(words.values, word).as_py())
