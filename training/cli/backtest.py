"""`python -m training backtest`: score the forecasts of past origins."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from time import process_time

from tqdm import tqdm

from features.tables import Tables, instant_text, read
from training.charts.numbers import many
from training.forecast.backtest.cell_store import CellStore, coarse_to_fine
from training.forecast.backtest.cells import simulate_origins
from training.forecast.backtest.rolling import Backtest, backtest, data_end
from training.forecast.belief.fitted_models import FittedModels
from training.forecast.data.revenue import flows
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
    parser.add_argument("--seed", type=int, help="the same seed gives the same result")
    parser.add_argument("--quiet", action="store_true", help="no progress bars")
    parser.set_defaults(run=_backtest)


def _backtest(chosen: argparse.Namespace) -> int:
    tables = read(chosen.data)
    settings = load_settings(chosen.config, tables.meta.fiscal_start, seed=chosen.seed)
    root = chosen.keep or chosen.root / "mlruns" / "forecasts"
    store = CellStore.at(root, tables.meta.mapping, settings)
    if len(store.origins()):
        print(f"{many(len(store.origins()), 'origin')} kept from earlier runs")
    found = run(tables, settings, store, chosen.quiet)
    found.write(chosen.out)
    print(summary_text(found))
    print(f"written to {chosen.out}; `python -m training forecast` shows it in its report")
    return 0


def run(tables: Tables, settings: ForecastSettings, store: CellStore, quiet: bool) -> Backtest:
    """The backtest with a progress bar over the origins that the store has not."""

    def progress(origins: Iterable[int]) -> Iterable[int]:
        return tqdm(origins, desc="past origins", disable=quiet, leave=False)

    return backtest(tables, settings, progress=progress, store=store)


def within(
    seconds: float, clock: Callable[[], float], quiet: bool
) -> Callable[[Iterable[int]], Iterable[int]]:
    """A progress bar that ends before the next origin would pass ``seconds`` of the clock.

    The bar shows how long all would take; what is left is for the next run.
    """

    def progress(origins: Iterable[int]) -> Iterator[int]:
        begun, longest = clock(), 0.0
        with tqdm(list(origins), desc="past origins", disable=quiet, leave=False) as bar:
            for origin in bar:
                before = clock()
                if before - begun + longest / 2 > seconds:
                    return
                yield origin
                longest = max(longest, clock() - before)

    return progress


def record_so_far(
    fitted: FittedModels,
    origins: Sequence[int],
    store: CellStore,
    seconds: float,
    quiet: bool,
) -> None:
    """Fill the store as far as ``seconds`` of processor reach, and say what is left."""
    tables = fitted.tables
    every = flows(tables, data_end(tables))
    store.keep_fresh(every)
    waiting = [o for o in coarse_to_fine(origins) if o not in store.origins()]
    if waiting and seconds > 0:
        known = len(origins) - len(waiting)
        print(
            f"record: {known} of {many(len(origins), 'past origin')} known; asking more for at "
            f"most {seconds:.0f} s of processor",
            file=sys.stderr,
        )
        progress = within(seconds, process_time, quiet)
        simulate_origins(fitted, every, coarse_to_fine(origins), store, progress)
    left = sum(o not in store.origins() for o in origins)
    if left:
        print(
            f"record: {left} of {many(len(origins), 'past origin')} left for the next forecasts; "
            f"`python -m training backtest` asks all of them now",
            file=sys.stderr,
        )


def summary_text(found: Backtest) -> str:
    """The origins, every method's scores, and the origins that had no forecast."""
    origins = sorted(set(found.cells["origin"]))
    first, last = (instant_text(at)[:10] for at in (origins[0], origins[-1]))
    head = f"{len(origins)} weekly origins, {first} to {last}\n"
    rest = [f"skipped {instant_text(at)[:10]}: {why}" for at, why in found.skipped]
    return "\n".join([head, found.text(), *rest]).rstrip()
