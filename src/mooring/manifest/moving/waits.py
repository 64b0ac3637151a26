"""Waits that Mooring has once for the whole app, where other tools have one for each of its parts. Must not: wait."""

from __future__ import annotations

from collections.abc import Sequence

from mooring.manifest.moving.ledger import Ledger
from mooring.manifest.moving.node import Node
from mooring.manifest.moving.quantities import seconds, span
from mooring.manifest.moving.translation import Value
from mooring.model.policy import Policy


def add_deadline(ledger: Ledger, node: Node | None, *, note: str = "") -> None:
    """How long one instance may take; all together may take no less."""
    if node is None or ledger.is_covered(node):
        return
    values: dict[str, Value] = {"deploy.healthy_deadline": span(node.text)}
    if (seconds(node.text) or 0) > Policy().progress_deadline:
        values["deploy.progress_deadline"] = span(node.text)
    ledger.maps_all(node, values, note=note)


def add_kill_timeout(ledger: Ledger, nodes: Sequence[Node]) -> None:
    """The longest of all: no process is killed earlier than it was."""
    mine = [node for node in nodes if not ledger.is_covered(node)]
    longest = max(mine, key=lambda node: seconds(node.text) or 0.0, default=None)
    for node in mine:
        is_other = longest is not None and seconds(node.text) is not None and seconds(node.text) != seconds(longest.text)
        value = longest.text if is_other and longest is not None else node.text
        ledger.maps(node, "deploy.kill_timeout", span(value), note="the longest holds for all process types" if is_other else "")
