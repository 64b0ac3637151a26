"""Finds the line of every key of a TOML text, which the standard library's reader does not tell.

A scanner, not a reader: it skips over values, follows tables, dotted and quoted keys and inline tables, and stops at what it
cannot make sense of: that the reader will refuse, with a better message. It takes time linear in the text, and stops at
nesting or keys so deep that the reader would choke on them. Source: TOML 1.0.0.
Must not: decide what is valid, raise, or recurse.
"""

from __future__ import annotations

import re
import tomllib

import msgspec

DEEPEST = 32
Path = tuple[str, ...]

_SPACE = re.compile(r"[ \t]*+")
_BLANK = re.compile(r"[ \t\r\n]*+(?:#[^\n]*+[ \t\r\n]*+)*+")
_REST = re.compile(r"[ \t]*+(?:#[^\n]*+)?+\r?+(?:\n|\Z)")
_BARE = re.compile(r"[A-Za-z0-9_-]++")
_BASIC = re.compile(r'"((?:[^"\\\n]|\\.)*+)"')
_LITERAL = re.compile(r"'([^'\n]*+)'")
_STRING = re.compile(
    r'"""(?:[^"\\]|\\.|"(?!""))*+"{3,5}' r"|'''(?:[^']|'(?!''))*+'{3,5}" r'|"(?:[^"\\\n]|\\.)*+"' r"|'[^'\n]*+'",
    re.DOTALL,
)
_CLOSERS = {"[": "]", "{": "}"}
_SCALAR = re.compile(r"[^,\]}#\n\"'\[{]++")


class Place(msgspec.Struct, frozen=True):
    """Where a key or a table's header stands. `kind`: `key`, `table` for [a], `array` for [[a]]."""

    path: Path
    line: int
    kind: str


class Scan(msgspec.Struct, frozen=True):
    """All places in order. `too_deep` is the line of what is nested or dotted more than DEEPEST deep, 0 when nothing is."""

    places: tuple[Place, ...]
    too_deep: int = 0


class _Stop(Exception):
    """What stands here is no TOML."""


class _TooDeep(Exception):
    pass


def scan(text: str) -> Scan:
    """Every key and table of the text, as far as it can be followed."""
    scanner = _Scanner(text)
    try:
        scanner.document()
    except _Stop:
        pass
    except _TooDeep:
        return Scan(places=tuple(scanner.places), too_deep=scanner.line)
    return Scan(places=tuple(scanner.places))


class _Open(msgspec.Struct, frozen=True):
    """A bracket that waits for its closer, and the path of the inline table it opened (None: an array, or inside one)."""

    closer: str
    table: Path | None


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.line = 1
        self.places: list[Place] = []

    def document(self) -> None:
        table: Path = ()
        self._skip(_BLANK)
        while self.position < len(self.text):
            if self._peek() == "[":
                table = self._header()
            else:
                self._pair(table)
            if not self._skip(_REST):
                raise _Stop
            self._skip(_BLANK)

    def _header(self) -> Path:
        line, brackets = self.line, 2 if self.text.startswith("[[", self.position) else 1
        self.position += brackets
        path = self._key()
        if not self.text.startswith("]" * brackets, self.position):
            raise _Stop
        self.position += brackets
        self.places.append(Place(path, line, "array" if brackets == 2 else "table"))
        return path

    def _pair(self, table: Path) -> None:
        """`key = value`, and the pairs of inline tables inside: open brackets are kept in a list instead of recursing."""
        opened: list[_Open] = []
        path = self._named(table)
        while True:
            has_entered = self._enter_or_skip(path, opened)
            if self._is_over(opened, has_entered=has_entered):
                return
            path = self._named(opened[-1].table) if opened[-1].closer == "}" else None

    def _enter_or_skip(self, path: Path | None, opened: list[_Open]) -> bool:
        """Go into the array or inline table that stands here (true), or go past the plain value (false)."""
        mark = self._peek()
        if mark in _CLOSERS:
            self.position += 1
            opened.append(_Open(_CLOSERS[mark], path if mark == "{" else None))
            if len(opened) > DEEPEST:
                raise _TooDeep
            return True
        if not (self._skip(_STRING) or self._skip(_SCALAR)):
            raise _Stop
        return False

    def _is_over(self, opened: list[_Open], *, has_entered: bool) -> bool:
        """Close what closes here, and go past a comma; true when nothing is open any more."""
        needs_comma = not has_entered
        while opened:
            self._skip(_BLANK)
            if self._take(opened[-1].closer):
                opened.pop()
                needs_comma = True
            elif not needs_comma:
                return False
            elif self._take(","):
                needs_comma = False
            else:
                raise _Stop
        return True

    def _named(self, table: Path | None) -> Path | None:
        """Read `key =`. Keys of tables inside arrays have no path of their own."""
        line = self.line
        key = self._key()
        if not self._take("="):
            raise _Stop
        self._skip(_SPACE)
        if table is None:
            return None
        self.places.append(Place(table + key, line, "key"))
        return table + key

    def _key(self) -> Path:
        parts: list[str] = []
        while True:
            self._skip(_SPACE)
            parts.append(self._part())
            self._skip(_SPACE)
            if len(parts) > DEEPEST:
                raise _TooDeep
            if not self._take("."):
                return tuple(parts)

    def _part(self) -> str:
        for pattern in (_BARE, _LITERAL, _BASIC):
            match = pattern.match(self.text, self.position)
            if match:
                self.position = match.end()
                return _unescaped(match[0]) if pattern is _BASIC else match[match.lastindex or 0]
        raise _Stop

    def _peek(self) -> str:
        return self.text[self.position : self.position + 1]

    def _take(self, mark: str) -> bool:
        found = self._peek() == mark
        self.position += found
        return found

    def _skip(self, pattern: re.Pattern[str]) -> bool:
        match = pattern.match(self.text, self.position)
        if match is None:
            return False
        self.line += self.text.count("\n", self.position, match.end())
        self.position = match.end()
        return True


def _unescaped(key: str) -> str:
    """A basic string's text; its escapes are left to the standard library."""
    if "\\" not in key:
        return key[1:-1]
    try:
        return str(tomllib.loads(f"key = {key}")["key"])
    except tomllib.TOMLDecodeError:
        raise _Stop from None
