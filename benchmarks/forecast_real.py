"""The forecast on three public data sets, backtested by the week beside the easy ways.

    python -m benchmarks.forecast_real [--only maven retail olist]

Maven (ten months of won hardware deals), Online Retail (a year of a wholesaler's invoices: repeat
revenue without contracts) and Olist (a marketplace's leads, of which it is forecast how many become
sellers), read as ``examples/`` says. Origins are the Mondays of the newer half of each history.
Bar: on Maven the pinball loss is no worse than that of the best easy way; coverage is reported.

Olist's list of leads ends with May 2018 while its wins go on: what falls after 1 June is not asked,
because from then on the new leads are missing, not absent.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from features.ingest.run import ingest
from features.tables import Tables, micros, read
from training.forecast.backtest.cells import MODEL
from training.forecast.backtest.rolling import Backtest, backtest
from training.forecast.data.settings import ForecastSettings

ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("EMBUDO_SHARED", ROOT.parent / "shared"))


@dataclass(frozen=True)
class RealSet:
    """A data set: its folder, its mapping in ``examples/``, and until when it can be asked."""

    folder: str
    mapping: str = "mapping.toml"
    until: str = ""

    @property
    def data(self) -> Path:
        """Where its files are."""
        return SHARED / "data" / self.folder

    def tables(self) -> Tables:
        """The canonical tables, read anew into a folder that is thrown away."""
        with tempfile.TemporaryDirectory() as room:
            out = Path(room) / "canonical"
            ingest(self.data, ROOT / "examples" / self.folder / self.mapping, out)
            return read(out)

    def backtest(self, settings: ForecastSettings) -> Backtest:
        """The backtest of the whole set."""
        until = micros(f"{self.until}T00:00:00+00:00") if self.until else None
        return backtest(self.tables(), settings, until=until)


SETS = {
    "maven": RealSet("maven_crm_opportunities"),
    "retail": RealSet("uci_online_retail"),
    "olist": RealSet("olist_funnel", "forecast.toml", "2018-06-01"),
}


def shared_cells(found: Backtest, stream: str) -> pd.DataFrame:
    """Every method on the cells that the model and all ways of at least half of them have.

    A way that answers less than half of the model's questions is left out: with it next to nothing
    would be left to compare. Columns: method, n, pinball, pinball_stated, ape, bias, coverage.
    """
    cells = found.cells[found.cells["stream"] == stream]
    count = cells["method"].value_counts()
    kept = count.index[count >= count[MODEL] / 2]
    cells = cells[cells["method"].isin(kept)]
    answered = cells.groupby(["origin", "period"])["method"].transform("size")
    same = cells[answered == len(kept)]
    measures = ["pinball", "pinball_stated", "ape", "bias", "coverage"]
    table = same.groupby("method")[measures].mean().assign(n=same.groupby("method").size())
    return table.sort_values("pinball").reset_index()


def main() -> None:
    """Backtest the sets and print their tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=list(SETS), default=list(SETS))
    for name in parser.parse_args().only:
        found = SETS[name].backtest(ForecastSettings())
        print(f"\n== {name}: {len(found.skipped)} origins could not be served\n")
        print(found.text())
        for stream in found.streams:
            print(f"{stream}, on the same cells")
            print(shared_cells(found, stream).round(3).to_string(index=False), flush=True)


if __name__ == "__main__":
    main()
