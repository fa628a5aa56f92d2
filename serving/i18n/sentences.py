"""Reasons in plain words of a language; ``serving.i18n.titles`` names the features."""

from __future__ import annotations

from collections.abc import Mapping

from features.definitions.activity import ONE
from features.spine import FeatureSpec
from serving.i18n.languages import fixed, number, translations
from serving.i18n.titles import absence, title

KIND = "activity kind"
"""The context of the activity kinds as values."""

CHANCE = {"churned": "risk"}
"""What a probability of the outcome is called; any other outcome has a chance."""

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

SLIGHTLY = {
    ("raises", "chance"): "raises the chance slightly",
    ("lowers", "chance"): "lowers the chance slightly",
    ("raises", "risk"): "raises the risk slightly",
    ("lowers", "risk"): "lowers the risk slightly",
}
BY_POINTS = {
    (way, what): (f"{way} the {what} by {{n}} point", f"{way} the {what} by {{n}} points")
    for way, what in SLIGHTLY
}
UNITS = {
    "people": ("{n} person", "{n} people"),
    "days": ("{n} day", "{n} days"),
    "hours": ("{n} hour", "{n} hours"),
    "minutes": ("{n} minute", "{n} minutes"),
    "months": ("{n} month", "{n} months"),
    "years": ("{n} year", "{n} years"),
    "seats": ("{n} seat", "{n} seats"),
}
"""Units that we have a word for; a company's own are shown as they are."""

SHARE, PER_MONTH = "{n} %", "{n} {currency} per month"
YES, NO, UNKNOWN = "yes", "no", "not known"

PRIOR = "A base rate of {stated} was stated; the model expected {expected}"
SUMMARY = "From {before} on {start} to {after} on {end}"
PARTS: Mapping[str, str] = {
    "time": "Time passed with nothing new",
    "model": "The model learned anew",
    "calibration": "The model was calibrated anew",
    "prior": "Another base rate was stated",
}
"""What moved a score, but for facts: by ``training.models.explain_change.PARTS``."""
TEXTS: tuple[str | tuple[str, str], ...] = (
    *SLIGHTLY.values(),
    *BY_POINTS.values(),
    *UNITS.values(),
    *MONTHS,
    *(SHARE, PER_MONTH, YES, NO, UNKNOWN, PRIOR, SUMMARY),
    *PARTS.values(),
)
"""All texts of this module, to be translated."""

_COUNTS = frozenset(
    {
        *("activities", "cases", "changes", "contracts", "deals", "invoices", "kinds", "moves"),
        *("products", "pushes", "ratio"),
    }
)
"""Units that a count's own title says already."""


def sentence(
    spec: FeatureSpec,
    value: float | str | None,
    points: float,
    outcome: str,
    currency: str,
    lang: str = "en",
) -> str:
    """One reason in words.

    points: the effect in probability (0.06 reads "by 6 points"). ``value`` None: the feature's
    ``absence``.
    """
    return f"{fact(spec, value, currency, lang)} ({effect(points, outcome, lang)})"


def fact(spec: FeatureSpec, value: float | str | None, currency: str, lang: str = "en") -> str:
    """What is so: "Calls in the last 30 days: 2", "No call yet", "Country: not known"."""
    if value is not None:
        return f"{title(spec, lang)}: {shown(spec, value, currency, lang)}"
    unknown = f"{title(spec, lang)}: {translations(lang).gettext(UNKNOWN)}"
    return absence(spec, lang) or unknown


def change(
    spec: FeatureSpec,
    before: float | str | None,
    after: float | str | None,
    currency: str,
    lang: str = "en",
) -> str:
    """What became different: "Calls in the last 30 days: 2 → 5", "No call yet → Days since …"."""
    if before is None and absence(spec, lang):
        return f"{absence(spec, lang)} → {fact(spec, after, currency, lang)}"
    if after is None and absence(spec, lang):
        return f"{fact(spec, before, currency, lang)} → {absence(spec, lang)}"
    said = [
        translations(lang).gettext(UNKNOWN) if v is None else shown(spec, v, currency, lang)
        for v in (before, after)
    ]
    return f"{title(spec, lang)}: {' → '.join(said)}"


def prior_sentence(
    stated: float, expected: float, points: float, outcome: str, lang: str = "en"
) -> str:
    """What a stated base rate did."""
    rates = {"stated": share(stated, lang), "expected": share(expected, lang)}
    said = translations(lang).gettext(PRIOR).format(**rates)
    return f"{said} ({effect(points, outcome, lang)})"


def part_sentence(part: str, points: float, outcome: str, lang: str = "en") -> str:
    """What one part of a score's move did, but for facts."""
    return f"{translations(lang).gettext(PARTS[part])} ({effect(points, outcome, lang)})"


def effect(points: float, outcome: str, lang: str = "en") -> str:
    """What an effect does to the chance of the outcome."""
    known = translations(lang)
    kind = "raises" if points > 0 else "lowers", CHANCE.get(outcome, "chance")
    size = abs(points) * 100
    if size < 0.05:
        return known.gettext(SLIGHTLY[kind])
    rounded = fixed(size, 0 if size >= 0.95 else 1, lang)
    return known.ngettext(*BY_POINTS[kind], 1 if rounded == "1" else 2).format(n=rounded)


def share(value: float, lang: str = "en") -> str:
    """A share as a percentage."""
    return translations(lang).gettext(SHARE).format(n=number(value * 100, lang))


def shown(spec: FeatureSpec, value: float | str, currency: str = "", lang: str = "en") -> str:
    """A value in the field's own unit."""
    known = translations(lang)
    if isinstance(value, str):
        return _word(spec, value, lang)
    if spec.unit == "yes = 1" and value in (0, 1):
        return known.gettext(YES if value == 1 else NO)
    if spec.unit == "share":
        return share(value, lang)
    said = number(value, lang)
    if spec.unit == "money per month":
        return known.gettext(PER_MONTH).format(n=said, currency=currency)
    unit = spec.unit.replace("money", currency).strip()
    if not _needs_unit(spec, unit):
        return said
    if unit in UNITS:
        return known.ngettext(*UNITS[unit], 1 if value == 1 else 2).format(n=said)
    return f"{said} {unit}"


def _word(spec: FeatureSpec, value: str, lang: str) -> str:
    if spec.name == "month":
        return translations(lang).gettext(MONTHS[int(value) - 1])
    if spec.name == "last_activity_kind" and value in ONE:
        return translations(lang).pgettext(KIND, ONE[value])
    return value


def _needs_unit(spec: FeatureSpec, unit: str) -> bool:
    """Whether the title leaves the unit open: "Days since …: 3", but "Size …: 12 people"."""
    return (
        bool(unit)
        and unit.lower() not in title(spec).lower()
        and unit not in _COUNTS
        and unit != "yes = 1"
    )
