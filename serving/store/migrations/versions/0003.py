"""What people find and sort scores by: label, owner, stage, amount."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """From 0002 to here; scores of earlier runs are found by their id alone."""
    op.add_column("scores", sa.Column("label", sa.Text(), nullable=True))
    op.add_column("scores", sa.Column("owner_id", sa.String(), nullable=True))
    op.add_column("scores", sa.Column("stage", sa.String(), nullable=True))
    op.add_column("scores", sa.Column("amount", sa.Float(precision=53), nullable=True))
    op.add_column("scores", sa.Column("sought", sa.Text(), nullable=False, server_default=""))
    op.execute("UPDATE scores SET sought = lower(entity_id)")
    for column in ("grade", "owner_id", "amount"):
        name = op.f(f"ix_scores_run_id_{column}_entity_id")
        op.create_index(name, "scores", ["run_id", column, "entity_id"])
