"""Open deals with their flags, and how the pipeline moved in the last week."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from serving.analytics.asof.columns import days
from serving.analytics.asof.frames import AsOfFrames
from serving.analytics.health.attention import attention
from serving.analytics.health.bottlenecks import bottlenecks
from serving.analytics.health.movement import WEEK, movement, quarter_end, summary, weekly
from serving.analytics.health.stages import move_table, stage_table
from serving.analytics.kpis.estimates import numbers
from serving.analytics.kpis.pipeline import own_chances
from serving.analytics.lists.sheets import Item, Sheet, number, plain, records
from serving.i18n.languages import mark

FLAGS = ("stalled", "overdue", "slow", "nothing_planned")


def pipeline(asof: AsOfFrames, scores: Mapping[str, pd.DataFrame]) -> Sheet:
    """One row an open deal, those with most flags and money first."""
    deals = attention(asof)
    frame = scores.get("deal_close", pd.DataFrame(columns=["id", "probability", "grade"]))
    known = frame.drop_duplicates("id", keep="last").set_index("id")
    deals = deals.assign(
        probability=deals["deal_id"].map(known["probability"]),
        grade=deals["deal_id"].map(known["grade"]),
    )
    items = []
    for row in records(deals):
        one = row["deal_id"]
        body = {**row, "name": row["name"] or one}
        items.append(Item(one, body["name"], "deals", one, row["owner"], row["stage"], body))
    head: dict[str, Any] = {
        "funnel": _funnel(asof, deals),
        "bottlenecks": records(bottlenecks(asof)),
        "stages": records(stage_table(asof)),
        "moves": records(move_table(asof)),
        "flags": {name: int(deals[name].fillna(False).astype(bool).sum()) for name in FLAGS},
        "value": number(deals["amount"].sum(min_count=1)),
        "expected": number((deals["amount"] * deals["probability"]).sum(min_count=1)),
        "expectations": _expectations(asof, deals, known),
        "weeks": records(weekly(asof)),
        "movement": plain(summary(movement(asof, asof.instant - WEEK))),
    }
    if not items:
        head["empty"] = mark("no deal is open")
    return Sheet("pipeline", items, head)


def moves(asof: AsOfFrames) -> Sheet:
    """One row a deal and kind of move in the last seven days."""
    found = records(movement(asof, asof.instant - WEEK))
    items = [
        Item(
            f"{row['kind']}:{row['deal_id']}",
            row["name"] or row["deal_id"],
            "deals",
            row["deal_id"],
            row["owner"],
            row["kind"],
            row,
        )
        for row in found
    ]
    empty = {} if items else {"empty": mark("no deal moved in the last seven days")}
    return Sheet("moves", items, {"since": plain(asof.instant - WEEK), **empty})


def _expectations(
    asof: AsOfFrames, deals: pd.DataFrame, scores: pd.DataFrame
) -> list[dict[str, Any]]:
    """The three numbers that are all called "expected", from the open amount down, with what each
    counts: so that nobody sees one of them beside another without the difference."""
    amount = numbers(deals, "amount")
    ends = quarter_end(asof.calendar, asof.instant)
    by_people = pd.Series(own_chances(asof), asof.deals[asof.deals["open"]]["deal_id"].array)
    rows = [
        (mark("open amount"), np.ones(len(deals))),
        (mark("x the chance people or the stage's past give"), deals["deal_id"].map(by_people)),
        (mark("x the model's chance, on any date of its horizon"), deals["probability"]),
        (
            mark("x the model's chance to be won in this quarter"),
            _within(deals, scores, asof, ends),
        ),
    ]
    return [
        {"what": what, "value": number(pd.Series(amount * np.asarray(chance)).sum(min_count=1))}
        for what, chance in rows
    ]


def _within(
    deals: pd.DataFrame, scores: pd.DataFrame, asof: AsOfFrames, until: pd.Timestamp
) -> pd.Series:
    """The chance of each open deal to be won before an instant, along its curve."""
    edges = sorted(float(c[4:]) for c in scores.columns if str(c).startswith("day_"))
    if not edges:
        return pd.Series(np.nan, deals.index)
    ahead = float(days(pd.Series([asof.instant]), until)[0])
    curves = np.column_stack([np.zeros(len(scores)), scores[[f"day_{e:g}" for e in edges]]])
    chance = [float(np.interp(ahead, [0.0, *edges], row)) for row in curves.astype(np.float64)]
    return deals["deal_id"].map(pd.Series(chance, scores.index, dtype=np.float64))


def _funnel(asof: AsOfFrames, deals: pd.DataFrame) -> list[dict[str, Any]]:
    """Open deals and their money by stage, in the order of the stages; value None: no amount."""
    found = []
    for stage in asof.stays.order:
        here = deals[deals["stage"] == stage]
        if len(here):
            value = number(here["amount"].sum(min_count=1))
            found.append({"stage": stage, "deals": len(here), "value": value})
    return found
