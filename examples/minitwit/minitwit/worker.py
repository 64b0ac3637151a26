"""The worker process: takes jobs one by one and does them.

On SIGTERM or SIGINT it finishes the job at hand and exits with 0. It must not take a job after that.
"""

import logging
import signal
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from sqlalchemy import Connection, insert, select

from minitwit.database import Database
from minitwit.jobs import MENTIONS, THUMBNAIL, Job, finish_job, put_back_job, take_job
from minitwit.logs import log_to_stdout
from minitwit.pictures import make_thumbnail
from minitwit.posts import MENTION
from minitwit.settings import Settings, read_settings
from minitwit.tables import mentions, people, posts

IDLE_SECONDS = 0.25

log = logging.getLogger("minitwit.worker")


class Worker:
    """Runs until it is asked to stop."""

    def __init__(self, database: Database, picture_directory: Path) -> None:
        self.database = database
        self.is_stopping = False
        self.work: dict[str, Callable[[str], None]] = {
            MENTIONS: lambda subject: note_mentions(database, int(subject)),
            THUMBNAIL: lambda subject: make_thumbnail(picture_directory, subject),
        }

    def stop(self, _signal: int, _frame: FrameType | None) -> None:
        self.is_stopping = True

    def run(self) -> None:
        while not self.is_stopping:
            job = take_job(self.database)
            if job is None:
                time.sleep(IDLE_SECONDS)
            else:
                self.finish(job)

    def finish(self, job: Job) -> None:
        fields: dict[str, object] = {"job": job.id, "kind": job.kind, "attempt": job.attempts}
        log.info("job-started", extra={"fields": fields})
        started = time.monotonic()
        try:
            self.work[job.kind](job.subject)
        except Exception:
            put_back_job(self.database, job)
            log.exception("job-failed", extra={"fields": fields})
            return
        finish_job(self.database, job)
        fields["milliseconds"] = round((time.monotonic() - started) * 1000, 1)
        log.info("job-finished", extra={"fields": fields})


def note_mentions(database: Database, post_id: int) -> None:
    """Remember a post for everybody it names; doing it twice notes it once."""
    with database.writing() as connection:
        post = connection.execute(select(posts).where(posts.c.id == post_id)).one()
        names = {name.lower() for name in MENTION.findall(post.text)}
        for person_id in connection.scalars(select(people.c.id).where(people.c.name.in_(names))).all():
            _note_mention(connection, person_id, post_id)


def _note_mention(connection: Connection, person_id: int, post_id: int) -> None:
    pair = (mentions.c.person_id == person_id) & (mentions.c.post_id == post_id)
    if connection.execute(select(mentions.c.id).where(pair)).first() is None:
        connection.execute(insert(mentions).values(person_id=person_id, post_id=post_id))


def start(settings: Settings) -> None:
    worker = Worker(Database(settings.database_url), settings.picture_directory)
    signal.signal(signal.SIGTERM, worker.stop)
    signal.signal(signal.SIGINT, worker.stop)
    log.info("worker-started", extra={"fields": {"version": settings.version}})
    worker.run()
    log.info("worker-stopped")


if __name__ == "__main__":
    log_to_stdout()
    start(read_settings())
