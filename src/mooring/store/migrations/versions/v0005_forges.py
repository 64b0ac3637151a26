"""Forges, what was seen of them, and what they are still to be told. Must not: change, ever; what comes later is a version of its own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "forges",
        sa.Column("app", sa.Text, primary_key=True),
        sa.Column("record", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "forge_heads",
        sa.Column("app", sa.Text, sa.ForeignKey("forges.app", ondelete="CASCADE"), primary_key=True),
        sa.Column("branch", sa.Text, primary_key=True),
        sa.Column("commit", sa.Text, nullable=False),
    )
    op.create_table(
        "forge_deliveries",
        sa.Column("app", sa.Text, sa.ForeignKey("forges.app", ondelete="CASCADE"), primary_key=True),
        sa.Column("digest", sa.LargeBinary, primary_key=True),
        sa.Column("at", sa.Float, nullable=False),
    )
    op.create_index("forge_deliveries_by_age", "forge_deliveries", ["at"])
    op.create_table(
        "forge_watches",
        sa.Column("deployment", sa.Text, primary_key=True),
        sa.Column("app", sa.Text, sa.ForeignKey("forges.app", ondelete="CASCADE"), nullable=False),
        sa.Column("record", sa.Text, nullable=False),
    )
