"""From cases to a value with its interval: one function a kind of figure."""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.tables import Bools, Floats
from serving.analytics.kpis.definition import (
    MISSING,
    NOTHING_BELOW,
    UNREACHED,
    UNWATCHED,
    Estimator,
    Given,
    KpiEstimate,
)
from serving.analytics.kpis.survival import incidence, kaplan_meier
from training.stats import intervals

NAN = float("nan")


def numbers(cases: pd.DataFrame, column: str) -> Floats:
    """A column as floats, NaN where missing."""
    found: Floats = cases[column].to_numpy(np.float64, na_value=np.nan)
    return found


def mask(cases: pd.DataFrame, column: str) -> Bools:
    """A column of yes and no."""
    return cases[column].to_numpy(np.bool_)


def _known(cases: pd.DataFrame, column: str) -> tuple[Floats, tuple[str, ...]]:
    every = numbers(cases, column)
    values = np.sort(every[~np.isnan(every)])  # sorted: sums do not depend on the order of rows
    return values, (MISSING,) if len(values) < len(every) else ()


def share(column: str) -> Estimator:
    """The share of cases with ``column``, Wilson's interval."""

    def estimate(cases: pd.DataFrame, _: Given) -> KpiEstimate:
        n, k = len(cases), int(mask(cases, column).sum())
        return KpiEstimate(k / n if n else NAN, *intervals.wilson(k, n), n)

    return estimate


def count() -> Estimator:
    """How many cases, the exact Poisson interval."""
    return lambda cases, _: KpiEstimate(
        float(len(cases)), *intervals.poisson(len(cases)), len(cases)
    )


def average(column: str) -> Estimator:
    """The mean, Student's interval."""

    def estimate(cases: pd.DataFrame, _: Given) -> KpiEstimate:
        values, notes = _known(cases, column)
        value = float(values.mean()) if len(values) else NAN
        return KpiEstimate(value, *intervals.mean(values), len(values), notes)

    return estimate


def middle(column: str) -> Estimator:
    """The median, with the interval of its order statistics."""

    def estimate(cases: pd.DataFrame, _: Given) -> KpiEstimate:
        values, notes = _known(cases, column)
        value = float(np.median(values)) if len(values) else NAN
        return KpiEstimate(value, *intervals.median(values), len(values), notes)

    return estimate


def total(column: str) -> Estimator:
    """The sum, with what chance alone does to such a sum; missing where no case has a value."""

    def estimate(cases: pd.DataFrame, _: Given) -> KpiEstimate:
        values, notes = _known(cases, column)
        value = float(values.sum()) if len(values) or not len(cases) else NAN
        return KpiEstimate(value, *intervals.total(values), len(values), notes)

    return estimate


def expected(amount: str, chance: str) -> Estimator:
    """Σ amount x chance ± z √Σ amount² p (1 - p): the deals taken as independent."""

    def estimate(cases: pd.DataFrame, _: Given) -> KpiEstimate:
        a, p = numbers(cases, amount), numbers(cases, chance)
        known = ~np.isnan(a * p)
        notes = () if known.all() else (MISSING,)
        a, p = a[known], p[known]
        value = float((a * p).sum()) if len(a) or not len(cases) else NAN
        half = intervals.Z * float(np.sqrt((a**2 * p * (1 - p)).sum()))
        low, high = (max(0.0, value - half), value + half) if len(a) else intervals.NONE
        return KpiEstimate(value, low, high, len(a), notes)

    return estimate


def quotient(above: str, below: str, counted: str = "") -> Estimator:
    """Σ above / Σ below, linearised; n is the number of cases (of those marked ``counted``)."""

    def estimate(cases: pd.DataFrame, _: Given) -> KpiEstimate:
        a, b = numbers(cases, above), numbers(cases, below)
        known = ~np.isnan(a + b)
        notes = () if known.all() else (MISSING,)
        n = int((known & mask(cases, counted)).sum()) if counted else int(known.sum())
        a, b = a[known], b[known]
        if not b.sum() > 0:
            return KpiEstimate(NAN, *intervals.NONE, n, (*notes, NOTHING_BELOW))
        return KpiEstimate(float(a.sum() / b.sum()), *intervals.ratio(a, b), n, notes)

    return estimate


def usual_duration(days: str, ended: str) -> Estimator:
    """The Kaplan-Meier median, with Brookmeyer and Crowley's interval."""

    def estimate(cases: pd.DataFrame, _: Given) -> KpiEstimate:
        curve = kaplan_meier(numbers(cases, days), mask(cases, ended))
        value = curve.quantile(0.5)
        notes = (UNREACHED,) if curve.n and np.isnan(value) else ()
        return KpiEstimate(value, *curve.quantile_interval(0.5), curve.n, notes)

    return estimate


def chance_by(horizon: float, days: str, wanted: str, rival: str) -> Estimator:
    """Aalen-Johansen incidence by ``horizon`` days, with its delta-method interval."""

    def estimate(cases: pd.DataFrame, _: Given) -> KpiEstimate:
        curve = incidence(numbers(cases, days), mask(cases, wanted), mask(cases, rival))
        value, interval = curve.by(horizon)
        notes = (UNWATCHED,) if curve.n and np.isnan(value) else ()
        return KpiEstimate(value, *interval, curve.n, notes)

    return estimate
