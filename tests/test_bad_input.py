"""Bad input from ingest to score: every kind ends in a clear message or a stated fallback.

How a file is read is held in test_ingest; here is what then becomes of training and scoring.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.tables import Tables, micros
from serving.scoring.batch import score_all
from serving.scoring.predictor import Predictor
from serving.scoring.scorer import Scorer
from tests.helpers.exports import ingested
from training.config import Config
from training.fit.pipeline import Trained, train
from training.models import bundle as bundles

AT = datetime(2026, 1, 1, tzinfo=UTC)
QUICK = Config(trials=1, folds=2, threads=1)
FLAT = """
[tables.accounts]
custom_fixed = true
[tables.accounts.columns]
account_id = "id"
outcome = { from = "gone", values = { yes = "churned", no = "" } }
[tables.accounts.custom]
seats = { from = "seats", kind = "number" }
plan = { from = "plan", kind = "category" }
"""
DATED = """
[export]
as_of = "2024-01-01"
[tables.deals]
[tables.deals.columns]
deal_id = "id"
created_at = "created"
closed_at = "closed"
source = "source"
outcome = { from = "stage", values = { Won = "won", Lost = "lost", Open = "" } }
[questions.deal_close]
edges = [30, 90]
every_days = 60
"""
Rows = list[dict[str, Any]]


def customers(n: int = 240) -> Rows:
    """Customers of whom those with few seats leave."""
    rng = np.random.default_rng(2)
    seats = rng.normal(size=n).round(3)
    gone = rng.random(n) < 1 / (1 + np.exp(1 + 1.5 * seats))
    plans = rng.choice(["café", "größer", "basic"], n)
    return [
        {"id": f"A{i}", "gone": "yes" if g else "no", "seats": s, "plan": p}
        for i, (g, s, p) in enumerate(zip(gone, seats, plans, strict=True))
    ]


def deals(n: int = 300) -> Rows:
    """Deals of two years; those from the web are won more often."""
    rng = np.random.default_rng(3)
    rows = []
    for i in range(n):
        created = pd.Timestamp("2022-01-01T08:00:00Z") + pd.Timedelta(days=int(i * 700 / n))
        closed = created + pd.Timedelta(days=int(rng.exponential(40)) + 1)
        web = bool(rng.random() < 0.5)
        won = bool(rng.random() < (0.6 if web else 0.2))
        still = closed >= pd.Timestamp("2024-01-01T00:00:00Z")
        rows.append(
            {
                "id": f"D{i}",
                "created": created.isoformat(),
                "closed": "" if still else closed.isoformat(),
                "source": "web" if web else "fair",
                "stage": "Open" if still else "Won" if won else "Lost",
            }
        )
    return rows


def csv(rows: Rows, columns: Sequence[str] = ()) -> str:
    """The rows as a CSV file; missing cells are empty."""
    return pd.DataFrame(rows, columns=list(columns) or None).to_csv(index=False)


def through(folder: Path, mapping: str, content: str | bytes) -> tuple[Trained, Tables]:
    """Ingest and train."""
    folder.mkdir(exist_ok=True)
    table = "accounts" if mapping.startswith(FLAT[:20]) else "deals"
    tables, _ = ingested(folder, mapping, **{table: content})
    name = "churn" if table == "accounts" else "deal_close"
    return train(tables, name, QUICK, AT), tables


def scores(folder: Path, trained: Trained, tables: Tables) -> pd.DataFrame:
    """Every open entity scored by the batch: all of them are probabilities."""
    out = folder / "scores.parquet"
    cutoff = micros("2024-01-01T00:00:00+00:00")
    assert score_all(trained.bundle, tables, cutoff, out) > 0
    found = pd.read_parquet(out)
    assert found["probability"].between(0, 1, inclusive="neither").all()
    return found


def answer(trained: Trained, **custom: Any) -> dict[str, Any]:
    """What the endpoint says of one customer with these fields."""
    record = {"account": {"account_id": "x", "custom": custom}}
    desk = Predictor(Scorer(trained.bundle))
    result: dict[str, Any] = desk.answer({"records": [record]}, 0, "r")["results"][0]
    return result


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """The model of the customers as they should be."""
    return through(tmp_path_factory.mktemp("sound"), FLAT, csv(customers()))[0]


def same_bundle(folder: Path, a: Trained, b: Trained) -> None:
    """The two runs leave the same bytes."""
    for name, trained in (("a", a), ("b", b)):
        bundles.write(trained.bundle, folder / "bundles" / name)
    for path in (folder / "bundles" / "a").iterdir():
        assert path.read_bytes() == (folder / "bundles" / "b" / path.name).read_bytes(), path.name


def _all(rows: Rows, **cells: Any) -> Rows:
    return [row | cells for row in rows]


# --- what cannot be learned from is told, with what to do ----------------------------------------


@pytest.mark.parametrize(
    ("mapping", "content", "said"),
    [
        (FLAT, "id,gone,seats,plan\n", "churn: the data hold no accounts; check"),
        (DATED, "id,created,closed,source,stage\n", "deal_close: the data hold no deals; check"),
        (FLAT, csv(customers()[:1]), "none of 1 accounts is 'churned'"),
        (FLAT, csv(_all(customers()[:1], gone="yes")), "1 of 1 rows have the outcome: at least 3"),
        (DATED, csv(_all(deals()[:1], stage="Won")), "no row lies before the newest period"),
        (FLAT, csv(_all(customers(), gone="no")), "none of 240 accounts is 'churned': there is"),
        (FLAT, csv(_all(customers(), gone="yes")), "240 of 240 rows have the outcome: at least 3"),
        (DATED, csv(_all(deals(), stage="Lost")), "is 'won': there is nothing to learn"),
        (DATED, csv(_all(deals(), created="")), "no row of deals was ever open at a midnight"),
        (FLAT, csv(_all(customers(), seats="", plan="")), "no fact that could be a feature; map"),
    ],
    ids=[
        "empty, flat", "empty, dated", "a single open row", "a single row", "a single row, dated",
        "no positive", "one class only", "no positive, dated", "no births", "all missing",
    ],
)  # fmt: skip
def test_what_cannot_be_learned_from_is_told(
    tmp_path: Path, mapping: str, content: str, said: str
) -> None:
    with pytest.raises(ValueError) as problem:
        through(tmp_path, mapping, content)
    assert said in str(problem.value)


def test_only_wins_with_dates_teach_when_and_say_that_this_is_too_little(tmp_path: Path) -> None:
    """One class only, but dated: when it happens can be learned, whether it does cannot."""
    rows = [row | {"stage": "Won" if row["closed"] else "Open"} for row in deals()]
    trained, tables = through(tmp_path, DATED, csv(rows))
    scores(tmp_path, trained, tables)
    assert trained.learned.model.blend.c.shape == (2, 2), "lost is still one of the outcomes"


# --- columns without worth change nothing --------------------------------------------------------


def test_ten_thousand_categories_are_one_other(tmp_path: Path) -> None:
    """A word seen once says nothing: all of them are "other", and so is one never seen."""
    rows = [row | {"plan": f"plan {i}"} for i, row in enumerate(customers(10_000))]
    trained, tables = through(tmp_path, FLAT, csv(rows))
    assert trained.learned.model.encoding.levels["custom_plan"] == []
    assert "custom_plan" in trained.learned.model.encoding.useless
    scores(tmp_path, trained, tables)
    known, never = answer(trained, seats=0.5, plan="plan 7"), answer(trained, seats=0.5, plan="é")
    assert known["probability"] == never["probability"]


def test_ten_thousand_categories_get_a_shrunk_rate_where_there_is_time(tmp_path: Path) -> None:
    """Every value has a history of at most itself, so its rate stays near the company's."""
    rows = [row | {"source": f"source {i}"} for i, row in enumerate(deals())]
    trained, tables = through(tmp_path, DATED, csv(rows))
    column = trained.teaching.features.columns["source_rate"]
    assert isinstance(column, np.ndarray) and ((column > 0) & (column < 1)).all()
    scores(tmp_path, trained, tables)


def test_a_constant_column_says_nothing(tmp_path: Path) -> None:
    """Not even when a request brings another value than the one ever seen."""
    trained, tables = through(tmp_path, FLAT, csv(_all(customers(), seats=3)))
    assert trained.learned.model.encoding.useless == ["custom_seats"]
    scores(tmp_path, trained, tables)
    results = [answer(trained, seats=s, plan="basic")["probability"] for s in (3, -8, 1e12)]
    assert len(set(results)) == 1


def test_a_column_that_is_missing_everywhere_is_no_feature(tmp_path: Path) -> None:
    trained, tables = through(tmp_path, FLAT, csv(_all(customers(), plan="")))
    assert [s.name for s in trained.bundle.features] == ["custom_seats"]
    scores(tmp_path, trained, tables)
    plain, brought = answer(trained, seats=0.5), answer(trained, seats=0.5, plan="basic")
    assert plain["probability"] == brought["probability"]


def test_missing_in_most_rows_and_missing_in_the_request(tmp_path: Path) -> None:
    rows = [
        row | {"seats": row["seats"] if i % 7 == 0 else ""} for i, row in enumerate(customers())
    ]
    trained, tables = through(tmp_path, FLAT, csv(rows))
    scores(tmp_path, trained, tables)
    assert 0 < answer(trained)["probability"] < 1


# --- impossible values are missing ---------------------------------------------------------------


def test_infinite_and_enormous_numbers_are_missing_from_end_to_end(tmp_path: Path) -> None:
    """The model is the one of the export with those cells empty, to the byte."""
    impossible = ["inf", "-inf", "1e300", "nan", "1e16", "-4e15"]
    rows, blank = customers(), customers()
    for i, value in enumerate(impossible):
        rows[i * 3]["seats"], blank[i * 3]["seats"] = value, ""
    trained, tables = through(tmp_path / "wild", FLAT, csv(rows))
    same_bundle(tmp_path, trained, through(tmp_path / "blank", FLAT, csv(blank))[0])
    scores(tmp_path, trained, tables)


def test_a_large_number_within_bounds_is_scored(tmp_path: Path) -> None:
    """A typing error of many digits moves its own score, and no other becomes nonsense."""
    rows = customers()
    rows[0]["seats"] = 9e14
    trained, tables = through(tmp_path, FLAT, csv(rows))
    scores(tmp_path, trained, tables)
    assert trained.judgement.value("auc") > 0.6, "one cell does not hide the pattern"


@pytest.mark.parametrize("value", [float("inf"), float("nan"), 1e300, "many", [1]])
def test_a_request_with_an_impossible_number_is_told(sound: Trained, value: Any) -> None:
    result = answer(sound, seats=value)
    assert "probability" not in result
    assert result["error"]["path"].endswith("account.custom.seats"), result


# --- times ---------------------------------------------------------------------------------------


def test_dates_before_1900_and_in_the_future_teach_nothing(tmp_path: Path) -> None:
    """The rows of another century are never asked about; those of the future are not even there."""
    strange = [
        {"id": "old", "created": "1066-10-14", "closed": "", "source": "web", "stage": "Open"},
        {"id": "new", "created": "2150-01-01", "closed": "", "source": "web", "stage": "Open"},
        {"id": "won", "created": "2023-01-01", "closed": "2999-01-01", "source": "web",
         "stage": "Won"},
    ]  # fmt: skip
    trained, tables = through(tmp_path / "strange", DATED, csv(deals() + strange))
    sound, _ = through(tmp_path / "sound", DATED, csv(deals()))
    assert trained.teaching.spine.ids == sound.teaching.spine.ids
    np.testing.assert_array_equal(trained.teaching.X, sound.teaching.X)
    assert not {"old", "new", "won"} & set(scores(tmp_path, trained, tables)["id"])


def test_mixed_zones_are_one_instant(tmp_path: Path) -> None:
    """The same instants in four zones, by turns, give the same model to the byte."""
    zones = ["UTC", "Asia/Kolkata", "America/New_York", "Etc/GMT-14"]

    def told(at: str, i: int) -> str:
        return pd.Timestamp(at).tz_convert(zones[i % 4]).isoformat() if at else ""

    mixed = [
        row | {"created": told(row["created"], i), "closed": told(row["closed"], i + 1)}
        for i, row in enumerate(deals())
    ]
    one, _ = through(tmp_path / "mixed", DATED, csv(mixed))
    same_bundle(tmp_path, one, through(tmp_path / "utc", DATED, csv(deals()))[0])


# --- names and letters ---------------------------------------------------------------------------


def test_a_column_twice_under_two_names_is_shared_not_counted_twice(tmp_path: Path) -> None:
    """Exact copies share their weight: the score is that of the column alone, nearly."""
    twice = FLAT + 'again = { from = "copy", kind = "number" }\n'
    rows = [row | {"copy": row["seats"]} for row in customers()]
    both, tables = through(tmp_path / "twice", twice, csv(rows))
    alone, _ = through(tmp_path / "once", FLAT, csv(customers()))
    scores(tmp_path, both, tables)
    one, other = (answer(both, seats=s, again=s, plan="basic")["probability"] for s in (-1, 1))
    single, second = (answer(alone, seats=s, plan="basic")["probability"] for s in (-1, 1))
    assert one > other
    assert (one, other) == pytest.approx((single, second), abs=0.05)


def test_two_columns_of_one_name_are_told_apart_by_position(tmp_path: Path) -> None:
    """The header says seats twice: the mapping must say which, then the right one is learned."""
    noise = np.random.default_rng(4).permutation([row["seats"] for row in customers()])
    rows = [
        [row["id"], row["gone"], str(n), str(row["seats"]), row["plan"]]
        for row, n in zip(customers(), noise, strict=True)
    ]
    content = "id,gone,seats,seats,plan\n" + "".join(",".join(r) + "\n" for r in rows)
    with pytest.raises(ValueError, match="seats"):
        through(tmp_path / "unsaid", FLAT, content)
    said = FLAT.replace('from = "seats"', 'from = "seats#4"')
    same, _ = through(tmp_path / "said", said, content)
    alone, _ = through(tmp_path / "alone", FLAT, csv(customers()))
    np.testing.assert_array_equal(same.teaching.X, alone.teaching.X)


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16"])
def test_other_encodings_give_the_same_model_and_answer_in_utf8(
    tmp_path: Path, encoding: str
) -> None:
    told, tables = through(tmp_path / "told", FLAT, csv(customers()).encode(encoding))
    same_bundle(tmp_path, told, through(tmp_path / "utf8", FLAT, csv(customers()))[0])
    assert set(told.learned.model.encoding.levels["custom_plan"]) == {"basic", "café", "größer"}
    scores(tmp_path, told, tables)
    known, other = (answer(told, seats=0.1, plan=p)["probability"] for p in ("café", "caf\ufffd"))
    assert known != other
