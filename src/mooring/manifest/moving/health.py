"""Health checks as several dialects have them: one question of a process type, and its pace. Must not: ask anything."""

from __future__ import annotations

import re

from mooring.manifest.moving.ledger import Ledger
from mooring.manifest.moving.node import Node
from mooring.manifest.moving.quantities import span
from mooring.manifest.moving.translation import Outcome, Told

_URL = re.compile(
    r"""(?:\A|[\s'"(])(?:https?://)?(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\])(?::(?:\d{1,5}|\$\{?[A-Z_]+[^}\s/]*\}?))?(/[^\s'"|;)]*)?"""
)
_PIPE = re.compile(r"(?<!\|)\|(?!\|)")
_FETCHES = re.compile(r"(?:\A|[\s/\[(;'\"])(?:curl|wget|http|httpie)\b|urllib|requests\.get|fetch\(|http\.get")

STARTUP_HAS_A_DEADLINE = Told(
    Outcome.NEEDLESS,
    "a new instance is asked until deploy.healthy_deadline, 60s unless said otherwise; nothing fails before",
    "set deploy.healthy_deadline where the app takes longer to start",
)


def path_asked(command: str) -> str | None:
    """The path, where the command only fetches a page of the app's own; None where it does more, as by looking into the page."""
    found = _URL.search(command)
    is_only_that = found is not None and _FETCHES.search(command) is not None and not _PIPE.search(command)
    return (found[1] or "/") if found and is_only_that else None


def add_command(ledger: Ledger, node: Node, process: str, command: str, *, is_routed: bool) -> None:
    """A command that finds out: a page of the app where it only fetches one, else the command itself."""
    path = path_asked(command) if is_routed else None
    if path is not None:
        ledger.maps(node, f"processes.{process}.health.path", path)
    else:
        ledger.maps(node, f"processes.{process}.health.command", command)


def add_pace(ledger: Ledger, node: Node | None, key: str, *, bare: float = 1.0) -> None:
    """A duration below a check."""
    if node is not None:
        ledger.maps(node, key, span(node.text, bare=bare))
