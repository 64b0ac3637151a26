"""Kinds of quantity: flags, numbers, durations in seconds, sizes in bytes, counts or percents. Must not: guess a unit."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from mooring.errors import InvalidInput
from mooring.manifest import wording
from mooring.manifest.kinds.kind import Mismatch, Schema
from mooring.model.quantity import Share, parse_duration, parse_share, parse_size

_UNITS_OF_TIME = {"ms": "ms", "mil": "ms", "m": "m", "s": "s", "h": "h", "d": "d", "": "s"}
_UNITS_OF_SIZE = {"k": "kB", "m": "MB", "g": "GB", "t": "TB", "": "MB"}


class Flag(msgspec.Struct, frozen=True, kw_only=True):
    word: str = "boolean"

    def read(self, value: object) -> bool:
        if isinstance(value, bool):
            return value
        raise Mismatch("expected is true or false", hint="write true or false, without quotes")

    def write(self, value: object) -> str:
        return "true" if value else "false"

    def schema(self) -> Schema:
        return {"type": "boolean"}


class Whole(msgspec.Struct, frozen=True, kw_only=True):
    """A whole number from `least` to `most`. `fix` is what to do about one below."""

    noun: str
    least: int = 0
    most: int = 1_000_000
    fix: str = ""
    word: str = "integer"

    def read(self, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise Mismatch(f"{self.noun} is a whole number", hint=_unquoted(value))
        if value < self.least:
            raise Mismatch(f"{self.noun} is {self.least} or more", hint=self.fix)
        if value > self.most:
            raise Mismatch(f"{self.noun} is at most {self.most}")
        return value

    def write(self, value: object) -> str:
        return str(value)

    def schema(self) -> Schema:
        return {"type": "integer", "minimum": self.least, "maximum": self.most}


class Number(msgspec.Struct, frozen=True, kw_only=True):
    noun: str
    least: float
    most: float
    word: str = "number"

    def read(self, value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise Mismatch(f"{self.noun} is a number", hint=_unquoted(value))
        if not self.least <= value <= self.most:
            raise Mismatch(f"{self.noun} is a number from {self.least:g} to {self.most:g}")
        return float(value)

    def write(self, value: object) -> str:
        return f"{value:g}" if isinstance(value, float) else str(value)

    def schema(self) -> Schema:
        return {"type": "number", "minimum": self.least, "maximum": self.most}


class Duration(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds, read from `"1m30s"` or a number."""

    least: float = 0.0
    most: float = 86400.0
    word: str = "duration"

    def read(self, value: object) -> float:
        try:
            seconds = parse_duration(value)  # type: ignore[arg-type]  # it refuses other types itself
        except (InvalidInput, OverflowError):
            raise Mismatch('a duration is text such as "500ms", "30s" or "1h30m"', hint=_spelled(value, _UNITS_OF_TIME)) from None
        if not self.least <= seconds <= self.most:
            raise Mismatch(f"a duration here is from {wording.duration(self.least)} to {wording.duration(self.most)}")
        return seconds

    def write(self, value: object) -> str:
        return wording.quoted(wording.duration(float(str(value))))

    def schema(self) -> Schema:
        return {"type": ["string", "number"], "pattern": r"^(\d+(\.\d+)?(ms|s|m|h|d))+$", "minimum": 0}


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes, read from `"256MB"` or a number."""

    least: int = 0
    most: int = 10**15
    word: str = "size"

    def read(self, value: object) -> int:
        try:
            count = parse_size(value)  # type: ignore[arg-type]  # it refuses other types itself
        except (InvalidInput, OverflowError):
            raise Mismatch('a size is text such as "256MB" or "1GiB"', hint=_spelled(value, _UNITS_OF_SIZE)) from None
        if not self.least <= count <= self.most:
            bounds = f"from {wording.size(self.least)} to {wording.size(self.most)}"
            raise Mismatch(f"a size here is {bounds}", hint=_spelled(value, _UNITS_OF_SIZE))
        return count

    def write(self, value: object) -> str:
        return wording.quoted(wording.size(int(str(value))))

    def schema(self) -> Schema:
        return {"type": ["string", "integer"], "pattern": r"^\d+(\.\d+)?\s*([kKMGT]?i?[bB]?)$", "minimum": 0}


class Portion(msgspec.Struct, frozen=True, kw_only=True):
    """A count, or a percent of how many should run."""

    word: str = "count or percent"

    def read(self, value: object) -> Share:
        try:
            if isinstance(value, (str, int)) and (isinstance(value, str) or abs(value) < 1000):
                return parse_share(value)
        except InvalidInput:
            pass
        raise Mismatch('it is a count from 0 to 999, or a percent such as "25%"', hint='write it like 1 or "25%"')

    def write(self, value: object) -> str:
        return wording.quoted(str(value)) if str(value).endswith("%") else str(value)

    def schema(self) -> Schema:
        return {"type": ["string", "integer"], "pattern": r"^\d{1,3}%?$", "minimum": 0, "maximum": 999}


def _unquoted(value: object) -> str:
    return f"leave out the quotes: {value}" if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,9}(\.[0-9]{1,9})?", value) else ""


def _spelled(value: object, units: Mapping[str, str]) -> str:
    """A way out for the commonest slips: a space, a unit in words, a bare number as text."""
    slip = re.match(r"\A\s*([0-9]{1,6})\s*([A-Za-z]*)", value) if isinstance(value, str) else None
    if slip is None or slip.string[slip.end() : slip.end() + 1].isdigit():
        return ""
    word = slip[2].lower()
    unit = next((unit for beginning, unit in units.items() if word.startswith(beginning)), "")
    return f'write the unit right behind the number: "{slip[1]}{unit}"' if unit else ""
