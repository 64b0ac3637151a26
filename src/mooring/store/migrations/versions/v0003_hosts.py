"""Other hosts than the controller's own. Must not: change, ever; what comes later is a version of its own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table("hosts", sa.Column("name", sa.Text, primary_key=True), sa.Column("record", sa.Text, nullable=False))
