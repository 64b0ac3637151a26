"""Posts and the timelines made of them.

It must not notify or scale pictures: those are jobs, queued in the transaction that stores the post.
"""

import re
import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Select, insert, or_, select

from minitwit.database import Database
from minitwit.jobs import MENTIONS, THUMBNAIL, add_job
from minitwit.people import Person
from minitwit.refusals import NotFound, Refused
from minitwit.tables import follows, mentions, people, posts

LONGEST_TEXT = 280
PAGE_SIZE = 30
MENTION = re.compile(r"@([A-Za-z0-9_]{2,30})")


@dataclass(frozen=True)
class Post:
    id: int
    author: str
    avatar: str | None
    text: str
    picture: str | None
    created_at: float


def publish(database: Database, author: Person, text: str, picture: str | None = None) -> Post:
    """Stores the post and, in the same transaction, the work it causes."""
    text = text.strip()
    if not text and not picture:
        raise Refused("A post needs a text or a picture.")
    if len(text) > LONGEST_TEXT:
        raise Refused(f"A post has at most {LONGEST_TEXT} characters; this one has {len(text)}.")
    now = time.time()
    row = {"person_id": author.id, "text": text, "picture": picture, "created_at": now}
    with database.writing() as connection:
        post_id = connection.execute(insert(posts).values(row).returning(posts.c.id)).scalar_one()
        if MENTION.search(text):
            add_job(connection, MENTIONS, str(post_id))
        if picture:
            add_job(connection, THUMBNAIL, picture)
    return Post(post_id, author.name, author.avatar, text, picture, now)


def post_by_id(database: Database, post_id: int) -> Post:
    found = _read(database, _newest_first().where(posts.c.id == post_id))
    if not found:
        raise NotFound(f"There is no post {post_id}.")
    return found[0]


def public_timeline(database: Database, before: int | None = None) -> list[Post]:
    return _read(database, _page(_newest_first(), before))


def person_timeline(database: Database, person: Person, before: int | None = None) -> list[Post]:
    return _read(database, _page(_newest_first().where(posts.c.person_id == person.id), before))


def home_timeline(database: Database, reader: Person, before: int | None = None) -> list[Post]:
    """The reader's own posts and those of everybody they follow."""
    followed = select(follows.c.followed_id).where(follows.c.follower_id == reader.id)
    mine = or_(posts.c.person_id == reader.id, posts.c.person_id.in_(followed))
    return _read(database, _page(_newest_first().where(mine), before))


def mentions_of(database: Database, person: Person, before: int | None = None) -> list[Post]:
    noted = select(mentions.c.post_id).where(mentions.c.person_id == person.id)
    return _read(database, _page(_newest_first().where(posts.c.id.in_(noted)), before))


def _newest_first() -> Select[Any]:
    return select(posts, people.c.name, people.c.avatar).join(people).order_by(posts.c.id.desc()).limit(PAGE_SIZE)


def _page(question: Select[Any], before: int | None) -> Select[Any]:
    return question if before is None else question.where(posts.c.id < before)


def _read(database: Database, question: Select[Any]) -> list[Post]:
    with database.reading() as connection:
        return [_post(row) for row in connection.execute(question)]


def _post(row: Row[Any]) -> Post:
    return Post(row.id, row.name, row.avatar, row.text, row.picture, row.created_at)
