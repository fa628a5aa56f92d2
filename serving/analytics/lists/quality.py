"""Records to fix, and what concerns many records at once."""

from __future__ import annotations

from typing import Any

from serving.analytics.asof.frames import AsOfFrames
from serving.analytics.lists.options import DeskOptions
from serving.analytics.lists.sheets import Item, Sheet, records
from serving.analytics.quality.lost import lost_row
from serving.analytics.quality.worklist import quality
from serving.i18n.languages import mark
from serving.scoring.scorer import Scorer


def quality_list(asof: AsOfFrames, scorers: list[Scorer], options: DeskOptions) -> Sheet:
    """One row a record and fault, those of most use first."""
    tables = asof.tables
    found, wrong, gaps, listed = quality(tables, scorers, asof.as_of, options.capacity)
    evidence = {(row["entity"], row["copy"]): row for one in found for row in records(one)}
    items: list[Item] = []
    for place, row in enumerate(records(listed)):
        more = evidence.get((row["table"], row["id"])) if row["kind"] == "duplicate" else None
        items.append(
            Item(
                f"{place:07d}",
                row["id"],
                row["table"],
                row["id"],
                row["owner_id"],
                row["kind"],
                {**row, "duplicate": more},
            )
        )
    head: dict[str, Any] = {
        "lost": [lost_row(c) for c in tables.meta.consequences],
        "unlinked": _unlinked(asof),
        "gaps": [row for one in gaps for row in records(one.fields)],
        "capacity": options.capacity,
        "counts": {str(k): int(n) for k, n in listed["kind"].value_counts().items()},
        "impossible": {str(k): int(n) for k, n in wrong["rule"].value_counts().items()},
    }
    if not items:
        clean = not head["lost"] and not head["unlinked"]
        head["empty"] = (
            mark("no error was found in single records")
            if clean
            else mark("no single record has an error; what concerns many records stands above")
        )
    return Sheet("quality", items, head)


def _unlinked(asof: AsOfFrames) -> list[dict[str, Any]]:
    """Open records without an account or an owner: table, column, how many, of how many."""
    found = []
    for of, frame in (("deals", asof.deals), ("leads", asof.leads)):
        running = frame[frame["open"]]
        for column in ("account_id", "owner"):
            missing = int(running[column].isna().sum())
            # leads become accounts later: that they have none yet is no error
            if missing and not (of == "leads" and column == "account_id"):
                word = "account" if column == "account_id" else column
                found.append({"table": of, "column": word, "n": missing, "of": len(running)})
    return found
