"""Every window feature of the catalogue agrees with SQL over random histories, late rows too."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from features.catalog import build_features, definitions
from features.spine import FeatureSpec
from features.tables import DAY, Coded, Floats, Instants, Tables
from features.timeline import Timeline
from tests.helpers import oracle
from tests.helpers.histories import META, START, history, seeds
from tests.helpers.oracle import Oracle, as_floats
from tests.helpers.scored import spine_of

DAYS = (5, 20, 45, 61, 90)

OF_OTHERS = re.compile(r"owner_closed_90d|days_since_account_success")
"""Windows over the company's closed cases, which test_features holds to their laws."""


def _with_late_bills(tables: Tables, seed: int) -> Tables:
    """Invoices that reach the system late, and rates of one currency at different instants."""
    rng = np.random.default_rng(seed)
    bills, rates = tables["invoices"], tables["fx_rates"]
    issued, n = bills.instant("issued_at"), bills.n
    late: Instants = issued + rng.integers(0, 60, n) * (rng.random(n) < 0.4) * (DAY // 2)
    columns = bills.columns | {"available_at": late}
    at: Instants = rates.instant("rate_at") + np.arange(rates.n, dtype=np.int64)
    return Tables(
        {
            **tables.tables,
            "invoices": replace(bills, columns=columns),
            "fx_rates": replace(rates, columns=rates.columns | {"rate_at": at}),
        },
        tables.meta,
    )


def _wanted(entity: str) -> list[FeatureSpec]:
    """The catalogue's features that count, sum, or look back over a stretch of time."""
    specs = [d.spec for d in definitions(entity, META).values()]
    return [s for s in specs if re.search(r"_\d+d$|_total$|^days_since_|_trend$", s.name)]


@pytest.mark.parametrize("entity", ["leads", "deals", "accounts"])
def test_no_window_feature_is_without_its_sql(entity: str) -> None:
    """A window that is added to the catalogue needs its words in SQL too."""
    written = oracle.activities() | oracle.moves(entity)
    written |= (
        oracle.invoices() | oracle.contracts() if entity == "accounts" else (oracle.at_account())
    )
    names = {d.spec.name for d in definitions(entity, META).values()}
    assert set(written) <= names
    missing = {s.name for s in _wanted(entity)} - set(written)
    assert not {name for name in missing if not OF_OTHERS.fullmatch(name)}


@pytest.mark.parametrize("entity", ["leads", "deals", "accounts"])
@settings(max_examples=12, deadline=None)
@given(seed=seeds)
def test_windows_agree_with_sql(entity: str, seed: int) -> None:
    tables = _with_late_bills(history(seed), seed)
    spine = spine_of(entity, tables, DAYS)
    spine.cutoffs[::2] += DAY // 2
    with Oracle(tables, spine) as asked:
        answers = asked.answers()
    known = definitions(entity, META)
    features = build_features(Timeline(tables), spine, [known[name].spec for name in answers])
    for name, told in answers.items():
        _agree(name, features.columns[name], told)


def _agree(name: str, ours: Floats | Coded, told: list[Any]) -> None:
    if isinstance(ours, Coded):
        _one_of(name, list(ours.words()), told)
    elif any(isinstance(answer, list) for answer in told):
        _one_of(name, [None if np.isnan(v) else v for v in ours.tolist()], told)
    else:
        np.testing.assert_allclose(ours, as_floats(told), rtol=1e-9, atol=1e-7, err_msg=name)


def _one_of(name: str, ours: list[Any], told: list[Any]) -> None:
    """Of several rows at the last instant any may be meant, one without a value too."""
    for row, (value, allowed) in enumerate(zip(ours, told, strict=True)):
        assert value is None or value in (allowed or []), (name, row, value, allowed)


def test_late_rows_are_seen_when_they_arrive_and_counted_when_they_occurred() -> None:
    """Worked example: a call on day 1, entered on day 10, looked at on days 5, 12 and 40."""
    tables = history(0)
    calls = tables["activities"]
    one = np.array([0], np.int64)
    columns = {n: c.take(one) if isinstance(c, Coded) else c[one] for n, c in calls.columns.items()}
    columns |= {
        "lead_id": Coded(np.zeros(1, np.int32), ["le0"]),
        "kind": Coded(np.zeros(1, np.int32), ["call"]),
        "occurred_at": np.array([START + DAY]),
        "available_at": np.array([START + 10 * DAY]),
    }
    only = Tables({**tables.tables, "activities": replace(calls, n=1, columns=columns)}, META)
    spine = replace(
        spine_of("leads", only),
        ids=["le0"] * 3,
        cutoffs=np.array([START + d * DAY for d in (5, 12, 40)]),
    )
    known = definitions("leads", META)
    asked = [known[n].spec for n in ("call_30d", "call_total", "days_since_call")]
    found = build_features(Timeline(only), spine, asked).columns
    np.testing.assert_array_equal(found["call_30d"], [0, 1, 0])
    np.testing.assert_array_equal(found["call_total"], [0, 1, 1])
    np.testing.assert_array_equal(found["days_since_call"], [np.nan, 11, 39])
