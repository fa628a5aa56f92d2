"""Nothing that is mapped is lost in silence: it is a feature, or it is named with the reason."""

from __future__ import annotations

from contextlib import redirect_stdout
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.catalog import build_features, supported, without_feature
from features.ingest.mapping import load
from features.ingest.report import IngestReport
from features.ingest.run import canonical, ingest
from features.ingest.strict import MappingError
from features.schema import OUTCOMES
from features.spine import Spine
from features.tables import Coded, Tables, micros, read
from features.timeline import Timeline
from tests.helpers.histories import history
from training import __main__ as training
from training.config import Config
from training.leaks import audit
from training.task.dataset import question_of, teach

N = 300
MAPPING = """
[export]
as_of = "2024-01-01"

[tables.deals.columns]
deal_id = "Id"
created_at = "Opened"
closed_at = "Closed"
name = "Title"
source = "Nothing"
outcome = { from = "State", values = { won = "won", lost = "lost", open = "" } }

[tables.deals.custom]
size = { from = "Size", kind = "number", fixed = true }
heat = { from = "Heat", kind = "number" }
memo = { from = "Memo", kind = "text" }

[tables.history]
to = "changes"
of = "deals"
columns = { entity_id = "Id", changed_at = "At", field = "Field", value = "New", old_value = "Old" }

[tables.history.fields]
stage = { is = "Stage" }
risk = { is = "Risk", kind = "number", label = "Risk as the seller sees it" }

[tables.calls]
to = "activities"
columns = { activity_id = "Call", deal_id = "Id", occurred_at = "At", kind = { const = "call" } }

[tables.calls.custom]
mood = { from = "Mood", kind = "category" }
minutes = { from = "Minutes", kind = "number" }
again_on = { from = "Again", kind = "date" }
said = { from = "Said", kind = "text" }
"""


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Deals whose stage and risk stand in their history only, and calls with own fields."""
    folder = tmp_path_factory.mktemp("export")
    random = np.random.default_rng(0)
    opened = pd.Timestamp("2022-01-01") + pd.to_timedelta(random.integers(0, 600, N), unit="D")
    state = random.choice(["won", "lost", "open"], N)
    closed = opened + pd.to_timedelta(random.integers(20, 90, N), unit="D")
    ids = [f"D{i}" for i in range(N)]
    deals = pd.DataFrame({"Id": ids, "Opened": opened, "Closed": closed, "State": state})
    deals["Closed"] = deals["Closed"].where(deals["State"] != "open")
    deals = deals.assign(Title=ids, Nothing="", Size=1.0, Heat=2.0, Memo="long talk")
    deals.to_csv(folder / "deals.csv", index=False)
    moves = {"Id": ids, "At": opened + pd.Timedelta(5, unit="D")}
    stage = pd.DataFrame({**moves, "Field": "Stage", "New": "offer", "Old": "first"})
    risk = pd.DataFrame({**moves, "Field": "Risk", "New": "0.7", "Old": "0.2"})
    pd.concat([stage, risk]).to_csv(folder / "history.csv", index=False)
    calls = pd.DataFrame({"Call": [f"C{i}" for i in range(N)], "Id": ids})
    calls["At"] = opened + pd.Timedelta(3, unit="D")
    calls = calls.assign(Mood="glad", Minutes=12, Again="2023-05-01", Said="hello")
    calls.to_csv(folder / "calls.csv", index=False)
    (folder / "map.toml").write_text(MAPPING, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def read_in(export: Path) -> tuple[Tables, IngestReport]:
    """The data set, and what reading it said."""
    report = ingest(export, export / "map.toml", export / "out")
    return read(export / "out"), report


def _value(tables: Tables, feature: str, day: str) -> Any:
    """A feature of deal D0 at a day."""
    spec = next(s for s in supported("deals", tables) if s.name == feature)
    spine = Spine("deals", ["D0"], np.array([micros(f"{day}T00:00:00+00:00")], np.int64))
    column = build_features(Timeline(tables), spine, [spec]).columns[feature]
    return column.words()[0] if isinstance(column, Coded) else float(column[0])


def test_a_field_that_only_its_history_holds_is_replayed(
    read_in: tuple[Tables, IngestReport],
) -> None:
    tables, _ = read_in
    assert "stage" not in tables["deals"].columns and "risk" not in tables["deals"].columns
    opened = pd.Timestamp(tables["deals"].instant("created_at")[0], unit="us")
    before, after = ((opened + pd.Timedelta(d, unit="D")).strftime("%Y-%m-%d") for d in (4, 8))
    # who never changes has no value at all: an old value would say that a change will come
    assert [_value(tables, "stage", d) for d in (before, after)] == [None, "offer"]
    assert np.isnan(_value(tables, "custom_risk", before))
    assert _value(tables, "custom_risk", after) == 0.7
    found = {f.column: f for f in audit(tables, question_of("deal_close", tables))}
    assert found["deals.risk"].colour == "green" and found["deals.stage"].colour == "green"


def test_what_an_activity_says_of_itself_needs_no_word_that_it_is_fixed(
    read_in: tuple[Tables, IngestReport],
) -> None:
    tables, _ = read_in
    assert _value(tables, "activity_mood_last", "2023-12-01") == "glad"
    assert _value(tables, "activity_minutes_last", "2023-12-01") == 12.0


REASONS = {
    "deals.heat": "no history tells what it was",
    "deals.memo": "free text is for people",
    "deals.source": "it holds no value",
    "activities.again_on": "no feature is made of this column of activities",
    "activities.said": "free text is for people",
}


def test_the_rest_is_named_with_its_reason_by_ingest_audit_and_training(
    read_in: tuple[Tables, IngestReport], export: Path
) -> None:
    tables, report = read_in
    found = without_feature(tables, ["deals"])
    assert found.keys() == REASONS.keys()
    assert all(REASONS[place] in reason for place, reason in found.items())
    audited = StringIO()
    with redirect_stdout(audited):
        training.main(["audit", "--data", str(export / "out"), "--question", "deal_close"])
    trained = teach(tables, question_of("deal_close", tables), Config()).notes
    page = (export / "out" / "ingest_report.md").read_text(encoding="utf-8")
    for said in (page, audited.getvalue(), "\n".join(trained), "\n".join(report.no_feature)):
        assert all(place in said for place in REASONS)


def test_every_column_is_a_feature_or_named() -> None:
    """Whatever is left out of a data set: its columns are read or named, never neither."""
    tables = history(3)
    for entity in OUTCOMES:
        fields = [f.name for f in tables.meta.custom.get(entity, [])]
        meta = replace(tables.meta, left_out={entity: fields})
        named = without_feature(Tables(tables.tables, meta), [entity])
        assert fields == [] or set(named) >= {f"{entity}.{name}" for name in fields}
        assert all(named[f"{entity}.{name}"] == "left out by the mapping" for name in fields)


def test_a_kind_of_a_field_in_a_history_is_one_of_ours(export: Path) -> None:
    (export / "wrong.toml").write_text(
        MAPPING.replace('kind = "number", label', 'kind = "x", label')
    )
    with pytest.raises(MappingError, match="kind"):
        canonical(export, load(export / "wrong.toml"))
