"""What stands on the first page beside the lists: the running quarter, and what needs attention."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from serving.i18n.lazy_text import lazy
from serving.store.sheets import SheetHead

OLD = 2
"""Days after which data are called old."""


def running_quarter(forecast: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The company's forecast of the first quarter that is foreseen, with its target.

    period, p10, p50, p90, target, chance; target and chance None where none is stated. None where
    no forecast can be read, or it has no quarter.
    """
    if forecast is None or "broken" in forecast:
        return None
    name = next((p["name"] for p in forecast["periods"] if p["kind"] == "quarter"), None)
    rows = [r for r in forecast["table"] if r["period"] == name and r["part"] == "whole"]
    if not rows:
        return None
    row = next((r for r in rows if r["stream"] == "bookings"), rows[0])
    stated = [t for t in forecast["targets"] if t["period"] == name and t["target"] is not None]
    target = stated[0] if stated else {}
    range_ = {n: row[n] for n in ("period", "p10", "p50", "p90")}
    return {**range_, "target": target.get("target"), "chance": target.get("chance")}


def alerts(heads: Mapping[str, SheetHead | None]) -> list[dict[str, Any]]:
    """What needs attention, each with the address of its rows: [{what, href}]."""
    found = []
    pipeline, quality = heads.get("pipeline"), heads.get("quality")
    if pipeline is not None:
        days = (pipeline.made_at - pipeline.as_of) // 86_400_000_000
        if days > OLD:
            what = lazy("The data were {n} days old when these lists were made.", n=days)
            found.append({"what": what.to_json(), "href": "/quality"})
        flags = pipeline.head.get("flags", {})
        for flag in ("stalled", "overdue"):
            if flags.get(flag):
                what = lazy("Open deals that are {flag_word}: {n}.", n=flags[flag], flag_word=flag)
                found.append({"what": what.to_json(), "href": "/pipeline"})
        for move in pipeline.head.get("movement", ()):
            if move["kind"] == "out of the quarter":
                what = lazy("Deals moved out of the quarter this week: {n}.", n=move["deals"])
                found.append({"what": what.to_json(), "href": "/moves?word=out+of+the+quarter"})
    if quality is not None and quality.head.get("unlinked"):
        one = quality.head["unlinked"][0]
        what = lazy(
            "{n} of {of} open {table_word} have no {column_word}.",
            n=one["n"],
            of=one["of"],
            table_word=one["table"],
            column_word=one["column"],
        )
        found.append({"what": what.to_json(), "href": "/quality"})
    return found
