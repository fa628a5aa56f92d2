"""What if: stated assumptions carried through the same draws, side by side with the forecast.

A scenario is a sentence such as ``win rate +2 points``, ``sellers -2 from 2026-03`` or ``price +3%,
new deals +10%``. Each assumption is a factor on what all deals or customers of a draw share, from a
day on; everything else, the random numbers too, stays as in the forecast: the difference is the
assumption's, and it is an assumption, not a finding.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from features.tables import DAY, Floats, Ints, Tables, micros
from training.forecast.belief.fitted_models import FittedModels
from training.forecast.data.periods import Period, cells, named
from training.forecast.planning.ramp import sellers
from training.forecast.results.forecast import DrawnStreams, draft
from training.forecast.simulate.shared_effects import Assumed

COLUMNS = ("scenario", "stream", "period", "mean", "p10", "p50", "p90", "change")
SUBJECTS = {
    "price": ("%",),
    "win rate": ("points", "%"),
    "sellers": ("",),
    "new deals": ("%",),
    "new customers": ("%",),
    "churn": ("%",),
}
"""What can be assumed, and the units of its change."""
WEEKS = 52
"""Weeks in which an owner was given a deal or a lead who counts as a seller."""
_ONE = re.compile(
    r"(?P<subject>[a-z ]+?) ?(?P<change>[+-] ?\d+(?:\.\d+)?) ?(?P<unit>%|points?|)"
    r"(?: from (?P<since>\d{4}-\d{2}(?:-\d{2})?))?"
)


@dataclass(frozen=True)
class Assumption:
    """One assumption: ``change`` in its unit, from ``since`` (microseconds) on; None: at once."""

    subject: str
    change: float
    unit: str
    since: int | None


def parse_scenario(text: str) -> tuple[Assumption, ...]:
    """The assumptions of a scenario, apart by commas; ValueError says what can be assumed."""
    found = []
    for part in text.split(","):
        match = _ONE.fullmatch(part.strip().lower())
        subject = match["subject"].strip() if match else ""
        unit = "points" if match and match["unit"].startswith("point") else match and match["unit"]
        if match is None or subject not in SUBJECTS or unit not in SUBJECTS[subject]:
            can = "; ".join(
                f"{s} +2{f' {u}' if u else ''}" for s, us in SUBJECTS.items() for u in us
            )
            raise ValueError(
                f"{part.strip()!r} is no assumption; write one of: {can}, each with or without "
                f"“from 2026-03”, several apart by commas"
            )
        change = float(match["change"].replace(" ", ""))
        if unit == "%" and change <= -100:
            raise ValueError(f"{part.strip()!r}: nothing would be left; give more than -100 %")
        found.append(Assumption(subject, change, str(unit), _day(match["since"])))
    return tuple(found)


def _day(text: str | None) -> int | None:
    """The first instant of a month or a day; None where none is given."""
    if text is None:
        return None
    return named(text).start if len(text) == 7 else micros(f"{text}T00:00:00+00:00")


@dataclass(frozen=True)
class Company:
    """What an assumption in points or in people is measured by."""

    win_rate: float
    sellers: int

    @staticmethod
    def of(tables: Tables, fitted: FittedModels, origin: int) -> Company:
        """The win rate of the deals closed in the last year, and the sellers at work."""
        deals = fitted.deals
        ended = deals.ended(origin) & (deals.closed >= origin - 365 * DAY)
        won = int((deals.outcome[ended] == 1).sum())
        rate = won / max(int(ended.sum()), 1)
        return Company(rate, len(sellers(tables, origin, WEEKS)))


def assumed(
    scenario: Sequence[Assumption], company: Company, months: Sequence[Period], origin: int
) -> dict[str, Assumed]:
    """The factors of each stream by month; ValueError where an assumption has nothing to act on."""
    found = {s: Assumed(*np.ones((3, len(months)))) for s in ("bookings", "recurring")}
    for one in scenario:
        share = np.array([_share(m, origin, one.since or origin) for m in months])
        factor = 1.0 + share * (_factor(one, company) - 1.0)
        if one.subject == "price":
            for part in found.values():
                part.price[:] *= factor
        elif one.subject == "win rate":
            found["bookings"].pace[:] *= factor
        elif one.subject in ("sellers", "new deals"):
            found["bookings"].arrivals[:] *= factor
        elif one.subject == "new customers":
            found["recurring"].arrivals[:] *= factor
        else:  # a higher churn is a slower pace: customers stay less
            found["recurring"].pace[:] /= factor
    return found


def _factor(one: Assumption, company: Company) -> float:
    """The factor an assumption means, once it holds."""
    if one.unit == "%":
        return 1.0 + one.change / 100
    if one.subject == "win rate":
        if not 0 < company.win_rate + one.change / 100 < 1:
            raise ValueError(
                f"win rate {one.change:+g} points: it is {100 * company.win_rate:.1f} % now, and "
                f"must stay between 0 and 100 %"
            )
        return (company.win_rate + one.change / 100) / company.win_rate
    if company.sellers + one.change <= 0:
        raise ValueError(
            f"sellers {one.change:+g}: {company.sellers} were at work in the last year; at least "
            f"one must stay"
        )
    return (company.sellers + one.change) / company.sellers


def _share(month: Period, origin: int, since: int) -> float:
    """Share of what is left of the month that lies at or after an instant."""
    begin = max(month.start, origin)
    return float(np.clip((month.end - max(since, begin)) / max(month.end - begin, 1), 0.0, 1.0))


def scenarios(
    tables: Tables,
    fitted: FittedModels,
    base: DrawnStreams,
    chosen: Mapping[str, Ints],
    texts: Sequence[str],
) -> pd.DataFrame:
    """``COLUMNS``: a row for each scenario, stream and period; change is against the base's mean.

    base, chosen  the forecast's own draft and the draws that count in it: the same count here
    """
    rows: list[dict[str, Any]] = []
    company = Company.of(tables, fitted, base.origin)
    for text in texts:
        factors = assumed(parse_scenario(text), company, cells(base.asked), base.origin)
        changed = draft(fitted, base.origin, base.settings, base.asked, factors)
        for stream in changed.streams:
            if not acts(factors[stream.name]):
                continue
            new = _of(changed, stream.name, chosen)
            old = _of(base, stream.name, chosen)
            low, middle, high = np.quantile(new, base.settings.levels, axis=1)
            for p, period in enumerate(base.asked):
                rows.append(
                    {
                        "scenario": text,
                        "stream": stream.name,
                        "period": period.name,
                        "mean": new[p].mean(),
                        "p10": low[p],
                        "p50": middle[p],
                        "p90": high[p],
                        "change": new[p].mean() - old[p].mean(),
                    }
                )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def acts(factors: Assumed) -> bool:
    """Whether a scenario changes anything of a stream."""
    return any((part != 1.0).any() for part in (factors.pace, factors.arrivals, factors.price))


def _of(of: DrawnStreams, stream: str, chosen: Mapping[str, Ints]) -> Floats:
    whole = of.whole(stream)
    return whole[:, chosen[stream]] if stream in chosen else whole
