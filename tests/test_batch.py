"""The nightly batch: every open entity once, as the endpoint scores it, whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq
import pytest

from features.schema import TABLES
from features.tables import DAY, NAT
from serving.scoring import batch
from serving.scoring.batch import open_ids, score_all
from serving.scoring.predictor import Predictor, exact_text
from serving.scoring.sample import record_of
from serving.scoring.scorer import Scored, Scorer
from tests.helpers.histories import START, history
from tests.helpers.scored import bundle_of

CUTOFF = START + 40 * DAY


@pytest.mark.parametrize("entity", ["leads", "deals", "accounts"])
@pytest.mark.parametrize("block", [2, 1000])
def test_the_file_holds_every_open_entity_as_the_endpoint_scores_it(
    entity: str, block: int, tmp_path: Path
) -> None:
    tables = history(8, size=30)
    bundle, out = bundle_of(entity, tables), tmp_path / "deep" / "scores.parquet"
    n = score_all(bundle, tables, CUTOFF, out, block)
    rows = pq.read_table(out).to_pylist()
    desk = Predictor(Scorer(bundle))
    ids = tables[entity].coded(TABLES[entity].key).values
    records = [record_of(tables, entity, i) for i in ids]
    body = orjson.loads(orjson.dumps({"as_of": exact_text(CUTOFF), "records": records}))
    asked = [r for r in desk.answer(body, 0, "r")["results"] if "error" not in r]
    assert n == len(rows) == len(asked) > 0
    for row, one in zip(rows, asked, strict=True):
        assert (row["id"], row["grade"]) == (one["id"], one["grade"])
        assert row["probability"] == one["probability"] == row["day_30"]
        assert orjson.loads(row["reasons"]) == one["reasons"] and row["others"] == one["others"]
        assert row["model_version"] == "v-test" and row["cutoff"].timestamp() * 1e6 == CUTOFF


def test_nobody_open_is_an_empty_file_with_its_columns(tmp_path: Path) -> None:
    tables = history(8)
    assert score_all(bundle_of("leads", tables), tables, START - DAY, tmp_path / "s.parquet") == 0
    assert pq.read_table(tmp_path / "s.parquet").column_names[:3] == ["id", "cutoff", "probability"]


def test_a_batch_that_fails_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables, out = history(8, size=30), tmp_path / "scores.parquet"
    bundle = bundle_of("leads", tables)
    score_all(bundle, tables, CUTOFF, out)
    before, blocks = out.read_bytes(), batch._blocks

    def break_off(*arguments: Any) -> Iterator[Scored]:
        yield next(blocks(*arguments))
        raise KeyboardInterrupt

    monkeypatch.setattr(batch, "_blocks", break_off)
    with pytest.raises(KeyboardInterrupt):
        score_all(bundle, tables, CUTOFF, out, block=1)
    assert out.read_bytes() == before and list(tmp_path.iterdir()) == [out]


def test_a_flat_question_asks_about_everyone(tmp_path: Path) -> None:
    tables = history(8)
    bundle = bundle_of("leads", tables)
    flat = replace(bundle, question={**bundle.question, "flat": True})
    assert len(open_ids(Scorer(flat), tables, NAT)) == tables["leads"].n
    score_all(flat, tables, NAT, tmp_path / "s.parquet")
    rows = pq.read_table(tmp_path / "s.parquet")
    assert rows["cutoff"].null_count == rows.num_rows
    assert not [c for c in rows.column_names if c.startswith("day_")]
