"""`make crm-demo`: a real Tryton with a demo company in it, connected, both ways.

Installs Tryton once, fills it over its own API with the past of a demo company, syncs, trains,
scores, writes back, shows an opportunity before and after, then plays a week. Everything is under
data/crm-demo; nothing but this machine is asked, once the packages are there.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from examples.crm.company import Company
from examples.crm.server import Server, started

ROOT = Path("data") / "crm-demo"
HERE = Path(__file__).parents[2]
DAY = 86_400.0
DAYS, A_DAY = 120, 9
"""Days of the demo's past, and opportunities that come each day."""

MAPPING = """
extends = "tryton"
[questions.deal_close]    # these deals live for weeks, not for half a year
edges = [2, 5, 10, 20]
every_days = 5
"""

SOURCES = {"referral": 0.8, "web": 0.55, "fair": 0.35, "cold": 0.1}
PRODUCTS = {"starter": 0.15, "team": 0.0, "enterprise": -0.25}


class World:
    """The demo's people: what they do each day, drawn from a seed."""

    def __init__(self, company: Company, server: Server, seed: int = 7) -> None:
        self.company, self.server, self.chance = company, server, random.Random(seed)
        self.open: dict[int, dict[str, Any]] = {}
        self.customers: list[int] = []
        self.people: list[int] = []

    def found(self) -> None:
        """The company, who sells for it, who buys of it."""
        self.company.found()
        self.people = self.company.employees(["Maria", "Luigi", "Ada"])
        kinds = ("retail", "health", "software", "manufacturing")
        rows = [
            {"name": f"Customer {i}", "industry": kinds[i % 4], "staff": 5 * i} for i in range(60)
        ]
        self.customers = self.company.customers(rows)

    def play(self, ago: float) -> None:
        """One day, ``ago`` days before now: some come, some move, some end."""
        self.server.set_clock(-ago * DAY)
        today = datetime.now(UTC) - timedelta(days=ago)
        self._come(today)
        later = [i for i, deal in self.open.items() if deal["born"] > ago]
        stage = {s: [i for i in later if self.open[i]["stage"] == s] for s in ("lead", "sale")}
        moved = [i for i in stage["lead"] if self.chance.random() < 0.3]
        if moved:
            self.company.qualify(moved)
            self.company.convert(moved)
            for i in moved:
                self.open[i]["stage"] = "sale"
        ended = [i for i in later if i not in moved and self.chance.random() < 0.15]
        ready = [i for i in ended if self.open[i]["stage"] == "sale"]
        won = [i for i in ready if self.chance.random() < self.open[i]["truth"]]
        lost = [i for i in ended if i not in won]
        if won:
            self.company.win({i: self.open[i]["amount"] for i in won})
        if lost:
            self.company.lose(lost)
        called = [i for i in later if i not in ended and self.chance.random() < self._warm(i)]
        if called:
            self.company.note(called, "spoke on the phone")
        for i in ended:
            del self.open[i]

    def _warm(self, deal: int) -> float:
        return 0.25 * float(self.open[deal]["truth"])

    def _come(self, today: datetime) -> None:
        rows, truths = [], []
        for _ in range(A_DAY):
            source, product = (self.chance.choice(sorted(s)) for s in (SOURCES, PRODUCTS))
            amount = round(self.chance.uniform(500, 20_000), 2)
            rows.append(
                {
                    "description": f"{product.title()} for {today:%B}",
                    "party": self.chance.choice(self.customers),
                    "employee": self.chance.choice(self.people),
                    "amount": amount,
                    "start_date": today.date(),
                    "source": source,
                    "product_interest": product,
                }
            )
            truths.append(min(0.95, max(0.05, SOURCES[source] + PRODUCTS[product])))
        ids = self.company.opportunities(rows)
        ago = (datetime.now(UTC) - today).total_seconds() / DAY
        for key, row, truth in zip(ids, rows, truths, strict=True):
            made = {"truth": truth, "stage": "lead", "amount": row["amount"], "born": ago}
            self.open[key] = made


def run(*command: str) -> None:
    """Run ``python -m`` in the demo's folder; what it prints is shown."""
    print(f"\n$ python -m {' '.join(command)}", flush=True)
    environment = {**os.environ, "PYTHONPATH": str(HERE), "EMBUDO_ROOT": str(ROOT.resolve())}
    environment["EMBUDO_TRYTON_PASSWORD"] = Server("", Path()).password
    subprocess.run([sys.executable, "-m", *command], cwd=ROOT, env=environment, check=True)


def show(company: Company, opportunity: int, when: str) -> None:
    """The opportunity as Tryton shows it."""
    shown = company.read(opportunity)
    print(f"\nOpportunity {shown['number']} {when}, as Tryton shows it:")
    print(f"  {shown['description']}, {shown['party.']['name']}, {shown['state']}")
    print(f"  amount {shown['amount']['decimal']}, source {shown['source']}")
    print(f"  conversion probability {shown['conversion_probability']}")
    for note in shown["notes"]:
        print("\n".join(f"  | {line}" for line in note.splitlines()))


def main() -> int:
    """Play it from beginning to end."""
    began = time.monotonic()
    shutil.rmtree(ROOT, ignore_errors=True)
    (ROOT / "connections").mkdir(parents=True)
    print("Tryton: installing (once), making a database, starting …", flush=True)
    with started(Path("data") / "tryton", ROOT / "tryton", -DAYS * DAY) as server:
        lines = ['kind = "tryton"', f'url = "{server.url}"', f'user = "{server.user}"']
        lines += ['password = { env = "EMBUDO_TRYTON_PASSWORD" }', 'currency = "EUR"']
        lines.append('mapping = "demo.toml"')
        path = ROOT / "connections" / "crm.toml"
        (path.parent / "demo.toml").write_text(MAPPING, encoding="utf-8")
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        (ROOT / "loop.toml").write_text(
            'connection = "crm"\n[steps]\nretrain = false\nforecast = false\ndesk = false\n'
            'sync = { every = "1m" }\n'
        )
        company = Company(server)
        world = World(company, server)
        world.found()
        print(f"filling it: {DAYS} days of a demo company, over its own API …", flush=True)
        for ago in range(DAYS, 7, -1):
            world.play(float(ago))
        print(f"there are {len(world.open)} open opportunities", flush=True)
        shown = max(world.open, key=lambda i: (world.open[i]["stage"], world.open[i]["amount"]))
        show(company, shown, "before")
        run("features", "sync", "crm", "--quiet")
        data = "data/sync/crm/current/canonical"
        run(
            "training",
            "train",
            "--data",
            data,
            "--question",
            "deal_close",
            "--trials",
            "3",
            "--promote",
            "--quiet",
        )
        run("serving", "score", "--data", data)
        run("serving", "writeback", "crm")
        show(company, shown, "after")
        before = company.probabilities(list(world.open))
        print("\nA week passes: deals move, some close …", flush=True)
        for ago in range(7, 0, -1):
            world.play(float(ago))
        server.set_clock(0.0)
        run("serving", "loop", "--once")
        after = company.probabilities([i for i in before if i in world.open])
        moved = {i: after[i] - before[i] for i in after if after[i] != before[i]}
        print(f"\nOf {len(before)} opportunities {len(before) - len(after)} ended and ", end="")
        print(f"{len(moved)} have another score; {len(world.open) - len(after)} are new.")
        most = max(moved or after, key=lambda i: abs(moved.get(i, 0.0)))
        print(f"The largest move: {before[most]} to {after[most]}.")
        show(company, most, "a week later")
    print(f"\nIt took {time.monotonic() - began:.0f} seconds.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
