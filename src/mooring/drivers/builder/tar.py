"""Reads a tar stream entry by entry, without the standard library's leniency. Must not: write anything, or decide what is allowed.

Only what describes a source tree is understood: files, directories, symbolic links, in POSIX (ustar, pax) or GNU dialect, each with
a right checksum. Everything else is an entry of kind OTHER with a word for it. Source: POSIX.1-2017 pax, "ustar Interchange Format".
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from typing import IO, NoReturn

import msgspec

from mooring.errors import SourceInvalid

BLOCK = 512
METADATA_BYTES = 65_536  # of one long name or one pax header


class Kind(enum.Enum):
    FILE = "file"
    DIRECTORY = "directory"
    LINK = "symbolic link"
    OTHER = "other"


class TarEntry(msgspec.Struct, frozen=True, kw_only=True):
    """`name` and `target` as bytes, as they stand; `word` says in words what an OTHER is."""

    name: bytes
    kind: Kind
    size: int
    mode: int
    target: bytes = b""
    word: str = ""

    @property
    def shown(self) -> str:
        """The name for a message: printable, and not long."""
        return repr(self.name.decode("utf-8", "backslashreplace"))[:200]


class _Overrides(msgspec.Struct):
    """What a pax or GNU header says about the entry after it."""

    name: bytes | None = None
    target: bytes | None = None
    size: int | None = None
    word: str = ""
    seen: str = ""


_KINDS = {b"0": Kind.FILE, b"\0": Kind.FILE, b"5": Kind.DIRECTORY, b"2": Kind.LINK}
_WORDS = {
    b"1": "a hard link",
    b"3": "a character device",
    b"4": "a block device",
    b"6": "a named pipe",
    b"7": "a contiguous file",
    b"S": "a sparse file",
}


class TarReader:
    """Iterate over the entries; `read` gives the bytes of the present one, in pieces, until b""."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._left = 0
        self._padding = 0

    def __iter__(self) -> Iterator[TarEntry]:
        overrides = _Overrides()
        while (header := self._header()) is not None:
            flag = header[156:157]
            if flag in b"LKxg":
                self._take_overrides(flag, _number(header[124:136]), overrides)
                continue
            entry = _entry(header, flag, overrides)
            overrides = _Overrides()
            self._left = entry.size
            self._padding = -entry.size % BLOCK
            yield entry
            self._skip()
        if overrides.seen:
            _damaged("it ends after a header that describes nothing")

    def read(self, count: int) -> bytes:
        chunk = self._stream.read(min(count, self._left))
        if not chunk and self._left:
            _damaged("it ends in the middle of a file")
        self._left -= len(chunk)
        return chunk

    def _header(self) -> bytes | None:
        block = self._exactly(BLOCK, may_end=True)
        if not block or block == bytes(BLOCK):
            return None
        if block[257:262] != b"ustar" or _number(block[148:156]) != sum(block) - sum(block[148:156]) + 8 * 32:
            _damaged("a header is not one, or its checksum is wrong")
        return block

    def _take_overrides(self, flag: bytes, size: int, overrides: _Overrides) -> None:
        letter = flag.decode()
        if size > METADATA_BYTES or letter in overrides.seen:
            _damaged("a name's own header is too long, or comes twice")
        body = self._exactly(size)
        self._exactly(-size % BLOCK)
        overrides.seen += letter
        if flag == b"L":
            overrides.name = body.rstrip(b"\0")
        elif flag == b"K":
            overrides.target = body.rstrip(b"\0")
        else:
            _read_pax(body, overrides, is_global=flag == b"g")

    def _skip(self) -> None:
        while self._left:
            self.read(1 << 16)
        self._exactly(self._padding)
        self._padding = 0

    def _exactly(self, count: int, *, may_end: bool = False) -> bytes:
        block = b""
        while len(block) < count:
            chunk = self._stream.read(count - len(block))
            if not chunk and may_end and not block:
                return b""
            if not chunk:
                _damaged("it ends too early")
            block += chunk
        return block


def _entry(header: bytes, flag: bytes, overrides: _Overrides) -> TarEntry:
    kind = Kind.OTHER if overrides.word else _KINDS.get(flag, Kind.OTHER)
    size = _number(header[124:136]) if overrides.size is None else overrides.size
    if kind is Kind.LINK or kind is Kind.DIRECTORY:
        size = 0 if size == 0 else _damaged("a directory or link has content")
    return TarEntry(
        name=_name(header) if overrides.name is None else overrides.name,
        kind=kind,
        size=size,
        mode=_number(header[100:108]),
        target=_text(header[157:257]) if overrides.target is None else overrides.target,
        word=overrides.word or _WORDS.get(flag, f"of the unknown type {flag!r}") if kind is Kind.OTHER else "",
    )


def _name(header: bytes) -> bytes:
    name, prefix = _text(header[0:100]), _text(header[345:500])
    is_posix = header[257:263] == b"ustar\0"
    return prefix + b"/" + name if is_posix and prefix else name


def _read_pax(body: bytes, overrides: _Overrides, *, is_global: bool) -> None:
    while body:
        length_text, space, _ = body.partition(b" ")
        length = int(length_text) if space and length_text.isdigit() and len(length_text) < 7 else 0
        record = body[len(length_text) + 1 : length]
        key, equals, value = record[:-1].partition(b"=")
        if length <= len(length_text) + 2 or length > len(body) or record[-1:] != b"\n" or not equals:
            _damaged("a pax header cannot be read")
        body = body[length:]
        if is_global and key in (b"path", b"linkpath", b"size"):
            _damaged("a global header names a file")
        _take_pax(key, value, overrides)


def _take_pax(key: bytes, value: bytes, overrides: _Overrides) -> None:
    if key == b"path":
        overrides.name = value
    elif key == b"linkpath":
        overrides.target = value
    elif key == b"size":
        overrides.size = int(value) if value.isdigit() and len(value) < 20 else _damaged("a size is not a number")
    elif key.startswith(b"GNU.sparse"):
        overrides.word = "a sparse file"


def _number(field: bytes) -> int:
    """Octal text, or GNU's base 256 when the first bit is set; never negative."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b" \0")
    if not digits:
        return 0
    if any(digit not in b"01234567" for digit in digits):
        _damaged("a number in a header cannot be read")
    return int(digits, 8)


def _text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _damaged(why: str) -> NoReturn:
    raise SourceInvalid(f"the archive is damaged: {why}", hint="send it again; Mooring reads tar and tar.gz")
