"""Indexes of a list of scores that no page reads any more are dropped."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """From 0004 to here."""
    for column in ("probability", "grade", "owner_id", "amount"):
        op.drop_index(op.f(f"ix_scores_run_id_{column}_entity_id"), table_name="scores")
