"""The one schema: every table of the database, what a row is, and which versions of it there have been.

An environment is written `app/environment`. Records are JSON of the model's values; a column of its own exists only
where something is looked up, ordered or joined by it. Times are wall seconds.
Must not: hold a query. A change here needs a migration in `migrations/versions`; a test compares the two.
"""

from __future__ import annotations

from sqlalchemy import Column, Float, ForeignKey, ForeignKeyConstraint, Index, Integer, LargeBinary, MetaData, Table, Text, text

VERSIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008", "0009", "0010")
"""Every version that this program can open, oldest first; the last is the one it writes."""

metadata = MetaData()

environments = Table(
    "environments",
    metadata,
    Column("environment", Text, primary_key=True),
    Column("record", Text, nullable=False),
)

releases = Table(
    "releases",
    metadata,
    Column("environment", Text, ForeignKey("environments.environment", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("record", Text, nullable=False),
)

# One immutable snapshot of an environment's variables; which names changed, but no value.
config_versions = Table(
    "config_versions",
    metadata,
    Column("environment", Text, ForeignKey("environments.environment", ondelete="CASCADE"), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("record", Text, nullable=False),
)

# One variable of one snapshot, encrypted. `kind` is config or secret; `key` the id of the key it is sealed with.
config_values = Table(
    "config_values",
    metadata,
    Column("environment", Text, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("name", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    ForeignKeyConstraint(["environment", "version"], ["config_versions.environment", "config_versions.version"], ondelete="CASCADE"),
)

# `position` is the order of adding; `outcome` and `ended_at` are null while it goes on.
deployments = Table(
    "deployments",
    metadata,
    Column("position", Integer, primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    Column("environment", Text, ForeignKey("environments.environment", ondelete="CASCADE"), nullable=False),
    Column("outcome", Text),
    Column("ended_at", Float),
    Column("record", Text, nullable=False),
    Index("deployments_by_environment", "environment", "position"),
    Index("deployments_unfinished", "position", sqlite_where=text("outcome IS NULL")),
    sqlite_autoincrement=True,
)

# An intent and its outcome (empty while open). Its environment may be unknown: strangers' leftovers are removed too.
journal = Table(
    "journal",
    metadata,
    Column("sequence", Integer, primary_key=True),
    Column("deployment", Text, ForeignKey("deployments.id", ondelete="CASCADE")),
    Column("environment", Text, nullable=False),
    Column("step", Text, nullable=False),
    Column("fence", Integer, nullable=False),
    Column("intent_at", Float, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("ended_at", Float),
    Index("journal_by_deployment", "deployment", "sequence"),
    Index("journal_by_environment", "environment"),
    Index("journal_open", "sequence", sqlite_where=text("outcome = ''")),
    sqlite_autoincrement=True,
)

# Events outlive their environment and deployment, so nothing is referenced. A sequence is never given twice.
events = Table(
    "events",
    metadata,
    Column("sequence", Integer, primary_key=True),
    Column("at", Float, nullable=False),
    Column("environment", Text),
    Column("deployment", Text),
    Column("record", Text, nullable=False),
    Index("events_by_environment", "environment", "sequence"),
    Index("events_by_deployment", "deployment", "sequence"),
    Index("events_by_age", "at"),
    sqlite_autoincrement=True,
)

hosts = Table(
    "hosts",
    metadata,
    Column("name", Text, primary_key=True),
    Column("record", Text, nullable=False),
)

loans = Table(
    "loans",
    metadata,
    Column("key", Text, primary_key=True),
    Column("record", Text, nullable=False),
)

# The password, encrypted; `key` the id of the key it is sealed with.
registries = Table(
    "registries",
    metadata,
    Column("host", Text, primary_key=True),
    Column("record", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
)

# An existing server that services come from; `sealed` is its address, `key` the id of the key it is sealed with.
service_servers = Table(
    "service_servers",
    metadata,
    Column("name", Text, primary_key=True),
    Column("record", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
)

# What an environment owns of a server; stays when the environment is forgotten. `sealed` holds its logins' passwords.
services = Table(
    "services",
    metadata,
    Column("environment", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("record", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
)

# The highest fencing number ever given for an environment; stays when the environment is forgotten.
# The row without a name is what a restore has set for all of them.
fences = Table(
    "fences",
    metadata,
    Column("environment", Text, primary_key=True),
    Column("last", Integer, nullable=False),
)

leases = Table(
    "leases",
    metadata,
    Column("environment", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("fence", Integer, nullable=False),
    Column("since", Float, nullable=False),
    Column("heartbeat", Float, nullable=False),
)

locks = Table(
    "locks",
    metadata,
    Column("environment", Text, primary_key=True),
    Column("by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("since", Float, nullable=False),
)

# Only the SHA-256 of a token is kept; `id` is its public part.
tokens = Table(
    "tokens",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float),
    Column("revoked_at", Float),
)

audit = Table(
    "audit",
    metadata,
    Column("sequence", Integer, primary_key=True),
    Column("at", Float, nullable=False),
    Column("who", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("environment", Text),
    Column("detail", Text, nullable=False),
    Index("audit_by_environment", "environment", "sequence"),
    sqlite_autoincrement=True,
)

# What was answered to a request that carried an idempotency key; `digest` is of the request's body, `scope` says whose and where.
answers = Table(
    "answers",
    metadata,
    Column("scope", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("digest", Text, nullable=False),
    Column("answer", LargeBinary, nullable=False),
    Column("at", Float, nullable=False),
    Index("answers_by_age", "at"),
)

# Every order placed with a certificate authority; `outcome` is open until it has ended, `retry_at` when it may be asked again.
certificate_attempts = Table(
    "certificate_attempts",
    metadata,
    Column("sequence", Integer, primary_key=True),
    Column("hostname", Text, nullable=False),
    Column("at", Float, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("retry_at", Float, nullable=False),
    Index("certificate_attempts_by_age", "at"),
    sqlite_autoincrement=True,
)

# `sealed` holds the token and the hook's secret, encrypted as config is; `key` the id of the key they are sealed with.
forges = Table(
    "forges",
    metadata,
    Column("app", Text, primary_key=True),
    Column("record", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
)

# The commit of each branch that was acted upon last.
forge_heads = Table(
    "forge_heads",
    metadata,
    Column("app", Text, ForeignKey("forges.app", ondelete="CASCADE"), primary_key=True),
    Column("branch", Text, primary_key=True),
    Column("commit", Text, nullable=False),
)

# The SHA-256 of every message that was believed, so that none is a second time.
forge_deliveries = Table(
    "forge_deliveries",
    metadata,
    Column("app", Text, ForeignKey("forges.app", ondelete="CASCADE"), primary_key=True),
    Column("digest", LargeBinary, primary_key=True),
    Column("at", Float, nullable=False),
    Index("forge_deliveries_by_age", "at"),
)

# What became of each pull request, until it is closed and nothing of it is left.
forge_pulls = Table(
    "forge_pulls",
    metadata,
    Column("app", Text, ForeignKey("forges.app", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("record", Text, nullable=False),
)

# What a forge shows of each environment, until it was told that this is gone.
forge_shown = Table(
    "forge_shown",
    metadata,
    Column("app", Text, ForeignKey("forges.app", ondelete="CASCADE"), primary_key=True),
    Column("environment", Text, primary_key=True),
    Column("record", Text, nullable=False),
)

# Commits that are not deployed since a check did not end well, by the branch or pull request that they are the newest of.
forge_hindered = Table(
    "forge_hindered",
    metadata,
    Column("app", Text, ForeignKey("forges.app", ondelete="CASCADE"), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("record", Text, nullable=False),
)

# Deployments whose end a forge is still to be told.
forge_watches = Table(
    "forge_watches",
    metadata,
    Column("deployment", Text, primary_key=True),
    Column("app", Text, ForeignKey("forges.app", ondelete="CASCADE"), nullable=False),
    Column("record", Text, nullable=False),
)
