"""People: registering, proving who they are, following one another.

It must not know requests or sessions; it gets names and gives values.
"""

import hashlib
import re
import secrets
import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from werkzeug.security import check_password_hash, generate_password_hash

from minitwit.database import Database
from minitwit.refusals import NotFound, NotSignedIn, Refused, Taken
from minitwit.tables import follows, people, posts, tokens

NAME = re.compile(r"[a-z0-9_]{2,30}")
SHORTEST_PASSWORD = 8
LONGEST_PASSWORD = 200

# Checked when the name is unknown, so that the answer takes as long as for a wrong password.
NO_ONES_HASH = generate_password_hash(secrets.token_hex(16))


@dataclass(frozen=True)
class Person:
    id: int
    name: str
    avatar: str | None


@dataclass(frozen=True)
class Profile:
    """A person as others see them; is_followed is seen from the viewer."""

    person: Person
    posts: int
    followers: int
    following: int
    is_followed: bool


def register(database: Database, name: str, password: str) -> Person:
    """Raises Refused for a bad name or password, Taken when somebody has the name."""
    name = name.strip().lower()
    _check_name(name)
    _check_password(password)
    row = {"name": name, "password_hash": generate_password_hash(password), "created_at": time.time()}
    try:
        with database.writing() as connection:
            person_id = connection.scalar(insert(people).values(row).returning(people.c.id))
    except IntegrityError as error:
        raise Taken(f"The name {name} is taken.") from error
    assert person_id is not None
    return Person(person_id, name, None)


def authenticate(database: Database, name: str, password: str) -> Person:
    """Raises NotSignedIn, in the same words whichever of the two was wrong."""
    with database.reading() as connection:
        row = connection.execute(select(people).where(people.c.name == name.strip().lower())).first()
    if not check_password_hash(row.password_hash if row else NO_ONES_HASH, password) or row is None:
        raise NotSignedIn("Name or password is wrong.")
    return _person(row)


def create_token(database: Database, person: Person) -> str:
    """A secret for the JSON API; only its hash is kept."""
    token = secrets.token_urlsafe(24)
    with database.writing() as connection:
        connection.execute(insert(tokens).values(hash=_token_hash(token), person_id=person.id, created_at=time.time()))
    return token


def person_of_token(database: Database, token: str) -> Person:
    question = select(people).join(tokens).where(tokens.c.hash == _token_hash(token))
    with database.reading() as connection:
        row = connection.execute(question).first()
    if row is None:
        raise NotSignedIn("Send a token: Authorization: Bearer <token>.")
    return _person(row)


def person_by_id(database: Database, person_id: int) -> Person | None:
    with database.reading() as connection:
        row = connection.execute(select(people).where(people.c.id == person_id)).first()
    return _person(row) if row else None


def person_by_name(database: Database, name: str) -> Person:
    with database.reading() as connection:
        return _find(connection, name)


def profile(database: Database, name: str, viewer: Person | None) -> Profile:
    with database.reading() as connection:
        person = _find(connection, name)
        counts = connection.execute(
            select(
                select(func.count()).where(posts.c.person_id == person.id).scalar_subquery(),
                select(func.count()).where(follows.c.followed_id == person.id).scalar_subquery(),
                select(func.count()).where(follows.c.follower_id == person.id).scalar_subquery(),
            )
        ).one()
        return Profile(person, *counts, is_followed=viewer is not None and _follows(connection, viewer, person))


def follow(database: Database, follower: Person, name: str) -> None:
    """Following twice is following."""
    with database.writing() as connection:
        followed = _find(connection, name)
        if followed.id == follower.id:
            raise Refused("You cannot follow yourself.")
        if not _follows(connection, follower, followed):
            connection.execute(insert(follows).values(follower_id=follower.id, followed_id=followed.id))


def unfollow(database: Database, follower: Person, name: str) -> None:
    with database.writing() as connection:
        followed = _find(connection, name)
        connection.execute(delete(follows).where(follows.c.follower_id == follower.id, follows.c.followed_id == followed.id))


def set_avatar(database: Database, person: Person, picture: str) -> None:
    with database.writing() as connection:
        connection.execute(update(people).where(people.c.id == person.id).values(avatar=picture))


def _find(connection: Connection, name: str) -> Person:
    row = connection.execute(select(people).where(people.c.name == name.lower())).first()
    if row is None:
        raise NotFound(f"There is nobody called {name}.")
    return _person(row)


def _person(row: Row[Any]) -> Person:
    return Person(row.id, row.name, row.avatar)


def _follows(connection: Connection, follower: Person, followed: Person) -> bool:
    pair = (follows.c.follower_id == follower.id) & (follows.c.followed_id == followed.id)
    return connection.execute(select(follows).where(pair)).first() is not None


def _check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise Refused("A name has 2 to 30 letters, digits or underscores.")


def _check_password(password: str) -> None:
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise Refused(f"A password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters.")


def _token_hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
