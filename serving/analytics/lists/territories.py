"""Owners proposed for open leads and customers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from features.schema import QUESTIONS
from features.tables import Tables
from serving.analytics.asof.frames import AsOfFrames
from serving.analytics.kpis.customers import customers, mrr_at
from serving.analytics.lists.options import DeskOptions
from serving.analytics.lists.sheets import Item, Sheet, plain, records
from serving.analytics.routing.proposal import propose
from serving.i18n.languages import mark


def territories(
    tables: Tables, asof: AsOfFrames, scores: Mapping[str, pd.DataFrame], options: DeskOptions
) -> Sheet:
    """Owners proposed for open leads, by their chance, and for customers, by what they pay."""
    if not tables["owners"].n:
        said = mark("routing needs owners, and the data have none; nothing is proposed")
        return Sheet("territories", [], {"empty": said})
    items: list[Item] = []
    parts = []
    for entity, values in (("leads", _chances(scores)), ("accounts", _payments(asof))):
        first = dict(sorted(values.items(), key=lambda one: -one[1])[:ROUTED])
        if not first:
            continue
        found = propose(tables, entity, first, asof.as_of, options.rules)
        items += [
            _move(entity, row)
            for row in records(found.moves)
            if (entity, row["id"], row["to"]) not in options.rejected
        ]
        parts.append(
            {
                "entity": entity,
                "balance": records(found.balance),
                "unmet": plain(found.unmet),
                "gap": found.gap,
                "cases": len(first),
                "left": len(values) - len(first),
            }
        )
    head: dict[str, Any] = {"parts": parts, "rules": plain(vars(options.rules))}
    if not items:
        head["empty"] = mark("nothing would move")
    return Sheet("territories", items, head)


ROUTED = 3_000
"""Cases of the most value that are routed at once; more are no list that people work through."""


def _chances(scores: Mapping[str, pd.DataFrame]) -> dict[str, float]:
    frame = scores.get("lead_conversion")
    if frame is None or frame.empty:
        return {}
    return dict(zip(frame["id"], frame["probability"].astype(float), strict=True))


def _payments(asof: AsOfFrames) -> dict[str, float]:
    """Present customers and what they pay a month; one who is not known to pay counts for nothing
    but as a case."""
    paid = mrr_at(asof, asof.instant)
    present = customers(asof, asof.instant)["account_id"]
    return {str(one): float(paid.get(one, 0.0)) for one in present}


def _move(entity: str, row: dict[str, Any]) -> Item:
    body = {**row, "table": entity, "question": QUESTION[entity]}
    one = row["id"]
    return Item(f"{entity}:{one}", one, entity, one, row["to"], entity, body)


QUESTION = {entity: question for question, entity in QUESTIONS.items()}
