"""The pages over 50,000 rows: time to the first byte of each kind of request.

    python -m benchmarks.pages [--rows 50000] [--rounds 30]

A store of made-up sheets (every list with so many rows) behind the app on a loopback port, one
client. The bar: the first byte within 300 ms. Kinds: the first page, a page far behind, sorted,
filtered by owner, searched (a search that hits a hundredth of the rows), and the whole list as CSV.
"""

from __future__ import annotations

import argparse
import http.client
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import uvicorn

from serving.app import make_app
from serving.process.trial import free_port
from serving.settings import Settings
from serving.store.sheets import ItemRow
from serving.store.store import Store, open_store
from serving.web.lists import LISTINGS

NOW = 1_767_225_600_000_000
ASKED = {
    "first page": "/pipeline",
    "page 900": "/pipeline?page=900",
    "sorted by amount": "/pipeline?sort=first&dir=down",
    "sorted, page 500": "/pipeline?sort=second&page=500",
    "one owner": "/pipeline?owner=O07",
    "searched": "/pipeline?q=company+77",
    "an account": "/accounts/E00042",
    "today": "/",
    "CSV of all": "/pipeline.csv",
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=30)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(f"sqlite:///{folder}/pages.db")
        began = time.perf_counter()
        for kind in ("pipeline", "accounts", "calls"):
            store.sheets.write(kind, NOW, list(rows(kind, chosen.rows)), {}, NOW)
        wrote = time.perf_counter() - began
        print(f"{3 * chosen.rows:,} rows written in {wrote:.1f} s\n")
        with served(store, Path(folder)) as port:
            print("| request | median ms | 95 % ms | worst ms |\n|---|---|---|---|")
            for name, path in ASKED.items():
                taken = np.array([first_byte(port, path) for _ in range(chosen.rounds)]) * 1e3
                cells = (np.median(taken), np.quantile(taken, 0.95), taken.max())
                print(f"| {name} | " + " | ".join(f"{c:.0f}" for c in cells) + " |")
        store.close()


def rows(kind: str, n: int) -> Iterator[ItemRow]:
    """Made-up rows with every column of the kind's list."""
    rng = np.random.default_rng(1)
    columns = [c.name for c in LISTINGS[kind].columns]
    for i in range(n):
        first, second, third = rng.lognormal(9, 1), float(rng.integers(200)), float(rng.random())
        owner = f"O{i % 40:02d}"
        body = dict.fromkeys(columns) | {
            "name": f"company {i % 7919} {kind}",
            "owner": owner,
            "amount": first,
            "days_in_stage": second,
            "probability": third,
            "deal_id": f"E{i:05d}",
            "account_id": f"E{i:05d}",
            "question": "deal_close",
            "id": f"E{i:05d}",
        }
        if kind == "accounts":
            body |= PLAN | {"why": None}
        yield ItemRow(
            f"E{i:05d}",
            str(body["name"]),
            "deals",
            f"E{i:05d}",
            owner,
            f"stage {i % 6}",
            first,
            second,
            third,
            body,
        )


PLAN = {
    name: []
    for name in ("facts", "curve", "risks", "strengths", "offers", "deals", "goals", "steps")
} | {
    "history": [],
    "products": "core",
    "as_of": "2026-01-01T00:00:00Z",
    "currency": "EUR",
    "trend": "steady",
    "months": 30.0,
    "markdown": "# plan",
    "grade": "B",
}


@contextmanager
def served(store: Store, folder: Path) -> Iterator[int]:
    """The app on a loopback port."""
    app = make_app(lambda: NOW)
    app.state.store, app.state.settings = store, Settings(forecasts=folder)
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, "127.0.0.1", port, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.02)
    try:
        yield port
    finally:
        server.should_exit = True
        thread.join(20)


def first_byte(port: int, path: str) -> float:
    """Seconds from sending a request to the first byte of its answer, which must be 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.connect()
        began = time.perf_counter()
        connection.request("GET", path)
        answer = connection.getresponse()
        taken = time.perf_counter() - began
        answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path} answered {answer.status}")
        return taken
    finally:
        connection.close()


if __name__ == "__main__":
    main()
