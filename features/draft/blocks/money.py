"""Money in blocks of events: amounts of invoices and their lines, yearly fees, exchange rates."""

from __future__ import annotations

import re

import numpy as np

from features.draft.blocks.context import Building
from features.draft.links import Key, determined
from features.draft.model import DraftedLine
from features.draft.specs import source_of, with_keys
from features.draft.values.profile import ColumnProfile, rows_of
from features.ingest.consequences.rates import STRONG, WEAK
from features.sources.words import WordColumn
from features.tables import Bools


def invoice_amount(building: Building, key: Key | None) -> None:
    """The amount of an invoice, which may be the sum of its lines."""
    building.assign(["amount"])
    block = building.block
    numbers = [c for c in building.free.values() if c.held == "number"]
    quantity = next((c for c in numbers if "quantity" in c.concepts), None)
    price = next((c for c in numbers if "price" in c.concepts), None)
    if block.column("amount") is None and quantity is not None and price is not None:
        spec = {"from": quantity.heading, "times": price.heading}
        building.map("amount", quantity, "sure", "quantity times price", spec)
        building.free.pop(price.heading, None)
    amount = block.column("amount")
    if key is None or key.column is None or key.distinct > 0.95 * building.file.n or amount is None:
        return
    source = amount.spec["from"] if isinstance(amount.spec, dict) else amount.spec
    assert isinstance(source, str)
    once = _same_in_all_lines(key.column, building.file.columns[source])
    if once < 0.9:
        said = f"several rows an invoice: {building.file.n:,} rows, {key.distinct:,} invoices"
        block.head.append(
            DraftedLine("add_up", ["amount"], "sure" if once < 0.5 else "likely", said)
        )
    else:
        building.export.draft.ask(
            45,
            f"{building.file.path.name} has several rows an invoice, with one amount in all of "
            "them: it is "
            "taken as the invoice's whole amount. Is it?",
            f"{block.name}.amount",
        )


def _same_in_all_lines(key: ColumnProfile, amount: ColumnProfile) -> float:
    """The share of invoices of several rows whose rows have one amount."""
    code = np.where(key.present, key.words.codes, -1)
    n = np.bincount(code[code >= 0], minlength=len(key.words.values))
    several = (code >= 0) & (n[code] > 1)
    if not several.any():
        return 0.0
    return determined(_only(key, several), amount)


def _only(column: ColumnProfile, rows: Bools) -> ColumnProfile:
    words = WordColumn(np.where(rows, column.words.codes, np.int32(-1)), column.words.values)
    return ColumnProfile(column.heading, words, column.held)


_MONTHS = (
    (re.compile(r"^(?:year|annual|an(?:ual|nuel|nuale)|jahr|jähr|año|anno|12)", re.IGNORECASE), 12),
    (re.compile(r"^(?:quarter|trimest|quartal|viertelj|3)", re.IGNORECASE), 3),
    (re.compile(r"^(?:semi|semest|half|halbj|6)", re.IGNORECASE), 6),
)
"""Words for how often a contract is charged -> months."""


def _of_periods(heading: str, building: Building) -> list[tuple[str, list[str], float]]:
    """The column of periods, its words and their share, of periods longer than a month."""
    words = building.file.columns[heading].counts
    found = [([w for w in words if p.match(w)], months) for p, months in _MONTHS]
    return [(heading, listed, round(1 / months, 9)) for listed, months in found if listed]


def per_month(building: Building) -> None:
    """Recurring revenue that is stated for a year is a twelfth of it a month."""
    line = building.block.column("mrr")
    if line is None:
        return
    column = building.file.columns[source_of(line.spec)]
    billing = building.block.column("billing")
    if billing is not None and (parts := _of_periods(source_of(billing.spec), building)):
        building.block.columns.remove(line)
        listed = [
            *(with_keys(line.spec, scale=s, when=[{"from": f, "is": w}]) for f, w, s in parts),
            with_keys(line.spec),
        ]
        said = f"{line.evidence}: a share of what is charged for longer than a month"
        building.block.columns.append(DraftedLine("mrr", listed, "likely", said))
        return
    if column.concepts & {"arr", "annual"}:
        building.block.columns.remove(line)
        spec = with_keys(line.spec, scale=round(column.scale / 12, 9))
        building.block.columns.append(
            DraftedLine("mrr", spec, "likely", f"{line.evidence}: for a year, so a twelfth a month")
        )


def way_of_rates(building: Building) -> None:
    """Which way round rates are: the reports' currency per foreign unit, or the inverse."""
    line, codes = building.block.column("rate"), building.block.column("currency")
    home = next(
        (x.spec for x in building.export.draft.export if x.name == "currency" and not x.left_out),
        "",
    )
    if line is None or codes is None:
        return
    rate, code = (building.file.columns[source_of(x.spec)] for x in (line, codes))
    weak = rows_of(code, [w for w in code.counts if w.upper() in WEAK])
    if home in STRONG and weak.any():
        if (rate.numbers[weak] > 1).mean() > 0.5:
            building.block.columns.remove(line)
            seen = next(w for w in code.counts if w.upper() in WEAK)
            said = f"a unit of {seen} is not worth more than one {home}"
            building.block.columns.append(
                DraftedLine("rate", with_keys(line.spec, inverse=True), "sure", said)
            )
        return
    shown = next((w for w in code.counts if w.upper() != home), "")
    building.export.draft.ask(
        70,
        f"Is a rate of {building.file.path.name} the {home or 'reporting currency'} that one "
        f"{shown} is worth? If it is the {shown} that one {home or 'unit of it'} is worth, add "
        "inverse = true beside rate",
        f"{building.block.name}.rate",
    )
