"""The first schema. Must not: change, ever; what comes later is a version of its own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _environments_and_config()
    _deployments()
    _journal_and_events()
    _leases_and_locks()
    _access()


def _environments_and_config() -> None:
    op.create_table("environments", sa.Column("environment", sa.Text, primary_key=True), _text("record"))
    op.create_table("releases", _of_environment(primary_key=True), _number("number"), _text("record"))
    op.create_table("config_versions", _of_environment(primary_key=True), _number("version"), _text("record"))
    op.create_table(
        "config_values",
        sa.Column("environment", sa.Text, primary_key=True),
        _number("version"),
        sa.Column("name", sa.Text, primary_key=True),
        _text("kind"),
        _text("key"),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.ForeignKeyConstraint(["environment", "version"], ["config_versions.environment", "config_versions.version"], ondelete="CASCADE"),
    )


def _deployments() -> None:
    op.create_table(
        "deployments",
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("id", sa.Text, nullable=False, unique=True),
        _of_environment(primary_key=False),
        sa.Column("outcome", sa.Text),
        sa.Column("ended_at", sa.Float),
        _text("record"),
        sqlite_autoincrement=True,
    )
    op.create_index("deployments_by_environment", "deployments", ["environment", "position"])
    op.create_index("deployments_unfinished", "deployments", ["position"], sqlite_where=sa.text("outcome IS NULL"))


def _journal_and_events() -> None:
    op.create_table(
        "journal",
        sa.Column("sequence", sa.Integer, primary_key=True),
        sa.Column("deployment", sa.Text, sa.ForeignKey("deployments.id", ondelete="CASCADE")),
        _text("environment"),
        _text("step"),
        sa.Column("fence", sa.Integer, nullable=False),
        _time("intent_at"),
        _text("outcome"),
        _text("detail"),
        sa.Column("ended_at", sa.Float),
        sqlite_autoincrement=True,
    )
    op.create_index("journal_by_deployment", "journal", ["deployment", "sequence"])
    op.create_index("journal_by_environment", "journal", ["environment"])
    op.create_index("journal_open", "journal", ["sequence"], sqlite_where=sa.text("outcome = ''"))
    op.create_table(
        "events",
        sa.Column("sequence", sa.Integer, primary_key=True),
        _time("at"),
        sa.Column("environment", sa.Text),
        sa.Column("deployment", sa.Text),
        _text("record"),
        sqlite_autoincrement=True,
    )
    op.create_index("events_by_environment", "events", ["environment", "sequence"])
    op.create_index("events_by_deployment", "events", ["deployment", "sequence"])
    op.create_index("events_by_age", "events", ["at"])


def _leases_and_locks() -> None:
    op.create_table("fences", _key(), sa.Column("last", sa.Integer, nullable=False))
    op.create_table("leases", _key(), _text("holder"), sa.Column("fence", sa.Integer, nullable=False), _time("since"), _time("heartbeat"))
    op.create_table("locks", _key(), _text("by"), _text("reason"), _time("since"))


def _access() -> None:
    op.create_table(
        "tokens",
        sa.Column("id", sa.Text, primary_key=True),
        _text("name"),
        _text("role"),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        _time("created_at"),
        sa.Column("expires_at", sa.Float),
        sa.Column("revoked_at", sa.Float),
    )
    op.create_table(
        "audit",
        sa.Column("sequence", sa.Integer, primary_key=True),
        _time("at"),
        _text("who"),
        _text("what"),
        sa.Column("environment", sa.Text),
        _text("detail"),
        sqlite_autoincrement=True,
    )
    op.create_index("audit_by_environment", "audit", ["environment", "sequence"])
    op.create_table(
        "answers",
        sa.Column("scope", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        _text("digest"),
        sa.Column("answer", sa.LargeBinary, nullable=False),
        _time("at"),
    )
    op.create_index("answers_by_age", "answers", ["at"])


def _of_environment(*, primary_key: bool) -> sa.Column[str]:
    owner = sa.ForeignKey("environments.environment", ondelete="CASCADE")
    return sa.Column("environment", sa.Text, owner, primary_key=primary_key, nullable=False)


def _key() -> sa.Column[str]:
    return sa.Column("environment", sa.Text, primary_key=True)


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, primary_key=True, autoincrement=False)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False)


def _time(name: str) -> sa.Column[float]:
    return sa.Column(name, sa.Float, nullable=False)
