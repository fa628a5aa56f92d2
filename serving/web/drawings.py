"""The drawings of the pages, made with the reports' own: one hand for all of Embudo."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from math import isnan, nan
from typing import Any

from markupsafe import Markup

from serving.i18n.languages import fixed
from training.charts.dates import date_axis
from training.charts.numbers import compact, whole_percent
from training.charts.plot import LegendEntry, Plot
from training.charts.rows import Line, Row, bars, intervals
from training.charts.scales import Axis, reach


def curve(points: Sequence[Mapping[str, float]], x: str, y: str, said: str) -> Markup:
    """The chance by day: [{day, probability}], rising."""
    days = [0.0, *(float(p["day"]) for p in points)]
    chances = [0.0, *(float(p["probability"]) for p in points)]
    high = max(0.02, *chances)
    plot = Plot(
        Axis(x, 0, days[-1], at=_apart(days)),
        Axis(y, 0, min(1.0, high * 1.12), whole_percent),
        [LegendEntry("model", y)],
    )
    plot.line(days, chances, "model")
    plot.dots(days[1:], chances[1:], "model", r=3.4)
    return Markup(plot.done("curve", said, said))


def funnel(stages: Sequence[Mapping[str, Any]], lang: str, x: str, title: str) -> Markup | None:
    """Open money by stage as bars: [{stage, deals, value}]; deals where no amount is known."""
    column = "value" if any(s["value"] is not None for s in stages) else "deals"
    rows = [Row(str(s["stage"]), _or_nan(s[column]), said=_money(s[column], lang)) for s in stages]
    if not rows:
        return None
    said = "; ".join(f"{row.name}: {row.said}" for row in rows)
    top = max(row.value for row in rows if not isnan(row.value))
    return Markup(bars(rows, Axis(x, 0, max(top, 1) * 1.05), "funnel", title, said))


def weeks(rows: Sequence[Mapping[str, Any]], lang: str, y: str, title: str) -> Markup | None:
    """Open money by week: [{at, deals, value}]; deals where no amount is known."""
    column = "value" if any(r["value"] is not None for r in rows) else "deals"
    known = [(_day(r["at"]), float(r[column]), r["at"]) for r in rows if r[column] is not None]
    if len(known) < 2:
        return None
    days, values = [k[0] for k in known], [k[1] for k in known]
    plot = Plot(
        date_axis("", days[0], days[-1]), Axis(y, 0, max(1.0, *values) * 1.12, compact), height=240
    )
    plot.line(days, values, "model")
    plot.dots(days, values, "model", r=3.0)
    said = "; ".join(f"{at[:10]}: {_money(value, lang)}" for _, value, at in known)
    return Markup(plot.done("weeks", title, said))


def _day(at: str) -> float:
    return datetime.fromisoformat(at).timestamp() / 86_400


def outlook(
    rows: Sequence[Mapping[str, Any]],
    lang: str,
    x: str,
    title: str,
    target: tuple[float, str] | None = None,
) -> Markup | None:
    """The median of each period with its range, low (p10) to high (p90); target: value, name."""
    spans = [
        Row(
            str(r["period"]),
            r["p50"],
            r["p10"],
            r["p90"],
            f"{_money(r['p50'], lang)} [{_money(r['p10'], lang)}, {_money(r['p90'], lang)}]",
        )
        for r in rows
    ]
    if not spans:
        return None
    said = "; ".join(f"{row.name}: {row.said}" for row in spans)
    lines = [] if target is None else [Line(*target)]
    values = [v for row in spans for v in (row.low, row.value, row.high)]
    axis = reach([*values, *(line.at for line in lines)], floor=0)
    axis = Axis(x, axis.low, axis.high)
    return Markup(intervals(spans, axis, "outlook", title, said, lines))


def reliability(bands: Sequence[Mapping[str, Any]], lang: str, x: str, title: str) -> Markup | None:
    """What happened beside what was predicted, a row for each range of scores."""
    rows = [
        Row(
            f"{_share(b['from'], lang)} – {_share(b['to'], lang)}",
            b["share"],
            b["low"],
            b["high"],
            f"{_share(b['share'], lang)} / {_share(b['predicted'], lang)}",
            b["predicted"],
            "model" if b["calibrated"] else "weak",
        )
        for b in bands
    ]
    if not rows:
        return None
    said = "; ".join(f"{row.name}: {row.said}" for row in rows)
    return Markup(intervals(rows, Axis(x, 0, 1, whole_percent), "reliability", title, said))


def _or_nan(value: float | None) -> float:
    return nan if value is None else float(value)


def _money(value: float | None, lang: str) -> str:
    return "–" if value is None else fixed(value, 0, lang)


def _share(value: float, lang: str) -> str:
    return f"{fixed(100 * value, 0, lang)} %"


def _apart(days: Sequence[float]) -> list[float]:
    """The days that can stand under an axis without touching."""
    kept: list[float] = []
    for day in sorted(days, reverse=True):
        if not kept or kept[-1] - day >= 0.08 * days[-1]:
            kept.append(day)
    return kept[::-1]
