"""Window features: ours against the same in DuckDB SQL and in pandas, in one run.

    python -m benchmarks.windows [--activities 5000000] [--snapshots 200000] [--runs 3]

Each side starts from the same columns in memory (entity as an integer, instants in microseconds),
and gives the same 29 columns; equality is checked before a time is quoted. Runs are interleaved
and the median ratio is printed. DuckDB may use both cores; ours uses one.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from collections.abc import Callable

import duckdb
import numpy as np
import pandas as pd

from features.asof import EventIndex
from features.tables import DAY, Floats, Ints

KINDS, WINDOWS = 5, (7, 30, 90)


def make(activities: int, snapshots: int, seed: int = 3) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Activities of half as many leads as there are snapshots, two snapshots a lead."""
    rng = np.random.default_rng(seed)
    leads, span = snapshots // 2, 720 * DAY
    events = pd.DataFrame(
        {
            "lead": rng.integers(0, leads, activities),
            "at": rng.integers(0, span, activities),
            "kind": rng.integers(0, KINDS, activities),
            "minutes": rng.gamma(2.0, 10.0, activities),
        }
    )
    spine = pd.DataFrame(
        {
            "row": np.arange(snapshots),
            "lead": np.repeat(np.arange(leads), 2)[:snapshots],
            "cutoff": rng.integers(span // 4, span, snapshots),
        }
    )
    return events, spine


def ours(events: pd.DataFrame, spine: pd.DataFrame) -> Floats:
    """(snapshots, 29) by the window kernel."""
    lead, kind = _ints(events["lead"]), _ints(events["kind"])
    minutes = events["minutes"].to_numpy()
    groups, cutoffs = _ints(spine["lead"]), _ints(spine["cutoff"])
    every = EventIndex.of(lead, int(lead.max()) + 1, _ints(events["at"]))
    seen = every.at(groups, cutoffs)
    columns = [seen.count(d) for d in WINDOWS] + [seen.total(minutes, d) for d in WINDOWS]
    columns += [seen.since_last(), seen.distinct(kind, 30)]
    for k in range(KINDS):
        of_kind = every.select(kind == k).at(groups, cutoffs)
        columns += [of_kind.count(d) for d in WINDOWS] + [of_kind.since_last()]
    columns.append(seen.count())
    return np.column_stack(columns)


def _ints(column: pd.Series) -> Ints:
    return column.to_numpy(np.int64)


def in_sql(events: pd.DataFrame, spine: pd.DataFrame) -> Floats:
    """The same by a range join in DuckDB."""
    inside = {d: f"e.at >= s.cutoff - {d * DAY}" for d in WINDOWS}
    wanted = [f"count(e.at) FILTER ({w})" for w in inside.values()]
    wanted += [f"coalesce(sum(e.minutes) FILTER ({w}), 0)" for w in inside.values()]
    wanted.append(f"(max(s.cutoff) - max(e.at)) / {DAY}")
    wanted.append(f"count(DISTINCT e.kind) FILTER ({inside[30]})")
    for k in range(KINDS):
        wanted += [f"count(e.at) FILTER (e.kind = {k} AND {w})" for w in inside.values()]
        wanted.append(f"(max(s.cutoff) - max(e.at) FILTER (e.kind = {k})) / {DAY}")
    wanted.append("count(e.at)")
    named = ", ".join(f"{w} AS c{i}" for i, w in enumerate(wanted))
    query = f"""SELECT {named} FROM spine s LEFT JOIN events e
        ON e.lead = s.lead AND e.at < s.cutoff GROUP BY s.row ORDER BY s.row"""
    with duckdb.connect() as db:
        db.register("events", events)
        db.register("spine", spine)
        columns = db.execute(query).fetchnumpy()
    return np.column_stack(
        [np.ma.filled(np.ma.asarray(c).astype(np.float64), np.nan) for c in columns.values()]
    )


def in_pandas(events: pd.DataFrame, spine: pd.DataFrame) -> Floats:
    """The same by a merge and group-bys."""
    joined = spine.merge(events, on="lead")
    joined = joined[joined["at"] < joined["cutoff"]]
    rows, age = joined["row"], joined["cutoff"] - joined["at"]
    wide = pd.DataFrame(index=spine["row"])
    inside = {d: age <= d * DAY for d in WINDOWS}
    for i, keep in enumerate(inside.values()):
        wide[f"n{i}"] = keep.groupby(rows).sum()
    for i, keep in enumerate(inside.values()):
        wide[f"m{i}"] = joined["minutes"].where(keep, 0.0).groupby(rows).sum()
    wide["since"] = age.groupby(rows).min() / DAY
    wide["kinds"] = joined[inside[30]].groupby("row")["kind"].nunique()
    for k in range(KINDS):
        of_kind = joined["kind"] == k
        for d, keep in inside.items():
            wide[f"k{k}_{d}"] = (keep & of_kind).groupby(rows).sum()
        wide[f"k{k}_since"] = age[of_kind].groupby(rows[of_kind]).min() / DAY
    wide["all"] = rows.groupby(rows).size()
    since = [c for c in wide if "since" in str(c)]
    return wide.fillna({c: 0.0 for c in wide if c not in since}).to_numpy(np.float64)


def _timed(side: Callable[[pd.DataFrame, pd.DataFrame], Floats], *data: pd.DataFrame) -> float:
    begun = time.perf_counter()
    side(*data)
    return time.perf_counter() - begun


def main() -> None:
    """Check equality, then time the three sides in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--activities", type=int, default=5_000_000)
    parser.add_argument("--snapshots", type=int, default=200_000)
    parser.add_argument("--runs", type=int, default=3)
    asked = parser.parse_args()
    small = make(20_000, 2_000)
    want = ours(*small)
    for other in (in_sql, in_pandas):
        np.testing.assert_allclose(want, other(*small), rtol=1e-9, atol=1e-9)
    data = make(asked.activities, asked.snapshots)
    ours(*data)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sides = {"ours": ours, "DuckDB": in_sql, "pandas": in_pandas}
    times: dict[str, list[float]] = {n: [] for n in sides}
    for _ in range(asked.runs):
        for name, side in sides.items():
            times[name].append(_timed(side, *data))
    print(f"| side | median s | ours is faster by |  ({want.shape[1]} columns, equal)")
    print("|---|---|---|")
    for name, seconds in times.items():
        ratio = statistics.median(b / a for a, b in zip(times["ours"], seconds, strict=True))
        print(f"| {name} | {statistics.median(seconds):.2f} | {ratio:.1f} x |")
    print(f"peak memory after ours: {peak:.0f} MiB, data included")


if __name__ == "__main__":
    main()
