"""The one border where errors of SQLite, SQLAlchemy, the disk, the decoder and the cipher become Mooring's. Must not: let one through.

Sources of the meanings: https://www.sqlite.org/rescode.html. A failed fsync leaves unknown what is on disk.
"""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
from cryptography.exceptions import InvalidTag
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

from mooring.errors import InvalidInput, MooringError, OutcomeUnknown, Refused, StateDamaged, Unavailable

FOREIGN = (sqlite3.Error, SQLAlchemyError, OSError, msgspec.MsgspecError, InvalidTag, OverflowError, ValueError, TypeError)
"""The last two: what was stored as a role, a number or bytes is none any more."""

Meaning = tuple[type[MooringError], str, str]

_RESTORE = "restore a backup with `mooring state restore`; the file was left as it is"
_DAMAGED: Meaning = (StateDamaged, "the state cannot be read as it should be", _RESTORE)
_FULL: Meaning = (Unavailable, "the disk is full: nothing was written", "free some space, then try again")
_CLOSED: Meaning = (Unavailable, "the state is not open", "start the platform again with `mooring up`")
_DISK: Meaning = (Unavailable, "the disk did not read or write the state: nothing was written", "look at the system's log for disk errors")
_ODD_TEXT: Meaning = (InvalidInput, "a text or number cannot be stored", "use Unicode text, and numbers below 2**63")

# The longest prefix of the result code's name decides.
MEANINGS: dict[str, Meaning] = {
    "SQLITE": _DAMAGED,
    "SQLITE_FULL": _FULL,
    "SQLITE_IOERR": _DISK,
    "SQLITE_IOERR_SHORT_READ": _DAMAGED,
    "SQLITE_IOERR_CORRUPTFS": _DAMAGED,
    "SQLITE_IOERR_FSYNC": (OutcomeUnknown, "the disk did not confirm a write", "look at the system's log for disk errors"),
    "SQLITE_IOERR_DIR_FSYNC": (OutcomeUnknown, "the disk did not confirm a write", "look at the system's log for disk errors"),
    "SQLITE_BUSY": (Unavailable, "another process is writing the state", "try again; only one controller may run on a state directory"),
    "SQLITE_LOCKED": (Unavailable, "another process is writing the state", "try again; only one controller may run on a state directory"),
    "SQLITE_PROTOCOL": (Unavailable, "another process is writing the state", "try again; only one controller may run on a state directory"),
    "SQLITE_READONLY": (Unavailable, "the state cannot be written", "check that the disk is mounted for writing and the file is yours"),
    "SQLITE_CANTOPEN": (Unavailable, "the state cannot be opened", "check that the file exists and is yours"),
    "SQLITE_PERM": (Unavailable, "the state cannot be opened", "check that the file exists and is yours"),
    "SQLITE_AUTH": (Unavailable, "the state cannot be opened", "check that the file exists and is yours"),
    "SQLITE_NOMEM": (Unavailable, "there is not enough memory: nothing was written", "free some memory, then try again"),
    "SQLITE_NOLFS": (Unavailable, "the disk cannot hold files this large", "keep the state on another file system"),
    "SQLITE_ABORT": (Unavailable, "the write was interrupted: nothing was written", "try again"),
    "SQLITE_INTERRUPT": (Unavailable, "the write was interrupted: nothing was written", "try again"),
    "SQLITE_MISUSE": _CLOSED,
    "SQLITE_TOOBIG": (InvalidInput, "a text is too large to be stored", "keep it below 1 GB"),
    "SQLITE_CONSTRAINT": (Refused, "this contradicts what is stored: nothing was written", "look at what is there, then try again"),
}

_OS_ERRORS = {errno.ENOSPC: _FULL, errno.EDQUOT: _FULL, errno.EFBIG: _FULL}


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Every foreign error of the block leaves as a Mooring error; `where` names the file."""
    try:
        yield
    except FOREIGN as error:
        raise translate(error, where=where) from error


def translate(error: Exception, *, where: str) -> MooringError:
    """What a foreign error means for the user. A Mooring error is given back as it is."""
    if isinstance(error, MooringError):
        return error
    if isinstance(error, DBAPIError) and isinstance(error.orig, Exception):
        return translate(error.orig, where=where)
    kind, message, hint = _meaning(error)
    return kind(message, hint=hint, where=where)


def _meaning(error: Exception) -> Meaning:
    match error:
        case sqlite3.Error():
            return _of_sqlite(error)
        case InvalidTag():
            return (StateDamaged, "an encrypted value does not fit its key or its place", _RESTORE)
        case UnicodeEncodeError() | OverflowError():
            return _ODD_TEXT
        case msgspec.MsgspecError() | ValueError() | TypeError():
            return _DAMAGED
        case OSError():
            return _of_system(error)
        case IntegrityError():
            return MEANINGS["SQLITE_CONSTRAINT"]
        case _:
            return (
                Unavailable,
                f"the state could not be asked ({type(error).__name__})",
                "try again; start the platform again if it stays",
            )


def _of_sqlite(error: sqlite3.Error) -> Meaning:
    name = getattr(error, "sqlite_errorname", "")
    if name:
        return next(MEANINGS[prefix] for prefix in sorted(MEANINGS, key=len, reverse=True) if name.startswith(prefix))
    if isinstance(error, sqlite3.IntegrityError):
        return MEANINGS["SQLITE_CONSTRAINT"]
    # Without a code it comes from the Python module: a closed connection, or a text that is no UTF-8 any more.
    return _CLOSED if isinstance(error, (sqlite3.ProgrammingError, sqlite3.InterfaceError)) else _DAMAGED


def _of_system(error: OSError) -> Meaning:
    if error.errno in _OS_ERRORS:
        return _OS_ERRORS[error.errno]
    return (Unavailable, f"the state cannot be reached: {error.strerror or error}", "check that the directory exists and is yours")
