"""`python -m serving desk`: make the analyst's sheets of a data set and keep them in the store."""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import pandas as pd

from features.files import read_settings
from features.tables import DAY, NAT, Tables, micros, read
from serving.analytics.accounts.goals import Goal, read_goals
from serving.analytics.accounts.value import Terms
from serving.analytics.kpis import kept_calls
from serving.analytics.kpis.definition import Given
from serving.analytics.kpis.files import read_costs, read_plan
from serving.analytics.lists.build import sheets
from serving.analytics.lists.keep import keep
from serving.analytics.lists.options import DeskOptions
from serving.analytics.lists.scored import scored_list
from serving.analytics.lists.sheets import Sheet
from serving.analytics.routing.problem import Rules
from serving.cli import Champions, CommandError, Subparsers
from serving.cli.store import Clock, opened
from serving.i18n.display_zone import show_in
from serving.i18n.languages import mark
from serving.scoring.batch import score_all
from serving.scoring.scorer import Scorer
from serving.store.store import Store
from training.models import bundle as bundles


def add(commands: Subparsers) -> None:
    """Add the parser of `desk`."""
    parser = commands.add_parser("desk", help="make the sheets behind the analyst's pages")
    parser.add_argument("--data", type=Path, required=True, help="canonical data set")
    parser.add_argument("--capacity", type=int, default=40, help="how many calls can be made")
    parser.add_argument("--wait", type=float, default=7.0, help="days until the next look")
    parser.add_argument("--margin", type=float, help="gross margin, 0 to 1")
    parser.add_argument("--discount", type=float, default=0.1, help="a year, of later money")
    parser.add_argument("--years", type=float, default=5.0, help="of a customer's life that count")
    parser.add_argument("--costs", type=Path, help="CSV: month, cost, source")
    parser.add_argument("--plan", default="", help="cost=…,deals=…,lift=…")
    parser.add_argument("--goals", type=Path, help="CSV: account_id, measure, target, start, due")
    parser.add_argument("--rules", type=Path, help="TOML: how to route (docs/desk.md)")
    parser.set_defaults(run=_desk)


def _desk(chosen: argparse.Namespace) -> int:
    tables = read(chosen.data)
    show_in(tables.meta.zone)
    if not tables.meta.as_of:
        return _flat_desk(chosen, tables)
    as_of = micros(tables.meta.as_of)
    scorers = _scorers(chosen, flat=False)
    scores = {name: _scored(scorer, tables, as_of) for name, scorer in scorers.items()}
    clock: Clock = chosen.clock
    with opened(chosen) as store:
        options = with_work(_options(chosen), store, clock())
        for sheet in sheets(tables, as_of, scorers, scores, _given(chosen, tables), options):
            _keep(store, sheet, as_of, clock())
    return 0


def _flat_desk(chosen: argparse.Namespace, tables: Tables) -> int:
    """A flat table has no dates: its scored records are listed, every other list says why not."""
    scorers = _scorers(chosen, flat=True)
    scores = {name: _scored(scorer, tables, NAT) for name, scorer in scorers.items()}
    clock: Clock = chosen.clock
    why = mark("This list needs dates, and the data set is a flat table without any.")
    with opened(chosen) as store:
        _keep(store, scored_list(tables, scorers, scores), clock(), clock())
        for kind in DATED:
            _keep(store, Sheet(kind, [], {"empty": why}), clock(), clock())
    return 0


DATED = ("calls", "pipeline", "moves", "accounts", "quality", "figures", "territories")
"""Lists that a table without dates cannot fill."""


def _keep(store: Store, sheet: Sheet, as_of: int, at: int) -> None:
    keep(store, sheet, as_of, at)
    why = sheet.head.get("empty")
    print(f"{sheet.kind}: {len(sheet.items):,} rows" + (f" ({why})" if why else ""))


def _scorers(chosen: argparse.Namespace, flat: bool) -> dict[str, Scorer]:
    """The champions; none where no model is in use: figures, pipeline and quality need none."""
    champions: Champions = chosen.champions
    try:
        places = champions(chosen.root)
    except LookupError as none:
        print(f"no scores: {none}; every list that needs no score is made")
        return {}
    found = {name: Scorer(bundles.read(place)) for name, place in places.items()}
    return {name: scorer for name, scorer in found.items() if scorer.flat == flat}


def _scored(scorer: Scorer, tables: Tables, as_of: int) -> pd.DataFrame:
    """The batch's table: the same function as the endpoint's and the nightly run's."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "scores.parquet"
        score_all(scorer.bundle, tables, as_of, out, progress=True)
        return pd.read_parquet(out)


def _given(chosen: argparse.Namespace, tables: Tables) -> Given:
    return Given(
        margin=chosen.margin,
        discount=chosen.discount,
        horizon=chosen.years,
        costs=read_costs(chosen.costs) if chosen.costs else None,
        plan=read_plan(chosen.plan) if chosen.plan else None,
        forecasts=kept_calls.read(chosen.root / "mlruns" / "forecasts", tables.meta.mapping),
    )


def _options(chosen: argparse.Namespace) -> DeskOptions:
    terms = Terms(chosen.margin or 1.0, chosen.years, chosen.discount)
    goals = tuple(read_goals(chosen.goals)) if chosen.goals else ()
    rules = read_rules(chosen.rules) if chosen.rules else Rules()
    stated = chosen.margin is not None
    return DeskOptions(chosen.capacity, chosen.wait, terms, goals, rules, stated)


def with_work(options: DeskOptions, store: Store, now: int) -> DeskOptions:
    """The options with what people wrote on the pages: goals, calls set aside, owners rejected.

    A call that is done is set aside until the next look, one that is put off until its day.
    """
    said = store.feedback.written(("done", "snooze", "goal", "owner"))
    goals = [Goal(one.entity_id, **one.value) for one in said if one.kind == "goal"]
    recent = now - round(options.wait * DAY)
    aside = {
        (one.entity, one.entity_id)
        for one in said
        if (one.kind == "done" and one.at > recent)
        or (one.kind == "snooze" and one.value["until"] > now)
    }
    newest = {(one.entity, one.entity_id): one for one in reversed(said) if one.kind == "owner"}
    rejected = {(*key, one.value["to"]) for key, one in newest.items() if not one.value["accepted"]}
    return replace(
        options,
        goals=(*options.goals, *goals),
        set_aside=frozenset(aside),
        rejected=frozenset(rejected),
    )


def read_rules(path: Path) -> Rules:
    """Rules from the ``[routing]`` table of a TOML file; CommandError says what is wrong."""
    stated = read_settings(path, "routing", CommandError)
    known = Rules.__dataclass_fields__
    unknown = sorted(set(stated) - set(known))
    if unknown:
        raise CommandError(f"{path}: no rule {unknown[0]!r}; there are {', '.join(known)}")
    try:
        return Rules(**stated)
    except (TypeError, ValueError) as wrong:
        raise CommandError(f"{path}: {wrong}") from wrong
