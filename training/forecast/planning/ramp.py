"""Sellers by how long they have been there, and what that does to what they book."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.asof import past
from features.calendar_time import zone
from features.tables import DAY, NAT, Bools, Floats, Ints, Tables
from features.timeline import Timeline
from training.forecast.data.deal_table import DealTable

MONTH = 365.25 / 12
"""Days of a month of being there."""


@dataclass(frozen=True)
class Sellers:
    """Who sold lately, and for how long they have been there.

    ids      owners who were given a deal or a lead in the window and have not left
    months   months since each began, NaN where nobody knows
    """

    ids: list[str]
    months: Floats

    def __len__(self) -> int:
        return len(self.ids)


def sellers(tables: Tables, origin: int, weeks: int) -> Sellers:
    """The sellers at work at ``origin`` (microseconds), by the deals and leads of late."""
    since = origin - weeks * 7 * DAY
    busy: set[str] = set()
    for name in ("deals", "leads"):
        table = tables[name]
        born = np.maximum(table.instant("created_at"), table.instant("available_at"))
        here = (born >= since) & past(born, np.full(table.n, origin, np.int64))
        busy |= {w for w in table.coded("owner_id").take(np.flatnonzero(here)).words() if w}
    ids = sorted(busy)
    rows = Timeline(tables).rows("owners", ids)
    owners = tables["owners"]
    started, ended = (
        np.where(rows >= 0, np.append(owners.instant(c), NAT)[rows], NAT)
        for c in ("started_at", "ended_at")
    )
    stay = ~past(ended, np.full(len(ids), origin, np.int64))
    months = np.where(started == NAT, np.nan, (origin - started) / DAY / MONTH)
    return Sellers([i for i, s in zip(ids, stay, strict=True) if s], months[stay])


@dataclass(frozen=True)
class Ramp:
    """What sellers of each band of months book, as a share of those beyond the last band.

    edges   ends of the bands in months; the bands begin at 0
    share   (bands,) booked by sellers of the band, by what as many settled ones booked in the same
            months; NaN where nobody was seen in the band
    low, high  95 % interval by resampling sellers; months: seller-months seen; people: sellers
    """

    edges: tuple[float, ...]
    share: Floats
    low: Floats
    high: Floats
    months: Ints
    people: Ints

    def counted(self, months: Floats) -> Floats:
        """What each seller counts for: the band's share, at most 1; 1 where it is not known."""
        band = np.searchsorted(self.edges, np.nan_to_num(months, nan=np.inf), side="right")
        known = np.minimum(np.append(np.nan_to_num(self.share, nan=1.0), 1.0), 1.0)
        found: Floats = known[band]
        return found


def ramp(tables: Tables, origin: int, edges: Sequence[float], seed: int = 7) -> Ramp:
    """Measure the ramp on all that was booked before ``origin``.

    A seller-month counts in the band of the seller's months at its middle. Only those who began
    after the first deal was won are seen in their first months; only whole months count. Months in
    which no settled seller was there teach nothing. Months are the company's.
    """
    cells = _cells(tables, origin, tuple(edges))
    bands = len(edges)
    if not len(cells):
        nothing = np.full(bands, np.nan)
        return Ramp(tuple(edges), nothing, nothing, nothing, *(np.zeros(bands, np.int64),) * 2)
    found = [
        _band(cells, band, bands, np.random.default_rng([seed, band])) for band in range(bands)
    ]
    share, low, high, months, people = (np.array(c) for c in zip(*found, strict=True))
    return Ramp(tuple(edges), share, low, high, months.astype(np.int64), people.astype(np.int64))


def _cells(tables: Tables, origin: int, edges: tuple[float, ...]) -> pd.DataFrame:
    """owner, month, band, booked: a row for each whole month a seller was there."""
    asof = DealTable.of(Timeline(tables))
    won = asof.won(origin)
    owner = tables["deals"].coded("owner_id").take(won).words()
    closed, amount = asof.closed_at[won], np.nan_to_num(asof.amounts(won))
    owners = tables["owners"]
    if not len(won) or not owners.has("started_at"):
        return pd.DataFrame(columns=["owner", "month", "band", "booked"])
    company = zone(tables.meta.zone)
    month = company.month(closed)
    first, last = int(month.min()), int(company.month(np.array([origin]))[0])
    booked = pd.DataFrame({"owner": owner, "month": month, "booked": amount})
    sums = booked.groupby(["owner", "month"])["booked"].sum()
    rows = []
    names, started, ended = (
        owners.coded("owner_id").words(),
        owners.instant("started_at"),
        owners.instant("ended_at"),
    )
    sold = set(booked["owner"].dropna())
    begins, leaves = (np.where(at == NAT, -1, company.month(at)) for at in (started, ended))
    middles = company.month_start(np.arange(first, last + 1)) + 15 * DAY
    for who, began, begun, gone in zip(
        names, started.tolist(), begins.tolist(), leaves.tolist(), strict=True
    ):
        if who not in sold or began == NAT:
            continue
        for m in range(max(first, begun) + 1, last if gone < 0 else min(last, gone)):
            months = (int(middles[m - first]) - began) / DAY / MONTH
            band = int(np.searchsorted(edges, months, side="right"))
            rows.append((who, m, band, float(sums.get((who, m), 0.0))))
    return pd.DataFrame(rows, columns=["owner", "month", "band", "booked"])


def _band(
    cells: pd.DataFrame, band: int, settled: int, rng: np.random.Generator, draws: int = 500
) -> tuple[float, float, float, int, int]:
    """share, low, high, seller-months and sellers of one band against the settled ones."""
    usual = cells[cells["band"] == settled].groupby("month")["booked"].mean()
    here = cells[(cells["band"] == band) & cells["month"].isin(usual.index)]
    if not len(here):
        return np.nan, np.nan, np.nan, 0, 0
    sums = here.assign(usual=here["month"].map(usual)).groupby("owner")[["booked", "usual"]].sum()
    pairs = sums.to_numpy(np.float64)
    picked = pairs[rng.integers(0, len(pairs), (draws, len(pairs)))].sum(axis=1)
    share = _ratio(pairs.sum(axis=0)[None])[0]
    known: Bools = np.isfinite(spread := _ratio(picked))
    low, high = np.quantile(spread[known], [0.025, 0.975]) if known.any() else (np.nan, np.nan)
    # one or two people are no sample: resampling them would look surer than it is
    if len(pairs) < 3:
        low, high = np.nan, np.nan
    return float(share), float(low), float(high), len(here), len(pairs)


def _ratio(pairs: Floats) -> Floats:
    found: Floats = pairs[:, 0] / np.where(pairs[:, 1] > 0, pairs[:, 1], np.nan)
    return found
