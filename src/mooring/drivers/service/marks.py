"""The mark that says whose a thing on a server is: text that fits into a comment. Must not: be believed of anything else
than it was found on: an app that may write to a directory of SQLite can write what it likes into that one."""

from __future__ import annotations

import msgspec

from mooring.errors import InvalidName, Refused, StaleFence
from mooring.model.environment import EnvironmentId
from mooring.model.names import ServiceName
from mooring.model.service import Piece

BEGINNING = "mooring "


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """A mark as it was found. `fence`: the highest number of an effect on it. Not `is_ready`: nobody was let in yet."""

    controller: str
    environment: str
    service: str
    fence: int = 0
    is_ready: bool = True

    @property
    def piece(self) -> Piece:
        """Raises InvalidName."""
        return Piece(self.controller, EnvironmentId.parse(self.environment), ServiceName(self.service))


def written(piece: Piece, *, fence: int = 0, is_ready: bool = True) -> str:
    """The text of a mark."""
    mark = Written(controller=piece.controller, environment=str(piece.environment), service=piece.service, fence=fence, is_ready=is_ready)
    return BEGINNING + msgspec.json.encode(mark).decode()


def read(text: str | None) -> Written | None:
    """None for what is no mark of Mooring's."""
    if text is None or not text.startswith(BEGINNING):
        return None
    try:
        mark = msgspec.json.decode(text.removeprefix(BEGINNING), type=Written)
        mark.piece  # noqa: B018 (whether it names one)
    except (msgspec.MsgspecError, InvalidName, RecursionError):
        return None
    return mark


def check_fence(piece: Piece, seen: int, fence: int, *, where: str) -> None:
    """Who comes with an older number than was seen is sent away. Raises StaleFence."""
    if seen > fence:
        raise StaleFence(f"{piece.identity} has seen {seen}, and this is {fence}", where=where)


def not_marked(what: str, piece: Piece, *, hint: str) -> Refused:
    """Of something that has a name of the piece's, and is another's."""
    return Refused(f"{what} is there and does not carry the mark of {piece.environment}", hint=hint)
