"""Reads logs: the last lines of files, and what is added while somebody follows. Bounded memory, whatever a program writes.

A line's time is that of the look at which the log keeper saw it, or the file's last change. Must not: redact (the caller knows secrets).
"""

from __future__ import annotations

import codecs
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from mooring.drivers.runtime.process import times
from mooring.drivers.runtime.process.logfiles import LogFile
from mooring.model.instance import CUT, LogLine

LONGEST_LINE = 64 * 1024  # bytes
_BLOCK = 64 * 1024
_MOST_HISTORY = 8 * 1024 * 1024  # bytes read back from the end of one file
_MOST_NEWS = 256 * 1024  # bytes read of one file at one look

Piece = tuple[int, bytes]  # where a line ends in its file, and the line


class Tail(msgspec.Struct, frozen=True, kw_only=True):
    """The last lines of a file: `count` of them, from byte `start` to `end`, an unfinished one too; the whole ones end at `whole`."""

    file: LogFile
    start: int = 0
    end: int = 0
    whole: int = 0
    count: int = 0

    def lines(self) -> Iterator[LogLine]:
        """Oldest first, a block of the file in memory at a time: whoever reads them may be slow."""
        pairs = times.known(self.file.path)
        try:
            changed = self.file.path.stat().st_mtime
            for end, text in _pieces(self.file.path, self.start, self.end):
                yield _line(self.file, text, times.time_of(pairs, end, otherwise=changed))
        except OSError:
            return  # it was removed meanwhile


def tail(file: LogFile, count: int) -> Tail:
    """Where the last `count` lines are. Looks back as far as they need, and at most _MOST_HISTORY."""
    try:
        descriptor = os.open(file.path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return Tail(file=file)
    try:
        size = os.fstat(descriptor).st_size
        least = max(_first_byte(descriptor), size - _MOST_HISTORY)
        return _found(file, _newlines(descriptor, size, least), count, size=size, least=least)
    finally:
        os.close(descriptor)


def last_lines(file: LogFile, count: int) -> tuple[list[LogLine], int]:
    """The last `count` whole lines and an unfinished one, oldest first; and where the whole ones end."""
    found = tail(file, count)
    return list(found.lines()), found.whole


def _found(file: LogFile, newlines: Iterator[int], count: int, *, size: int, least: int) -> Tail:
    """`newlines` from the last one back; before `least` nothing is looked at."""
    last = next(newlines, None)
    whole = least if last is None else last + 1
    unfinished = 1 if whole < size else 0
    if count == 0:
        return Tail(file=file, start=size, end=size, whole=whole)
    earliest, seen = whole - 1, 0 if last is None else 1
    while seen <= count - unfinished and (position := next(newlines, None)) is not None:
        earliest, seen = position, seen + 1
    if seen > count - unfinished:
        return Tail(file=file, start=earliest + 1, end=size, whole=whole, count=count)
    if least == 0:
        return Tail(file=file, end=size, whole=whole, count=seen + unfinished)
    # what lies at `least` most likely begins within a line
    return Tail(file=file, start=earliest + 1 if seen else size, end=size, whole=whole, count=max(seen - 1 + unfinished, 0) if seen else 0)


def _newlines(descriptor: int, size: int, least: int) -> Iterator[int]:
    end = size
    while end > least:
        begin = max(end - _BLOCK, least)
        chunk = os.pread(descriptor, end - begin, begin)
        at = chunk.rfind(b"\n")
        while at >= 0:
            yield begin + at
            at = chunk.rfind(b"\n", 0, at)
        end = begin


def _first_byte(descriptor: int) -> int:
    """What lies before was given back to the disk."""
    try:
        return os.lseek(descriptor, 0, os.SEEK_DATA)
    except OSError:
        return 0


def _pieces(path: Path, start: int, end: int) -> Iterator[Piece]:
    """Each line and where it ends; of a long one the beginning. A line whose beginning was given back meanwhile is left out."""
    position, begun, is_torn = start, b"", False
    while position < end:
        content, first = _block(path, position, end)
        if first > position:
            position, begun, is_torn = first, b"", True
            continue
        if not content:
            return
        *ended, rest = content.split(b"\n")
        for part in ended:
            position += len(part) + 1
            if not is_torn:
                yield position, (begun + part)[: LONGEST_LINE + 2]
            begun, is_torn = b"", False
        position += len(rest)
        begun = (begun + rest)[: LONGEST_LINE + 2]
    if begun and not is_torn:
        yield position, begun


def _block(path: Path, position: int, end: int) -> tuple[bytes, int]:
    """What lies there, and where the file's data begin now. Opened for each block: a slow reader holds no file open."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.pread(descriptor, min(_BLOCK, end - position), position), _first_byte(descriptor)
    finally:
        os.close(descriptor)


def _split(content: bytes) -> list[bytes]:
    """At newlines only: a carriage return alone redraws a line, it does not end one."""
    parts = content.split(b"\n")
    return [part + b"\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


def _line(file: LogFile, raw: bytes, at: float) -> LogLine:
    text = raw.rstrip(b"\r\n")
    shown = text.decode("utf-8", "replace") if len(text) <= LONGEST_LINE else _beginning(text) + CUT
    return LogLine(at=at, source=file.source, release=file.release, stream=file.stream, text=shown)


def _beginning(text: bytes) -> str:
    """Without the half of a character at its end: what is redacted is compared with whole ones."""
    return codecs.getincrementaldecoder("utf-8")("replace").decode(text[:LONGEST_LINE], final=False)


class Follower:
    """One file from a place on. `news` may be called for ever."""

    def __init__(self, file: LogFile, position: int) -> None:
        self._file = file
        self._position = position
        self._unfinished = b""
        self._is_cutting = False

    def news(self) -> list[LogLine]:
        """The lines that were finished since the last call; at most 256 kB of them, the rest comes with the next call."""
        try:
            seen = self._file.path.stat()
            if seen.st_size < self._position:
                self._position, self._unfinished = 0, b""
            content = self._read(seen.st_size)
        except OSError:
            return []
        parts = _split(self._unfinished + content)
        self._unfinished = parts.pop() if parts and not parts[-1].endswith(b"\n") else b""
        lines = [_line(self._file, part, seen.st_mtime) for part in self._uncut(parts)]
        return lines + self._cut(seen.st_mtime)

    def _read(self, size: int) -> bytes:
        if size <= self._position:
            return b""
        with Path(self._file.path).open("rb", buffering=0) as file:
            self._position = max(self._position, _first_byte(file.fileno()))
            content = os.pread(file.fileno(), min(_MOST_NEWS, size - self._position), self._position)
        self._position += len(content)
        return content

    def _uncut(self, parts: list[bytes]) -> list[bytes]:
        """Without the rest of a line whose beginning was told as cut."""
        if self._is_cutting and parts:
            self._is_cutting = False
            return parts[1:]
        return parts

    def _cut(self, at: float) -> list[LogLine]:
        if len(self._unfinished) <= LONGEST_LINE:
            return []
        started, self._unfinished = self._unfinished, b""
        if self._is_cutting:
            return []
        self._is_cutting = True
        return [_line(self._file, started, at)]
