"""Migrations: every earlier database comes to the declared tables, and a later one is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text

from serving import __main__ as serving
from serving.store import migrate
from serving.store.engine import Database, address, make_engine
from serving.store.errors import StoreDownError, StoreError, StoreSchemaError
from serving.store.schema import METADATA
from serving.store.store import open_store, require_place
from tests.helpers.stored import score

ROOT = Path(__file__).parents[1]
REVISIONS = [script.revision for script in reversed(list(migrate.scripts().walk_revisions()))]


def _database(url: str) -> Database:
    """A database without tables."""
    database = Database(make_engine(url))
    require_place(database, create=True)
    return database


def _same(database: Database) -> bool:
    with database.reading() as connection:
        return not compare_metadata(MigrationContext.configure(connection), METADATA)


@pytest.mark.parametrize("revision", REVISIONS)
def test_from_every_revision_the_tables_come_out_as_declared(
    database_url: str, revision: str
) -> None:
    database = _database(database_url)
    migrate.upgrade(database, revision)
    assert migrate.revision(database) == revision
    assert _same(database) == (revision == REVISIONS[-1])
    open_store(database_url).close()
    assert migrate.revision(database) == REVISIONS[-1] and _same(database)
    database.engine.dispose()


def test_scores_of_the_first_revision_are_read_by_this_one(database_url: str) -> None:
    database = _database(database_url)
    migrate.upgrade(database, "0001")
    with database.writing() as connection:
        connection.execute(
            text(
                "INSERT INTO runs (identity, entity, model, version, outcome, cutoff, fingerprint,"
                " lang, state, total, done, started_at, as_of, finished_at) VALUES"
                " ('i', 'leads', 'm', 'v', 'o', 5, 'f', 'en', 'finished', 1, 1, 6, 5, 7)"
            )
        )
        connection.execute(
            text(
                "INSERT INTO scores (run_id, entity_id, entity, position, probability, grade,"
                " baseline, others) VALUES (1, 'L-Old', 'leads', 0, 0.5, 'A', 0.1, 0.2)"
            )
        )
        connection.execute(text("INSERT INTO details VALUES (1, 'L-Old', '[]', '[]', 'null')"))
    database.engine.dispose()
    store = open_store(database_url)
    found = store.scores.latest("leads", "L-Old")
    assert found is not None
    old = score("L-Old", 0.5, grade="A", baseline=0.1, others=0.2, curve=[], reasons=[])
    assert found.score == score("L-Old", **{**vars(old), "receipt": None, "id": "L-Old"})
    store.close()


def test_a_newer_database_is_refused_with_advice_and_left_alone(database_url: str) -> None:
    store = open_store(database_url)
    with store.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    store.close()
    for create in (True, False):
        with pytest.raises(StoreSchemaError, match=r"9999.*install the version that wrote it"):
            open_store(database_url, create=create)
    database = _database(database_url)
    assert migrate.revision(database) == "9999"
    database.engine.dispose()


def test_without_leave_no_tables_are_made(database_url: str) -> None:
    with pytest.raises(StoreError, match="store upgrade"):
        open_store(database_url, create=False)
    database = _database(database_url)
    migrate.upgrade(database, "0001")
    with pytest.raises(StoreSchemaError, match="revision 0001"):
        open_store(database_url, create=False)
    database.engine.dispose()


def test_a_migration_that_fails_leaves_the_database_as_it_was(database_url: str) -> None:
    database = _database(database_url)
    migrate.upgrade(database, "0001")
    with database.writing() as connection:
        connection.execute(text("CREATE TABLE events (other INTEGER)"))
    with pytest.raises(StoreError):
        open_store(database_url)
    assert migrate.revision(database) == "0001"
    with database.reading() as connection:
        assert "audit" not in inspect(connection).get_table_names()
    database.engine.dispose()


def test_many_workers_may_start_at_once(database_url: str) -> None:
    code = (
        "import sys; from serving.store.store import open_store, require_place\n"
        "print(open_store(sys.argv[1]).subject('a', 'b'))"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code, database_url], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    said = {worker.communicate(timeout=120)[0].strip() for worker in started}
    assert [worker.returncode for worker in started] == [0] * 3
    assert len(said) == 1 and len(said.pop()) == 64, "one secret, made once"


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("postgres://u:p@h:5/d", "postgresql+psycopg"),
        ("postgresql://u:p@h:5/d", "postgresql+psycopg"),
        ("postgresql+psycopg://u:p@h:5/d", "postgresql+psycopg"),
        ("sqlite:///a.db", "sqlite+pysqlite"),
        ("sqlite:////a/b.db", "sqlite+pysqlite"),
    ],
)
def test_the_usual_spellings_of_a_url_are_understood(url: str, name: str) -> None:
    found = address(url)
    assert found.drivername == name
    if "postgres" in name:
        assert (found.username, found.password, found.port, found.database) == ("u", "p", 5, "d")


@pytest.mark.parametrize("url", ["", "x", "mysql://a/b", "sqlite://", "sqlite:///:memory:"])
def test_what_is_no_database_of_ours_is_refused_with_the_way_to_say_it(url: str) -> None:
    with pytest.raises(StoreSchemaError, match="set DATABASE_URL to sqlite:///"):
        open_store(url)


def test_a_server_that_is_not_there_is_said_without_the_password() -> None:
    with pytest.raises(StoreDownError) as refused:
        open_store("postgresql://u:secret@127.0.0.1:1/d", patience=0.5)
    assert "secret" not in str(refused.value) and refused.value.__cause__ is None


def test_the_command_makes_and_shows_a_store(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    assert serving.main(["store", "upgrade"]) == 0
    assert serving.main(["store", "status"]) == 0
    assert f"revision {REVISIONS[-1]}" in capsys.readouterr().out
    assert serving.main(["store", "erase", "leads", "L-1"]) == 0
    assert "erased of leads L-1: nothing" in capsys.readouterr().out
    assert serving.main(["store", "purge", "--days", "1"]) == 0
    assert serving.main(["store", "purge"]) == 2
    assert "say --days 90" in capsys.readouterr().err
