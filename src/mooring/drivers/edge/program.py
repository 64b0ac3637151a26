"""A program of an edge, for a supervisor to keep running. Must not: start it."""

from __future__ import annotations

from pathlib import Path

import msgspec


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """`stop_signal` ends it at once: an edge has nothing to save. `priority`: the lower starts first."""

    name: str
    argv: tuple[str, ...]
    directory: Path
    environment: dict[str, str] = {}
    stop_signal: str = "TERM"
    umask: int = 0o077  # the access log is for the owner only
    priority: int = 100
