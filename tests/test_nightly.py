"""The night's run: what the endpoint would say, resumed after a kill as if there had been none."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from features import frames as data
from features.tables import NAT, Coded, Tables
from serving import __main__ as serving
from serving.scoring import nightly
from serving.scoring.batch import open_ids, score_all
from serving.scoring.nightly import export, score_night
from serving.scoring.predictor import exact_text
from serving.scoring.scorer import Scored, Scorer
from serving.store.errors import StoreBusyError, StoreRefusedError
from serving.store.runs import Run
from serving.store.scores import ScoreRow
from serving.store.store import Store, open_store
from tests.helpers.histories import META, frames_of, history
from tests.helpers.nights import BLOCK, CUTOFF, NOW, scored_night, world
from tests.helpers.scored import bundle_of
from training.models import bundle as bundles

ROOT = Path(__file__).parents[1]


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """An empty store."""
    opened = open_store(database_url)
    yield opened
    opened.close()


def _all(store: Store, run: Run) -> list[ScoreRow]:
    return list(store.scores.rows(run))


@pytest.mark.parametrize("entity", ["leads", "deals", "accounts"])
def test_the_store_holds_what_the_batch_scores(entity: str, store: Store, tmp_path: Path) -> None:
    bundle, tables = world(entity)
    run = score_night(store, bundle, tables, CUTOFF, lambda: NOW, block=4)
    n = score_all(bundle, tables, CUTOFF, tmp_path / "batch.parquet")
    assert export(store, run, bundle, tmp_path / "store.parquet") == n == run.total > 8
    batch, stored = (pq.read_table(tmp_path / f"{f}.parquet") for f in ("batch", "store"))
    assert stored.equals(batch), "to the bit, and in the same order"
    one = store.scores.latest(entity, batch["id"][0].as_py())
    assert one is not None and one.score.probability == batch["probability"][0].as_py()
    assert (one.cutoff, one.version, one.model) == (CUTOFF, "v-test", bundle.name)


def test_people_find_a_score_by_what_was_known_at_the_cutoff(store: Store) -> None:
    bundle, tables = world("deals")
    run = score_night(store, bundle, tables, CUTOFF, lambda: NOW)
    rows = {row.id: row for row in _all(store, run)}
    table = tables["deals"]
    keys = table.coded("deal_id").words()
    changed = set(tables["changes"].coded("entity_id").words())
    labels, owners = table.coded("name").words(), table.coded("owner_id").words()
    home = [w in (None, "EUR") for w in table.coded("currency").words()]
    amounts = table.number("amount")
    assert len(rows) > 10 and any(r.amount is not None for r in rows.values())
    for i, key in enumerate(keys):
        if key in rows and key not in changed:
            assert (rows[key].label, rows[key].owner_id) == (labels[i], owners[i])
            if home[i] and amounts[i] == amounts[i]:
                assert rows[key].amount == amounts[i]


def test_a_flat_question_is_kept_without_a_cutoff(store: Store) -> None:
    bundle, tables = world()
    flat = replace(bundle, question={**bundle.question, "flat": True})
    run = score_night(store, flat, tables, NAT, lambda: NOW)
    assert run.cutoff is None and run.total == tables["leads"].n
    found = store.scores.latest("leads", "leads-0")
    assert found is not None and found.cutoff is None and found.score.curve == []


def test_nobody_open_is_a_finished_run_of_nobody(store: Store, tmp_path: Path) -> None:
    bundle, tables = world()
    run = score_night(store, bundle, tables, CUTOFF - 10**14, lambda: NOW)
    assert run.finished and run.total == 0
    assert export(store, run, bundle, tmp_path / "s.parquet") == 0


@pytest.mark.parametrize(("where", "block"), [("before", 3), ("within", 2)])
def test_a_killed_night_goes_on_where_its_last_whole_block_ended(
    where: str, block: int, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [sys.executable, "-m", "tests.helpers.nights", database_url, where, str(block)]
    assert subprocess.run(asked, cwd=ROOT).returncode == -9
    store = open_store(database_url)
    (half,) = store.runs.all()
    assert half.state == "open" and half.done == (block - 1) * BLOCK
    assert len(_all(store, half)) == half.done, "whole blocks and nothing else"
    assert store.scores.latest("leads", "leads-2") is None, "and nobody reads them yet"

    scored: list[str] = []
    score = Scorer.score

    def watched(self: Scorer, timeline: Any, ids: list[str], *more: Any, **named: Any) -> Scored:
        scored.extend(ids)
        return score(self, timeline, ids, *more, **named)

    monkeypatch.setattr(Scorer, "score", watched)
    run = scored_night(store)
    bundle, tables = world()
    assert run.id == half.id and run.finished
    assert scored == open_ids(Scorer(bundle), tables, CUTOFF)[half.done :]
    score_all(bundle, tables, CUTOFF, tmp_path / "whole.parquet")
    export(store, run, bundle, tmp_path / "resumed.parquet")
    tables_ = [pq.read_table(tmp_path / f"{f}.parquet") for f in ("whole", "resumed")]
    assert tables_[0].equals(tables_[1])
    again = open_store(f"sqlite:///{tmp_path}/uninterrupted.db")
    assert _all(again, scored_night(again)) == _all(store, run)
    again.close()
    store.close()


def test_two_at_once_make_one_run(database_url: str) -> None:
    stores = [open_store(database_url, patience=30) for _ in range(2)]
    runs: list[Run] = []
    threads = [
        threading.Thread(target=lambda s: runs.append(scored_night(s)), args=(s,)) for s in stores
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({run.id for run in runs}) == 1 and len(runs) == 2
    ids = [row.id for row in _all(stores[0], runs[0])]
    assert ids == open_ids(Scorer(world()[0]), world()[1], CUTOFF)
    for store in stores:
        store.close()


def test_a_finished_night_is_not_scored_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = scored_night(store)

    def fail(*_: Any, **__: Any) -> Scored:
        raise AssertionError("scored again")

    monkeypatch.setattr(Scorer, "score", fail)
    assert scored_night(store).id == first.id


def test_other_data_another_language_or_prior_is_another_night(store: Store) -> None:
    bundle, tables = world()
    ids = {score_night(store, bundle, tables, CUTOFF, lambda: NOW).id}
    ids.add(score_night(store, bundle, tables, CUTOFF, lambda: NOW, lang="es").id)
    ids.add(score_night(store, bundle, tables, CUTOFF, lambda: NOW, prior=0.4).id)
    newer = replace(bundle, version="v-newer")
    ids.add(score_night(store, newer, tables, CUTOFF, lambda: NOW).id)
    assert len(ids) == 4


def test_every_fact_is_in_the_fingerprint() -> None:
    tables = history(8, size=30)
    seen = {tables.fingerprint()}
    count = 1
    for name, table in tables.items():
        for column, values in table.columns.items():
            if isinstance(values, Coded):
                changed: Any = replace(values, values=[f"{w}!" for w in values.values])
                if not values.values:
                    continue
            else:
                changed = values.copy()
                changed[0] = 12345
            other = replace(table, columns={**table.columns, column: changed})
            seen.add(Tables({**tables.tables, name: other}, tables.meta).fingerprint())
            count += 1
    assert len(seen) == count > 60


def test_a_store_that_is_busy_for_a_while_is_waited_for(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(nightly, "sleep", waits.append)
    write, calls = store.scores.write, iter(range(100))

    def flaky(run: Run, start: int, rows: Sequence[ScoreRow]) -> Run:
        if next(calls) in (1, 2):
            raise StoreBusyError("locked")
        return write(run, start, rows)

    monkeypatch.setattr(store.scores, "write", flaky)
    run = scored_night(store)
    assert run.finished and waits == [1.0, 2.0]

    def busy(*_: Any) -> Run:
        raise StoreBusyError("locked")

    monkeypatch.setattr(store.scores, "write", busy)
    waits.clear()
    with pytest.raises(StoreBusyError):
        scored_night(store, "deals")
    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0]

    def refused(*_: Any) -> Run:
        raise StoreRefusedError("never")

    monkeypatch.setattr(store.scores, "write", refused)
    waits.clear()
    with pytest.raises(StoreRefusedError):
        scored_night(store, "accounts")
    assert waits == []


def test_who_is_erased_during_the_night_is_not_in_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle, tables = world()
    first, *_, last = open_ids(Scorer(bundle), tables, CUTOFF)
    write = store.scores.write

    def erasing(run: Run, start: int, rows: Sequence[ScoreRow]) -> Run:
        done = write(run, start, rows)
        if start == 0:
            assert store.erase("leads", first, NOW)["scores"] == 1
            assert store.erase("leads", last, NOW)["scores"] == 0
        return done

    monkeypatch.setattr(store.scores, "write", erasing)
    run = scored_night(store)
    ids = [row.id for row in _all(store, run)]
    assert len(ids) == run.total - 2 and first not in ids and last not in ids


def test_the_command_keeps_writes_and_deletes_the_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = bundle_of("leads", history(8, size=30))
    bundles.write(bundle, tmp_path / "bundle")
    monkeypatch.setattr(serving, "champions", lambda _: {bundle.name: tmp_path / "bundle"})
    monkeypatch.delenv("DATABASE_URL", raising=False)
    _, tables = world()
    data.write(tmp_path / "data", frames_of(tables), META)
    asked = ["--root", str(tmp_path), "score", "--data", str(tmp_path / "data")]
    for day in range(2):
        at = exact_text(CUTOFF + day * 86_400_000_000)
        assert serving.main([*asked, "--as-of", at, "--out", str(tmp_path / "out")]) == 0
    written = pq.read_table(tmp_path / "out" / "lead_conversion.parquet")
    store = open_store(f"sqlite:///{tmp_path}/data/embudo.db")
    newest = store.runs.newest("leads")
    assert newest is not None and newest.total == written.num_rows > 0
    assert [row.id for row in _all(store, newest)] == written["id"].to_pylist()
    assert serving.main([*asked, "--as-of", at, "--keep", "0"]) == 0
    assert "deleted" in capsys.readouterr().out and len(store.runs.all()) == 1
    store.close()
    assert serving.main([*asked, "--no-store"]) == 2
    out = tmp_path / "files"
    assert serving.main([*asked, "--as-of", at, "--no-store", "--out", str(out)]) == 0
    assert pq.read_table(out / "lead_conversion.parquet").equals(written)
