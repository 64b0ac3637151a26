"""Orders placed with certificate authorities. Must not: change, ever; what comes later is a version of its own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "certificate_attempts",
        sa.Column("sequence", sa.Integer, primary_key=True),
        sa.Column("hostname", sa.Text, nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("retry_at", sa.Float, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("certificate_attempts_by_age", "certificate_attempts", ["at"])
