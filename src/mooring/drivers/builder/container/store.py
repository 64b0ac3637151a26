"""The images that were built on this machine, in its engine: whether one is still there, and taking away those no longer wanted.

Must not: touch an image that has no tag of the builders, or one that a container uses.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import IO

from mooring.drivers.builder.container.folders import ImageFolders
from mooring.drivers.builder.container.program import Program
from mooring.errors import Unavailable
from mooring.model.build import BuildSettings
from mooring.model.release import Artifact


class ImageStore:
    name: str

    def __init__(self, program: Program) -> None:
        self._program = program
        self._folders = ImageFolders(program, label=f"mooring.builder={program.repository}/{self.name}")

    def is_apart(self, settings: BuildSettings) -> bool:
        """The steps of a build run in containers, whatever the settings."""
        return True

    def has(self, artifact: Artifact) -> bool:
        return bool(self._program.ask("image", "inspect", "--format", "{{.Id}}", "--", self._program.tag(artifact.id)))

    def names(self) -> frozenset[str]:
        found = self._listed()
        if not found and not (self._program.is_there and self._program.ask("version", "--format", "{{.Server.Version}}")):
            raise Unavailable("the container engine of this machine does not answer", where=str(self._program.socket))
        return frozenset(found)

    def prune(self, keep: frozenset[str]) -> int:
        """Bytes that the engine gave back; what layers share with other images stays."""
        if not self._program.is_there:
            return 0
        self._folders.sweep()
        return sum(self._removed(name) for name in self._listed() if name not in keep)

    def folder(self, artifact: Artifact, path: str) -> AbstractContextManager[IO[bytes]]:
        return self._folders.opened(artifact, path)

    def _listed(self) -> list[str]:
        """By their tags, which are artifacts' ids."""
        return self._program.ask("image", "ls", "--format", "{{.Tag}}", self._program.repository) if self._program.is_there else []

    def _removed(self, name: str) -> int:
        sizes = self._program.ask("image", "inspect", "--format", "{{.Size}}", "--", self._program.tag(name))
        told = self._program.ask("image", "rm", "--", self._program.tag(name))
        is_gone = any(line.startswith("Deleted:") for line in told)
        return int(sizes[0]) if is_gone and sizes else 0
