"""Schemathesis over every route, with every check it has, against the documents we publish.

Its own engine is run, as its command would: examples, boundary values, random cases, sequences.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from schemathesis.engine import Status, events, from_schema

from features.tables import DAY
from serving.http.openapi.operations import operations
from tests.helpers.api import ENTITIES, HOUR, NOW, nightly, score_row, served

EVERY = ["examples", "coverage", "fuzzing", "stateful"]


def run(schema: Any, phases: list[str], cases: int) -> tuple[Counter[str], list[str]]:
    """How often each check was made on an operation, and what failed."""
    schema.config.phases.update(phases=phases)
    schema.config.generation.update(max_examples=cases, deterministic=True, database="none")
    made: Counter[str] = Counter()
    failed: list[str] = []
    for event in from_schema(schema).execute():
        if isinstance(event, events.NonFatalError | events.FatalError):
            failed.append(repr(event))
        if isinstance(event, events.ScenarioFinished):
            for nodes in event.recorder.checks.values():
                made[event.recorder.label] += len(nodes)
                made.update(node.name for node in nodes)
                failed += [repr(n.failure_info) for n in nodes if n.status != Status.SUCCESS]
    return made, failed


@pytest.mark.parametrize("with_key", [True, False], ids=["key", "open"])
def test_no_check_fails_on_any_route(tmp_path: Path, with_key: bool) -> None:
    with served(tmp_path, entities=ENTITIES, hubspot_secret="secret") as app:
        for entity in ENTITIES:
            rows = [score_row("D-2044"), score_row("L-1001")]
            nightly(app.state.store, entity, rows, NOW - DAY, NOW - HOUR)
        headers = {}
        if with_key:
            _, token = app.state.store.keys.create("tests", ("admin",), NOW)
            headers = {"Authorization": f"Bearer {token}"}
        schema = schemathesis.openapi.from_asgi("/openapi.json", app)
        schema.config.update(headers=headers)
        # boundary values are the same with a key and without
        made, failed = run(schema, EVERY if with_key else ["examples", "stateful"], 2)
    assert not failed, "\n".join(failed)[:6000]
    routes = {f"{o.method.upper()} {o.path}" for o in operations()}
    assert not with_key or routes <= set(made)


def test_answers_are_as_the_3_0_document_says(tmp_path: Path) -> None:
    with served(tmp_path, entities=ENTITIES) as app:
        for entity in ENTITIES:
            nightly(app.state.store, entity, [score_row("D-2044")], NOW - DAY, NOW - HOUR)
        schema = schemathesis.openapi.from_asgi("/openapi-3.0.json", app)
        names = ["response_schema_conformance", "status_code_conformance", "not_a_server_error"]
        schema.config.checks.update(included_check_names=names)
        made, failed = run(schema, ["examples", "fuzzing"], 2)
    assert failed == [] and set(names) <= set(made)
