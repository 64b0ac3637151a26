"""Builds nothing: a tree with a Procfile runs as it is, after the manifest's own build command if it has one.

Must not: guess a command.
"""

from __future__ import annotations

from pathlib import Path

from mooring.drivers.builder.contract import BuildLog, BuildRequest, Detection
from mooring.drivers.builder.surroundings import Surroundings
from mooring.drivers.builder.tree import copy_tree, size_of, to_completion
from mooring.drivers.builder.workbench import shell_line, workbench
from mooring.model.build import BuildSettings
from mooring.model.names import ArtifactId
from mooring.model.release import Artifact


class ProcfileBuilder:
    name = "procfile"

    def __init__(self, surroundings: Surroundings) -> None:
        self._surroundings = surroundings

    def detect(self, source: Path, settings: BuildSettings) -> Detection | None:
        """A mooring.toml is enough: it may name the processes itself, and whoever reads it says so when it does not."""
        file = next((name for name in ("Procfile", "mooring.toml") if (source / name).is_file()), None)
        return Detection(self.name, f"{file} is present, and nothing to install") if file else None

    def is_apart(self, settings: BuildSettings) -> bool:
        return not settings.command

    async def build(self, request: BuildRequest, log: BuildLog) -> Artifact:
        await to_completion(copy_tree, request.source, request.output)
        if request.settings.command:
            async with workbench(request, log, surroundings=self._surroundings) as sandbox:
                await sandbox.run(shell_line(request.settings.command), directory=request.output)
        return Artifact(
            id=ArtifactId(request.output.name),
            builder=self.name,
            reason="it runs as it is",
            directory=str(request.output),
            size=size_of(request.output),
            environment={"PATH": self._surroundings.path},
        )
