"""The tables as they are after the last migration.

It must not create anything: migrations do, and old releases may still be running on the same tables.
Times are seconds since 1970 (UTC).
"""

from sqlalchemy import Column, Double, ForeignKey, Index, Integer, MetaData, String, Table, Text, UniqueConstraint

metadata = MetaData()

people = Table(
    "people",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(30), nullable=False, unique=True),
    Column("password_hash", String(256), nullable=False),
    Column("avatar", String(80)),
    Column("created_at", Double, nullable=False),
)

tokens = Table(
    "tokens",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("person_id", ForeignKey("people.id"), nullable=False),
    Column("created_at", Double, nullable=False),
)

posts = Table(
    "posts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("person_id", ForeignKey("people.id"), nullable=False),
    Column("text", Text, nullable=False),
    Column("picture", String(80)),
    Column("created_at", Double, nullable=False),
    Index("posts_by_person", "person_id", "id"),
)

follows = Table(
    "follows",
    metadata,
    Column("follower_id", ForeignKey("people.id"), primary_key=True),
    Column("followed_id", ForeignKey("people.id"), primary_key=True),
    Index("follows_by_followed", "followed_id"),
)

mentions = Table(
    "mentions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("person_id", ForeignKey("people.id"), nullable=False),
    Column("post_id", ForeignKey("posts.id"), nullable=False),
    UniqueConstraint("person_id", "post_id", name="one_mention_per_post"),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", String(30), nullable=False),
    Column("subject", String(200), nullable=False),
    Column("state", String(10), nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("due_at", Double, nullable=False),
    Index("jobs_by_state", "state", "due_at"),
)

schema_versions = Table(
    "schema_versions",
    MetaData(),
    Column("version", Integer, primary_key=True),
    Column("name", String(100), nullable=False),
    Column("applied_at", Double, nullable=False),
)
