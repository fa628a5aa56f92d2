"""Whether the forecast keeps its promise: the demo CRM, seed by seed, against the easy ways.

    python -m benchmarks.forecast [--seeds 1 30] [--size small] [--every 4] [--workers 1]

Each seed is a CRM of its own, backtested over the newer half of its history, at every fourth Monday
(``--every``), beginning with another one in each seed: weekly origins of one CRM say nearly the
same, and another CRM says more than another week. Its cells are kept in
``data/forecast_benchmark/<size>/seed_<n>.parquet``, so that a run that was stopped goes on where
it was. Seeds are taken in an order drawn by chance, so that those of a partial run are as good a
sample as any. Development looked at seeds from 100 on only.

Bars: the 80 % range covers 76 to 84 % of what came; the median is less than 2 % off in sum; the
pinball loss is at least 25 % under that of the best easy way. An easy way gives one number, and is
scored twice: with the range and the median that its own past errors make of it (the harder test),
and as it is stated, with that number as its median. ``the true chances`` (``forecast_truth``) show
what luck alone costs. Intervals are bootstrapped over seeds.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.forecast_truth import TRUTH, truth_cells
from features.demo import generate
from features.frames import from_frames
from training.forecast.backtest.cells import MODEL, SIMULATION
from training.forecast.backtest.rolling import backtest, data_end, default_origins
from training.forecast.backtest.scoring import BUCKETS, compared, scored, summary
from training.forecast.data.revenue import flows
from training.forecast.data.settings import ForecastSettings

FOLDER = Path("data/forecast_benchmark")
ORDER = 20_260_101
"""Seeds the order of the seeds."""


def path_of(size: str, seed: int) -> Path:
    """Where the cells of a seed are kept."""
    return FOLDER / size / f"seed_{seed}.parquet"


def run(size: str, every: int, seed: int) -> str:
    """Backtest one seed and keep its cells, in one step; what it took."""
    began = time.monotonic()
    demo = generate(seed=seed, size=size)
    tables = from_frames(demo.frames, demo.meta)
    streams = flows(tables, data_end(tables))
    begin = min(flow.begin for flow in streams.values())
    origins = default_origins(begin, data_end(tables))[seed % every :: every]
    found = backtest(tables, ForecastSettings(threads=1), origins)
    flow = streams["bookings"]
    truth = truth_cells(demo, flow, sorted(set(found.cells["origin"])), seed, size)
    path = path_of(size, seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    made = path.with_suffix(f".{os.getpid()}")
    cells = pd.concat([found.cells, truth], ignore_index=True)
    cells.assign(data=seed).to_parquet(made)
    made.replace(path)
    return f"seed {seed}: {time.monotonic() - began:.0f} s, {len(found.skipped)} origins skipped"


def read(size: str, seeds: list[int]) -> pd.DataFrame:
    """The kept cells of these seeds, scored together."""
    found = [pd.read_parquet(path_of(size, s)) for s in seeds if path_of(size, s).is_file()]
    if not found:
        raise SystemExit("no seed has been run")
    return scored(pd.concat(found, ignore_index=True))


def hardest(cells: pd.DataFrame, measure: str) -> pd.Series:
    """The easy way that the model beats by least, of those that answer four questions in five."""
    asked = int((cells["method"] == MODEL).sum())
    found = compared(cells[~cells["method"].isin([TRUTH, SIMULATION])], MODEL, measure=measure)
    return found[found["n"] >= 0.8 * asked].iloc[0]


def bars(cells: pd.DataFrame) -> pd.DataFrame:
    """The three bars of one stream: what was asked, what was measured, with its interval."""
    ours = summary(cells[cells["method"] == MODEL], ("method",)).set_index("measure")
    rows = [
        ("coverage of the 80 % range", "0.76 to 0.84", *_measured(ours.T["coverage"], "value")),
        ("bias of the median", "within 0.02", *_measured(ours.T["bias"], "value")),
    ]
    for measure, how in (("pinball", "corrected by its past errors"), ("pinball_stated", "stated")):
        best = hardest(cells, measure)
        told = f"pinball / that of the best, {best['method']}, {how}"
        rows.append((told, "at most 0.75", *_measured(best, "ratio")))
    truth = compared(cells[cells["method"].isin([MODEL, TRUTH])], MODEL)
    rows += [
        (f"pinball / that of {TRUTH}", "", *_measured(t, "ratio")) for _, t in truth.iterrows()
    ]
    return pd.DataFrame(rows, columns=["bar", "asked", "measured", "low", "high"])


def _measured(row: pd.Series, name: str) -> tuple[float, float, float]:
    return float(row[name]), float(row["low"]), float(row["high"])


def show(cells: pd.DataFrame) -> None:
    """Every table, by stream."""
    for stream, part in cells.groupby("stream", sort=False):
        origins = part.groupby("data")["origin"].nunique().mean()
        print(f"\n{stream}: {part['data'].nunique()} seeds, {origins:.0f} origins each")
        print(bars(part).round(3).to_string(index=False))
        print("\nbeside each way, on the cells both have")
        print(compared(part, MODEL).round(3).to_string(index=False))
        board = summary(part, ("method",)).pivot(index="method", columns="measure", values="value")
        print("\n" + board.round(3).to_string())
        ours = part[part["method"] == MODEL]
        weeks = pd.cut(ours["weeks"], [0, *BUCKETS, np.inf])
        ours = ours.assign(from_week=weeks.map(lambda span: int(span.left) + 1).astype(int))
        for by in (["kind", "ahead"], ["from_week"], ["kind", "from_week"]):
            found = summary(ours, by)
            table = found.pivot(index=by, columns="measure", values="value")
            n = found[found["measure"] == "pinball"].set_index(by)["n"]
            print("\n" + table.drop(columns="pinball_stated").assign(n=n).round(3).to_string())


def waiting(size: str, first: int, last: int) -> list[int]:
    """The seeds that have no result yet, in the order drawn by chance."""
    order = np.random.default_rng(ORDER).permutation(np.arange(first, last + 1)).tolist()
    return [seed for seed in order if not path_of(size, seed).is_file()]


def late(until: str) -> bool:
    """Whether it is past a time of day (UTC)."""
    return bool(until) and f"{datetime.now(UTC):%H:%M}" >= until


def main() -> None:
    """Run what is missing until the time is up, then print the tables of what there is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs=2, default=[1, 30])
    parser.add_argument("--size", default="small")
    parser.add_argument("--every", type=int, default=4, help="weeks between origins")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--until", default="", help="start no seed after this time, HH:MM UTC")
    asked = parser.parse_args()
    left = waiting(asked.size, *asked.seeds)
    context = multiprocessing.get_context("spawn")
    with context.Pool(min(asked.workers, 2), maxtasksperchild=1) as pool:
        for start in range(0, len(left), asked.workers):
            if late(asked.until):
                break
            for told in pool.imap(
                partial(run, asked.size, asked.every), left[start : start + asked.workers]
            ):
                print(told, flush=True)
    show(read(asked.size, list(range(asked.seeds[0], asked.seeds[1] + 1))))


if __name__ == "__main__":
    main()
