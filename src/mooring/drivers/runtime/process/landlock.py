"""Confines the process that calls it, for good and with all that it will start: Landlock, the kernel's sandbox for those who are not root.

    python -I -S -E landlock.py RECORD ARGV…     within the bounds on RECORD (bounds.py), become the command

The command's variables come with GIVEN before their names: LD_PRELOAD and the like would otherwise run here, where nothing is confined yet.

What is not allowed by a rule is denied, and a rule on a directory holds for all below it: so around each hidden directory what lies beside
it, and beside its parents, is allowed entry by entry. Rights that this kernel does not know are left out.
Source: landlock(7), and linux/landlock.h of Linux 6.12. Read by the launcher, so nothing heavy is imported.
Must not: allow what cannot be confined.
"""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":  # run by path, without site-packages: the package is found from here
    sys.path.append(__file__.rsplit("/", 5)[0])

import ctypes
from collections.abc import Iterator

from mooring.drivers.runtime.process import kernel, record

HIDDEN, SHARED, OWN, SHOWN = b"hidden", b"shared", b"own", b"shown"
GIVEN = "MOORING_GIVEN_"
REFERS = 2  # the version from which on a file may be moved or linked from one directory to another, as builds do
WHOLE = 6  # the version of Landlock from which on nothing here is left out

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIRECTORY = (1 << bit for bit in range(4))
_REFER, _TRUNCATE, _DEVICE_CONTROL = 1 << 13, 1 << 14, 1 << 15
_RIGHTS = {1: (1 << 13) - 1, 2: _REFER, 3: _TRUNCATE, 5: _DEVICE_CONTROL}  # by the version that brought them
_READING = _EXECUTE | _READ_FILE | _READ_DIRECTORY
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _DEVICE_CONTROL
_SCOPE = 0b11  # neither an abstract socket nor a signal reaches what is outside
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION = 1  # flag of landlock_create_ruleset: tell the version, make nothing
_PATH_BENEATH = 1
_NO_NEW_PRIVILEGES, _DROP_CAPABILITY = 38, 24  # of prctl
_CAPABILITIES = 64

_library = ctypes.CDLL(None, use_errno=True)


class _Ruleset(ctypes.Structure):
    _fields_ = [("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scope", ctypes.c_uint64)]


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("rights", ctypes.c_uint64), ("directory", ctypes.c_int32)]


def version() -> int:
    """Of this kernel's Landlock; 0 where there is none, or it is switched off."""
    return max(0, int(_library.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION)))


def confine(bounds: record.Pairs) -> None:
    """From now on, and past every exec. Also: no capability and no new privilege. Raises OSError where the kernel does not do it."""
    known = version()
    handled = sum(rights for since, rights in _RIGHTS.items() if since <= known)
    ruleset = _Ruleset(handled, 0, _SCOPE if known >= WHOLE else 0)
    size = 8 if known < 4 else 16 if known < WHOLE else 24
    descriptor = _done(_library.syscall(_CREATE_RULESET, ctypes.byref(ruleset), ctypes.c_size_t(size), 0), "landlock_create_ruleset")
    try:
        for path, rights in rules(bounds):
            _allow(descriptor, path, rights & handled)
        _drop_capabilities()
        _done(_library.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0), "prctl")
        _done(_library.syscall(_RESTRICT_SELF, descriptor, 0), "landlock_restrict_self")
    finally:
        os.close(descriptor)


def rules(bounds: record.Pairs) -> Iterator[tuple[bytes, int]]:
    """Paths, and what is allowed there and below. Links are not followed: where one leads has a rule of its own, or none."""
    everything = sum(_RIGHTS.values())
    hidden = [os.path.realpath(path) for key, path in bounds if key == HIDDEN]
    for place in _around(b"/", hidden):
        yield place, _READING
    for key, path in bounds:
        if key == SHARED:
            for place in _around(os.path.realpath(path), hidden):
                yield place, everything
        elif key in (OWN, SHOWN):
            yield os.path.realpath(path), everything if key == OWN else _READING


def _around(place: bytes, hidden: list[bytes]) -> Iterator[bytes]:
    """What together is all of the place but for what is hidden."""
    if place in hidden:
        return
    if not any(each.startswith(place.rstrip(b"/") + b"/") for each in hidden):
        yield place
        return
    try:
        entries = [entry.path for entry in os.scandir(place) if not entry.is_symlink()]
    except OSError:
        return  # what we may not read, it may not either
    for entry in entries:
        yield from _around(entry, hidden)


def _allow(ruleset: int, path: bytes, rights: int) -> None:
    """Nothing where nothing is."""
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return
    try:
        is_directory = os.fstat(descriptor).st_mode & 0o170000 == 0o040000
        rule = _Beneath(rights if is_directory else rights & _OF_FILES, descriptor)
        _done(_library.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(rule), 0), "landlock_add_rule")
    finally:
        os.close(descriptor)


def _drop_capabilities() -> None:
    """So that root's programs, too, have none after the next exec. Refused to who has none anyway."""
    for number in range(_CAPABILITIES):
        _library.prctl(_DROP_CAPABILITY, number, 0, 0, 0)


def _done(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)
    return int(result)


def main(path: str, argv: list[str]) -> None:
    kernel.restore_signals()
    try:
        bounds = record.read(path)
        if not any(key == HIDDEN for key, _ in bounds):
            raise OSError(2, os.strerror(2), path)
        confine([*bounds, *((OWN, place) for place in _terminals())])
        os.execvpe(argv[0], argv, _given())  # noqa: S606 - the app's own command, as its owner asked
    except OSError as error:
        print(f"mooring: {os.fsdecode(error.filename or argv[0])}: {error.strerror}", file=sys.stderr, flush=True)
        os._exit(126 if isinstance(error, PermissionError) else 127)


def _terminals() -> set[bytes]:
    """What /dev/stderr, /dev/tty and $(tty) lead to: it has them open, and opens them anew."""
    return {os.fsencode(os.ttyname(number)) for number in (0, 1, 2) if os.isatty(number)}


def _given() -> dict[bytes, bytes]:
    """The command's variables, and the marker of its session where it has one, which nothing that is given goes over."""
    prefix, marker = GIVEN.encode(), kernel.MARKER.encode()
    given = {name.removeprefix(prefix): value for name, value in os.environb.items() if name.startswith(prefix)}
    return {**given, **{name: value for name, value in os.environb.items() if name == marker}}


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
