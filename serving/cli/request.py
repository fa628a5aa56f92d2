"""`python -m serving request`: start the service, send it one record, show the answer."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from features.schema import QUESTIONS
from features.tables import Tables, read
from serving.bundles.publish import publish_once
from serving.cli import Champions, CommandError, Subparsers
from serving.process.trial import TrialError, answer_text, liveliest, running, send, wait_for
from serving.scoring.batch import open_ids
from serving.scoring.predictor import cutoff_of, exact_text
from serving.scoring.sample import record_of
from serving.scoring.scorer import Scorer
from training.models import bundle as bundles
from training.models.bundle import Bundle


def add(commands: Subparsers) -> None:
    """Add the parser of `request`."""
    parser = commands.add_parser("request", help="start the service and send it one record")
    parser.add_argument("--data", type=Path, required=True, help="canonical data set")
    parser.add_argument("--model", default="lead_conversion", help="which model to ask")
    parser.add_argument("--id", default="", help="which entity; default: the liveliest open one")
    parser.set_defaults(run=_request)


def _request(chosen: argparse.Namespace) -> int:
    champions: Champions = chosen.champions
    found = champions(chosen.root)
    if chosen.model not in found:
        raise CommandError(f"{chosen.model} has no champion; there is {', '.join(found)}")
    bundle, tables = bundles.read(found[chosen.model]), read(chosen.data)
    entity, cutoff = bundle.question["entity"], cutoff_of(tables.meta.as_of)
    key = chosen.id or _open_one(bundle, tables, cutoff)
    body: dict[str, Any] = {"records": [record_of(tables, entity, key)]}
    if tables.meta.as_of:
        body["as_of"] = exact_text(cutoff)
    try:
        answer = _ask(found, bundle, key, body)
    except TrialError as failure:
        raise CommandError(str(failure)) from None
    print(f"\n{answer_text(answer)}\n")
    print(f"model files   {found[chosen.model]}")
    uri = chosen.registry_uri(chosen.root)
    print(f"MLflow        python -m mlflow ui --backend-store-uri {uri}")
    return 0


def _ask(
    bundles_of: Mapping[str, Path], bundle: Bundle, key: str, body: dict[str, Any]
) -> dict[str, Any]:
    """The answer of a service that is started for this one request."""
    entity, question = bundle.question["entity"], bundle.name
    with tempfile.TemporaryDirectory() as folder:
        publish_once(bundles_of, Path(folder) / "bundles")
        print("starting the service …", flush=True)
        with running(Path(folder) / "bundles", Path(folder) / "log") as address:
            rows = sum(len(v) for v in body["records"][0].values() if isinstance(v, list))
            path = f"/v1/{entity}/score{'' if question in QUESTIONS else f'?question={question}'}"
            print(f"POST {address}{path}  {entity[:-1]} {key}, {rows} rows of history")
            wait_for(address, entity, question)
            return send(address, entity, body, "" if question in QUESTIONS else question)


def _open_one(bundle: Bundle, tables: Tables, cutoff: int) -> str:
    scorer = Scorer(bundle)
    ids = open_ids(scorer, scorer.seen_by(tables), cutoff)
    if not ids:
        raise ValueError(f"no open {scorer.entity} in the data set: name one with --id")
    return liveliest(tables, scorer.entity, ids)
