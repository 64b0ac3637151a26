"""What forges show of environments. Must not: change, ever; what comes later is a version of its own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "forge_shown",
        sa.Column("app", sa.Text, sa.ForeignKey("forges.app", ondelete="CASCADE"), primary_key=True),
        sa.Column("environment", sa.Text, primary_key=True),
        sa.Column("record", sa.Text, nullable=False),
    )
