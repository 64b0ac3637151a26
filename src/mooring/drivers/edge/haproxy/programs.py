"""The one program of this edge, for a supervisor to keep running. Must not: start it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from mooring.drivers.edge.haproxy.settings import HaproxySettings, Layout
from mooring.drivers.edge.program import Program
from mooring.errors import Unavailable

OLDEST = (2, 6)
PLACES = "/usr/sbin:/usr/local/sbin:/sbin"  # besides PATH, in which a user other than root does not have them


def programs(directory: Path, run_directory: Path, settings: HaproxySettings) -> tuple[Program, ...]:
    """Raises Unavailable when HAProxy is not installed. `prepare` of the edge must have been called before it starts."""
    layout = Layout(directory, run_directory)
    launch = (sys.executable, "-P", "-m", "mooring.drivers.edge.haproxy.launch", str(layout.access_log))
    haproxy = (str(haproxy_binary()), "-W", "-db", "-S", f"{layout.master_socket},mode,600")
    files = ("-f", str(layout.configuration), "-f", str(layout.backends))
    return (Program(name="edge", argv=(*launch, *haproxy, *files), directory=directory, priority=20),)


def haproxy_binary() -> Path:
    """Raises Unavailable when there is none, or an older one than 2.6."""
    found = shutil.which("haproxy") or shutil.which("haproxy", path=PLACES)
    if found is None:
        raise Unavailable("HAProxy is not installed", hint="`apt-get install haproxy`, or use --edge envoy, which comes with Mooring")
    if version_of(Path(found)) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        hint = "install a newer one, or use --edge envoy, which comes with Mooring"
        raise Unavailable(f"{found} is older than HAProxy {oldest}", hint=hint)
    return Path(found)


def version_of(program: Path) -> tuple[int, ...]:
    """The first two numbers; of what does not say, none."""
    try:
        said = subprocess.run([str(program), "-v"], capture_output=True, text=True, timeout=10, check=False).stdout  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return ()
    words = said.partition("version ")[2].split(".", 2)[:2]
    return tuple(int(word) for word in words if word.isascii() and word.isdigit())
