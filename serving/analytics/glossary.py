"""The figures' page, docs/figures.md: written from the definitions, never by hand."""

from __future__ import annotations

from serving.analytics.asof.windows import LATEST
from serving.analytics.health.glossary import health
from serving.analytics.kpis.catalog import SHELVES
from serving.analytics.kpis.compute import COLUMNS
from serving.analytics.kpis.definition import ABSENT, LOST, MODEST, SMALL, WARNINGS, Kpi

_HEAD = f"""# Figures

Written by `python -m serving figures --glossary`; a test keeps it in step.

```console
$ make figures DATA=data/demo/canonical
$ python -m serving figures --data data/demo/canonical --as-of 2025-07-01T00:00:00Z \\
    --by owner --period quarter --out figures/
```

Every figure is computed from what was known before its instant: edited fields are replayed from
their history, what is open then is open, and a later row changes nothing. A field without history
is known only at the end of the data. Without a period a figure is of the {LATEST} days before the
instant; figures of a state are of its end. Months, quarters and years are half-open, of the
company's time zone and fiscal year (`zone`, `fiscal_start` in the mapping).
Amounts are in the reporting currency: what is open at the rate last known at the instant, what was
booked at the rate last known when it was booked. Missing stays missing, and is a group of its own.

A region is the deal's or lead's own where the data have one, else its account's, else its owner's;
a deal's source its own, else its lead's; the segment is the account's.

The interval is of 95 %. Below {SMALL} cases a figure says next to nothing, below {MODEST} little,
and the table says so.

| column | meaning |
|---|---|
"""


def glossary() -> str:
    """The text of docs/figures.md."""
    columns = "".join(f"| `{name}` | {meaning} |\n" for name, meaning in COLUMNS.items())
    begun = {ABSENT: f"{ABSENT}… (the missing columns)", LOST: f"{LOST}… (what reading lost)"}
    warnings = "".join(f"* {begun.get(text, text)}\n" for text in WARNINGS)
    parts = [_shelf(title, shelf.figures) for title, shelf in SHELVES.items()]
    return f"{_HEAD}{columns}\nWarnings:\n\n{warnings}{''.join(parts)}{health()}"


def _shelf(title: str, figures: list[Kpi]) -> str:
    return f"\n## {title}\n" + "".join(_figure(figure) for figure in figures)


def _figure(figure: Kpi) -> str:
    lines = [
        f"\n### {figure.title}: `{figure.name}`\n\n{figure.formula}\n",
        f"Unit: {figure.unit}. One case: {figure.grain}. Interval: {figure.interval}.",
        f"By: {', '.join(figure.by) or 'nothing'}{_periods(figure)}.",
    ]
    if figure.needs or figure.inputs:
        needs = [f"`{need.replace('|', '` or `')}`" for need in figure.needs]
        lines.append(f"Needs: {', '.join([*needs, *(f'{i} (given)' for i in figure.inputs)])}.")
    if figure.caveats:
        lines.append(f"Caveats: {figure.caveats}")
    return "\n".join([lines[0], *(f"* {line}" for line in lines[1:])]) + "\n"


def _periods(figure: Kpi) -> str:
    if not figure.periods:
        return "; now only"
    return "; month, quarter, year" + (" (at its end)" if figure.stock else "")
