"""A store that is locked, read-only, full, away or killed: said as it is, and nothing is lost."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import event, text
from sqlalchemy.engine import make_url

from serving.store.errors import (
    StoreBusyError,
    StoreDownError,
    StoreError,
    StoreFullError,
    StoreReadOnlyError,
    StoreSchemaError,
)
from serving.store.store import Store, open_store
from tests.helpers.postgres import Cluster
from tests.helpers.stored import night, score

ROOT = Path(__file__).parents[1]


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """A store that is not patient, with a score and some feedback."""
    opened = open_store(database_url, patience=0.3)
    night(opened, [score("a")])
    opened.feedback.add("leads", "a", "outcome", "converted", "crm", None, 1)
    yield opened
    opened.close()


def _say(store: Store, at: int = 2) -> None:
    store.feedback.add("leads", "a", "outcome", "converted", "crm", "a secret note", at)


def _fails(store: Store, kind: type[StoreError], work: Callable[[], Any] | None = None) -> None:
    with pytest.raises(kind) as failed:
        (work or (lambda: _say(store)))()
    assert failed.value.retry_after > 0 and failed.value.code.startswith("store_")
    assert "secret" not in str(failed.value) and failed.value.__cause__ is None


def _reads(store: Store, said: int) -> None:
    assert len(store.feedback.of("leads", "a")) == said
    assert store.scores.latest("leads", "a") is not None


def test_another_writer_makes_us_busy_and_no_reader_waits(store: Store, database_url: str) -> None:
    with _locked(database_url):
        _fails(store, StoreBusyError)
        if database_url.startswith("sqlite"):
            _reads(store, 1)
    _say(store)
    _reads(store, 2)


class _locked:  # noqa: N801  # used as a block
    """Another process's transaction that will not end."""

    def __init__(self, url: str) -> None:
        if url.startswith("sqlite"):
            self.connection: Any = sqlite3.connect(str(make_url(url).database))
            self.connection.isolation_level = None
            self.connection.execute("BEGIN IMMEDIATE")
        else:
            self.connection = psycopg.connect(url)
            self.connection.execute("LOCK TABLE feedback, runs IN ACCESS EXCLUSIVE MODE")

    def __enter__(self) -> None:
        return

    def __exit__(self, *_: object) -> None:
        self.connection.rollback()
        self.connection.close()


def test_a_writer_that_waits_its_turn_gets_it(database_url: str) -> None:
    store = open_store(database_url, patience=20)
    lock = _locked(database_url)
    waiting = threading.Thread(target=_say, args=(store,))
    waiting.start()
    waiting.join(0.3)
    assert waiting.is_alive()
    lock.__exit__()
    waiting.join(20)
    assert len(store.feedback.of("leads", "a")) == 1
    store.close()


def test_a_full_sqlite_keeps_what_it_has_and_takes_more_when_there_is_room(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/s.db")
    night(store, [score("a")])
    _say(store)
    pages = 0

    def limit(connection: Any, _: Any) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages}")

    with store.database.reading() as connection:
        pages = connection.scalar(text("PRAGMA page_count")) + 3
    event.listen(store.engine, "connect", limit)
    store.engine.dispose()
    said = 1
    with pytest.raises(StoreFullError) as failed:
        for _ in range(10_000):
            _say(store)
            said += 1
    assert failed.value.retry_after >= 30
    _reads(store, min(said, 100))
    _fails(store, StoreFullError, lambda: night(store, [score(f"b{i}") for i in range(500)]))
    assert store.scores.latest("leads", "b0") is None
    event.remove(store.engine, "connect", limit)
    store.engine.dispose()
    _say(store)
    assert len(store.feedback.of("leads", "a", 10**6)) == said + 1
    store.close()


def test_a_full_postgresql_is_said_as_full(postgres: Cluster) -> None:
    """The server's own error number for a full disk, raised by the server."""
    url = postgres.schema()
    store = open_store(url)
    body = "BEGIN RAISE EXCEPTION 'no space left' USING ERRCODE = 'disk_full'; END"
    with psycopg.connect(url) as connection:
        connection.execute(
            f"CREATE FUNCTION full_() RETURNS trigger LANGUAGE plpgsql AS $${body}$$"
        )
        connection.execute("CREATE TRIGGER t BEFORE INSERT ON feedback EXECUTE FUNCTION full_()")
    _fails(store, StoreFullError)
    with psycopg.connect(url) as connection:
        connection.execute("DROP TRIGGER t ON feedback")
    _say(store)
    assert len(store.feedback.of("leads", "a")) == 1
    store.close()


def test_a_read_only_database_opens_reads_and_says_so_when_written(
    store: Store, database_url: str
) -> None:
    if database_url.startswith("sqlite"):
        file = make_url(database_url).database
        url = f"sqlite:///file:{file}?mode=ro&uri=true"
    else:
        url = f"{database_url}%20-cdefault_transaction_read_only%3Don"
    opened = open_store(url)
    _reads(opened, 1)
    _fails(opened, StoreReadOnlyError)
    _fails(opened, StoreReadOnlyError, lambda: opened.keys.create("a", ["read"], 1))
    assert opened.subject("leads", "a") == store.subject("leads", "a")
    opened.close()


def test_lost_tables_are_said_as_such(store: Store, database_url: str) -> None:
    with store.writing() as connection:
        connection.execute(text("DROP TABLE feedback"))
    _fails(store, StoreSchemaError)
    assert database_url


def test_a_file_that_is_no_database_is_said_and_not_touched(tmp_path: Path) -> None:
    file = tmp_path / "s.db"
    file.write_bytes(b"this is somebody's letter" * 100)
    with pytest.raises(StoreDownError):
        open_store(f"sqlite:///{file}")
    assert file.read_bytes() == b"this is somebody's letter" * 100


def test_a_file_that_was_deleted_under_us_takes_no_writes(tmp_path: Path) -> None:
    """SQLite itself goes on writing to what no longer has a name."""
    store, file = open_store(f"sqlite:///{tmp_path}/s.db"), tmp_path / "s.db"
    night(store, [score("a")])
    _say(store)
    (tmp_path / "kept").mkdir()
    for part in tmp_path.glob("s.db*"):
        part.rename(tmp_path / "kept" / part.name)
    _fails(store, StoreDownError)
    assert not file.exists()
    for part in (tmp_path / "kept").iterdir():
        part.rename(tmp_path / part.name)
    _say(store)
    _reads(store, 2)
    store.close()


def test_a_new_file_is_its_owners_alone(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/100% of #1/s.db")
    _say(store)
    files = list((tmp_path / "100% of #1").glob("s.db*"))
    assert files and all(file.stat().st_mode & 0o077 == 0 for file in files)
    store.close()


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreDownError, match="cannot be made"):
        open_store(f"sqlite:///{tmp_path}/file/deep/s.db")


def test_a_server_that_restarted_is_found_again(postgres: Cluster) -> None:
    store = open_store(postgres.database())
    night(store, [score("a")])
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
            [store.engine.url.database],
        )
    _say(store)
    _reads(store, 1)
    store.close()


def test_no_acknowledged_write_is_lost_to_a_kill(database_url: str) -> None:
    open_store(database_url).close()
    writers = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.helpers.writers", "feedback", database_url],
            cwd=ROOT,
            stdout=subprocess.PIPE,
        )
        for _ in range(2)
    ]
    acknowledged: list[bytes] = []
    for writer in writers:
        assert writer.stdout is not None
        acknowledged += [writer.stdout.readline() for _ in range(60)]
    for writer in writers:
        writer.kill()
        assert writer.stdout is not None
        acknowledged += writer.stdout.readlines()
        writer.wait(60)
    store = open_store(database_url)
    kept = {f.id for f in store.feedback.since(0, 10**6)}
    whole = {line.decode().strip() for line in acknowledged if line.endswith(b"\n")}
    assert len(whole) >= 120 and whole <= kept
    _say(store)
    store.close()


def test_threads_of_one_process_do_not_get_into_each_others_way(database_url: str) -> None:
    store = open_store(database_url, patience=30)
    failed: list[BaseException] = []

    def work(thread: int) -> None:
        try:
            for n in range(15):
                store.feedback.add("leads", "a", "outcome", n, f"t{thread}", None, n)
                store.scores.mark_stale("leads", "a", n)
                assert store.feedback.of("leads", "a")
        except BaseException as wrong:
            failed.append(wrong)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed and len(store.feedback.of("leads", "a", 1000)) == 90
    store.close()


@pytest.mark.parametrize("left", [0, 4096, 10_000])
def test_a_truncated_database_is_noticed(tmp_path: Path, left: int) -> None:
    """By the readiness probe and by a write, whose row would lie in a file that nobody can read."""
    file = tmp_path / "embudo.db"
    opened = open_store(f"sqlite:///{file}", patience=0.3)
    night(opened, [score(f"L{i}") for i in range(200)])
    opened.ping()
    with sqlite3.connect(file) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with file.open("r+b") as cut:
        cut.truncate(left)
    with pytest.raises(StoreError):
        opened.ping()
    with pytest.raises(StoreError):
        _say(opened)
    opened.close()
