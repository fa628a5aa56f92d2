"""What points nowhere: references to rows that are not there, and currencies without a rate."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping as Dict

import numpy as np
import pyarrow.compute as pc

from features.ingest.consequences import MANY, some_of
from features.ingest.report import TableReport
from features.ingest.rows import Draft
from features.ingest.values.columns import missing_rows
from features.schema import TABLES
from features.sources.words import WordColumn
from features.tables import Bools, Consequence

SHOWN = 5
"""So many currencies are named."""


def unlinked(draft: Draft, table: TableReport) -> Iterator[Consequence]:
    """Reference columns of which all, or many, point to rows that are not there."""
    for column, tally in table.orphans.items():
        of = int((draft.alive & ~missing_rows(draft.columns[column])).sum())
        word = _one_word(draft, column, tally.n, [str(s[column]) for s in tally.samples])
        if tally.n < 2 or (tally.n / of < MANY and not word):
            continue
        target = next(c.references for c in TABLES[draft.name].columns if c.name == column)
        target = target or "the changed table"
        name = f"{draft.name}.{column}"
        them = some_of(tally.n, of, f"values of {name}")
        text = f"{them} point to rows of {target} that are not there"
        effect = f"nothing of {target} reaches those rows"
        if word:
            text = f"{text}, all of them to {word!r}"
            effect += "; if that word means none, add it to `missing`"
        elif tally.n == of:
            effect += ": every feature and figure over it is empty; are the ids written alike?"
        yield Consequence(f"unlinked:{name}", (name,), tally.n, of, text, effect)


def _one_word(draft: Draft, column: str, n: int, samples: list[str]) -> str:
    """The one word that all orphans of a column are, where there are several; else ""."""
    if n < 2 or len(set(samples)) != 1:
        return ""
    return samples[0] if int(_is(draft.words(column), samples[0])[draft.alive].sum()) == n else ""


def _is(words: WordColumn, word: str) -> Bools:
    return np.asarray(words.codes == pc.index(words.values, word).as_py())


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
