"""`mooring cp`: which side is which, and how much went over. Must not: read or write a file itself."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from mooring.cli.render.styled import line
from mooring.cli.session import Session
from mooring.cli.target import Target, target
from mooring.errors import UsageError
from mooring.usecases.requests import CopyRequest, Direction


class Place(NamedTuple):
    """`instance` None: on this machine."""

    instance: Target | None
    path: str


def copy(session: Session, source: str, destination: str) -> None:
    """One of them is of an instance, `web.1:/path`. Raises UsageError, and what the copy ends in."""
    from mooring.client import copies
    from mooring.model.quantity import format_size

    here, there = _place(session, source), _place(session, destination)
    match here, there:
        case Place(None, path), Place(Target() as instance, remote):
            local = Path(session.directory, path)
            asked = _request(instance, Direction.IN, remote, name=local.resolve().name)
            with session.client.copy(session.environment, asked) as attached:
                copied = copies.send(attached, local, place=destination)
        case Place(Target() as instance, remote), Place(None, path):
            asked = _request(instance, Direction.OUT, remote)
            with session.client.copy(session.environment, asked) as attached:
                copied = copies.receive(attached, Path(session.directory, path), name=Path(remote).name, place=source)
        case _:
            raise UsageError("one of the two has to be of an instance, and one of this machine", hint="mooring cp web.1:/tmp/report.csv .")
    said = f"{copied.files} file{'' if copied.files == 1 else 's'}, {format_size(copied.size)}: {source} → {destination}"
    session.answer({"from": source, "to": destination, "files": copied.files, "bytes": copied.size}, [line(said)])


def _place(session: Session, text: str) -> Place:
    """As scp reads it: a colon before any slash is an instance's."""
    before, colon, after = text.partition(":")
    if not colon or "/" in before:
        return Place(None, text)
    return Place(target(session, before), after or ".")


def _request(instance: Target, direction: Direction, path: str, *, name: str = "") -> CopyRequest:
    return CopyRequest(process=instance.process, slot=instance.slot, direction=direction, path=path, name=name)
