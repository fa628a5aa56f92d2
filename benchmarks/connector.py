"""A first load and an increment of many contacts through the HubSpot stand-in.

    python -m benchmarks.connector [--contacts 1000000] [--changed 1000] [--histories]

The stand-in is a process of its own and computes each contact from its number, so that the memory
measured is the sync's. Prints records per second, peak memory after reading and in all, and the
calls made beside the fewest that HubSpot's documentation allows: 200 records a search, 50 a
history.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from subprocess import PIPE
from typing import Any

from features.sync.connection import load
from features.sync.run import sync
from tests.helpers.standins.hubspot import HubSpotStandIn, Thing
from tests.helpers.standins.service import Answer, Call

START = datetime(2024, 1, 1, tzinfo=UTC)
SOURCES = ("ORGANIC_SEARCH", "PAID_SEARCH", "REFERRALS", "OFFLINE")
CONNECTION = """
kind = "hubspot"
url = "{url}"
token = {{ env = "TOKEN" }}
currency = "EUR"
[read]
histories = {histories}
"""


class ManyContacts(HubSpotStandIn):
    """An account with contacts 1 to ``n``, each changed a second after the one before it."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.n, self.changed = n, 0
        self.now = START + timedelta(seconds=n)

    def contact(self, number: int) -> Thing:
        """The contact of a number; one of the last ``changed`` ones has a new status."""
        late = number > self.n - self.changed
        status = "CONNECTED" if late else ("NEW", "OPEN", "IN_PROGRESS")[number % 3]
        at = START + timedelta(seconds=number)
        values: dict[str, str | None] = {
            "createdate": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "email": f"person{number}@example.com",
            "jobtitle": ("CEO", "Buyer", "Engineer")[number % 3],
            "hs_lead_status": status,
            "campaign": SOURCES[number % 4],
        }
        moment = at + timedelta(seconds=self.n if late else 0)
        return Thing(number, values, moment, past={"hs_lead_status": [(status, moment)]})

    def search(self, call: Call) -> Answer:
        """By number or by instant: which contacts these are follows from the numbers alone."""
        if call.found[0] != "contacts":
            return super().search(call)
        asked, first = call.body, 1
        for test in asked["filterGroups"][0]["filters"] if asked["filterGroups"] else []:
            if test["propertyName"] == "hs_object_id":
                first = int(test["value"]) + 1
            else:
                first = self._first_since(datetime.fromisoformat(test["value"]))
        down = asked["sorts"][0]["direction"] == "DESCENDING"
        last = min(self.n, first + asked["limit"] - 1)
        numbers = [self.n] if down else range(first, last + 1)
        results = [self._shown("contacts", self.contact(i), asked["properties"]) for i in numbers]
        return Answer(200, {"total": self.n, "results": results})

    def _first_since(self, at: datetime) -> int:
        seconds = round((at - START).total_seconds())
        if self.changed and seconds > self.n - self.changed:
            return max(seconds - self.n, self.n - self.changed + 1)
        return min(max(seconds, 1), self.n + 1)

    def read(self, call: Call) -> Answer:
        """The histories of some contacts."""
        results = []
        for one in call.body["inputs"]:
            thing = self.contact(int(one["id"]))
            shown = self._shown("contacts", thing, [])
            shown["propertiesWithHistory"] = {
                name: [{"value": v, "timestamp": at.isoformat()} for v, at in versions]
                for name, versions in thing.past.items()
            }
            results.append(shown)
        return Answer(200, {"results": results})


def serve(n: int) -> None:
    """Serve until the parent closes the pipe; a line "changed N" makes the last N change."""
    service = ManyContacts(n)
    with service.served():
        print(service.url, flush=True)
        for line in sys.stdin:
            service.changed = int(line.split()[1])
            service.calls.clear()
            print("done", flush=True)


def measured(root: Path, tells: dict[str, Any]) -> tuple[float, float, int, dict[str, int]]:
    """One sync: seconds of reading and in all, calls, records read."""
    began, read_until = time.perf_counter(), [0.0]

    def each(_stream: str, _rows: int) -> None:
        read_until[0] = time.perf_counter()
        tells["read_peak"] = peak()

    before = tells.get("calls", 0)
    summary = sync(
        load(root / "connections", "crm"),
        root,
        START + timedelta(days=1000),
        {"TOKEN": HubSpotStandIn.token},
        each=each,
    )
    tells["calls"] = summary.calls
    ended = time.perf_counter()
    return read_until[0] - began, ended - began, summary.calls - before, summary.read


def peak() -> int:
    """The most memory this process has held, in MB."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure a first load and one increment."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--contacts", type=int, default=1_000_000)
    parser.add_argument("--changed", type=int, default=1_000)
    parser.add_argument("--histories", action="store_true", help="read the contacts' history too")
    parser.add_argument("--serve", type=int, default=0, help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.serve:
        serve(chosen.serve)
        return
    command = [sys.executable, "-m", "benchmarks.connector", "--serve", str(chosen.contacts)]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(command, stdin=PIPE, stdout=PIPE, text=True) as child,
    ):
        assert child.stdin is not None
        assert child.stdout is not None
        root, tells = Path(folder), dict[str, Any]()
        (root / "connections").mkdir()
        histories = '["contacts", "deals"]' if chosen.histories else '["deals"]'
        text = CONNECTION.format(url=child.stdout.readline().strip(), histories=histories)
        (root / "connections" / "crm.toml").write_text(text, encoding="utf-8")
        for name, n in (("first load", chosen.contacts), ("increment", chosen.changed)):
            if name == "increment":
                child.stdin.write(f"changed {n}\n")
                child.stdin.flush()
                child.stdout.readline()
            reading, whole, calls, read = measured(root, tells)
            fewest = -(-n // 200) + (-(-n // 50) if chosen.histories else 0)
            print(
                f"{name}: {read['contacts']:,} records in {reading:,.0f} s of reading "
                f"({read['contacts'] / reading:,.0f} a second), {whole:,.0f} s with the data set; "
                f"{calls:,} calls, at least {fewest:,}; peak {tells['read_peak']:,} MB after "
                f"reading, {peak():,} MB in all",
                flush=True,
            )
        child.stdin.close()


if __name__ == "__main__":
    main()
