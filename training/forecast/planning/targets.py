"""Targets beside the forecast: the chance to reach them, what is left, and what people say.

Quotas are plans of owners for spans of time: a period's target is each quota's share by days, and a
team's target is the sum of its owners', a manager's over their people's counted once
(``features.quotas``). People's own numbers stand beside the model's and never
enter it: ``commit`` is what is closed and what they commit to, ``best_case`` adds what they call
best case, both of deals they date into the period.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.quotas import quotas as quotas_of
from features.tables import NAT, Bools, Coded, Floats, Instants, Ints, Tables, code
from features.timeline import Timeline
from training.forecast.data.categories import CALLS, calls
from training.forecast.data.deal_status import micros_of
from training.forecast.data.deal_table import NONE, reporting
from training.forecast.data.periods import Period
from training.forecast.results.result import Forecast

OTHER = "other"

COLUMNS = (
    *("dimension", "value", "period", "target", "covered", "closed", "p50", "mean"),
    *("chance", "gap", "left", "due", "coverage", "commit", "best_case"),
)


def targets(tables: Tables, made: Forecast) -> pd.DataFrame:
    """dimension, value, period, target, covered: what the quotas ask of each period.

    Money in the reporting currency at the rates known at the origin. Quotas belong to owners, so
    there are targets for the whole, by owner, by team, and by region where a deal's region is its
    owner's. ``covered`` is the share of the period's days that some quota speaks of.
    """
    quotas, asked = tables["quotas"], quotas_of(tables)
    start, end, amount = asked.start, asked.end, asked.counted
    rows = np.flatnonzero((start != NAT) & (end > start) & ~np.isnan(amount) & (amount != 0))
    money = reporting(
        Timeline(tables),
        amount[rows],
        quotas.coded("currency").take(rows),
        np.full(len(rows), made.origin, np.int64),
        "quotas",
    )
    found = []
    for dimension, words in _quota_groups(tables, rows).items():
        for period in made.periods:
            share = _share(start[rows], end[rows], period)
            found += _by_group(dimension, words, period, share * money, start[rows], end[rows])
    return pd.DataFrame(found, columns=["dimension", "value", "period", "target", "covered"])


def _share(start: Instants, end: Instants, period: Period) -> Floats:
    """Share of each quota's days that lie in the period."""
    overlap = np.minimum(end, period.end) - np.maximum(start, period.start)
    found: Floats = np.maximum(overlap, 0) / (end - start)
    return found


def _quota_groups(tables: Tables, rows: Ints) -> dict[str, Coded]:
    """The word of each quota in each dimension that owners have."""
    owner = tables["quotas"].coded("owner_id").take(rows)
    places = Timeline(tables).rows("owners", owner.words())
    owners = tables["owners"]
    found = {
        "all": Coded(np.zeros(len(rows), np.int32), ["all"]),
        "owner": owner,
        "team": owners.coded("team").take(places),
    }
    if not tables["deals"].has("region") and not tables["accounts"].has("region"):
        found["region"] = owners.coded("region").take(places)
    return found


def _by_group(
    dimension: str, words: Coded, period: Period, money: Floats, start: Instants, end: Instants
) -> list[tuple[str, str, str, float, float]]:
    named = [NONE if w is None else w for w in words.words()]
    touched = (start < period.end) & (end > period.start)
    found = []
    for value in dict.fromkeys(named):
        here = touched & np.array([n == value for n in named], np.bool_)
        if here.any():
            covered = _covered(start[here], end[here], period)
            found.append((dimension, value, period.name, float(money[here].sum()), covered))
    return found


def _covered(start: Instants, end: Instants, period: Period) -> float:
    """Share of the period that the union of the spans covers."""
    reached, total = period.start, 0
    for i in np.argsort(start):
        a, b = max(int(start[i]), reached), min(int(end[i]), period.end)
        total += max(b - a, 0)
        reached = max(reached, b)
    return total / (period.end - period.start)


def outlook(made: Forecast, asked: pd.DataFrame) -> pd.DataFrame:
    """``COLUMNS``: a row for each dimension, value and period of the bookings.

    asked     ``targets``
    chance    share of the draws that reach the target
    gap       target less P50; left: target less what is closed, at least 0
    due       open amount that people date into the period; coverage: due by left

    NaN: there is no target, nothing is left, or no open deal has a category.
    """
    if "bookings" not in made.streams:
        return pd.DataFrame(columns=list(COLUMNS))
    people, found = _People(made), []
    for dimension in ("all", *(d for s, d in made.groups if s == "bookings")):
        values, draws = whole_draws(made, dimension)
        places = people.places(dimension, values)
        for k, period in enumerate(made.periods):
            goal = _goals(asked, dimension, period.name, values)
            said = people.of(places, len(values), period)
            found.append(
                _reached(draws[:, k], goal, said).assign(
                    dimension=dimension, value=values, period=period.name
                )
            )
    return pd.concat(found, ignore_index=True)[list(COLUMNS)]


def whole_draws(made: Forecast, dimension: str) -> tuple[list[str], Floats]:
    """The values of a dimension and their bookings (values, periods, draws); "all" is one value."""
    if dimension == "all":
        return ["all"], made.draws["bookings", "whole"][None]
    return made.group_draws(dimension)


def _goals(asked: pd.DataFrame, dimension: str, period: str, values: list[str]) -> pd.DataFrame:
    """target and covered of each value; those of values that are summed into "other" likewise."""
    rows = asked[(asked["dimension"] == dimension) & (asked["period"] == period)]
    named = rows["value"].where(rows["value"].isin(values), OTHER)
    summed = rows.groupby(named).agg(target=("target", "sum"), covered=("covered", "max"))
    return summed.reindex(values).reset_index(drop=True)


def _reached(draws: Floats, goal: pd.DataFrame, said: pd.DataFrame) -> pd.DataFrame:
    """The columns of some values in one period; ``draws`` (values, draws)."""
    target = goal["target"].to_numpy(np.float64)
    p50, mean = np.quantile(draws, 0.5, axis=1), draws.mean(axis=1)
    chance = np.where(np.isnan(target), np.nan, (draws >= target[:, None]).mean(axis=1))
    left = np.maximum(target - said["closed"], 0.0)
    return said.assign(
        target=target,
        covered=goal["covered"].to_numpy(np.float64),
        p50=p50,
        mean=mean,
        chance=chance,
        gap=target - p50,
        left=left,
        coverage=said["due"] / left.where(left > 0),
    )


class _People:
    """What people say of the deals: amounts, dates and calls, by group and period."""

    def __init__(self, made: Forecast) -> None:
        self.deals = made.deals
        self.amount = np.nan_to_num(made.deals["amount"].to_numpy(np.float64))
        self.open = (made.deals["status"] == "open").to_numpy(np.bool_)
        self.won = (made.deals["status"] == "won").to_numpy(np.bool_)
        self.due = micros_of(made.deals["expected_close_at"])
        self.closed = micros_of(made.deals["closed_at"])
        said = made.deals["category"].astype(object)
        self.call = calls(code(said.where(said.notna(), None)))
        self.speak = bool((self.call[self.open] >= 0).any())

    def of(self, place: Ints, n: int, period: Period) -> pd.DataFrame:
        """closed, due, commit and best_case of each of n values in one period (``places``)."""
        due = self.open & _inside(self.due, period)

        def total(rows: Bools) -> Floats:
            rows = rows & (place >= 0)
            return np.bincount(place[rows], self.amount[rows], n).astype(np.float64)

        closed = total(self.won & _inside(self.closed, period))
        hopeful = {
            name: closed + total(due & (self.call >= CALLS.index(call)))
            if self.speak
            else np.full(n, np.nan)
            for name, call in (("commit", "commit"), ("best_case", "best case"))
        }
        return pd.DataFrame({"closed": closed, "due": total(due), **hopeful})

    def places(self, dimension: str, values: list[str]) -> Ints:
        """Where each deal's value stands in ``values``; one that does not is of "other"."""
        if dimension == "all":
            return np.zeros(len(self.deals), np.int64)
        places = {value: i for i, value in enumerate(values)}
        rest = places.get(OTHER, -1)
        named = self.deals[dimension].astype(object).where(self.deals[dimension].notna(), NONE)
        return np.array([places.get(w, rest) for w in named], np.int64)


def _inside(at: Instants, period: Period) -> Bools:
    found: Bools = (at != NAT) & (at >= period.start) & (at < period.end)
    return found
