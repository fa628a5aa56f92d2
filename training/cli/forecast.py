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

from features.calendar_time import zone as zone_of
from features.tables import DAY, Tables, instant_text, micros, read
from training.cli.backtest import made_backtest
from training.forecast.backtest.forecast_record import (
    ForecastRecord,
    forecast_record,
    kept_backtest,
)
from training.forecast.backtest.rolling import data_end
from training.forecast.belief.fitted_models import FittedModels, TooLittleError
from training.forecast.data.periods import Period, named, periods
from training.forecast.data.settings import ForecastSettings, load_settings
from training.forecast.planning.capacity import load_capacity
from training.forecast.publish.outputs import (
    EarlierForecast,
    ForecastOutputs,
    earlier_kept,
    earlier_made,
    outputs,
)
from training.forecast.publish.text import to_text
from training.forecast.results.deal_expectations import in_forecast
from training.forecast.results.forecast import forecast
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
    parser.add_argument("--seed", type=int)
    parser.add_argument("--keep", type=Path, help="folder of kept forecasts (mlruns/forecasts)")
    parser.add_argument(
        "--replace", action="store_true", help="replace what is kept of this origin"
    )
    parser.add_argument(
        "--no-backtest", action="store_true", help="make none where none is kept; faster"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bars")
    parser.set_defaults(run=_forecast)


def _forecast(chosen: argparse.Namespace) -> int:
    tables = read(chosen.data)
    settings = load_settings(
        chosen.config, tables.meta.fiscal_start, draws=chosen.draws, seed=chosen.seed
    )
    company = tables.meta.zone
    origin = instant(chosen.as_of, "--as-of", company) if chosen.as_of else data_end(tables)
    asked = _asked(chosen, origin, settings, company)
    root = chosen.keep or chosen.root / "mlruns" / "forecasts"
    found = _made(tables, origin, asked, settings, chosen, root)
    print(to_text(found))
    history = _history(tables, origin, settings, chosen, root)
    page = forecast_report(found, history, _names(tables))
    _write(chosen.out, found, page)
    _keep(root, found, page, chosen)
    return 0


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
                f"{period.name} was over on {instant_text(period.end)[:10]}, and the forecast is "
                f"as of {instant_text(origin)[:10]}: nothing is left to foresee; ask for a later "
                f"period, or with --as-of a day before its end"
            )
    return found


def _made(
    tables: Tables,
    origin: int,
    asked: tuple[Period, ...],
    settings: ForecastSettings,
    chosen: argparse.Namespace,
    root: Path,
) -> ForecastOutputs:
    """The forecast, beside the last kept one, or one as of ``--since`` or four weeks before."""
    before = last_before(root, tables.meta.mapping, origin)
    if before is not None and not chosen.since:
        beliefs = FittedModels.of(tables, [origin], settings)
        since: EarlierForecast | None = earlier_kept(before)
    else:
        then = (
            instant(chosen.since, "--since", tables.meta.zone)
            if chosen.since
            else origin - SINCE * DAY
        )
        if then >= origin:
            raise ValueError(f"--since {chosen.since} is not before the forecast's own day")
        beliefs = FittedModels.of(tables, [then, origin], settings)
        since = _earlier(tables, then, asked, beliefs, settings, bool(chosen.since))
    made = forecast(tables, origin, beliefs, settings, asked)
    return outputs(tables, made, since, load_capacity(chosen.config))


def _earlier(
    tables: Tables,
    then: int,
    asked: tuple[Period, ...],
    beliefs: FittedModels,
    settings: ForecastSettings,
    wanted: bool,
) -> EarlierForecast | None:
    """A forecast as of then; None where too little was known, unless it was ``wanted``."""
    try:
        return earlier_made(tables, forecast(tables, then, beliefs, settings, asked))
    except TooLittleError:
        if wanted:
            raise
        return None


def _history(
    tables: Tables,
    origin: int,
    settings: ForecastSettings,
    chosen: argparse.Namespace,
    root: Path,
) -> ForecastRecord:
    """How past forecasts turned out; a backtest is made where none is kept yet."""
    data = tables.meta.mapping
    cells = kept_backtest(root, data)
    if cells is None and not chosen.no_backtest:
        print("no backtest of these data is kept: making one (once; --no-backtest leaves it out)")
        cells = made_backtest(tables, settings, root, chosen.quiet)
    return forecast_record(tables, origin, every(root, data), cells, settings)


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
        frame.to_csv(folder / f"{stem}.csv", index=False)
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
