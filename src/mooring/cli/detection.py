"""What `mooring init` finds in a directory, by the same words as a build: the builders' own detection and the manifest's own reading.

Must not: build, or write a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mooring.drivers.builder.catalogue import Catalogue
from mooring.drivers.builder.standard import standard_builders
from mooring.errors import BuildFailed
from mooring.manifest import FILES, read
from mooring.manifest.starter import Detected
from mooring.model.build import BuildSettings
from mooring.model.environment import EnvironmentId


def detected(directory: Path, environment: EnvironmentId, *, variables: Mapping[str, str]) -> Detected:
    """Raises ManifestInvalid when a Procfile or app.json is there and cannot be read."""
    files = {name: (directory / name).read_bytes() for name in FILES if (directory / name).is_file()}
    manifest = read(files, environment=environment)
    try:
        choice = Catalogue(standard_builders(variables)).choose(directory, BuildSettings())
    except BuildFailed:
        builder, reason = "", ""
    else:
        builder, reason = choice.builder.name, choice.reason
    return Detected(
        app=str(environment.app),
        builder=builder,
        reason=reason,
        commands={process.name: process.command for process in manifest.processes if process.command},
        are_in_procfile="Procfile" in files,
        release_command=manifest.release_command,
    )
