"""People and assumptions: the capacity table, the rates, and what is not known."""

from __future__ import annotations

import math

import pandas as pd

from training.charts.numbers import UNKNOWN, count, decimal, percent
from training.charts.page import PageTable, Section
from training.reports.forecast.forecast_subject import ForecastSubject

TOPICS = {
    "sellers": "Who is there",
    "ramp": "How long a seller needs",
    "demand": "What arrives",
    "work": "What it costs in work",
    "people": "Sellers for what arrives",
    "target": "Sellers for the target",
}


def capacity_section(of: ForecastSubject) -> Section:
    """Who is needed for it?"""
    lines = of.found.capacity
    tables = [
        _topic(lines[lines["topic"] == topic], title)
        for topic, title in TOPICS.items()
        if (lines["topic"] == topic).any()
    ]
    return Section(
        "people",
        "The people it needs",
        "How much work arrives, who does it, and what would the target ask for?",
        paragraphs=[
            "Each line is measured (with its n and a 95 % interval), stated (with its argument) or "
            "computed from the lines above; nothing else is behind it."
        ],
        tables=tables,
    )


def _topic(lines: pd.DataFrame, title: str) -> PageTable:
    rows = []
    for line in lines.to_dict("records"):
        share = line["unit"] == "share"
        value = _value(line["value"], share)
        if math.isfinite(line["low"]):
            value += f"\n{_value(line['low'], share)} to {_value(line['high'], share)}"
        n = count(line["n"]) if math.isfinite(line["n"]) else ""
        unit = "" if share else str(line["unit"])
        words = [_first_up(str(line["name"])), str(line["why"]), str(line["basis"])]
        rows.append([*words, value, unit, n])
    return PageTable([title, "What it is", "How known", "Value", "Unit", "n"], rows, words=3)


def _first_up(words: str) -> str:
    return words[:1].upper() + words[1:]


def _value(value: float, share: bool) -> str:
    """A number at the digits its size asks for."""
    if not math.isfinite(value):
        return UNKNOWN
    if share:
        return percent(value, 0)
    return count(value) if value == round(value) or abs(value) >= 100 else decimal(value, 1)


def basis(of: ForecastSubject) -> Section:
    """What is assumed, and what is not known?"""
    made = of.found.forecast
    tables = []
    if len(made.rates):
        pairs = zip(made.rates["currency"], made.rates["rate"], made.rates["rate_at"], strict=True)
        rows = [[c, f"{r:.5g}", f"{pd.Timestamp(at):%Y-%m-%d}"] for c, r, at in pairs]
        caption = f"Exchange rates, in {of.currency} for one unit; open amounts are taken at these"
        tables.append(PageTable(["Currency", "Rate", "Holds from"], rows, caption=caption))
    return Section(
        "basis",
        "What it assumes, and what is not known",
        "What would make it wrong?",
        facts=_facts(of),
        points=[*made.notes, *_points(of)],
        tables=tables,
    )


def _facts(of: ForecastSubject) -> list[tuple[str, str]]:
    made, chosen = of.found.forecast, of.found.forecast.settings
    fitted = made.learned.get("curve_fitted_at")
    facts = [
        ("As of", f"{of.day(made.origin)}; nothing of later days is known to it"),
        ("Good until", f"{of.day(of.found.expires)}: then the first period is over"),
        ("Futures", f"{count(chosen.draws)}, seed {chosen.seed}"),
    ]
    if "bookings" in made.streams:
        facts.append(("Shared pace", _shock(made.shock)))
    if fitted:
        facts.append(("Deal curves learned", f"from what was known on {str(fitted)[:10]}"))
    return facts


def _shock(shock: float) -> str:
    if not shock > 0:
        return "none: deals are taken to close independently"
    return (
        f"spread {decimal(shock, 2)} on the log hazard of all deals together, learned "
        f"from past months: a good half-year for one deal is one for all"
    )


def _points(of: ForecastSubject) -> list[str]:
    made = of.found.forecast
    points = [
        "A change that the past does not show (a new market, a lost team) is not in it; a season "
        "that was seen in earlier years is."
    ]
    if "recurring" in made.streams:
        points.append("Recurring revenue is what customers are invoiced, not what they have paid.")
    if "bookings" in made.streams:
        points += [
            "People's calls and close dates are signals among others: each counts as far as it "
            "told in the past. Quotas do not enter the forecast.",
            "Bookings are amounts of deals on the day they are won; returns are not in it.",
        ]
    return points
