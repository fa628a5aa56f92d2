"""`python -m features`: read an export into a canonical data set, check it, or make one up."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

from features.catalog import build_features, supported
from features.definitions.glossary import glossary
from features.demo import SIZES, generate, write_export, write_truth
from features.draft.run import drafted
from features.draft.write import summary, to_toml
from features.files import own_folder
from features.frames import feature_frame
from features.ingest.mapping import load, presets
from features.ingest.report import IngestReport
from features.ingest.run import canonical, ingest
from features.ingest.strict import MappingError
from features.schema import OUTCOMES
from features.sources.words import SourceError
from features.spine import everyone
from features.tables import NAT, micros, read
from features.timeline import Timeline

Command = Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand; 0 done, 1 a CRM failed, 2 the input or the mapping was wrong."""
    chosen = command_line().parse_args(arguments)
    run: Command = chosen.run
    try:
        return run(chosen)
    except LookupError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    except (MappingError, SourceError, FileNotFoundError, ValueError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2


def command_line() -> argparse.ArgumentParser:
    """The parser of every subcommand."""
    parser = argparse.ArgumentParser(prog="python -m features", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    for add in COMMANDS:
        add(commands)
    return parser


def _add_ingest(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("ingest", help="read an export into a canonical data set")
    _source_arguments(parser)
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.set_defaults(run=_ingest)


def _add_check(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("check", help="read and report, write nothing")
    _source_arguments(parser)
    parser.set_defaults(run=_check)


def _add_demo(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("demo", help="write a made-up export whose truth is known")
    parser.add_argument("--size", choices=SIZES, default="small", help="small, medium or large")
    parser.add_argument("--seed", type=int, default=7, help="the same seed gives the same CRM")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.set_defaults(run=_demo)


def _add_build(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("build", help="write the features of every entity at one instant")
    parser.add_argument("--data", type=Path, required=True, help="a canonical data set (ingest)")
    parser.add_argument("--as-of", help="ISO instant with a zone; the end of the data unless given")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.set_defaults(run=_build)


def _add_draft(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("draft", help="draft the mapping of an unknown export")
    parser.add_argument("--data", type=Path, required=True, help="the export: a folder or a file")
    parser.add_argument(
        "--out", type=Path, help="the TOML file to write; the export's name unless given"
    )
    parser.add_argument("--force", action="store_true", help="write over a file that is there")
    parser.set_defaults(run=_draft)


def _add_glossary(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("glossary", help="print docs/features.md")
    parser.set_defaults(run=_glossary)


def _add_sync(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("sync", help="bring a connected CRM's data set up to date")
    parser.add_argument("name", help="the connection: connections/NAME.toml (docs/live.md)")
    parser.add_argument("--root", type=Path, default=Path(), help="folder of connections and data")
    parser.add_argument(
        "--accept-deletes", action="store_true", help="even if most records are gone at once"
    )
    parser.add_argument("--quiet", action="store_true", help="print errors only")
    parser.set_defaults(run=_late("features.sync.command"))


def _late(module: str) -> Command:
    """``run`` of a module that is loaded when it is asked for: clients of CRMs take a second."""

    def run(chosen: argparse.Namespace) -> int:
        made: int = import_module(module).run(chosen)
        return made

    return run


COMMANDS = (_add_draft, _add_ingest, _add_check, _add_demo, _add_build, _add_glossary, _add_sync)
"""One function a subcommand: it adds its parser and sets ``run``."""


def _source_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="the export: a folder or a file")
    parser.add_argument(
        "--mapping", required=True, help=f"a TOML file, or a preset: {', '.join(presets())}"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def _draft(chosen: argparse.Namespace) -> int:
    made = drafted(chosen.data)
    out = chosen.out or Path(f"{made.name}.toml")
    if out.exists() and not chosen.force:
        raise ValueError(f"{out} is there already; give --out another name, or --force")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(to_toml(made), encoding="utf-8")
    load(out)  # what is written is read, or the error says why not
    print(summary(made, str(out)))
    print(f"next: python -m features check --data {chosen.data} --mapping {out}")
    return 0


def _ingest(chosen: argparse.Namespace) -> int:
    report = ingest(
        chosen.data, chosen.mapping, chosen.out, not chosen.quiet, now=datetime.now(UTC)
    )
    _summary(report)
    print(f"written to {chosen.out}; the whole report is {chosen.out / 'ingest_report.md'}")
    return 0


def _check(chosen: argparse.Namespace) -> int:
    _, _, report = canonical(
        chosen.data, load(chosen.mapping), not chosen.quiet, now=datetime.now(UTC)
    )
    print(report.markdown(), end="")
    return 0


def _demo(chosen: argparse.Namespace) -> int:
    made = generate(chosen.seed, chosen.size)
    write_export(made, chosen.out)
    write_truth(made, chosen.out)
    print(
        f"written to {chosen.out}; read it with: python -m features ingest --data {chosen.out} "
        f"--mapping {chosen.out / 'mapping.toml'} --out …"
    )
    return 0


def _build(chosen: argparse.Namespace) -> int:
    tables = read(chosen.data)
    at = chosen.as_of or tables.meta.as_of
    cutoff = micros(at) if at else NAT
    timeline = Timeline(tables)
    own_folder(chosen.out)
    for entity in OUTCOMES:
        spine = everyone(tables, entity, cutoff)
        specs = supported(entity, tables)
        if not len(spine) or not specs:
            continue
        path = chosen.out / f"{entity}.parquet"
        made = build_features(timeline, spine, specs)
        feature_frame(made).to_parquet(path, index=False)
        print(f"{path}: {len(spine):,} {entity}, {len(specs)} features, as of {at or 'the export'}")
    return 0


def _glossary(_: argparse.Namespace) -> int:
    print(glossary(), end="")
    return 0


def _summary(report: IngestReport) -> None:
    for block in report.blocks:
        lost = block.read - block.kept
        print(f"{block.file} -> {block.table}: {block.kept:,} of {block.read:,} rows, {lost:,} not")
    for finding in report.consequences:
        print(f"{finding.grade}: {finding.to_text()}")
    for line in report.no_feature:
        print(line)
    for notice in report.notices:
        print(f"note: {notice}")


if __name__ == "__main__":
    sys.exit(main())
