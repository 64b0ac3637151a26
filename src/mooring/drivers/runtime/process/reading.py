"""Reads logs: the last lines of files, and what is added while somebody follows. Bounded memory, whatever a program writes.

A line's time is that of the look at which the log keeper saw it, or the file's last change. Must not: redact (the caller knows secrets).
"""

from __future__ import annotations

import codecs
import os
from pathlib import Path

from mooring.drivers.runtime.process import times
from mooring.drivers.runtime.process.logfiles import LogFile
from mooring.model.instance import CUT, LogLine

LONGEST_LINE = 64 * 1024  # bytes
_BLOCK = 64 * 1024
_MOST_HISTORY = 8 * 1024 * 1024  # bytes read back from the end of one file
_MOST_NEWS = 256 * 1024  # bytes read of one file at one look

Piece = tuple[int, bytes]  # where a line ends in its file, and the line


def last_lines(file: LogFile, count: int) -> tuple[list[LogLine], int]:
    """The last `count` whole lines and an unfinished one, oldest first; and where the whole ones end."""
    try:
        descriptor = os.open(file.path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return [], 0
    try:
        content, start = _tail(descriptor, count)
        changed = os.fstat(descriptor).st_mtime
    finally:
        os.close(descriptor)
    pieces = _pieces(content, start)
    if start > 0:
        del pieces[:1]  # most likely begins within a line
    pairs = times.known(file.path)
    lines = [_line(file, text, times.time_of(pairs, end, otherwise=changed)) for end, text in pieces[-count:]] if count else []
    return lines, start + content.rfind(b"\n") + 1


def _tail(descriptor: int, count: int) -> tuple[bytes, int]:
    """Bytes from the end with more than `count` lines in them, and where they start."""
    size = os.fstat(descriptor).st_size
    first = _first_byte(descriptor)
    start, chunks, newlines = size, [], 0
    while start > first and newlines <= count and size - start < _MOST_HISTORY:
        length = min(_BLOCK, start - first)
        start -= length
        chunk = os.pread(descriptor, length, start)
        newlines += chunk.count(b"\n")
        chunks.append(chunk)
    return b"".join(reversed(chunks)), start


def _first_byte(descriptor: int) -> int:
    """What lies before was given back to the disk."""
    try:
        return os.lseek(descriptor, 0, os.SEEK_DATA)
    except OSError:
        return 0


def _pieces(content: bytes, start: int) -> list[Piece]:
    pieces, position = [], start
    for part in _split(content):
        position += len(part)
        pieces.append((position, part))
    return pieces


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
