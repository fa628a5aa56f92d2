"""Features under short names that people read, in their language.

A feature's meaning is the message's id: windows of days are left open ("… in the last {days} days")
and a custom field's own label stands for {field}. What has no message is the company's own word and
stays as it is.
"""

from __future__ import annotations

import re
from functools import lru_cache

from features.schema import ACTIVITY_KINDS
from features.spine import FeatureSpec
from serving.i18n.languages import message_ids, translations

PATTERNS = (
    "Share of closed cases with the same {field} that succeeded so far, "
    "shrunk to the company's share",
    "Different {field} in the last {days} days",
    "Sum of {field} in the last {days} days",
    "Mean {field} in the last {days} days",
    "Last known {field}",
    "{field} of the last activity",
    "{field} (of the account)",
    "{field} (of the contact)",
    "{field} (days ago)",
    "Custom field {field}",
)
"""Meanings made around a field's own, most particular first."""

THINGS = {
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
"""One activity of each kind."""

KIND = "activity kind"
"""The context of the activity kinds as values."""

ABSENT = {
    "Days since the status last changed.": "The status never changed",
    "Days since the deal entered its stage.": "The stage never changed",
    "Days since the last activity.": "No activity yet",
    "Days since the first activity.": "No activity yet",
    "Days since the last activity that was inbound.": "No inbound activity yet",
    "Days since the last activity that was outbound.": "No outbound activity yet",
    "Days since the last invoice.": "No invoice yet",
    "Days since the latest contract began.": "No contract yet",
    **{f"Days since the last activity of kind {k}.": f"No {THINGS[k]} yet" for k in ACTIVITY_KINDS},
}
"""Meanings whose missing value is a fact: they are missing exactly when nothing has happened.

An event at the account is another matter: the account itself may not be known.
"""

_DAYS = re.compile(r"\b\d+(?= days)")


def opened(meaning: str) -> str:
    """The id of a meaning: its days left open."""
    return _DAYS.sub("{days}", meaning)


def own_part(meaning: str) -> str:
    """A relative's meaning without its relation: "Country (of the account)" is a country."""
    for pattern in (p for p in PATTERNS if p.startswith("{field} (of")):
        found = _matcher(pattern).fullmatch(meaning)
        if found:
            return found["field"]
    return meaning


@lru_cache(maxsize=16_384)
def title(meaning: str, lang: str = "en") -> str:
    """A feature's meaning in a language, short enough to stand before its value."""
    found = _known(meaning, lang)
    if found is None:
        found = _around(meaning, lang)
    return found[:1].upper() + found[1:]


def absence(spec: FeatureSpec, lang: str = "en") -> str:
    """What a missing value states as a fact ("No call yet"); "" where it only means not known."""
    fact = ABSENT.get(spec.meaning, "") if spec.kind == "number" else ""
    return translations(lang).gettext(fact) if fact else ""


def _known(meaning: str, lang: str) -> str | None:
    """The title of a meaning that has a message; None without one."""
    key = opened(meaning)
    if key not in message_ids():
        return None
    days, said = _DAYS.search(meaning), translations(lang).gettext(key)
    return said.removesuffix(".").replace("{days}", days[0] if days else "")


def _around(meaning: str, lang: str) -> str:
    """The title of a meaning made around a field's label, or the company's own words."""
    for pattern in PATTERNS:
        found = _matcher(pattern).fullmatch(meaning)
        if found:
            said = translations(lang).gettext(pattern)
            field = _field(found["field"], pattern, lang)
            days = found.groupdict().get("days") or ""
            return said.replace("{field}", field).replace("{days}", days)
    return meaning.removesuffix(".")


def _field(label: str, pattern: str, lang: str) -> str:
    known = _known(label, lang)
    if known is None:  # a company's own label keeps its capitals
        return _around(label, lang)
    # inside a phrase a title is a word among others
    return known if pattern.startswith("{field}") else known[:1].lower() + known[1:]


@lru_cache
def _matcher(pattern: str) -> re.Pattern[str]:
    text = re.escape(pattern).replace(r"\{field\}", "(?P<field>.+)")
    return re.compile(text.replace(r"\{days\}", r"(?P<days>\d+)"))
