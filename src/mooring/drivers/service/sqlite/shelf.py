"""The directory in which pieces lie, each in one of its own: its mark beside its database. Must not: open a database.

A piece is made under another name and renamed when it is whole, so one that has its name can be used; and what a crash leaves is known
by its mark, and made anew. Names are made by Mooring of a-z, 0-9 and _ alone: none leads anywhere else.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mooring.drivers.service import marks
from mooring.errors import Unavailable
from mooring.model.service import Owned, Piece

DATABASE = "database.sqlite3"
_MARK = "mooring-mark"
_UNFINISHED = f"{_MARK}.new"
_BEGUN = ".begun"
_LONGEST_MARK = 4096  # bytes


class Shelf:
    """Of one controller. Every method raises Unavailable where the disk does not do it."""

    def __init__(self, root: Path, *, controller: str) -> None:
        self.root = root
        self._controller = controller

    def database(self, piece: Piece) -> Path:
        """Where its file is, or would be."""
        return self.root / piece.identity / DATABASE

    def is_there(self, piece: Piece) -> bool:
        """Whole. Raises Refused for what has its name and not its mark."""
        return _mark_of(self.root / piece.identity, piece) is not None

    @contextmanager
    def alone(self, piece: Piece, fence: int) -> Iterator[None]:
        """Nobody else acts here meanwhile; who comes with an older number is sent away. Raises StaleFence, Refused."""
        with _translated(self.root):
            descriptor = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                self._raise_fence(piece, fence)
                yield
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    @contextmanager
    def begun(self, piece: Piece, fence: int) -> Iterator[Path]:
        """An empty directory for a new piece, which gets its name when all went well, and is gone when it did not."""
        place = self._place_of_begun(piece)
        _take_away(place, piece)
        place.mkdir(mode=0o700)
        try:
            _write_mark(place, piece, fence=fence)
            yield place
            _sync(place)
            place.rename(self.root / piece.identity)
        except BaseException:
            shutil.rmtree(place, ignore_errors=True)
            raise

    def remove(self, piece: Piece) -> None:
        """Whole and begun; what is half gone is called begun. Raises Refused for another's."""
        begun = self._place_of_begun(piece)
        _take_away(begun, piece)
        if self.is_there(piece):
            (self.root / piece.identity).rename(begun)
            _take_away(begun, piece)

    def owned(self) -> tuple[Owned, ...]:
        """All of this controller's that lies here."""
        with _translated(self.root):
            found = [(each.name, mark) for each in sorted(self.root.iterdir()) if (mark := _written_in(each)) is not None]
        named = [Owned(what="directory", name=name, piece=mark.piece) for name, mark in found]
        return tuple(
            each
            for each in named
            if each.piece.controller == self._controller and each.name in (each.piece.identity, each.piece.identity + _BEGUN)
        )

    def _place_of_begun(self, piece: Piece) -> Path:
        return self.root / f"{piece.identity}{_BEGUN}"

    def _raise_fence(self, piece: Piece, fence: int) -> None:
        place = self.root / piece.identity
        mark = _mark_of(place, piece)
        marks.check_fence(piece, mark.fence if mark is not None else 0, fence, where=str(self.root))
        if mark is not None and mark.fence < fence:
            _write_mark(place, piece, fence=fence)


def _take_away(place: Path, piece: Piece) -> None:
    """The mark goes last: what a crash leaves is still known, or empty. Raises Refused for another's."""
    if _mark_of(place, piece) is not None:
        for entry in place.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            elif entry.name != _MARK:
                entry.unlink()
        (place / _MARK).unlink()
    if place.is_dir():
        (place / _UNFINISHED).unlink(missing_ok=True)
        place.rmdir()


def _mark_of(place: Path, piece: Piece) -> marks.Written | None:
    """None where nothing is, or nothing but a mark that was not finished. Raises Refused for what is not the piece's."""
    mark = _written_in(place)
    if mark is not None and mark.piece == piece:
        return mark
    if mark is None and not place.is_symlink() and (not place.exists() or _is_empty(place)):
        return None
    raise marks.not_marked(str(place), piece, hint="move it to another place")


def _is_empty(place: Path) -> bool:
    return place.is_dir() and {entry.name for entry in place.iterdir()} <= {_UNFINISHED}


def _written_in(place: Path) -> marks.Written | None:
    if place.is_symlink() or not place.is_dir():
        return None
    try:
        return marks.read(_text_of(place / _MARK))
    except (OSError, UnicodeDecodeError):
        return None


def _text_of(file: Path) -> str | None:
    """None for what is no file: an app writes here too, and could have a pipe waited for, or a link followed.

    Raises OSError, UnicodeDecodeError."""
    descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return os.read(descriptor, _LONGEST_MARK).decode() if stat.S_ISREG(os.fstat(descriptor).st_mode) else None
    finally:
        os.close(descriptor)


def _write_mark(place: Path, piece: Piece, *, fence: int) -> None:
    beside = place / _UNFINISHED
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(marks.written(piece, fence=fence))
        file.flush()
        os.fsync(descriptor)
    beside.rename(place / _MARK)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _translated(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(f"the disk does not do it: {error.strerror}", hint="is there room, and may we write?", where=str(root)) from error
