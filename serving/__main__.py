"""`python -m serving`: serve the champions, score a data set, or try one request."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from features.tables import NAT, Tables, micros, read
from serving.answers import exact_text
from serving.batch import open_ids, score_all
from serving.languages import LANGUAGES, place
from serving.messages import update_all
from serving.report.record_page import page_of_any
from serving.scoring import Scorer
from serving.sender import record_of
from serving.trial import TrialError, command, environment, liveliest, running, send, told
from training.models import bundle as bundles
from training.models.bundle import Bundle, BundleError
from training.registry import RegistryError, champion_folder, list_models, tracking_uri

Command = Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand; 0 done, 2 what was asked for is not there."""
    parser = argparse.ArgumentParser(prog="python -m serving", description=__doc__)
    parser.add_argument("--root", type=Path, default=Path(), help="folder that holds mlruns")
    commands = parser.add_subparsers(required=True, metavar="command")
    for add in COMMANDS:
        add(commands)
    chosen = parser.parse_args(arguments)
    run: Command = chosen.run
    try:
        return run(chosen)
    except (RegistryError, BundleError, TrialError, FileNotFoundError, ValueError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2


def champions(root: Path) -> dict[str, Path]:
    """The bundle folder of every question that has a champion; RegistryError where none has."""
    models = list_models(root)
    names = models.loc[models["aliases"].str.contains("champion"), "name"]
    if names.empty:
        raise RegistryError("no model has been promoted yet: run `make train`, or `make demo`")
    return {name: champion_folder(name, root) for name in sorted(set(names))}


def lay_out(found: dict[str, Path], folder: Path) -> None:
    """Copy bundles to ``folder``/<question>; each is copied beside its place, then renamed."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, source in found.items():
        beside = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=folder))
        shutil.copytree(source, beside, dirs_exist_ok=True)
        place, old = folder / name, folder / f".{name}.old"
        shutil.rmtree(old, ignore_errors=True)
        if place.exists():
            place.rename(old)
        beside.rename(place)
        shutil.rmtree(old, ignore_errors=True)
    for gone in folder.iterdir():
        if gone.is_dir() and not gone.name.startswith(".") and gone.name not in found:
            shutil.rmtree(gone)


def _add_serve(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("serve", help="answer requests with the champions")
    parser.add_argument("--port", type=int, default=3000)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--workers", type=int, choices=(1, 2), default=1, help="processes")
    parser.set_defaults(run=_serve)


def _serve(chosen: argparse.Namespace) -> int:
    folder = chosen.root / "mlruns" / "serving"
    found = champions(chosen.root)
    lay_out(found, folder)
    print(f"serving {', '.join(found)} at http://{chosen.host}:{chosen.port}", flush=True)
    # this process becomes the service, so that signals reach it
    arguments = command(chosen.port, chosen.host)
    os.execve(arguments[0], arguments, environment(folder, chosen.workers))


def _add_score(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("score", help="score every open entity of a data set")
    parser.add_argument("--data", type=Path, required=True, help="canonical data set")
    parser.add_argument("--out", type=Path, required=True, help="folder for <model>.parquet")
    parser.add_argument("--as-of", default="", help="ISO instant with a zone; default: the data's")
    parser.add_argument("--lang", choices=LANGUAGES, default=LANGUAGES[0], help="of the sentences")
    parser.set_defaults(run=_score)


def _score(chosen: argparse.Namespace) -> int:
    tables = read(chosen.data)
    stated = chosen.as_of or tables.meta.as_of
    for name, folder in champions(chosen.root).items():
        bundle = bundles.read(folder)
        _say_if_foreign(bundle, tables)
        out = chosen.out / f"{name}.parquet"
        n = score_all(bundle, tables, _cutoff(stated), out, progress=True, lang=chosen.lang)
        print(f"{name}: {n} {bundle.question['entity']} as of {stated or 'no date'} -> {out}")
    return 0


def _say_if_foreign(bundle: Bundle, tables: Tables) -> None:
    """Columns of the same name may mean something else in another export."""
    learned, here = bundle.meta.mapping, tables.meta.mapping
    if learned != here:
        print(
            f"note: {bundle.name} learned from data read with mapping {learned!r}, these were read "
            f"with {here!r}; train on them before you trust the scores"
        )


def _cutoff(stated: str) -> int:
    return micros(stated) if stated else NAT


def _add_request(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("request", help="start the service and send it one record")
    parser.add_argument("--data", type=Path, required=True, help="canonical data set")
    parser.add_argument("--model", default="lead_conversion", help="which model to ask")
    parser.add_argument("--id", default="", help="which entity; default: the liveliest open one")
    parser.set_defaults(run=_request)


def _request(chosen: argparse.Namespace) -> int:
    found = champions(chosen.root)
    if chosen.model not in found:
        raise RegistryError(f"{chosen.model} has no champion; there is {', '.join(found)}")
    bundle, tables = bundles.read(found[chosen.model]), read(chosen.data)
    entity, cutoff = bundle.question["entity"], _cutoff(tables.meta.as_of)
    key = chosen.id or _open_one(bundle, tables, cutoff)
    body: dict[str, Any] = {"records": [record_of(tables, entity, key)]}
    if tables.meta.as_of:
        body["as_of"] = exact_text(cutoff)
    with tempfile.TemporaryDirectory() as folder:
        lay_out(found, Path(folder) / "bundles")
        print("starting the service …", flush=True)
        with running(Path(folder) / "bundles", Path(folder) / "log") as address:
            rows = sum(len(v) for v in body["records"][0].values() if isinstance(v, list))
            print(f"POST {address}/v1/{entity}/score  {entity[:-1]} {key}, {rows} rows of history")
            answer = send(address, entity, body)
    print(f"\n{told(answer)}\n")
    print(f"model files   {found[chosen.model]}")
    print(f"MLflow        python -m mlflow ui --backend-store-uri {tracking_uri(chosen.root)}")
    return 0


def _open_one(bundle: Bundle, tables: Tables, cutoff: int) -> str:
    scorer = Scorer(bundle)
    ids = open_ids(scorer, tables, cutoff)
    if not ids:
        raise ValueError(f"no open {scorer.entity} in the data set: name one with --id")
    return liveliest(tables, scorer.entity, ids)


def _add_messages(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("messages", help="bring the languages' catalogues in step")
    parser.set_defaults(run=_messages)


def _messages(_: argparse.Namespace) -> int:
    gaps = update_all()
    for lang, ids in gaps.items():
        print(f"{place(lang)} has no words for: {'; '.join(ids)}", file=sys.stderr)
    return 2 if gaps else 0


def _add_report(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("report", help="write the page of one record as one HTML file")
    parser.add_argument("--data", type=Path, required=True, help="canonical data set")
    parser.add_argument("--record", required=True, help="key of the lead, deal or account")
    parser.add_argument("--as-of", default="", help="ISO instant with a zone; default: the data's")
    parser.add_argument("--out", type=Path, default=Path("reports"), help="folder to write")
    parser.set_defaults(run=_report)


def _report(chosen: argparse.Namespace) -> int:
    tables = read(chosen.data)
    stated = chosen.as_of or tables.meta.as_of
    name, page = page_of_any(champions(chosen.root), tables, chosen.record, _cutoff(stated))
    chosen.out.mkdir(parents=True, exist_ok=True)
    path = chosen.out / name
    path.write_text(page, encoding="utf-8")
    print(f"{chosen.record}: {path}")
    return 0


COMMANDS = (_add_serve, _add_score, _add_request, _add_report, _add_messages)
"""One function a subcommand: it adds its parser and sets ``run``."""


if __name__ == "__main__":
    sys.exit(main())
