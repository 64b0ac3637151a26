"""A value that no other text holds, and where it is found again: in any of seven encodings, whole or by its half. Must not: know a sink."""

from __future__ import annotations

import base64
import json
import shlex
from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True)
class Sentinel:
    """Two tokens that every encoding of text leaves as they are, and between them characters that each writes in a way of its own."""

    first: str
    second: str

    @property
    def value(self) -> str:
        return f"{self.first}>>>?\"'/é$ \\~~~{self.second}"

    @property
    def patterns(self) -> dict[str, bytes]:
        raw = self.value.encode()
        return {
            "raw": raw,
            "base64": _inside(raw, b"+/"),
            "base64 for URLs": _inside(raw, b"-_"),
            "base64 behind one byte": _inside(raw, b"+/", before=1),
            "base64 behind two bytes": _inside(raw, b"+/", before=2),
            "hexadecimal": raw.hex().encode(),
            "percent": quote(self.value, safe="").encode(),
            "JSON": json.dumps(self.value)[1:-1].encode(),
            "shell": shlex.quote(self.value)[1:-1].encode(),
            "first half": self.first.encode(),
            "second half": self.second.encode(),
        }

    def found_in(self, content: bytes) -> list[str]:
        """The encodings in which it is there."""
        lowered = content.lower()
        return [name for name, pattern in self.patterns.items() if pattern in content or (name == "hexadecimal" and pattern in lowered)]


def _inside(raw: bytes, alphabet: bytes, *, before: int = 0) -> bytes:
    """What of the base64 does not depend on what stands around it."""
    encoded = base64.b64encode(bytes(before) + raw, alphabet)
    return encoded[-(-before * 8 // 6) : (before + len(raw)) * 8 // 6]
