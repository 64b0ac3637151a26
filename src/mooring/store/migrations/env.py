"""Run by Alembic: applies the versions on the connection it was handed, inside that connection's transaction."""

from __future__ import annotations

from alembic import context

from mooring.store.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
