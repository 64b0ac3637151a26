"""What process types are called here: the other tool's names where they are allowed, else the nearest. Must not: know a dialect."""

from __future__ import annotations

import re
from collections.abc import Iterable

from mooring.manifest.processes import WEB
from mooring.manifest.validation import RESERVED_PROCESS


def process_names(theirs: Iterable[str], *, main: str | None) -> dict[str, str]:
    """Ours by theirs, no two alike; `main` is the one that gets requests, and is called web."""
    names = {main: WEB} if main is not None else {}
    for name in theirs:
        if name not in names:
            names[name] = _free(_allowed(name), taken=set(names.values()))
    return names


def _allowed(name: str) -> str:
    likely = re.sub(r"[^A-Za-z0-9_-]+", "-", name)[:28].strip("-_")
    likely = likely if likely[:1].isascii() and likely[:1].isalpha() else f"process-{likely[:20]}".rstrip("-_")
    return f"{likely}-process" if likely in (RESERVED_PROCESS, "") else likely


def _free(name: str, *, taken: set[str]) -> str:
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name[:26]}-{number}"
    return free
