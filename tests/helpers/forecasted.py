"""A forecast made by hand: few deals, draws by a simple rule, every number open to the eye."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from features.frames import from_frames
from features.tables import NAT, Floats, Instants, Meta, Tables, micros
from training.forecast.backtest.forecast_record import ACTUALS, ForecastRecord
from training.forecast.backtest.ledger import COLUMNS as BOARD
from training.forecast.data.periods import Period, month, periods
from training.forecast.data.rounding import exact
from training.forecast.data.settings import ForecastSettings
from training.forecast.planning.capacity import CapacitySettings
from training.forecast.publish.outputs import (
    EarlierForecast,
    ForecastOutputs,
    bridges,
    means_of,
    outputs,
)
from training.forecast.results.deal_expectations import with_expected
from training.forecast.results.result import Forecast
from training.forecast.simulate.streams import TABLE

ORIGIN = micros("2026-01-15T00:00:00+00:00")
DRAWS = 400

OWNERS = {"O1": "North", "O2": "North", "O3": "South"}
"""Owner -> team."""

DEALS = (
    # deal, owner, product, status, amount, due, closed, category, chance by the end of March
    ("D1", "O1", "core", "open", 10_000.0, "2026-01-30", None, "commit", 0.9),
    ("D2", "O1", "suite", "open", 40_000.0, "2026-02-20", None, "Best Case", 0.5),
    ("D3", "O2", "core", "open", 15_000.0, "2026-02-10", None, "pipeline", 0.3),
    ("D4", "O2", None, "open", np.nan, None, None, "Omitted", 0.1),
    ("D5", "O3", "suite", "open", 60_000.0, "2026-03-15", None, "commit", 0.6),
    ("D6", "O3", "core", "open", 5_000.0, "2026-01-05", None, None, 0.2),
    ("D7", "O1", "core", "won", 12_000.0, "2026-01-10", "2026-01-09", "commit", 1.0),
    ("D8", "O3", "suite", "won", 8_000.0, "2026-01-20", "2026-01-12", "pipeline", 1.0),
    ("D9", "O2", "core", "lost", 9_000.0, "2026-01-20", "2026-01-13", "pipeline", 0.0),
)
NEW = 3_000.0
"""What deals not created yet bring in a month, on average."""


def made(origin: int = ORIGIN, draws: int = DRAWS, seed: int = 5) -> Forecast:
    """The forecast at 15 January 2026 by month (3) and quarter (2), for the whole and four more."""
    settings = ForecastSettings(
        draws=draws, months=3, quarters=2, seed=seed, dimensions=("owner", "team", "product")
    )
    asked = periods(origin, 3, 2)
    deals, rng = _deals(), np.random.default_rng(seed)
    by_deal = _by_deal(deals, asked, draws, rng)
    new = exact(rng.gamma(2.0, NEW / 2, (3, len(asked), draws))) * _length(asked)[None, :, None]
    groups = {d: _grouped(deals, d, by_deal, exact(new)) for d in settings.dimensions}
    is_open = (deals["status"] == "open").to_numpy()
    parts = {
        ("bookings", "closed"): by_deal[~is_open].sum(axis=0),
        ("bookings", "open"): by_deal[is_open].sum(axis=0),
        ("bookings", "new"): exact(new).sum(axis=0),
    }
    parts["bookings", "whole"] = sum(parts.values(), np.zeros((len(asked), draws)))
    whole = parts["bookings", "whole"]
    brought = by_deal[is_open]
    return Forecast(
        origin=origin,
        currency="EUR",
        rates=pd.DataFrame(
            {"currency": ["USD"], "rate": [0.92], "rate_at": [pd.Timestamp("2026-01-01", tz="UTC")]}
        ),
        periods=asked,
        table=_table(asked, parts, groups),
        draws=parts,
        groups={("bookings", d): found for d, found in groups.items()},
        deals=deals,
        chances=(brought > 0).mean(axis=2),
        expected=brought.mean(axis=2),
        influence=_influence(brought, whole),
        shock=0.1,
        settings=settings,
        notes=("Amounts are missing on 1 of 6 open deals: drawn from recent wins.",),
        learned={"fitted": "2026-01-01T00:00:00Z", "deals": 9},
    )


def _length(asked: tuple[Period, ...]) -> Floats:
    return np.array([3.0 if p.kind == "quarter" else 1.0 for p in asked])


def _deals() -> pd.DataFrame:
    columns = ["deal_id", "owner", "product", "status", "amount", "due", "closed", "category", "p"]
    frame = pd.DataFrame(list(DEALS), columns=columns)
    at = {c: pd.to_datetime(frame[c].astype(object), utc=True) for c in ("due", "closed")}
    return frame.drop(columns=["due", "closed"]).assign(
        name=[f"<{d}> & co" for d in frame["deal_id"]],
        team=frame["owner"].map(OWNERS),
        region=None,
        segment=None,
        stage="proposal",
        expected_close_at=at["due"],
        created_at=_born(frame["deal_id"]),
        closed_at=at["closed"],
    )


def _born(ids: pd.Series[str]) -> pd.Series[pd.Timestamp]:
    """D3 is new, the others of November."""
    days = ["2026-01-10" if d == "D3" else "2025-11-01" for d in ids]
    return pd.to_datetime(pd.Series(days), utc=True)


def _micros(stamps: pd.Series[pd.Timestamp]) -> Instants:
    plain = stamps.dt.tz_localize(None).to_numpy("datetime64[us]")
    return np.where(np.isnat(plain), NAT, plain.astype(np.int64))


def _by_deal(
    deals: pd.DataFrame, asked: tuple[Period, ...], draws: int, rng: np.random.Generator
) -> Floats:
    """(deals, periods, draws): won within 75 days by chance, at 0.8 to 1.2 of its amount."""
    n = len(deals)
    closed = _micros(deals["closed_at"])
    when = ORIGIN + (rng.random((n, draws)) * 75 * 86_400e6).astype(np.int64)
    at = np.where((closed == NAT)[:, None], when, closed[:, None])
    won = rng.random((n, draws)) < deals["p"].to_numpy()[:, None]
    amount = deals["amount"].fillna(20_000.0).to_numpy()[:, None]
    spread = np.where((closed == NAT)[:, None], rng.uniform(0.8, 1.2, (n, draws)), 1.0)
    booked = exact(amount * spread) * won
    inside = [(at >= p.start) & (at < p.end) for p in asked]
    return np.stack([booked * here for here in inside], axis=1)


def _grouped(
    deals: pd.DataFrame, dimension: str, by_deal: Floats, new: Floats
) -> tuple[list[str], Floats]:
    """What is not created yet falls to the first three values, or to the last of fewer."""
    words = deals[dimension].fillna("(none)").tolist()
    values = sorted(set(words))
    sums = np.zeros((len(values), *by_deal.shape[1:]))
    for word, brought in zip(words, by_deal, strict=True):
        sums[values.index(word)] += brought
    for i, part in enumerate(new):
        sums[min(i, len(values) - 1)] += part
    return values, sums


def _influence(brought: Floats, whole: Floats) -> Floats:
    around = whole - whole.mean(axis=1, keepdims=True)
    with_whole = (brought * around).mean(axis=2)
    variance = whole.var(axis=1)
    return np.asarray(with_whole / np.where(variance > 0, variance, np.inf), np.float64)


def _table(
    asked: tuple[Period, ...],
    parts: Mapping[tuple[str, str], Floats],
    groups: Mapping[str, tuple[list[str], Floats]],
) -> pd.DataFrame:
    cells = [("all", "all", part, draws) for (_, part), draws in parts.items()]
    cells += [
        (d, value, "whole", draws[i])
        for d, (values, draws) in groups.items()
        for i, value in enumerate(values)
    ]
    rows = []
    for dimension, value, part, draws in cells:
        for k, p in enumerate(asked):
            q = np.quantile(draws[k], [0.1, 0.5, 0.9])
            start, end = (pd.Timestamp(t, unit="us", tz="UTC") for t in (p.start, p.end))
            spot = ("bookings", dimension, value, p.name, p.kind, start, end, part)
            rows.append((*spot, draws[k].mean(), *q, np.nan if part == "new" else 6.0))
    return pd.DataFrame(rows, columns=list(TABLE))


def quotas() -> pd.DataFrame:
    """O1: 60,000 for the first quarter; O2: 3,100 for January; O3: 50,000 dollars for the year."""
    at = pd.to_datetime
    return pd.DataFrame(
        {
            "quota_id": ["1", "2", "3"],
            "owner_id": ["O1", "O2", "O3"],
            "period_start_at": at(["2026-01-01", "2026-01-01", "2026-01-01"], utc=True),
            "period_end_at": at(["2026-04-01", "2026-02-01", "2027-01-01"], utc=True),
            "amount": [60_000.0, 3_100.0, 50_000.0],
            "currency": ["EUR", None, "USD"],
        }
    )


def company(rates: bool = True) -> Tables:
    """Owners, quotas, rates and, as far as capacity looks at them, deals of that forecast."""
    deals = _deals()
    frames = {
        "deals": pd.DataFrame(
            {
                "deal_id": deals["deal_id"],
                "owner_id": deals["owner"],
                "created_at": deals["created_at"],
                "closed_at": deals["closed_at"],
                "outcome": deals["status"].where(deals["status"] != "open"),
                "region": "here",
            }
        ),
        "owners": pd.DataFrame(
            {
                "owner_id": list(OWNERS),
                "name": ["Ana Ruiz", "Bo <b>Li</b>", None],
                "team": list(OWNERS.values()),
                "started_at": pd.to_datetime(["2024-01-01"] * 3, utc=True),
            }
        ),
        "quotas": quotas(),
    }
    if rates:
        frames["fx_rates"] = pd.DataFrame(
            {
                "rate_id": ["1", "2"],
                "currency": ["USD", "USD"],
                "rate": [0.9, 0.5],
                "rate_at": pd.to_datetime(["2026-01-01", "2026-02-01"], utc=True),
            }
        )
    return from_frames(frames, Meta("2026-01-15T00:00:00+00:00", "EUR", mapping="by hand"))


def recurring(draws: int = DRAWS) -> Forecast:
    """The same days with customers' invoices alone: no deal, no group but one region."""
    like = made(draws=draws)
    P = len(like.periods)
    shape, rng = (P, draws), np.random.default_rng(9)
    per = _length(like.periods)[:, None]
    parts = {
        ("recurring", "invoiced"): np.repeat(
            [[500.0], [0.0], [0.0], [500.0], [0.0]], draws, axis=1
        ),
        ("recurring", "renewals"): exact(rng.gamma(50.0, 20.0, shape)) * per,
        ("recurring", "new customers"): exact(rng.gamma(2.0, 50.0, shape)) * per,
    }
    parts["recurring", "whole"] = sum(parts.values(), np.zeros(shape))
    table = _table(like.periods, parts, {}).assign(stream="recurring")
    nothing = np.empty((0, P))
    return replace(
        like,
        table=table,
        draws=parts,
        groups={},
        rates=like.rates.iloc[:0],
        deals=like.deals.iloc[:0],
        chances=nothing,
        expected=nothing,
        influence=np.empty((0, 0)),
        shock=0.0,
        notes=(),
    )


def history(stream: str = "bookings") -> ForecastRecord:
    """Twelve months that came in, eight of them foretold, and a board of three."""
    months = [month(2025 * 12 + m) for m in range(12)]
    rows = [(stream, p.name, p.start, p.end, 20_000.0 + 1000 * i) for i, p in enumerate(months)]
    actuals = pd.DataFrame(rows, columns=list(ACTUALS))
    told = actuals.tail(8).assign(
        origin=lambda f: f["start"], p10=18_000.0, p50=26_000.0, p90=30_500.0
    )
    board = pd.DataFrame(
        [
            (stream, "last period", 40, 10, 0.09, 0.25, -0.02, 0.6, 0.2, 0.0, np.nan, np.nan),
            (stream, "stage-weighted", 40, 10, 0.08, 0.2, 0.1, 0.7, 0.3, 0.11, -0.05, 0.3),
            (stream, "embudo", 40, 10, 0.05, 0.12, 0.01, 0.82, 0.5, 0.44, 0.2, 0.6),
        ],
        columns=list(BOARD),
    )
    weeks = pd.DataFrame(
        [
            (stream, kind, "embudo", end, "coverage", value, value - 0.1, value + 0.05, 20, 8, 4)
            for kind in ("month", "quarter")
            for end, value in (("1", 0.9), ("3-4", 0.8), ("9-13", 0.7))
        ],
        columns=[
            *("stream", "kind", "method", "to_end", "measure", "value", "low", "high"),
            *("n", "periods", "blocks"),
        ],
    )
    return ForecastRecord(
        actuals, told.drop(columns=["start", "end"]), pd.DataFrame(), board, weeks, "2025-12-29"
    )


def outcome() -> ForecastOutputs:
    """The outputs of the hand-made forecast beside one of a week before, in which D3 was not there,
    D5 was due in April at 50,000, and D8 was open.
    """
    tables, now = company(), made()
    whole = outputs(tables, now, None, CapacitySettings())
    there = _standings(now)
    was = there.drop(index="D3")
    was.loc["D5", "amount"] = 50_000.0
    was.loc["D5", "due"] = micros("2026-04-02T00:00:00+00:00")
    was.loc["D8", "status"] = "open"
    was.loc["D8", "closed"] = NAT
    for period in now.periods:
        column = f"expected {period.name}"
        was[column] = np.round(was[column] * 0.9, 2)
    means = {key: mean * 0.95 for key, mean in means_of(now).items()}
    since = EarlierForecast(ORIGIN - 7 * 86_400_000_000, was, means, True)
    return replace(whole, deal_status=there, since=since, bridges=tuple(bridges(now, there, since)))


def _standings(now: Forecast) -> pd.DataFrame:
    deals = now.deals.set_index("deal_id")
    frame = deals[["name", "status", "amount"]].assign(
        rate=1.0,
        due=_micros(deals["expected_close_at"]),
        closed=_micros(deals["closed_at"]),
        created=_micros(deals["created_at"]),
    )
    return with_expected(frame, now)
