"""`python -m training forecast`: foresee, print, keep, and write the report."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from features.calendar_time import day_text
from features.calendar_time import zone as zone_of
from features.files import write_csv
from features.tables import DAY, Tables, micros, read
from training.cli.backtest import record_so_far
from training.forecast.backtest.cell_store import CellStore
from training.forecast.backtest.forecast_record import ForecastRecord, forecast_record
from training.forecast.backtest.listening import baselines_for, listened
from training.forecast.backtest.rolling import data_end, scored_backtest, wanted_origins
from training.forecast.belief.fitted_models import FittedModels, TooLittleError
from training.forecast.data.periods import Period, named, periods
from training.forecast.data.revenue import flows
from training.forecast.data.settings import ForecastSettings, load_settings
from training.forecast.planning.capacity import load_capacity
from training.forecast.planning.growth import growth
from training.forecast.planning.scenarios import parse_scenario, scenarios
from training.forecast.publish.outputs import (
    Beside,
    EarlierForecast,
    ForecastOutputs,
    earlier_kept,
    earlier_made,
    outputs,
)
from training.forecast.publish.text import to_text
from training.forecast.results.deal_expectations import in_forecast
from training.forecast.results.forecast import draft, finished
from training.forecast.results.kept import STANDINGS, AlreadyKeptError, keep, last_before
from training.models.kept_forecasts import every
from training.reports.forecast.forecast_report import forecast_report

SINCE = 28
"""Days before the origin that are compared with where no earlier forecast was kept."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The command and its options."""
    parser = commands.add_parser("forecast", help="foresee revenue by month and quarter")
    parser.add_argument("--data", type=Path, required=True, help="a canonical data set (ingest)")
    parser.add_argument("--as-of", help="the origin, a day or an instant; default: the data's end")
    parser.add_argument(
        "--period", action="append", help='only this one, as "2026-01" or "2026-Q1"'
    )
    parser.add_argument("--out", type=Path, default=Path("reports"), help="folder to write")
    parser.add_argument("--since", help="compare with a forecast as of this day, not the last kept")
    parser.add_argument("--config", type=Path, help="TOML file with [forecast] and [capacity]")
    parser.add_argument("--draws", type=int, help="simulated futures (10,000)")
    parser.add_argument("--seed", type=int, help="the same seed gives the same result")
    parser.add_argument("--keep", type=Path, help="folder of kept forecasts (mlruns/forecasts)")
    parser.add_argument(
        "--replace", action="store_true", help="replace what is kept of this origin"
    )
    parser.add_argument("--no-backtest", action="store_true", help="ask no past origin now; faster")
    parser.add_argument(
        "--what-if",
        action="append",
        help='a scenario beside the forecast, as "win rate +2 points" or "sellers -2 from 2026-03"',
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bars")
    parser.set_defaults(run=_forecast)


def _forecast(chosen: argparse.Namespace) -> int:
    tables = read(chosen.data)
    settings = load_settings(
        chosen.config,
        tables.meta.fiscal_start,
        draws=chosen.draws,
        seed=chosen.seed,
        what_if=chosen.what_if,
    )
    company = tables.meta.zone
    origin = instant(chosen.as_of, "--as-of", company) if chosen.as_of else data_end(tables)
    asked = _asked(chosen, origin, settings, company)
    for text in settings.what_if:
        parse_scenario(text)  # a scenario that cannot be read is said before anything is computed
    root = _root(chosen)
    store = CellStore.at(root, tables.meta.mapping, settings)
    found, easy = _made(tables, origin, asked, settings, chosen, store)
    print(to_text(found))
    history = _history(tables, origin, root, store, easy)
    page = forecast_report(found, history, _names(tables))
    _write(chosen.out, found, page)
    _keep(root, found, page, chosen)
    return 0


def _budget(store: CellStore, settings: ForecastSettings) -> float:
    """Processor seconds for the record: all of them the first time, a third of them later."""
    return settings.record_seconds if not store.origins() else settings.record_seconds / 3


def instant(given: str, option: str, zone: str = "UTC") -> int:
    """A day or an instant of the command line in microseconds; a day is its first instant."""
    try:
        at = datetime.fromisoformat(given)
    except ValueError:
        said = f"{option} {given!r} is no day and no instant; write it as 2026-01-31"
        raise ValueError(said) from None
    if at.tzinfo:
        return micros(at)
    wall = micros(at.replace(tzinfo=UTC))
    return int(zone_of(zone).instant(np.array([wall]))[0])


def _asked(
    chosen: argparse.Namespace, origin: int, settings: ForecastSettings, company: str
) -> tuple[Period, ...]:
    """The periods; one that is over at the origin is an error that says what to do."""
    if not chosen.period:
        wanted = (settings.months, settings.quarters, settings.fiscal_start, company)
        return periods(origin, *wanted)
    found = tuple(sorted(named(n, settings.fiscal_start, company) for n in chosen.period))
    for period in found:
        if period.over(origin):
            raise ValueError(
                f"{period.name} was over on {day_text(period.end, company)}, and the forecast is "
                f"as of {day_text(origin, company)}: nothing is left to foresee; ask for a later "
                f"period, or with --as-of a day before its end"
            )
    return found


def _made(
    tables: Tables,
    origin: int,
    asked: tuple[Period, ...],
    settings: ForecastSettings,
    chosen: argparse.Namespace,
    store: CellStore,
) -> tuple[ForecastOutputs, pd.DataFrame]:
    """The forecast beside an earlier one, and the baselines' cells at its origins.

    The earlier one is the last kept, or made now as of ``--since`` or of four weeks before.
    """
    before = last_before(_root(chosen), tables.meta.mapping, origin)
    then = None if before is not None and not chosen.since else _since(tables, origin, chosen)
    past = _past_origins(tables, settings)
    fitted = FittedModels.of(tables, [origin, *past, *([] if then is None else [then])], settings)
    seconds = 0.0 if chosen.no_backtest else _budget(store, settings)
    record_so_far(fitted, past, store, seconds, chosen.quiet)
    easy = baselines_for(tables, store, [origin, *([] if then is None else [then])], asked)
    if before is not None and then is None:
        since: EarlierForecast | None = earlier_kept(before)
    else:
        assert then is not None  # there is no kept forecast, or another day was asked for
        since = _earlier(then, asked, fitted, store, easy, bool(chosen.since))
    drafted = draft(fitted, origin, settings, asked)
    heard = listened(tables, drafted, store, easy)
    made = finished(tables, fitted, drafted, heard.chosen, notes=heard.notes)
    beside = Beside(
        heard.ways,
        heard.corrections,
        growth(fitted, drafted, heard.chosen),
        scenarios(tables, fitted, drafted, heard.chosen, settings.what_if),
    )
    return outputs(tables, made, since, load_capacity(chosen.config), beside), easy


def _past_origins(tables: Tables, settings: ForecastSettings) -> list[int]:
    """The origins of the record; none where the history is too short, which is said."""
    try:
        return wanted_origins(tables, data_end(tables), settings)
    except ValueError as short:
        print(f"no record: {short}", file=sys.stderr)
        return []


def _since(tables: Tables, origin: int, chosen: argparse.Namespace) -> int:
    """The day of the earlier forecast that is made now: ``--since``, or four weeks before."""
    if not chosen.since:
        return origin - SINCE * DAY
    then = instant(chosen.since, "--since", tables.meta.zone)
    if then >= origin:
        raise ValueError(f"--since {chosen.since} is not before the forecast's own day")
    return then


def _earlier(
    then: int,
    asked: tuple[Period, ...],
    fitted: FittedModels,
    store: CellStore,
    easy: pd.DataFrame,
    wanted: bool,
) -> EarlierForecast | None:
    """A forecast as of then; None where too little was known, unless it was ``wanted``."""
    try:
        drafted = draft(fitted, then, fitted.settings, asked)
    except TooLittleError:
        if wanted:
            raise
        return None
    tables = fitted.tables
    heard = listened(tables, drafted, store, easy)
    return earlier_made(tables, finished(tables, fitted, drafted, heard.chosen))


def _root(chosen: argparse.Namespace) -> Path:
    """The folder of kept forecasts."""
    root: Path = chosen.keep or chosen.root / "mlruns" / "forecasts"
    return root


def _history(
    tables: Tables,
    origin: int,
    root: Path,
    store: CellStore,
    easy: pd.DataFrame,
) -> ForecastRecord:
    """How past forecasts turned out, as far as past origins have been asked."""
    kept = every(root, tables.meta.mapping)
    end = min(origin, data_end(tables))
    origins = sorted(o for o in store.origins() if o < end)
    cells = None
    if not store.cells(flows(tables, end), origins, end).empty:
        cells = scored_backtest(tables, store, origins, end, easy).cells
    return forecast_record(tables, origin, kept, cells, store.settings)


def _names(tables: Tables) -> Mapping[str, str]:
    """owner_id -> the seller's name, where there is one; with the id where two share it."""
    owners = tables["owners"]
    pairs = zip(owners.coded("owner_id").words(), owners.coded("name").words(), strict=True)
    known = {key: name for key, name in pairs if key and name}
    often = Counter(known.values())
    return {k: n if often[n] == 1 or n == k else f"{n} ({k})" for k, n in known.items()}


def frames_of(found: ForecastOutputs) -> dict[str, pd.DataFrame]:
    """What is written as CSV, by name."""
    made = found.forecast
    drivers = (
        [made.drivers(p.name).assign(period=p.name) for p in made.periods]
        if len(made.chances)
        else []
    )
    steps = [b.steps.assign(period=b.period, measure=b.measure) for b in found.bridges]
    frames = {
        "forecast": made.table,
        "targets": found.outlook,
        "cover": found.cover,
        "capacity": found.capacity,
    }
    if drivers:
        frames["deals"] = pd.concat(drivers, ignore_index=True)
    if steps:
        every = pd.concat(steps, ignore_index=True)
        frames["bridge"] = every.assign(amount=every["cents"] / 100).drop(columns="cents")
    return frames


def _write(folder: Path, found: ForecastOutputs, page: str) -> None:
    """forecast.json, forecast.html and the CSV files, in the folder asked for."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in frames_of(found).items():
        stem = "forecast" if name == "forecast" else f"forecast_{name}"
        write_csv(frame, folder / f"{stem}.csv")
    text = json.dumps(found.to_json(), ensure_ascii=False, allow_nan=False, indent=1)
    (folder / "forecast.json").write_text(text + "\n", encoding="utf-8")
    (folder / "forecast.html").write_text(page, encoding="utf-8")
    print(f"report: {folder / 'forecast.html'}")


def _keep(root: Path, found: ForecastOutputs, page: str, chosen: argparse.Namespace) -> None:
    """Keep it, if it is the whole forecast and not kept already."""
    if chosen.period:
        print("not kept: --period asks for a part of the forecast only")
        return
    frames = {f"{name}.csv": frame for name, frame in frames_of(found).items()}
    if found.deal_status is not None:
        frames[STANDINGS] = in_forecast(found.deal_status, found.forecast)
    try:
        folder = keep(root, found.to_json(), frames, {"report.html": page}, chosen.replace)
        here = Path.cwd()
        print(f"kept: {folder.relative_to(here) if folder.is_relative_to(here) else folder}")
    except AlreadyKeptError as there:
        print(f"not kept again: {there}", file=sys.stderr)
