"""The images that were built on this machine, in its engine: whether one is still there, and taking away those no longer wanted.

Must not: touch an image that has no tag of the builders, or one that a container uses.
"""

from __future__ import annotations

import subprocess

from mooring.drivers.builder.container.program import Program
from mooring.model.build import BuildSettings
from mooring.model.release import Artifact

_PATIENCE = 60.0  # seconds


class ImageStore:
    def __init__(self, program: Program) -> None:
        self._program = program

    def is_apart(self, settings: BuildSettings) -> bool:
        """The steps of a build run in containers, whatever the settings."""
        return True

    def has(self, artifact: Artifact) -> bool:
        return bool(self._ask("image", "inspect", "--format", "{{.Id}}", "--", self._program.tag(artifact.id)))

    def prune(self, keep: frozenset[str]) -> int:
        """Bytes that the engine gave back; what layers share with other images stays."""
        if not self._program.is_there:
            return 0
        names = self._ask("image", "ls", "--format", "{{.Tag}}", self._program.repository)
        return sum(self._removed(name) for name in names if name not in keep)

    def _removed(self, name: str) -> int:
        sizes = self._ask("image", "inspect", "--format", "{{.Size}}", "--", self._program.tag(name))
        told = self._ask("image", "rm", "--", self._program.tag(name))
        is_gone = any(line.startswith("Deleted:") for line in told)
        return int(sizes[0]) if is_gone and sizes else 0

    def _ask(self, *words: str) -> list[str]:
        """Its lines; none when it refuses or does not answer."""
        try:
            ended = subprocess.run(  # noqa: S603 - its own words and names of ours
                [self._program.path, *words], env=self._program.variables, capture_output=True, timeout=_PATIENCE, text=True, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return []
        return ended.stdout.splitlines() if ended.returncode == 0 else []
