"""What a process of a release finds in its environment: one rule for instances, release commands and one-offs. Must not: show it."""

from __future__ import annotations

from mooring.drivers.runtime.contract import Variables
from mooring.engine.contract import Memory
from mooring.model.release import Release


def variables_of(memory: Memory, release: Release, *, process: str) -> Variables:
    """The builder's, then who it is, then the manifest's, then what was set by command: the later wins. `process`: `web.1`."""
    about = {
        "MOORING_APP": str(release.environment.app),
        "MOORING_ENVIRONMENT": str(release.environment.environment),
        "MOORING_RELEASE": release.version,
        "MOORING_COMMIT": release.source.commit,
        "MOORING_PROCESS": process,
    }
    config = memory.config(release.environment, release.config_version)
    return {**release.artifact.environment, **about, **release.variables, **config}
