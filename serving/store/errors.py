"""What can go wrong with a database, as the few things a caller can do about it."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

import psycopg
from sqlalchemy import exc


class StoreError(Exception):
    """The store cannot do it now; the message says why and what to do, and quotes no value.

    ``retry_after`` is in seconds: over HTTP it is a 503 with that header.
    """

    retry_after = 10
    code = "store_unavailable"


class StoreBusyError(StoreError):
    """Another writer holds the database longer than we are patient."""

    retry_after = 1
    code = "store_busy"


class StoreReadOnlyError(StoreError):
    """The database can be read and not written."""

    retry_after = 30
    code = "store_read_only"


class StoreFullError(StoreError):
    """The disk, or the limit of the database, is reached."""

    retry_after = 60
    code = "store_full"


class StoreDownError(StoreError):
    """The database cannot be reached, or does not read as ours."""

    retry_after = 5
    code = "store_down"


class StoreSchemaError(StoreError):
    """The tables are not those of this version."""

    retry_after = 60
    code = "store_schema"


class StoreRefusedError(StoreError, ValueError):
    """A value that no database keeps: a NUL in a text, a number beyond 64 bits. Not retried."""

    retry_after = 0
    code = "not_storable"


_ADVICE: dict[type[StoreError], str] = {
    StoreBusyError: "the database is locked by another writer; try again",
    StoreReadOnlyError: "the database is read-only; make its file and folder (or role) writable",
    StoreFullError: "the database or its disk is full; free space, or purge old rows",
    StoreDownError: "the database cannot be used; see that it runs and DATABASE_URL is right",
    StoreSchemaError: "the tables are not this version's; run `python -m serving store upgrade`",
    StoreRefusedError: "a value cannot be stored: a NUL character, or a number beyond 64 bits",
}

_SQLITE: Mapping[str, type[StoreError]] = {
    "SQLITE_BUSY": StoreBusyError,
    "SQLITE_LOCKED": StoreBusyError,
    "SQLITE_READONLY": StoreReadOnlyError,
    "SQLITE_FULL": StoreFullError,
    "SQLITE_TOOBIG": StoreRefusedError,
    "SQLITE_MISMATCH": StoreRefusedError,
    "SQLITE_ERROR": StoreSchemaError,
}

_POSTGRES: Mapping[str, type[StoreError]] = {
    "55P03": StoreBusyError,  # lock not available in time
    "57014": StoreBusyError,  # statement timeout
    "40001": StoreBusyError,  # serialization failure
    "40P01": StoreBusyError,  # deadlock
    "53300": StoreBusyError,  # too many connections
    "25006": StoreReadOnlyError,
    "42501": StoreReadOnlyError,  # no privilege
    "53100": StoreFullError,
    "42P01": StoreSchemaError,  # no such table
    "42703": StoreSchemaError,  # no such column
    "22003": StoreRefusedError,  # number out of range
    "22021": StoreRefusedError,  # not a character
}


def translated(wrong: Exception) -> StoreError:
    """The StoreError of an exception of SQLAlchemy or of a driver; its values are left out."""
    kind, name = _kind(wrong)
    return kind(f"{_ADVICE[kind]} ({name})")


def _kind(wrong: Exception) -> tuple[type[StoreError], str]:
    if isinstance(wrong, exc.TimeoutError):
        return StoreBusyError, "no free connection"
    if isinstance(wrong, OverflowError | UnicodeError):
        return StoreRefusedError, type(wrong).__name__
    cause = wrong.orig if isinstance(wrong, exc.DBAPIError) else wrong
    if isinstance(cause, sqlite3.Error):
        name = str(getattr(cause, "sqlite_errorname", None) or type(cause).__name__)
        # extended names begin with the plain one: SQLITE_READONLY_DBMOVED
        plain = "_".join(name.split("_")[:2])
        return _SQLITE.get(plain, StoreDownError), name
    if isinstance(cause, psycopg.Error):
        state = cause.sqlstate or ""
        fallback = StoreRefusedError if isinstance(cause, psycopg.DataError) else StoreDownError
        return _POSTGRES.get(state, fallback), state or type(cause).__name__
    if isinstance(cause, OverflowError | UnicodeError):
        return StoreRefusedError, type(cause).__name__
    return StoreDownError, type(cause or wrong).__name__
