"""The tables, declared once; ``migrations/`` brings a database to them.

Instants are microseconds since 1970 UTC. ``subject`` is a keyed hash of an entity and its id
(``Store.subject``): it can be looked up by who knows the id and the store, and by nobody else.
JSON is kept as text, so that both databases keep it byte for byte.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite numbers rows by itself only where the key is a plain INTEGER
_ROW_ID = BigInteger().with_variant(Integer, "sqlite")

SETTINGS = Table(
    "settings",
    METADATA,
    Column("name", String, primary_key=True),
    Column("value", Text, nullable=False),
)
"""What the store itself needs to remember: the secret of the subjects."""

RUNS = Table(
    "runs",
    METADATA,
    Column("id", _ROW_ID, primary_key=True, autoincrement=True),
    # of entity, model, version, cutoff and fingerprint: the same night is the same run
    Column("identity", String, nullable=False, unique=True),
    Column("entity", String, nullable=False),
    Column("model", String, nullable=False),
    Column("version", String, nullable=False),
    Column("outcome", String, nullable=False),
    Column("cutoff", BigInteger),  # null: a flat question
    Column("fingerprint", String, nullable=False),
    Column("lang", String, nullable=False),
    Column("state", String, nullable=False),  # open, finished, retired
    Column("total", Integer, nullable=False),
    Column("done", Integer, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    # the newest run of an entity is the finished one with the highest of these two
    Column("as_of", BigInteger, nullable=False),
    Column("finished_at", BigInteger),
    Index(None, "entity", "state", "as_of", "finished_at"),
)
"""Nightly runs; a reader sees the scores of finished ones only."""

SCORES = Table(
    "scores",
    METADATA,
    Column("run_id", ForeignKey("runs.id"), primary_key=True),
    Column("entity_id", String, primary_key=True),
    Column("entity", String, nullable=False),
    Column("position", Integer, nullable=False),
    Column("probability", Float(53), nullable=False),
    Column("grade", String, nullable=False),
    Column("baseline", Float(53), nullable=False),
    Column("others", Float(53), nullable=False),
    # as known at the cutoff, for people to find and sort by
    Column("label", Text),
    Column("owner_id", String),
    Column("stage", String),
    Column("amount", Float(53)),
    Column("sought", Text, nullable=False, server_default=""),  # id and label, casefolded
    Index(None, "entity", "entity_id"),
    Index(None, "run_id", "position"),
)
"""One score of one entity in one run: in short rows; ``DETAILS`` holds the rest."""

DETAILS = Table(
    "details",
    METADATA,
    Column("run_id", _ROW_ID, primary_key=True, autoincrement=False),
    Column("entity_id", String, primary_key=True),
    Column("curve", Text, nullable=False),
    Column("reasons", Text, nullable=False),
    Column("receipt", Text, nullable=False),
    ForeignKeyConstraint(
        ["run_id", "entity_id"], ["scores.run_id", "scores.entity_id"], ondelete="CASCADE"
    ),
)
"""What is read with one score only; it goes when its score goes."""

STALE = Table(
    "stale",
    METADATA,
    Column("entity", String, primary_key=True),
    Column("entity_id", String, primary_key=True),
    Column("at", BigInteger, nullable=False),
)
"""Entities that changed since; a score of an earlier cutoff does not know of it."""

FEEDBACK = Table(
    "feedback",
    METADATA,
    Column("id", String, primary_key=True),
    Column("entity", String, nullable=False),
    Column("entity_id", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("value", Text, nullable=False),
    Column("by", String, nullable=False),
    Column("note", Text),
    Column("at", BigInteger, nullable=False),
    # the model's own value when it was given
    Column("model", String),
    Column("version", String),
    Column("cutoff", BigInteger),
    Column("probability", Float(53)),
    Column("grade", String),
    Index(None, "entity", "entity_id", "at"),
    Index(None, "at"),
)
"""What a person or a CRM says of an entity: its outcome, or an override."""

KEYS = Table(
    "keys",
    METADATA,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("scopes", String, nullable=False),
    Column("digest", String, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
    Column("replaced_by", String),
    Column("used_at", BigInteger),
)
"""Bearer keys; of the secret only its sha256."""

AUDIT = Table(
    "audit",
    METADATA,
    Column("uid", String, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("action", String, nullable=False),
    Column("key_id", String),
    Column("request_id", String),
    Column("entity", String),
    Column("subject", String),
    Column("model", String),
    Column("version", String),
    Column("score", Float(53)),
    Column("cutoff", BigInteger),
    Column("detail", Text),
    Index(None, "subject", "at"),
    Index(None, "at"),
)
"""Who did what with which version, and when; no field's value and no id."""

REPLIES = Table(
    "replies",
    METADATA,
    Column("owner", String, primary_key=True),
    Column("route", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("fingerprint", String, nullable=False),
    Column("lease", String, nullable=False),
    Column("begun_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger),
    Column("status", Integer),
    Column("body", LargeBinary),
    Column("media_type", String),
    Index(None, "begun_at"),
)
"""Answers kept under their Idempotency-Key."""

MENTIONS = Table(
    "mentions",
    METADATA,
    Column("owner", String, primary_key=True),
    Column("route", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("subject", String, primary_key=True),
    Index(None, "subject"),
)
"""Whom a kept answer is about."""

EVENTS = Table(
    "events",
    METADATA,
    Column("source", String, primary_key=True),
    Column("event_id", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("entity", String),
    Column("subject", String),
    Column("occurred_at", BigInteger),
    Column("at", BigInteger, nullable=False),
    Index(None, "subject"),
    Index(None, "at"),
)
"""Webhook events seen, so that one sent twice is taken once."""

ERASED = Table(
    "erased",
    METADATA,
    Column("subject", String, primary_key=True),
    Column("entity", String, nullable=False),
    Column("at", BigInteger, nullable=False),
    Index(None, "at"),
)
"""Erasures: what was read or journalled before one does not come back by a later write."""

SHEETS = Table(
    "sheets",
    METADATA,
    Column("id", _ROW_ID, primary_key=True, autoincrement=True),
    Column("kind", String, nullable=False),
    Column("as_of", BigInteger, nullable=False),
    Column("made_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger),  # null: still being written, nobody reads it
    Column("total", Integer, nullable=False),
    Column("head", Text, nullable=False),
    Index(None, "kind", "as_of", "finished_at"),
)
"""Lists for the analyst's pages; of each kind the newest finished one is read."""

ITEMS = Table(
    "items",
    METADATA,
    Column("sheet_id", _ROW_ID, primary_key=True, autoincrement=False),
    Column("item_id", String, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("entity", String, nullable=False),
    Column("entity_id", String, nullable=False),
    Column("label", Text, nullable=False),
    Column("owner_id", String),
    Column("word", String),
    Column("first", Float(53)),
    Column("second", Float(53)),
    Column("third", Float(53)),
    Column("sought", Text, nullable=False),  # ids and label, casefolded
    ForeignKeyConstraint(["sheet_id"], ["sheets.id"], ondelete="CASCADE"),
    Index(None, "entity", "entity_id"),
    Index(None, "sheet_id", "position"),
    Index(None, "sheet_id", "owner_id", "position"),
    Index(None, "sheet_id", "word", "position"),
    Index(None, "sheet_id", "first", "position"),
    Index(None, "sheet_id", "second", "position"),
    Index(None, "sheet_id", "third", "position"),
)
"""One row of a sheet: what is searched and sorted; what is shown is in ``BODIES``."""

BODIES = Table(
    "bodies",
    METADATA,
    Column("sheet_id", _ROW_ID, primary_key=True, autoincrement=False),
    Column("item_id", String, primary_key=True),
    Column("body", Text, nullable=False),
    ForeignKeyConstraint(
        ["sheet_id", "item_id"], ["items.sheet_id", "items.item_id"], ondelete="CASCADE"
    ),
)
"""What is read with one item only; it goes when its item goes."""
