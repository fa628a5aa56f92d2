"""`python -m training`: audit the data, train, promote, roll back, report, forecast, backtest."""

from __future__ import annotations

import os

from training.models.thread_policy import set_policy

if __name__ == "__main__":  # before an import below loads OpenMP or BLAS
    set_policy(os.environ)

import argparse
import importlib
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from features.catalog import grouped, without_feature
from features.files import own_folder
from features.tables import Tables, read
from training.config import Config, load_config
from training.evaluation.holdout import MODEL, HoldoutResult
from training.fit.pipeline import Trained, train
from training.leaks import LeakError, audit, to_text, unacknowledged
from training.models.bundle import Bundle, BundleError
from training.task.dataset import askable, question_of

ROOT = Path(os.environ.get("EMBUDO_ROOT") or Path(__file__).parents[1])
"""Folder of mlruns: EMBUDO_ROOT, as the service has it, else the one of this code."""
STUDIES = ROOT / "mlruns" / "studies"
MODULES = ("forecast", "backtest")
"""Commands in ``training.cli``."""
LEAKS = 4
"""Exit code of an audit or a training that a red finding stopped."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand.

    0 done, 2 the input was wrong, 3 a promotion was refused, 4 a leak is not acknowledged.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    chosen = command_line(given).parse_args(given)
    run: Callable[[argparse.Namespace], int] = chosen.run
    try:
        return run(chosen)
    except (ValueError, LookupError, FileNotFoundError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2


def command_line(given: Sequence[str] = ()) -> argparse.ArgumentParser:
    """The parser of every subcommand, or of the one that the arguments ``given`` name.

    A command of ``training.cli`` imports costly packages, so its module is imported only when that
    command, or no command, is named.
    """
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    _add_audit(commands)
    _add_train(commands)
    _add_promotion(commands)
    asked = [module for module in MODULES if module in given[:1]]
    for module in asked or (() if given[:1] and not given[0].startswith("-") else MODULES):
        importlib.import_module(f"training.cli.{module}").add(commands)
    parser.set_defaults(root=ROOT)
    return parser


def _add_audit(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("audit", help="which columns know the outcome beforehand")
    parser.add_argument("--data", type=Path, required=True, help="a canonical data set (ingest)")
    parser.add_argument("--question", action="append", help="only this question; may be repeated")
    parser.set_defaults(run=_audit)


def _add_train(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("train", help="train every question the data can answer")
    parser.add_argument("--data", type=Path, required=True, help="a canonical data set (ingest)")
    parser.add_argument("--question", action="append", help="only this question; may be repeated")
    parser.add_argument("--config", type=Path, help="TOML file with a [training] table")
    parser.add_argument("--trials", type=int, help="Optuna trials a question")
    parser.add_argument(
        "--minutes", type=float, help="begin no further trial of a question after so many minutes"
    )
    parser.add_argument("--seed", type=int, help="the same seed gives the same result")
    parser.add_argument("--promote", action="store_true", help="promote what beats the base rate")
    parser.add_argument("--quiet", action="store_true", help="no progress bars")
    parser.set_defaults(run=_train)


def _add_promotion(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    promote = commands.add_parser("promote", help="let a version answer")
    promote.add_argument("name", help="the question, as `models` lists it")
    promote.add_argument("version", type=int, help="its number, as `models` lists it")
    promote.add_argument("--reason", help="kept with the version")
    promote.add_argument(
        "--force", action="store_true", help="overrule its verdict; needs --reason"
    )
    promote.set_defaults(run=_promote)
    rollback = commands.add_parser("rollback", help="let the previous champion answer again")
    rollback.add_argument("name", help="the question, as `models` lists it")
    rollback.add_argument("--reason", help="kept with the version")
    rollback.set_defaults(run=_rollback)
    models = commands.add_parser("models", help="list every version")
    models.set_defaults(run=_models)
    report = commands.add_parser("report", help="write the report of each model as one HTML file")
    report.add_argument("--name", action="append", help="only this model; may be repeated")
    report.add_argument("--out", type=Path, default=Path("reports"), help="folder to write")
    report.set_defaults(run=_report)


def _audit(chosen: argparse.Namespace) -> int:
    tables = read(chosen.data)
    refused = 0
    for name in _asked(chosen, tables):
        findings = audit(tables, question_of(name, tables))
        print(f"{name}:\n{to_text(findings, tables.meta.acknowledged)}")
        for line in grouped(without_feature(tables, [question_of(name, tables).entity])):
            print(f"  {line}")
        refused += len(unacknowledged(findings, tables.meta.acknowledged))
    return LEAKS if refused else 0


def _asked(chosen: argparse.Namespace, tables: Tables) -> list[str]:
    """The questions named, else every one that the data can answer; none at all is an error."""
    names: list[str] = chosen.question or askable(tables)
    if not names:
        raise ValueError(
            f"{chosen.data} holds no outcome of leads, deals or accounts: nothing can be learned; "
            f"map an outcome column"
        )
    return names


def _train(chosen: argparse.Namespace) -> int:
    tables = read(chosen.data)
    config = load_config(
        chosen.config, trials=chosen.trials, minutes=chosen.minutes, seed=chosen.seed
    )
    codes = [_train_one(n, tables, config, chosen) for n in _asked(chosen, tables)]
    return LEAKS if LEAKS in codes else min(codes)


def _train_one(name: str, tables: Tables, config: Config, chosen: argparse.Namespace) -> int:
    """0 trained and registered, 2 the data could not answer, 4 a leak is not acknowledged."""
    print(f"{name}:", flush=True)
    mapping = chosen.data / "mapping.toml"
    try:
        trained = train(
            tables,
            name,
            config,
            datetime.now(UTC),
            mapping=mapping.read_text(encoding="utf-8") if mapping.is_file() else "",
            champion=_champion(name),
            folder=STUDIES,
            progress=not chosen.quiet,
        )
    except ValueError as problem:
        print(f"  not trained: {problem}")
        return LEAKS if isinstance(problem, LeakError) else 2
    _say(trained)
    _keep(trained, chosen.promote)
    return 0


def _champion(name: str) -> Bundle | None:
    """The judged model of what answers now, None where nothing was promoted yet."""
    from training.registry import registry  # noqa: PLC0415  # mlflow takes seconds to import

    try:
        return registry.judged(name, root=ROOT)
    except registry.RegistryError:
        return None
    except BundleError as unreadable:
        print(f"  note: the champion cannot be read and is not compared with: {unreadable}")
        return None


def _keep(trained: Trained, promote: bool) -> None:
    from training.registry import registry  # noqa: PLC0415

    kept = registry.log_run(trained.run, ROOT)
    print(f"  registered as {kept.name} version {kept.version} (run {kept.run_id})")
    if not promote:
        return
    try:
        registry.promote(kept.name, kept.version, root=ROOT)
        print(f"  promoted: {kept.name} version {kept.version} is champion")
    except registry.PromotionRefused as refused:
        print(f"  not promoted: {refused}")


def _say(trained: Trained) -> None:
    teaching = trained.teaching
    print(
        f"  {len(teaching.spine):,} snapshots of {len(set(teaching.spine.ids)):,} "
        f"{teaching.question.entity}, {teaching.X.shape[1]} features"
    )
    for note in teaching.notes:
        print(f"  note: {note}")
    print(_table(trained.judgement))
    rate = trained.bundle.track_record.base_rate
    if rate is not None and rate.differs and not teaching.question.flat:
        print(f"  note: {rate.sentence}")
    print(f"  {trained.judgement.verdict.word}: {trained.judgement.verdict.sentence}")


def _table(judgement: HoldoutResult) -> str:
    board = judgement.board
    shown = board[board["measure"].isin(["log_loss", "auc", "calibration_slope"])]
    wide: pd.DataFrame = shown.assign(
        text=[
            f"{v:.3f} [{lo:.3f}, {hi:.3f}]" for v, lo, hi in shown[["value", "low", "high"]].values
        ]
    ).pivot(index="model", columns="measure", values="text")
    order = [MODEL, *(m for m in wide.index if m != MODEL)]
    text = wide.loc[order, ["log_loss", "auc", "calibration_slope"]].to_string()
    return "\n".join(f"    {line}" for line in text.splitlines())


def _promote(chosen: argparse.Namespace) -> int:
    from training.registry import registry  # noqa: PLC0415

    try:
        registry.promote(chosen.name, chosen.version, chosen.reason, chosen.force, ROOT)
    except registry.PromotionRefused as refused:
        print(f"refused: {refused}", file=sys.stderr)
        return 3
    print(f"{chosen.name} version {chosen.version} is champion")
    return 0


def _rollback(chosen: argparse.Namespace) -> int:
    from training.registry import registry  # noqa: PLC0415

    version = registry.rollback(chosen.name, chosen.reason, ROOT)
    print(f"{chosen.name} version {version} is champion again")
    return 0


def _models(_: argparse.Namespace) -> int:
    from training.registry import registry  # noqa: PLC0415

    listed = registry.list_models(ROOT)
    columns = ["name", "version", "aliases", "promotable", "created", "verdict"]
    print(listed[columns].to_string(index=False) if len(listed) else "no model is registered yet")
    return 0


def _report(chosen: argparse.Namespace) -> int:
    from training.registry import registry  # noqa: PLC0415

    names = chosen.name or sorted(set(registry.list_models(ROOT)["name"]))
    if not names:
        raise registry.RegistryError("no model is registered yet: train one first")
    own_folder(chosen.out)
    for name in names:
        page = chosen.out / f"{name}.html"
        page.write_text(registry.report_of(name, ROOT), encoding="utf-8")
        print(f"{name}: {page}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
