"""Reading an export: processor time and peak memory, each run in a process of its own.

    python -m benchmarks.ingest [--rows 11000000] [--runs 1] [--against CHECKOUT]

A made-up export of CSV files with a mapping: of eleven rows five are activities, four field
changes, one a deal and one an account. Dates, amounts with two decimals, categories, references and
keys, as a CRM writes them. ``--against`` reads the same files with the code of another checkout,
runs interleaved.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.csv

ROOT = Path(__file__).parents[1]
MAPPING = """
[export]
as_of = "2025-01-01"
currency = "EUR"
zone = "Europe/Berlin"
[tables.accounts]
columns = { account_id = "id", created_at = "made", industry = "industry", employees = "people" }
[tables.deals]
[tables.deals.columns]
deal_id = "id"
account_id = "account"
created_at = "made"
closed_at = "closed"
amount = "amount"
stage = "stage"
outcome = { from = "stage", values = { Won = "won", Lost = "lost" }, default = "" }
[tables.activities]
[tables.activities.columns]
activity_id = "id"
deal_id = "deal"
occurred_at = "at"
kind = "kind"
duration = "minutes"
[tables.changes]
of = "deals"
[tables.changes.columns]
entity_id = "deal"
changed_at = "at"
field = "field"
value = "new"
old_value = "old"
[tables.changes.fields]
stage = { is = ["stage"] }
amount = { is = ["amount"] }
"""


def words(prefix: str, numbers: np.ndarray) -> pa.Array:
    """Ids such as d123."""
    texts = pa.array(numbers).cast(pa.string())
    return pyarrow.compute.binary_join_element_wise(pa.scalar(prefix), texts, "")


def moments(rng: np.random.Generator, n: int) -> pa.Array:
    """Instants of two years, to the second."""
    first = np.datetime64("2023-01-01", "s").astype(np.int64)
    at = first + rng.integers(0, 700 * 86_400, n)
    return pa.array(at.astype("M8[s]"))


def write(folder: Path, rows: int, seed: int = 7) -> None:
    """The export's files."""
    rng = np.random.default_rng(seed)
    unit = max(rows // 11, 10)
    made = moments(rng, unit).to_numpy()
    stage = rng.choice(["Won", "Lost", "New", "Proposal"], unit)
    ended = made + np.timedelta64(86_400 * 9, "s")
    closed = np.where(np.isin(stage, ["Won", "Lost"]), ended, np.datetime64("NaT"))
    deals = rng.integers(0, unit, 4 * unit)
    money = np.round(rng.gamma(2.0, 4_000.0, 4 * unit), 2).astype(str)
    field = rng.choice(["stage", "amount"], 4 * unit)
    moved = rng.choice(["New", "Proposal", "Offer"], 4 * unit)
    tables = {
        "accounts": {
            "id": words("a", np.arange(unit)),
            "made": moments(rng, unit),
            "industry": rng.choice(["retail", "banking", "energy", "health"], unit),
            "people": rng.integers(1, 5_000, unit),
        },
        "deals": {
            "id": words("d", np.arange(unit)),
            "account": words("a", rng.integers(0, unit, unit)),
            "made": pa.array(made),
            "closed": pa.array(closed),
            "amount": np.round(rng.gamma(2.0, 4_000.0, unit), 2),
            "stage": stage,
        },
        "activities": {
            "id": words("c", np.arange(5 * unit)),
            "deal": words("d", rng.integers(0, unit, 5 * unit)),
            "at": moments(rng, 5 * unit),
            "kind": rng.choice(["call", "email", "meeting", "note"], 5 * unit),
            "minutes": np.round(rng.gamma(2.0, 9.0, 5 * unit), 1),
        },
        "changes": {
            "deal": words("d", deals),
            "at": moments(rng, 4 * unit),
            "field": field,
            "new": np.where(field == "stage", moved, money),
            "old": np.full(4 * unit, ""),
        },
    }
    for name, columns in tables.items():
        pyarrow.csv.write_csv(pa.table(columns), folder / f"{name}.csv")
    (folder / "mapping.toml").write_text(MAPPING, encoding="utf-8")


def measured(checkout: Path, folder: Path) -> tuple[float, float]:
    """Seconds of processor and peak GiB of one reading with a checkout's code."""
    with tempfile.TemporaryDirectory() as out:
        mapping = str(folder / "mapping.toml")
        command = [sys.executable, "-m", "features", "ingest", "--data", str(folder)]
        command += ["--mapping", mapping, "--out", out, "--quiet"]
        child = subprocess.Popen(command, cwd=checkout, stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(child.pid, 0)
    if status:
        raise RuntimeError(f"the ingest of {checkout} ended with {status}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 2**20


def main() -> None:
    """Print a row for each checkout."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, default=11_000_000)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--against", type=Path)
    options = parser.parse_args()
    sides = {"this": ROOT} | ({"against": options.against} if options.against else {})
    taken: dict[str, list[tuple[float, float]]] = {side: [] for side in sides}
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), options.rows)
        for _ in range(options.runs):
            for side, checkout in sides.items():
                taken[side].append(measured(checkout, Path(folder)))
    print(f"{options.rows:,} rows")
    for side, runs in taken.items():
        seconds, memory = (statistics.median(r[i] for r in runs) for i in (0, 1))
        print(f"{side:8} {seconds:6.1f} s of processor, {memory:.2f} GiB")


if __name__ == "__main__":
    main()
