"""Reasons in plain English; every word that a person reads of a score stands in this file."""

from __future__ import annotations

import re
from functools import lru_cache

from features.frame import FeatureSpec

CHANCE = {"churned": "risk"}
"""What a probability of the outcome is called; any other outcome has a chance."""

KINDS = {
    "call": "call",
    "email": "e-mail",
    "meeting": "meeting",
    "web": "web visit",
    "form": "form",
    "task": "task",
    "note": "note",
    "usage": "use of the product",
    "support": "support case",
    "other": "other activity",
}
PLURALS = {"web": "web visits", "usage": "uses of the product", "other": "other activities"}

MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)

_QUARTER = "Days to the end of the quarter"

_SHORTER = (
    (re.compile(r"\.$"), ""),
    (re.compile(r";.*$"), ""),
    (re.compile(r", (in the reporting currency|shrunk to the company's share|either way)$"), ""),
    (re.compile(r" in the reporting currency$"), ""),
    (re.compile(r"^Calendar month of the cutoff.*"), "Calendar month"),
    (re.compile(r"^Days from the cutoff to the end of its calendar quarter.*"), _QUARTER),
    (re.compile(r"^Activities of kind (\w+)"), lambda m: _capital(_plural(m[1]))),
    (re.compile(r"activity of kind (\w+)$"), lambda m: KINDS.get(m[1], m[1])),
    (re.compile(r"^Activities that were (\w+)"), lambda m: f"{_capital(m[1])} activities"),
    (re.compile(r"activity that was (\w+)$"), lambda m: f"{m[1]} activity"),
    (re.compile(r"^Times the amount was changed by a (\w+)$"), lambda m: f"Amount {m[1]}s"),
    (re.compile(r"^Where the (\w+) came from"), lambda m: f"Source of the {m[1]}"),
)

_SINCE = re.compile(r"^Days since the (?:last|first|latest) (.+?)(?: began)?$")
_ABSENT = {
    "days_in_stage": "The stage never changed",
    "days_in_status": "The status never changed",
}


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _plural(kind: str) -> str:
    return PLURALS.get(kind, KINDS.get(kind, kind) + "s")


@lru_cache(maxsize=4096)
def title(meaning: str) -> str:
    """A feature's meaning, short enough to stand before its value."""
    for pattern, shorter in _SHORTER:
        meaning = pattern.sub(shorter, meaning)
    return _capital(meaning)


def absence(spec: FeatureSpec) -> str:
    """What a missing value states as a fact ("No call yet"); "" where it only means not known.

    Days since the last of an entity's own events are missing exactly when there was none. An event
    at the account is another matter: the account itself may not be known.
    """
    if spec.name in _ABSENT:
        return _ABSENT[spec.name]
    own = spec.source in ("activities", "invoices", "subscriptions") and "account" not in spec.name
    since = _SINCE.match(title(spec.meaning)) if own and spec.kind == "number" else None
    return f"No {since[1]} yet" if since else ""


def sentence(
    spec: FeatureSpec, value: float | str | None, points: float, outcome: str, currency: str
) -> str:
    """One reason in words.

    points: the effect in probability (0.06 reads "by 6 points"). ``value`` None: the feature's
    ``absence``.
    """
    if value is None:
        fact = absence(spec)
    else:
        fact = f"{title(spec.meaning)}: {shown(spec, value, currency)}"
    return f"{fact} ({effect(points, outcome)})"


def effect(points: float, outcome: str) -> str:
    """What an effect does to the chance of the outcome."""
    way = "raises" if points > 0 else "lowers"
    return f"{way} the {CHANCE.get(outcome, 'chance')} {_by(abs(points) * 100)}"


def _by(size: float) -> str:
    if size < 0.05:
        return "slightly"
    rounded = f"{size:.0f}" if size >= 0.95 else f"{size:.1f}"
    return f"by {rounded} point{'' if rounded == '1' else 's'}"


def shown(spec: FeatureSpec, value: float | str, currency: str = "") -> str:
    """A value in the field's own unit."""
    if isinstance(value, str):
        return MONTHS[int(value) - 1] if spec.name == "month" else value
    if spec.unit == "yes = 1":
        return "yes" if value == 1 else "no" if value == 0 else number(value)
    if spec.unit == "share":
        return f"{number(value * 100)} %"
    unit = spec.unit.replace("money", currency).strip()
    said = number(value)
    return f"{said} {unit}" if _needs_unit(spec, unit) else said


def _needs_unit(spec: FeatureSpec, unit: str) -> bool:
    """Whether the title leaves the unit open: "Days since …: 3", but "Size …: 12 people"."""
    return bool(unit) and unit.lower() not in title(spec.meaning).lower() and unit not in _COUNTS


_COUNTS = frozenset(
    {
        *("activities", "cases", "changes", "contracts", "deals", "invoices", "kinds", "moves"),
        *("products", "pushes", "ratio"),
    }
)
"""Units that a count's own title says already."""


def number(value: float) -> str:
    """A number as people write it: thousands apart, three digits where it is not whole."""
    if value == 0:
        return "0"
    if value == round(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}".removesuffix(".0") if abs(value) >= 10 else f"{value:.3g}"
