"""The journal: on disk before the answer, in the store once, whatever is killed or locked."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from serving.store import journal as journals
from serving.store.audit import AuditRow
from serving.store.errors import StoreBusyError, StoreRefusedError
from serving.store.journal import Counters, Journal
from serving.store.segment import Segment
from serving.store.store import Store, open_store

ROOT = Path(__file__).parents[1]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty store."""
    opened = open_store(f"sqlite:///{tmp_path}/s.db")
    yield opened
    opened.close()


def _rows(n: int) -> list[AuditRow]:
    return [AuditRow(i, "score", "k", "r", "leads", "s", "m", "v", 0.5, None) for i in range(n)]


class _Sink:
    """Takes rows, unless it is told to fail."""

    def __init__(self) -> None:
        self.rows: list[AuditRow] = []
        self.failure: Exception | None = None

    def __call__(self, rows: Sequence[AuditRow]) -> None:
        if self.failure is not None:
            raise self.failure
        self.rows += rows


def test_rows_come_to_the_store_and_the_file_goes(store: Store, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j", store.audit.append)
    rows = _rows(3)
    journal.append(rows)
    assert store.audit.count() == 0 and len(list((tmp_path / "j").iterdir())) == 1
    assert journal.drain() and journal.counters == Counters(drained=3)
    assert sorted(store.audit.all(), key=lambda r: r.at) == rows
    assert list((tmp_path / "j").iterdir()) == []
    journal.append(_rows(1))
    journal.close()
    assert store.audit.count() == 4


def test_a_store_that_fails_makes_nobody_wait_and_loses_nothing(tmp_path: Path) -> None:
    sink = _Sink()
    journal = Journal(tmp_path, sink)
    sink.failure = StoreBusyError("locked")
    for _ in range(3):
        journal.append(_rows(2))
        assert not journal.drain()
    found = journal.counters
    assert (found.pending, found.failures, found.last_error) == (6, 3, "locked")
    sink.failure = None
    while journal.counters.pending:
        assert journal.drain()
    assert len({row.uid for row in sink.rows}) == 6 and journal.counters.last_error == ""


def test_the_thread_drains_by_itself_and_outlives_failures(tmp_path: Path) -> None:
    sink, came = _Sink(), threading.Event()
    sink.failure = RuntimeError("a fault of ours")

    def recovering(rows: Sequence[AuditRow]) -> None:
        try:
            sink(rows)
            came.set()
        finally:
            sink.failure = None

    journal = Journal(tmp_path, recovering, interval=0.01)
    journal.append(_rows(2))
    journal.start()
    assert came.wait(30)
    journal.close()
    assert len(sink.rows) == 2 and journal.counters.failures == 1


def test_what_a_closed_journal_could_not_bring_the_next_one_does(
    store: Store, tmp_path: Path
) -> None:
    sink = _Sink()
    sink.failure = StoreBusyError("locked")
    first = Journal(tmp_path / "j", sink)
    first.append(_rows(4))
    first.drain()
    first.append(_rows(3))
    first.close()
    assert len(list((tmp_path / "j").iterdir())) == 2
    following = Journal(tmp_path / "j", store.audit.append)
    assert following.drain() and store.audit.count() == 7
    assert following.counters == Counters(drained=7)


def test_the_living_are_left_alone(tmp_path: Path) -> None:
    mine, yours = _Sink(), _Sink()
    a, b = Journal(tmp_path, mine), Journal(tmp_path, yours)
    a.append(_rows(2))
    b.append(_rows(3))
    assert a.drain() and (len(mine.rows), len(yours.rows)) == (2, 0)
    assert b.drain() and len(yours.rows) == 3
    a.close()
    b.close()


def test_every_appended_row_outlives_a_kill_and_comes_once(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "j"
    worker = subprocess.Popen(
        [sys.executable, "-m", "tests.helpers.writers", "audit", str(folder)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    assert worker.stdout is not None
    said = [worker.stdout.readline() for _ in range(500)]
    worker.kill()
    said += worker.stdout.readlines()
    worker.wait(60)
    drainers = [Journal(folder, store.audit.append) for _ in range(3)]
    threads = [threading.Thread(target=j.drain) for j in drainers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept = {row.uid for row in store.audit.all(10**6)}
    whole = {line.decode().strip() for line in said if line.endswith(b"\n")}
    assert len(whole) >= 500 and whole <= kept
    drained = [j.counters.drained for j in drainers]
    assert sorted(drained) == [0, 0, len(kept)], "exactly one drainer takes a dead worker's file"


def test_rows_come_once_though_the_drainer_was_killed_after_the_store_had_them(
    database_url: str, tmp_path: Path
) -> None:
    folder = tmp_path / "j"
    done = subprocess.run(
        [sys.executable, "-m", "tests.helpers.writers", "drain", database_url, str(folder)],
        cwd=ROOT,
    )
    assert done.returncode == -9 and len(list(folder.iterdir())) == 1
    store = open_store(database_url)
    assert store.audit.count() == 20
    following = Journal(folder, store.audit.append)
    assert following.drain() and following.counters.drained == 20
    assert store.audit.count() == 20 and list(folder.iterdir()) == []
    store.close()


def test_a_torn_line_costs_itself_only(tmp_path: Path) -> None:
    sink = _Sink()
    journal = Journal(tmp_path / "j", sink)
    journal.append(_rows(1))
    file = next((tmp_path / "j").iterdir())
    with file.open("ab") as appended:
        appended.write(b'{"at":1,"act\n{"at":"x","action":1,"uid":2}\n{"what":1}\n[]\n\xff\n\n')
    journal.append(_rows(1))
    assert journal.drain()
    assert len(sink.rows) == 2 and journal.counters.torn == 5


def test_a_row_that_the_store_refuses_is_left_out_and_not_its_neighbours(tmp_path: Path) -> None:
    kept: list[AuditRow] = []

    def sink(rows: Sequence[AuditRow]) -> None:
        if any(row.at == 7 for row in rows):
            raise StoreRefusedError("no")
        kept.extend(rows)

    journal = Journal(tmp_path, sink)
    journal.append(_rows(20))
    assert journal.drain() and journal.counters.refused == 1
    assert [row.at for row in kept] == [i for i in range(20) if i != 7]


def test_a_full_disk_tears_one_line_and_memory_holds_the_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink, write = _Sink(), os.write
    journal = Journal(tmp_path, sink)
    first, second, third = _rows(2), _rows(2), _rows(1)
    journal.append(first)
    monkeypatch.setattr(os, "write", lambda handle, data: write(handle, data[:20]))
    journal.append(second)
    monkeypatch.setattr(os, "write", write)
    assert "No space left" in journal.counters.last_error
    journal.append(third)
    assert journal.counters.pending == 5
    assert journal.drain()
    assert {r.uid for r in sink.rows} == {r.uid for r in [*first, *second, *third]}
    found = journal.counters
    assert (found.torn, found.dropped, found.pending) == (1, 0, 0)


def test_a_folder_that_cannot_be_written_fails_no_request_and_drops_beyond_its_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "j").write_text("a file in the folder's place")
    monkeypatch.setattr(journals, "SPARE", 5)
    sink = _Sink()
    journal = Journal(tmp_path / "j", sink)
    journal.append(_rows(3))
    journal.append(_rows(4))
    found = journal.counters
    assert (found.pending, found.dropped) == (5, 2)
    journal.drain()
    assert len(sink.rows) == 5 and journal.counters.pending == 0


def test_a_journal_that_nobody_drains_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = _Sink()
    sink.failure = StoreBusyError("locked")
    monkeypatch.setattr(journals, "LARGEST", 2_000)
    monkeypatch.setattr(journals, "SPARE", 4)
    journal = Journal(tmp_path, sink)
    for _ in range(30):
        journal.append(_rows(1))
        journal.drain()
    found = journal.counters
    assert 0 < found.pending < 30 and found.pending + found.dropped == 30
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 2_000
    sink.failure = None
    while journal.counters.pending:
        assert journal.drain()
    assert len(sink.rows) == found.pending


def test_a_journal_that_closes_brings_some_and_leaves_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journals, "LAST", 2)
    monkeypatch.setattr(journals, "BATCH", 3)
    sink = _Sink()
    first = Journal(tmp_path, sink)
    first.append(_rows(10))
    first.close()
    assert len(sink.rows) == 6 and "the next one brings the rest" in first.counters.last_error
    monkeypatch.setattr(journals, "LAST", 20)
    following = Journal(tmp_path, sink)
    following.close()
    assert len({row.uid for row in sink.rows}) == 10 and list(tmp_path.iterdir()) == []


def test_a_journal_closes_though_the_store_holds_its_thread(tmp_path: Path) -> None:
    entered, free = threading.Event(), threading.Event()

    def stuck(_: Sequence[AuditRow]) -> None:
        entered.set()
        free.wait(60)

    journal = Journal(tmp_path, stuck, interval=0.001)
    journal.append(_rows(1))
    journal.start()
    assert entered.wait(30)
    journal.close(patience=0.05)
    assert len(list(tmp_path.iterdir())) == 1, "the row is on disk still"
    free.set()


def test_an_empty_file_taken_for_a_dead_workers_is_begun_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the making of a file and its lock a drainer may come."""
    opened, meddled = os.open, list[Any]()

    def meddle(path: Any, flags: int, *mode: int) -> int:
        handle = opened(path, flags, *mode)
        if flags & os.O_CREAT and not meddled:
            meddled.append(path)
            taken = Segment.inherit(Path(path))
            assert taken is not None
            taken.end()
        return handle

    monkeypatch.setattr(os, "open", meddle)
    segment = Segment.begin(tmp_path)
    segment.append(b"x\n", 1)
    assert meddled and segment.path != meddled[0] and list(segment.lines()) == [b"x\n"]
    segment.end()


def test_many_threads_append_whole_lines(tmp_path: Path) -> None:
    sink = _Sink()
    journal = Journal(tmp_path, sink, interval=0.001)
    journal.start()
    rows = [_rows(50) for _ in range(8)]

    def work(mine: list[AuditRow]) -> None:
        for row in mine:
            journal.append([row])

    threads = [threading.Thread(target=work, args=(some,)) for some in rows]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    journal.close()
    assert {r.uid for r in sink.rows} == {r.uid for some in rows for r in some}
    assert journal.counters == Counters(drained=400)


def test_a_file_deleted_under_us_loses_nothing(store: Store, tmp_path: Path) -> None:
    """Its rows come to the store all the same, and what comes after goes to a new file."""
    folder = tmp_path / "j"
    journal = Journal(folder, store.audit.append)
    rows = _rows(4)
    journal.append(rows[:1])
    for row in rows[1:]:
        for path in folder.iterdir():
            path.unlink()
        journal.append([row])
    assert len(list(folder.iterdir())) == 1
    for path in folder.iterdir():
        path.unlink()
    assert journal.drain() and store.audit.count() == 4
    assert journal.counters == Counters(drained=4)
    journal.close()


def test_rows_cut_off_are_counted_as_lost(store: Store, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j", store.audit.append)
    journal.append(_rows(3))
    for path in (tmp_path / "j").iterdir():
        os.truncate(path, 0)
    assert journal.drain()
    assert journal.counters.dropped == 3 and store.audit.count() == 0
    journal.close()
