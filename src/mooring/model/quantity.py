"""Durations in seconds, sizes in bytes, counts or percents: read from text, and written for people. Must not: know any key."""

from __future__ import annotations

import re
from math import ceil, floor

import msgspec

from mooring.errors import InvalidInput

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE = re.compile(r"\A(\d+(?:\.\d+)?)\s*([kKMGT]?i?[bB]?)\Z")
_UNITS = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3, "t": 1000**4, "ki": 1024, "mi": 1024**2, "gi": 1024**3, "ti": 1024**4}
_LONGEST = 30  # digits that any size or duration may be written with
_SHARE = re.compile(r"\A(\d{1,3})(%?)\Z")


class Share(msgspec.Struct, frozen=True):
    """A whole number, or a percent of the desired count."""

    amount: int
    is_percent: bool = False

    def of(self, count: int, *, rounding_up: bool) -> int:
        """How many of `count` this is."""
        exact = count * self.amount / 100 if self.is_percent else self.amount
        return ceil(exact) if rounding_up else floor(exact)

    def __str__(self) -> str:
        return f"{self.amount}{'%' if self.is_percent else ''}"


def parse_duration(text: str | int | float) -> float:
    """Seconds of `90`, `"90s"`, `"1m30s"`, `"500ms"`; raises InvalidInput."""
    if isinstance(text, bool) or not isinstance(text, (int, float, str)):
        raise InvalidInput(f"{text!r} is not a duration", hint='write it like "30s", "2m" or "1h30m"')
    if isinstance(text, (int, float)):
        return _not_negative(float(text))
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text or len(text) > _LONGEST:
        raise InvalidInput(f"{text[:40]!r} is not a duration", hint='write it like "30s", "2m" or "1h30m"')
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def parse_size(text: str | int) -> int:
    """Bytes of `1024`, `"256MB"`, `"1.5GiB"`; raises InvalidInput."""
    if isinstance(text, int) and not isinstance(text, bool):
        return int(_not_negative(float(text)))
    match = _SIZE.match(text) if isinstance(text, str) else None
    if match is None or len(match[1]) > _LONGEST:
        raise InvalidInput(f"{str(text)[:40]!r} is not a size", hint='write it like "256MB" or "1GiB"')
    number, unit = match.groups()
    return int(float(number) * _UNITS[unit.lower().rstrip("b")])


def parse_share(text: str | int) -> Share:
    """A count like `1` or a percent like `"25%"`; raises InvalidInput."""
    match = _SHARE.match(str(text)) if not isinstance(text, bool) else None
    if match is None or (match[2] and int(match[1]) > 100):
        raise InvalidInput(f"{text!r} is neither a count nor a percent", hint='write it like 1 or "25%"')
    return Share(amount=int(match[1]), is_percent=bool(match[2]))


def format_duration(seconds: float) -> str:
    """`0.42s`, `3.1s`, `2m05s`, `1h02m`."""
    if seconds < 1:
        return f"{seconds:.2f}s"
    if seconds < 60:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest:02d}s" if minutes < 60 else f"{minutes // 60}h{minutes % 60:02d}m"


def format_size(count: int) -> str:
    """`512 B`, `1.5 MB`: powers of 1000."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def _not_negative(number: float) -> float:
    if number < 0 or number != number or number == float("inf"):
        raise InvalidInput(f"{number} is out of range", hint="use a number from 0 up")
    return number
