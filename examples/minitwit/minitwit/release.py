"""The release command: brings the database to this release's schema, before the release gets traffic.

It must be safe to run again, and beside the old release.
"""

import logging

from minitwit.database import Database
from minitwit.logs import log_to_stdout
from minitwit.migrations import migrate, schema_version
from minitwit.settings import read_settings

log = logging.getLogger("minitwit.release")


def main() -> None:
    log_to_stdout()
    database = Database(read_settings().database_url)
    for migration in migrate(database):
        log.info("migration-applied", extra={"fields": {"version": migration.version, "name": migration.name}})
    log.info("schema-ready", extra={"fields": {"version": schema_version(database), "database": database.kind}})


if __name__ == "__main__":
    main()
