"""Where growth comes from: volume, price and mix, and of the volume season and trend.

A period's forecast is held against the same period a year before, else against the newest period of
its kind that is over. With numbers n_i and mean amounts p_i of each product i the change splits by
logarithmic means (Ang, 2005: LMDI-I), without a rest:

    R1 - R0 = Σ_i L_i ln(N1 / N0) + Σ_i L_i ln(s1_i / s0_i) + Σ_i L_i ln(p1_i / p0_i),
    L_i = (R1_i - R0_i) / ln(R1_i / R0_i),

N being the number of all and s_i a product's share of it. A product that one of the two periods
lacks is wholly mix. Worked example: 10 deals of 100 become 12 of 110: 1,000 becomes 1,320; L is
1,152.6, volume 210.1, price 109.9.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from features.tables import DAY, NAT, Ints
from training.forecast.belief.fitted_models import FittedModels
from training.forecast.belief.recurring import PurchaseModel
from training.forecast.data.periods import MONTHS, Period, month, month_of, quarter
from training.forecast.results.forecast import DrawnStreams, draft

COLUMNS = ("stream", "period", "base", "before", "after", "part", "amount")
PARTS = ("season", "trend", "price", "mix")
DIMENSION = "product"
DRAWS = 1_000
"""Draws that numbers of deals and charges are counted in."""


def growth(fitted: FittedModels, base: DrawnStreams, chosen: Mapping[str, Ints]) -> pd.DataFrame:
    """``COLUMNS``: four rows for each stream and running period; they add up to after less before.

    before is what came in the base period, after the forecast's mean.
    """
    rows: list[tuple[object, ...]] = []
    few = replace(base.settings, draws=min(base.settings.draws, DRAWS))
    counts = draft(fitted, base.origin, few, base.asked, counting=True)
    for stream in base.streams:
        pairs = _pairs(fitted, base, stream.name)
        if not pairs:
            continue
        money, number = _came(fitted, base, stream.name, [earlier for _, earlier in pairs])
        after = _by_product(base, stream.name, chosen)
        wins = _by_product(counts, stream.name, {})
        for k, (p, earlier) in enumerate(pairs):
            if not sum(money[k].values()) > 0:
                continue
            period = base.asked[p]
            parts = split(money[k], number[k], after[p], wins[p])
            shift = seasonal_shift(fitted, base.origin, stream.name, earlier, period)
            season = parts["weight"] * shift
            amounts = (season, parts["volume"] - season, parts["price"], parts["mix"])
            ends = (sum(money[k].values()), sum(after[p].values()))
            rows += [
                (stream.name, period.name, earlier.name, *ends, part, amount)
                for part, amount in zip(PARTS, amounts, strict=True)
            ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def split(
    money0: Mapping[str, float],
    number0: Mapping[str, float],
    money1: Mapping[str, float],
    number1: Mapping[str, float],
) -> dict[str, float]:
    """volume, mix and price of the change by product, and the weight of a log of volume."""
    total0, total1 = sum(number0.values()), sum(number1.values())
    found = dict.fromkeys(("volume", "mix", "price", "weight"), 0.0)
    for product in dict.fromkeys([*money0, *money1]):
        r0, r1 = money0.get(product, 0.0), money1.get(product, 0.0)
        n0, n1 = number0.get(product, 0.0), number1.get(product, 0.0)
        if min(r0, r1, n0, n1) <= 0:
            found["mix"] += r1 - r0
            continue
        weight = r0 if np.isclose(r0, r1, rtol=1e-12) else (r1 - r0) / np.log(r1 / r0)
        found["weight"] += weight
        found["volume"] += weight * np.log(total1 / total0)
        found["mix"] += weight * np.log((n1 / total1) / (n0 / total0))
        found["price"] += weight * np.log((r1 / n1) / (r0 / n0))
    return {name: float(value) for name, value in found.items()}


def seasonal_shift(
    fitted: FittedModels, origin: int, stream: str, earlier: Period, period: Period
) -> float:
    """The log of the learned season between two periods; 0 a year apart, or where none is known."""
    if stream == "bookings":
        models = fitted.at(origin)
        drifts = [models.arrival_rate.drift, models.pace]
    else:
        model = fitted.recurring(origin)
        if not isinstance(model, PurchaseModel):
            return 0.0
        drifts = [model.pace]
    then, now = (np.array([p.start - origin, p.end - origin]) / DAY for p in (earlier, period))
    return float(sum(d.season(now)[0] - d.season(then)[0] for d in drifts))


def _pairs(fitted: FittedModels, base: DrawnStreams, stream: str) -> list[tuple[int, Period]]:
    """The number of each running period, and the period it is held against."""
    now, began = _now(base), _began(fitted, stream)
    found = []
    for p, period in enumerate(base.asked):
        if period.over(base.origin):
            continue
        length = MONTHS[period.kind]
        newest = length * -(-(period.first_month + length - now) // length)
        for back in (12, newest):
            earlier = _earlier(period, back, base.settings.fiscal_start)
            if earlier.over(base.origin) and earlier.start >= began:
                found.append((p, earlier))
                break
    return found


def _earlier(period: Period, back: int, fiscal_start: int) -> Period:
    """The period of the kind so many months before."""
    number = period.first_month - back
    if period.kind == "month":
        return month(number, period.zone)
    return quarter(number, fiscal_start, period.zone)


def _came(
    fitted: FittedModels, base: DrawnStreams, stream: str, periods: list[Period]
) -> tuple[list[dict[str, float]], list[dict[str, float]]]:
    """What came in periods that are over, and in how many, by product."""
    once = replace(base.settings, draws=1)
    money, number = (
        _by_product(draft(fitted, base.origin, once, periods, counting=counting), stream, {})
        for counting in (False, True)
    )
    return money, number


def _now(base: DrawnStreams) -> int:
    """The number of the running month."""
    return month_of(base.origin, base.asked[0].zone)


def _began(fitted: FittedModels, stream: str) -> int:
    """The first instant that the data tell of."""
    if stream == "recurring" and fitted.charges is not None:
        return int(fitted.charges.began.min())
    born = fitted.deals.born
    return int(born[born != NAT].min())


def _by_product(
    of: DrawnStreams, stream: str, chosen: Mapping[str, Ints]
) -> list[dict[str, float]]:
    """The mean of each product by period; "" for all where products are not known."""
    found = next(s for s in of.streams if s.name == stream)
    if stream in chosen:
        found = found.take(chosen[stream])
    values, means = [""], found.draws()[stream, "whole"].mean(axis=1)[None]
    if (stream, DIMENSION) in found.by_group():
        values, draws = found.by_group()[stream, DIMENSION]
        means = draws.mean(axis=2)
    return [dict(zip(values, column, strict=True)) for column in means.T.tolist()]
