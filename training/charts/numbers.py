"""Numbers as people read them: sensible digits, a real minus sign, and a dash for the unknown."""

from __future__ import annotations

import math
import re

UNKNOWN = "–"
SPACE = "\u00a0"
"""The space that does not break, between a number and its unit."""


def decimal(value: float, places: int = 2) -> str:
    """A fixed number of decimals, thousands apart."""
    if not math.isfinite(value):
        return UNKNOWN
    text = f"{value:,.{places}f}"
    # what rounds to nothing has no sign
    text = text.removeprefix("-") if float(text.replace(",", "")) == 0 else text
    return text.replace("-", "−")


def count(value: float) -> str:
    """A whole number, thousands apart."""
    return decimal(value, 0)


def many(n: float, word: str) -> str:
    """A count and what is counted, in the plural where it is not one."""
    return f"{count(n)} {word}{'' if n == 1 else 's'}"


def rough(value: float) -> str:
    """A number to three significant digits, never with an exponent."""
    if not math.isfinite(value) or value == 0:
        return decimal(value, 0)
    text = decimal(value, max(0, 2 - math.floor(math.log10(abs(value)))))
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent(share: float, places: int | None = None) -> str:
    """A share as per cent; below ten per cent with one decimal unless ``places`` says otherwise."""
    if not math.isfinite(share):
        return UNKNOWN
    if places is None:
        places = 1 if 0 < abs(share) < 0.0995 else 0
    return f"{decimal(100 * share, places)}{SPACE}%"


def whole_percent(share: float) -> str:
    """A share on an axis: as many decimals, up to three, as the tick has."""
    exact = (p for p in range(3) if abs(100 * share - round(100 * share, p)) < 1e-9)
    return percent(share, next(exact, 3))


def signed(value: float, places: int = 2) -> str:
    """A number with its sign; what rounds to zero has none."""
    text = decimal(value, places)
    return f"+{text}" if math.isfinite(value) and value > 0 and text.strip("0.,") else text


def points(share: float, places: int = 1) -> str:
    """A difference of shares in points, with its sign."""
    return signed(100 * share, places)


def span(low: float, high: float, places: int = 2) -> str:
    """An interval of numbers, "0.80 to 0.84"."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return UNKNOWN
    return f"{decimal(low, places)} to {decimal(high, places)}"


def percents(low: float, high: float) -> str:
    """An interval of shares, "24 to 29 %": one decimal where it is narrow but no point."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return UNKNOWN
    places = 1 if 0 < abs(high - low) < 0.02 else 0
    if low == high:
        return percent(low)
    return f"{decimal(100 * low, places)} to {decimal(100 * high, places)}{SPACE}%"


def share_within(value: float, low: float, high: float) -> str:
    """A share with its interval, at digits the interval supports: "26 % (24 to 29 %)"."""
    narrow = math.isfinite(low) and math.isfinite(high) and 0 < abs(high - low) < 0.02
    said = percent(value, 1 if narrow else 0)
    ends = percents(low, high)
    return said if ends == UNKNOWN else f"{said} ({ends})"


def within(value: float, low: float, high: float, places: int = 2) -> str:
    """A number with its interval: "0.82 (0.80 to 0.84)"."""
    ends = span(low, high, places)
    said = decimal(value, places)
    return said if ends == UNKNOWN else f"{said} ({ends})"


def typeset(words: str) -> str:
    """Words as they are set: a real minus before a number, space before the per cent sign.

    Hyphens in dates and names stay.
    """
    words = re.sub(r"(?<=\d)%", f"{SPACE}%", words)
    return re.sub(r"(?<![\w-])-(?=\d)", "−", words)


def compact(value: float) -> str:
    """A number short enough for an axis: 1,500 · 12k · 3.4M."""
    if not math.isfinite(value):
        return UNKNOWN
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            unit = size if letter != "k" else 1e3
            return f"{value / unit:.3g}{letter}".replace("-", "−")
    return f"{value:,.4g}".replace("-", "−")
