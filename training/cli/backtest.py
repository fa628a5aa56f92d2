"""`python -m training backtest`: score what would have been said at past origins."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from features.tables import Tables, instant_text, read
from training.forecast.backtest.forecast_record import keep_backtest
from training.forecast.backtest.rolling import Backtest, backtest
from training.forecast.data.settings import ForecastSettings, load_settings


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The command and its options."""
    parser = commands.add_parser("backtest", help="score the forecast at past origins")
    parser.add_argument("--data", type=Path, required=True, help="a canonical data set (ingest)")
    parser.add_argument(
        "--out", type=Path, default=Path("reports/backtest"), help="folder to write"
    )
    parser.add_argument("--config", type=Path, help="TOML file with a [forecast] table")
    parser.add_argument("--keep", type=Path, help="folder of kept forecasts (mlruns/forecasts)")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--quiet", action="store_true", help="no progress bars")
    parser.set_defaults(run=_backtest)


def _backtest(chosen: argparse.Namespace) -> int:
    tables = read(chosen.data)
    settings = load_settings(chosen.config, tables.meta.fiscal_start, seed=chosen.seed)
    found = run(tables, settings, chosen.quiet)
    found.write(chosen.out)
    root = chosen.keep or chosen.root / "mlruns" / "forecasts"
    keep_backtest(root, tables.meta.mapping, found.cells)
    print(summary_text(found))
    print(f"written to {chosen.out}; `python -m training forecast` shows it in its report")
    return 0


def run(tables: Tables, settings: ForecastSettings, quiet: bool) -> Backtest:
    """The backtest with a progress bar over its origins."""

    def progress(origins: Iterable[int]) -> Iterable[int]:
        return tqdm(origins, desc="origins", disable=quiet, leave=False)

    return backtest(tables, settings, progress=progress)


def made_backtest(
    tables: Tables, settings: ForecastSettings, root: Path, quiet: bool
) -> pd.DataFrame | None:
    """A backtest's cells, kept for the next time; None where the history is too short for one."""
    try:
        cells = run(tables, settings, quiet).cells
    except ValueError as short:
        print(f"no backtest: {short}")
        return None
    keep_backtest(root, tables.meta.mapping, cells)
    return cells


def summary_text(found: Backtest) -> str:
    """The origins, every method's scores, and the origins that had no forecast."""
    origins = sorted(set(found.cells["origin"]))
    first, last = (instant_text(at)[:10] for at in (origins[0], origins[-1]))
    head = f"{len(origins)} weekly origins, {first} to {last}\n"
    rest = [f"skipped {instant_text(at)[:10]}: {why}" for at, why in found.skipped]
    return "\n".join([head, found.text(), *rest]).rstrip()
