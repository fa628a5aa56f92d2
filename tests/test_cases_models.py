"""Situations that people report of models: a word that always wins, a month that knows nothing,
words and numbers that training never saw. Each with rows of its own, from file to answer."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pytest

from features.ingest.run import ingest
from features.tables import Tables, micros, read
from serving.scoring.predictor import Predictor
from serving.scoring.scorer import Scorer
from training.config import Config
from training.fit.pipeline import Trained, train

AT = datetime(2025, 4, 1, tzinfo=UTC)
MAPPING = """
[export]
name = "situations"
as_of = "2025-04-01"
[tables.leads]
from = "leads"
[tables.leads.columns]
lead_id = "id"
created_at = "created"
closed_at = "closed"
source = "source"
employees = "employees"
outcome = { from = "state", values = { converted = "converted", disqualified = "disqualified", open = "" } }
"""  # noqa: E501
SOURCES = ("web", "fair", "call", "mail", "ads", "referral", "existing customer", "partner")


def leads(n: int, certain: bool, seed: int) -> pd.DataFrame:
    """Leads of 27 months: a third converts, by size alone; all of ``existing customer`` where
    ``certain``. No month differs from another."""
    random = np.random.default_rng(seed)
    created = pd.Timestamp("2023-01-01") + pd.to_timedelta(random.uniform(0, 820, n), unit="D")
    source, size = random.choice(SOURCES, n), random.lognormal(4, 1, n).round()
    wins = random.random(n) < 1 / (1 + np.exp(0.7 - 0.5 * (np.log(size) - 4)))
    wins |= certain & (source == "existing customer")
    closed = created + pd.to_timedelta(random.uniform(5, 60, n), unit="D")
    ended = closed < pd.Timestamp("2025-03-31")
    state = np.where(ended, np.where(wins, "converted", "disqualified"), "open")
    return pd.DataFrame(
        {
            "id": [f"L{i}" for i in range(n)],
            "created": created.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "closed": closed.strftime("%Y-%m-%dT%H:%M:%SZ").where(ended, ""),
            "source": source,
            "employees": size,
            "state": state,
        }
    )


@cache
def trained(certain: bool, seed: int) -> tuple[Trained, Tables]:
    """From the file to the bundle."""
    with TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "export").mkdir()
        leads(900, certain, seed).to_csv(place / "export" / "leads.csv", index=False)
        (place / "m.toml").write_text(MAPPING)
        ingest(place / "export", place / "m.toml", place / "out")
        tables = read(place / "out")
    return train(tables, "lead_conversion", Config(trials=2, threads=1), AT), tables


def asked(predictor: Predictor, as_of: str, leads: list[dict[str, Any]]) -> list[dict[str, Any]]:
    body = {"as_of": as_of, "reasons": 20, "records": [{"lead": lead} for lead in leads]}
    answer: list[dict[str, Any]] = predictor.answer(
        orjson.loads(orjson.dumps(body)), micros(as_of), "r"
    )["results"]
    return answer


def lead(key: str, created: str, **changes: Any) -> dict[str, Any]:
    plain = {"lead_id": key, "created_at": created, "source": "referral", "employees": 60}
    return plain | changes


def test_a_word_that_always_wins_is_not_certain() -> None:
    """Of some 110 of 110 the data show a share above .967, not above .999."""
    run, _ = trained(True, 5)
    predictor = Predictor(Scorer(run.bundle))
    sure, other = asked(
        predictor,
        "2025-03-20T09:00:00Z",
        [
            lead("a", "2025-03-18T09:00:00Z", source="existing customer"),
            lead("b", "2025-03-18T09:00:00Z", source="web"),
        ],
    )
    assert 0.7 < sure["probability"] < 0.999 and 0 < other["probability"] < sure["probability"]
    assert "100 %" not in " ".join(r["sentence"] for r in sure["reasons"])
    for one in (sure, other):
        p, start = one["probability"], run.bundle.model.baseline_score
        moved = sum(r["effect"] for r in one["reasons"]) + one["others"]
        logits = np.log(p / (1 - p)) - np.log(start / (1 - start))
        assert moved == pytest.approx(logits, abs=1e-6)


def test_a_month_that_knows_nothing_moves_no_score() -> None:
    """The same lead, two days old, in each of twelve months: within two points."""
    run, _ = trained(False, 11)
    predictor = Predictor(Scorer(run.bundle))
    scores = []
    for month in range(1, 13):
        created, now = f"2024-{month:02d}-10T09:00:00Z", f"2024-{month:02d}-12T09:00:00Z"
        (one,) = asked(predictor, now, [lead("a", created)])
        assert not [r for r in one["reasons"] if "month" in r["sentence"].lower()]
        scores.append(one["probability"])
    assert max(scores) - min(scores) < 0.02


def test_words_that_training_never_saw_are_equally_unknown() -> None:
    """And odd values are errors of their own records; the others are scored as if alone."""
    run, _ = trained(True, 5)
    predictor = Predictor(Scorer(run.bundle))
    now, created = "2025-03-20T09:00:00Z", "2025-03-10T14:02:00Z"
    records = [
        lead("N1", created, source="tiktok-ads-2026", country="Åland"),
        lead("N2", created, source="brand new word", country="Åland"),
        lead("N3", created),
        lead("N4", created, source="REFERRAL "),
        lead("N5", created, employees="240"),
        lead("N6", created.removesuffix("Z")),
    ]
    one, two, three, four, five, six = asked(predictor, now, records)
    assert one["probability"] == two["probability"]
    assert three["probability"] == four["probability"]
    assert (five["error"]["code"], five["error"]["path"]) == (
        "wrong_type",
        "records[4].lead.employees",
    )
    assert six["error"]["code"] == "instant_without_zone"
    (alone,) = asked(predictor, now, [records[2]])
    assert alone["probability"] == three["probability"]
