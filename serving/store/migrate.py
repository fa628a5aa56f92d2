"""The tables brought to this version's: by one process at a time, in one transaction."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from time import sleep
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, exc

from serving.store.engine import Database
from serving.store.errors import StoreBusyError, StoreReadOnlyError, StoreSchemaError, translated
from serving.store.schema import METADATA

FOLDER = Path(__file__).parent / "migrations"


def scripts() -> ScriptDirectory:
    """The revisions of this version."""
    return ScriptDirectory.from_config(_config())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    return config


def revision(database: Database) -> str | None:
    """The revision of the database, None where it has no tables of ours."""
    with database.reading() as connection:
        return _revision(connection)


def upgrade(database: Database, to: str = "head") -> None:
    """Bring the tables to a revision, where they are not there yet.

    StoreSchemaError where the database is newer than this version.
    """
    known = scripts()
    if revision(database) == known.get_current_head() and to == "head":
        return
    _keep_ahead_log(database)
    with database.writing() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_TURN})")
        # whoever waited for its turn finds the work done
        _require_known(known, _revision(connection))
        _run(known, connection, to)


def require_current(database: Database) -> None:
    """StoreSchemaError unless the tables are this version's."""
    known, found = scripts(), revision(database)
    _require_known(known, found)
    if found != known.get_current_head():
        message = f"the store is at revision {found}, this version's is {known.get_current_head()}"
        raise StoreSchemaError(f"{message}; run `python -m serving store upgrade`")


def _run(known: ScriptDirectory, connection: Connection, to: str) -> None:
    def steps(found: Any, _: MigrationContext) -> Any:
        return known._upgrade_revs(to, found)

    context = EnvironmentContext(_config(), known, fn=steps)
    # SQLite can roll DDL back once it was us who said BEGIN; alembic does not know that
    context.configure(connection=connection, target_metadata=METADATA, transactional_ddl=True)
    context.run_migrations()


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _require_known(known: ScriptDirectory, found: str | None) -> None:
    names = [script.revision for script in known.walk_revisions()]
    if found is not None and found not in names:
        raise StoreSchemaError(
            f"the store is at revision {found}, which this version does not know (it knows up to "
            f"{names[0]}): install the version that wrote it, or restore a copy from before"
        )


def _keep_ahead_log(database: Database) -> None:
    """SQLite: readers and one writer side by side, from now on and for every process."""
    if database.engine.dialect.name != "sqlite":
        return
    mode = ""
    for wait in (0.0, *[0.05] * 100):
        # changing it takes the file alone, and asks nobody to wait: so we do
        sleep(wait)
        mode, busy = _ahead(database)
        if not busy:
            break
    if mode != "wal":
        message = (
            f"the database keeps a {mode or 'locked'} journal and cannot keep a write-ahead log"
        )
        raise StoreReadOnlyError(f"{message}; put it on a local, writable disk")


def _ahead(database: Database) -> tuple[str, bool]:
    try:
        raw = database.engine.raw_connection()
        try:
            return str(raw.cursor().execute("PRAGMA journal_mode = WAL").fetchone()[0]), False
        finally:
            raw.close()
    except (sqlite3.Error, exc.DBAPIError) as wrong:
        error = translated(wrong)
        if isinstance(error, StoreBusyError):
            return "", True
        raise error from None


_TURN = 0x656D6276
