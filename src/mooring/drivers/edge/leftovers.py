"""Files of environments that are routed no more, which somebody left who died over their removal. Must not: touch what is routed."""

from __future__ import annotations

from pathlib import Path

from mooring.drivers.edge.files import remove
from mooring.drivers.edge.layout import EdgeLayout
from mooring.drivers.edge.ledger import Ledger
from mooring.drivers.edge.wardrobe import FALLBACK


def clear(layout: EdgeLayout, ledger: Ledger) -> None:
    """Certificates of names that no table has, and notes of who waits. Nothing while a table cannot be read. Raises Unavailable."""
    if ledger.damaged:
        return
    names = {FALLBACK, *(name for table in ledger.tables() for name in table.hostnames)}
    _keep(layout.certificates, {layout.certificate(name) for name in names})
    _keep(layout.waited_for, {layout.waited_for / table.environment.slug for table in ledger.tables()})


def _keep(directory: Path, wanted: set[Path]) -> None:
    found = set(directory.iterdir()) if directory.is_dir() else set()
    for path in found - wanted:
        remove(path)
