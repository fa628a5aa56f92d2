"""`python -m serving figures`: the figures of a data set as of any instant, and its health."""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from features.files import write_csv
from features.tables import Tables, micros, read
from serving.analytics.asof.frames import AsOfFrames
from serving.analytics.asof.windows import PERIODS
from serving.analytics.glossary import glossary
from serving.analytics.health.actions import WAIT, call_plan
from serving.analytics.health.attention import attention
from serving.analytics.health.bottlenecks import bottlenecks
from serving.analytics.health.stages import move_table, stage_table
from serving.analytics.kpis import kept_calls
from serving.analytics.kpis.catalog import chosen as figures_of
from serving.analytics.kpis.compute import table, why_not
from serving.analytics.kpis.definition import Given
from serving.analytics.kpis.files import for_people, read_costs, read_plan, read_scores
from serving.cli import CommandError, Subparsers
from serving.i18n.display_zone import show_in

SHOWN = 200
"""Rows of a table that are printed; files hold all."""


def add(commands: Subparsers) -> None:
    """Add the parser of `figures`."""
    parser = commands.add_parser("figures", help="compute the figures (KPIs) as of any instant")
    parser.add_argument("--data", type=Path, help="canonical data set")
    parser.add_argument("--as-of", default="", help="ISO instant with a zone; default: the data's")
    parser.add_argument("--figure", default="", help="names, by commas; default: all")
    parser.add_argument("--by", default="", help="dimensions, by commas: owner,product …")
    parser.add_argument("--period", default="", choices=PERIODS, help="month, quarter or year")
    parser.add_argument("--since", default="", help="ISO instant: nothing before it")
    parser.add_argument("--out", type=Path, help="folder for CSV files")
    parser.add_argument("--margin", type=float, help="gross margin, 0 to 1")
    parser.add_argument(
        "--discount", type=float, default=0.1, help="yearly discount of later money"
    )
    parser.add_argument("--horizon", type=float, default=5.0, help="years of a customer's life")
    parser.add_argument("--costs", type=Path, help="CSV: month, cost, source")
    parser.add_argument("--plan", default="", help="cost=…,deals=…,lift=…")
    parser.add_argument("--scores", type=Path, help="folder that `score` wrote")
    parser.add_argument("--health", action="store_true", help="and the health of the pipeline")
    parser.add_argument("--capacity", type=int, default=40, help="how many calls can be made")
    parser.add_argument("--wait", type=float, default=WAIT, help="days until the next look")
    parser.add_argument("--owner", default="", help="whose calls; default: everybody's")
    parser.add_argument("--glossary", action="store_true", help="print docs/figures.md")
    parser.set_defaults(run=_figures)


def _figures(chosen: argparse.Namespace) -> int:
    if chosen.glossary:
        print(glossary(), end="")
        return 0
    if chosen.data is None:
        raise CommandError("figures needs --data, a canonical data set (or --glossary)")
    tables = read(chosen.data)
    show_in(tables.meta.zone)
    stated = chosen.as_of or tables.meta.as_of
    asof, given = _book(tables, stated), _given(chosen, tables.meta.mapping)
    by = [name.strip() for name in chosen.by.split(",") if name.strip()]
    wanted = figures_of([name.strip() for name in chosen.figure.split(",") if name.strip()])
    since = pd.Timestamp(micros(chosen.since), unit="us", tz="UTC") if chosen.since else None
    found = table(asof, wanted, by, chosen.period, given, since)
    print(
        f"figures as of {stated}, amounts in {tables.meta.currency or 'the reporting currency'}\n"
    )
    _show(for_people(found), "figures", chosen.out, found)
    for figure in wanted:
        if problem := why_not(figure, by, given):
            print(f"left out: {problem}")
    if chosen.health:
        _health(asof, chosen, given)
    return 0


def _book(tables: Tables, stated: str) -> AsOfFrames:
    if not stated:
        raise CommandError("figures need dates, and this data set has none: it is a flat table")
    return AsOfFrames(tables, micros(stated))


def _given(chosen: argparse.Namespace, mapping: str) -> Given:
    if chosen.margin is not None and not 0 < chosen.margin <= 1:
        raise CommandError(f"--margin is a share above 0 and at most 1, got {chosen.margin:g}")
    if chosen.discount < 0 or not chosen.horizon > 0:
        raise CommandError("--discount cannot be negative, and --horizon must be above 0")
    return Given(
        margin=chosen.margin,
        discount=chosen.discount,
        horizon=chosen.horizon,
        costs=read_costs(chosen.costs) if chosen.costs else None,
        plan=read_plan(chosen.plan) if chosen.plan else None,
        forecasts=kept_calls.read(chosen.root / "mlruns" / "forecasts", mapping),
        scores=read_scores(chosen.scores) if chosen.scores else {},
    )


def _health(asof: AsOfFrames, chosen: argparse.Namespace, given: Given) -> None:
    """Print, and write, the tables of the pipeline's health."""
    parts = {
        "bottlenecks": bottlenecks(asof),
        "stages": stage_table(asof),
        "moves": move_table(asof),
        "deals": attention(asof),
    }
    for name, frame in parts.items():
        print(f"\n{name}\n")
        _show(frame.head(20).drop(columns=_WIDE, errors="ignore"), name, chosen.out, frame)
    if not given.scores:
        print("\ncalls: give --scores, the folder that `make score` wrote, for whom to call first")
        return
    plan = call_plan(asof, given.scores, chosen.capacity, chosen.wait, chosen.owner)
    value, every = plan.chosen, plan.everything
    print(
        f"\ncalls: {int(plan.table['chosen'].sum())} of {len(plan.table)} chosen; on the next "
        f"{chosen.wait:g} days hang {value.value:,.0f} [{value.low:,.0f}, {value.high:,.0f}] of "
        f"{every.value:,.0f} in all. An association in past data, not the effect of a call.\n"
    )
    _show(
        plan.table.head(chosen.capacity).drop(columns="scored_at"), "calls", chosen.out, plan.table
    )


_WIDE = ["entered_at", "last_touch_at", "region", "segment", "source", "team", "longer_than"]
"""Columns of the files that would not fit on a screen."""


def _digits(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _show(text: pd.DataFrame, name: str, out: Path | None, frame: pd.DataFrame) -> None:
    shown = text.head(SHOWN)
    print(shown.to_string(index=False, na_rep="–", float_format=_digits))
    if len(text) > len(shown):
        print(f"… {len(text) - len(shown)} more rows")
    if out is not None:
        print(f"-> {write_csv(frame, out / f'{name}.csv')}")
