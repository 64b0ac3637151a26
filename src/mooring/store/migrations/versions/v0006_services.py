"""Servers of data services, and what environments own of them. Must not: change, ever; what comes later is a version of its own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table("service_servers", sa.Column("name", sa.Text, primary_key=True), *_sealed())
    op.create_table(
        "services", sa.Column("environment", sa.Text, primary_key=True), sa.Column("name", sa.Text, primary_key=True), *_sealed()
    )


def _sealed() -> tuple[sa.Column[str], sa.Column[str], sa.Column[bytes]]:
    return (
        sa.Column("record", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
    )
