"""A Procfile, so that mooring.toml can stand alone. Source: https://devcenter.heroku.com/articles/procfile

Mooring reads a Procfile as it is, too; what stands in mooring.toml goes over it. Must not: parse a command.
"""

from __future__ import annotations

from collections.abc import Mapping

from mooring.manifest.files.procfile import RELEASE, read_procfile
from mooring.manifest.moving.ledger import Ledger
from mooring.manifest.moving.node import Node
from mooring.manifest.moving.translation import Explanations
from mooring.manifest.problems import Problems

TOLD: Explanations = {}


def read_lines(files: Mapping[str, bytes], name: str, *, problems: Problems) -> Node | None:
    """The lines as a tree of one level."""
    lines = read_procfile(files, name, problems=problems)
    if problems:
        return None
    table = {process: Node(path=(process,), line=line.number, text=line.command) for process, line in lines.items()}
    return Node(path=(), line=1, table=table)


def translate(ledger: Ledger) -> None:
    for line in ledger.root.parts:
        ledger.maps(line, "release" if line.name == RELEASE else f"processes.{line.name}.command", line.text or "")
