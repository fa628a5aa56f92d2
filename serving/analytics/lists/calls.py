"""The call list: whom to turn to first, with the next step and its reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
import pandas as pd

from features.schema import QUESTIONS
from serving.analytics.asof.frames import AsOfFrames
from serving.analytics.health.actions import call_plan
from serving.analytics.health.attention import attention
from serving.analytics.health.next_steps import halves, is_late, steps_of_won
from serving.analytics.kpis.estimates import numbers
from serving.analytics.lists.options import DeskOptions
from serving.analytics.lists.sheets import Item, Sheet, plain, records
from serving.i18n.languages import mark
from serving.i18n.lazy_text import lazy

FIRST = 10
"""Calls of the first page."""


def calls(asof: AsOfFrames, scores: Mapping[str, pd.DataFrame], options: DeskOptions) -> Sheet:
    """Every scored open record by the value at risk in the next days."""
    # only what is won or lost is called; a company's own questions are among the scores
    scores = {question: frame for question, frame in scores.items() if question in QUESTIONS}
    if not any(len(frame) for frame in scores.values()):
        said = mark("There are no scores: no model is trained, or none is good enough.")
        return Sheet("calls", [], {"empty": said})
    found = call_plan(asof, scores, options.capacity, options.wait)
    steps, reasons = next_steps(asof), _reasons(scores)
    more = {row["deal_id"]: row for row in records(attention(asof)[_OF_DEALS])}
    items = [
        _item(row, more.get(row["id"], {}), steps.get(row["id"]), reasons)
        for row in records(found.table)
    ]
    aside = [item for item in items if (item.entity, item.about) in options.set_aside]
    items = [item for item in items if (item.entity, item.about) not in options.set_aside]
    head = {
        "set_aside": len(aside),
        "capacity": options.capacity,
        "wait": options.wait,
        "chosen": plain(vars(found.chosen)),
        "everything": plain(vars(found.everything)),
        "left_out": found.left_out,
        "first": _first(items),
    }
    return Sheet("calls", items, head)


_OF_DEALS = ["deal_id", "stage", "last_touch_at", "expected_close_at"]


def _item(
    row: dict[str, Any],
    deal: Mapping[str, Any],
    step: dict[str, Any] | None,
    reasons: Mapping[tuple[str, str], dict[str, Any]],
) -> Item:
    question, one = row["question"], row["id"]
    body = {
        **row,
        "name": row["name"] or one,
        "stage": deal.get("stage"),
        "last_touch_at": deal.get("last_touch_at"),
        "expected_close_at": deal.get("expected_close_at"),
        "step": step if question == "deal_close" else None,
        "reason": reasons.get((question, one)),
    }
    label = str(body["name"])
    return Item(f"{question}:{one}", label, QUESTIONS[question], one, row["owner"], question, body)


def _first(items: list[Item]) -> list[str]:
    """Ids of the calls of the first page: the first of every kind in turn, so that customers who
    may leave are not hidden by large deals; in the order of the whole list."""
    kinds: dict[str | None, list[Item]] = {}
    for item in items:
        kinds.setdefault(item.word, []).append(item)
    turns = [(place, item) for some in kinds.values() for place, item in enumerate(some)]
    taken = {id(item) for _, item in sorted(turns, key=lambda turn: turn[0])[:FIRST]}
    return [item.id for item in items if id(item) in taken]


def next_steps(asof: AsOfFrames) -> dict[str, dict[str, Any]]:
    """Deal -> what similar won deals did next, as a sentence's state; without one it is absent."""
    table = steps_of_won(asof)
    if table.empty:
        return {}
    deals = attention(asof)
    late = is_late(numbers(deals, "days_in_stage"), deals["stage"], halves(asof.stays))
    keyed = {(r["stage"], r["late"]): r for r in records(table)}
    found = {}
    for deal, stage, is_late_ in zip(deals["deal_id"], deals["stage"], late, strict=True):
        row = keyed.get((stage, bool(is_late_)))
        if row is not None:
            found[str(deal)] = _sentence(row)
    return found


def _sentence(row: Mapping[str, Any]) -> dict[str, Any]:
    said = lazy(
        "{kind_word}: in this stage {won_share} of {n_won} won deals had one within the next 14 "
        "days, and {lost_share} of {n_lost} lost deals",
        kind_word=row["kind"],
        **{name: row[name] for name in ("won_share", "n_won", "lost_share", "n_lost")},
    )
    return dict(plain(said.to_json()))


def _reasons(scores: Mapping[str, pd.DataFrame]) -> dict[tuple[str, str], dict[str, Any]]:
    """(question, id) -> the largest reason against the wanted outcome, one that can be influenced
    before one that cannot."""
    found = {}
    for question, frame in scores.items():
        if "reasons" not in frame:
            continue
        bad = "up" if question == "churn" else "down"
        for one, text in zip(frame["id"], frame["reasons"], strict=True):
            against = [r for r in orjson.loads(text) if r["direction"] == bad]
            if against:
                found[question, str(one)] = max(against, key=lambda r: (r["own"], abs(r["points"])))
    return found
