"""Lists for the analyst's pages."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """From 0003 to here."""
    op.create_table(
        "sheets",
        sa.Column("id", _ROW_ID, autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("as_of", sa.BigInteger(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("head", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sheets")),
    )
    columns = ["kind", "as_of", "finished_at"]
    op.create_index(op.f("ix_sheets_kind_as_of_finished_at"), "sheets", columns)
    _items()
    op.create_table(
        "bodies",
        sa.Column("sheet_id", _ROW_ID, autoincrement=False, nullable=False),
        sa.Column("item_id", sa.String(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["sheet_id", "item_id"],
            ["items.sheet_id", "items.item_id"],
            name=op.f("fk_bodies_sheet_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("sheet_id", "item_id", name=op.f("pk_bodies")),
    )


def _items() -> None:
    op.create_table(
        "items",
        sa.Column("sheet_id", _ROW_ID, autoincrement=False, nullable=False),
        sa.Column("item_id", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("entity", sa.String(), nullable=False),
        sa.Column("entity_id", sa.String(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.String(), nullable=True),
        sa.Column("word", sa.String(), nullable=True),
        sa.Column("first", sa.Float(precision=53), nullable=True),
        sa.Column("second", sa.Float(precision=53), nullable=True),
        sa.Column("third", sa.Float(precision=53), nullable=True),
        sa.Column("sought", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["sheet_id"], ["sheets.id"], name=op.f("fk_items_sheet_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("sheet_id", "item_id", name=op.f("pk_items")),
    )
    op.create_index(op.f("ix_items_entity_entity_id"), "items", ["entity", "entity_id"])
    op.create_index(op.f("ix_items_sheet_id_position"), "items", ["sheet_id", "position"])
    for column in ("owner_id", "word", "first", "second", "third"):
        name = op.f(f"ix_items_sheet_id_{column}_position")
        op.create_index(name, "items", ["sheet_id", column, "position"])
