"""Made-up scores in a store: for the tests of the store and of what reads it."""

from __future__ import annotations

from typing import Any

from serving.store.runs import Run, RunPlan
from serving.store.scores import ScoreRow
from serving.store.store import Store

DAY = 86_400_000_000
CUTOFF = 20_000 * DAY


def plan(**changes: Any) -> RunPlan:
    """The plan of a night, with other values for the fields named."""
    values: dict[str, Any] = {
        "entity": "leads",
        "model": "lead_conversion",
        "version": "v1",
        "outcome": "converted",
        "cutoff": CUTOFF,
        "fingerprint": "f" * 64,
        "lang": "en",
        "total": 2,
    }
    return RunPlan(**{**values, **changes})


def score(entity_id: str, probability: float = 0.25, **changes: Any) -> ScoreRow:
    """One score, with other values for the fields named."""
    reason = {"code": "meeting", "feature": "days_since_meeting", "value": 4.958333333333333}
    values: dict[str, Any] = {
        "id": entity_id,
        "probability": probability,
        "grade": "B",
        "baseline": 0.21055770440652696,
        "others": 0.10087880608490607,
        "curve": [{"day": 3.0, "probability": probability / 2}, {"day": 90.0, "probability": 0.1}],
        "reasons": [{**reason, "sentence": "Días desde «la» reunión: 4,96"}],
        "receipt": {"n": 273, "share": 0.16117216117216118},
    }
    return ScoreRow(**{**values, **changes})


def night(store: Store, rows: list[ScoreRow], at: int = CUTOFF + DAY, **changes: Any) -> Run:
    """A finished run of these scores."""
    run = store.runs.begin(plan(total=len(rows), **changes), at)
    store.scores.write(run, 0, rows)
    return store.runs.finish(run, at + 1)
