"""The queue of work to do outside a request: a table, so that a post and its jobs are stored together or not at all.

It must not do the work: worker.py does. A job taken by a worker that died is due again after LEASE_SECONDS, so a
job may run twice; its work must bear that.
"""

import time
from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, insert, select, update

from minitwit.database import Database
from minitwit.tables import jobs

MENTIONS = "mentions"
THUMBNAIL = "thumbnail"

LEASE_SECONDS = 60
MOST_ATTEMPTS = 5
RETRY_SECONDS = 5

WAITING, TAKEN, FAILED = "waiting", "taken", "failed"


@dataclass(frozen=True)
class Job:
    id: int
    kind: str
    subject: str
    attempts: int


def add_job(connection: Connection, kind: str, subject: str) -> None:
    row = {"kind": kind, "subject": subject, "state": WAITING, "attempts": 0, "due_at": time.time()}
    connection.execute(insert(jobs).values(row))


def take_job(database: Database) -> Job | None:
    """The job that is due longest, now ours for LEASE_SECONDS; None when nothing is due."""
    now = time.time()
    due = select(jobs.c.id).where(jobs.c.state.in_((WAITING, TAKEN)), jobs.c.due_at <= now)
    first = due.order_by(jobs.c.due_at, jobs.c.id).limit(1).with_for_update(skip_locked=True)
    take = update(jobs).where(jobs.c.id == first.scalar_subquery())
    take = take.values(state=TAKEN, due_at=now + LEASE_SECONDS, attempts=jobs.c.attempts + 1)
    if not is_job_due(database, now):
        return None
    with database.writing() as connection:
        row = connection.execute(take.returning(jobs.c.id, jobs.c.kind, jobs.c.subject, jobs.c.attempts)).first()
    return Job(row.id, row.kind, row.subject, row.attempts) if row else None


def is_job_due(database: Database, now: float) -> bool:
    """Asked first, so that an idle worker never takes SQLite's write lock."""
    with database.reading() as connection:
        due = select(jobs.c.id).where(jobs.c.state.in_((WAITING, TAKEN)), jobs.c.due_at <= now)
        return connection.execute(due.limit(1)).first() is not None


def finish_job(database: Database, job: Job) -> None:
    with database.writing() as connection:
        connection.execute(delete(jobs).where(jobs.c.id == job.id))


def put_back_job(database: Database, job: Job) -> None:
    """Try again later; after MOST_ATTEMPTS it stays as failed, for a person to look at."""
    state = FAILED if job.attempts >= MOST_ATTEMPTS else WAITING
    with database.writing() as connection:
        later = time.time() + RETRY_SECONDS * job.attempts
        connection.execute(update(jobs).where(jobs.c.id == job.id).values(state=state, due_at=later))


def count_jobs(database: Database) -> dict[str, int]:
    """How many jobs there are by state."""
    with database.reading() as connection:
        rows = connection.execute(select(jobs.c.state, func.count()).group_by(jobs.c.state))
        return {WAITING: 0, TAKEN: 0, FAILED: 0} | {row[0]: row[1] for row in rows}
