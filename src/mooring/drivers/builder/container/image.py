"""Takes an image that was built elsewhere, by its digest: from the engine of this machine, or from the registry that its name leads to.

Must not: take one by a tag alone, which may mean another image tomorrow.
"""

from __future__ import annotations

from pathlib import Path

from mooring.drivers.builder.container.bench import image_bench
from mooring.drivers.builder.container.dockerfile import artifact_of
from mooring.drivers.builder.container.program import Made, Program, check_platform, machine, made
from mooring.drivers.builder.container.store import ImageStore
from mooring.drivers.builder.contract import BuildLog, BuildRequest, Detection
from mooring.drivers.builder.sandbox import Sandbox
from mooring.drivers.builder.surroundings import Surroundings
from mooring.errors import BuildFailed
from mooring.model.build import BuildSettings
from mooring.model.registry import Logins, nobody
from mooring.model.release import Artifact


class ImageBuilder(ImageStore):
    name = "image"

    def __init__(self, surroundings: Surroundings, *, program: Program, logins: Logins = nobody) -> None:
        super().__init__(program)
        self._surroundings = surroundings
        self._logins = logins
        self._docker = program

    def detect(self, source: Path, settings: BuildSettings) -> Detection | None:
        return Detection(self.name, "build.image names one") if settings.image else None

    async def build(self, request: BuildRequest, log: BuildLog) -> Artifact:
        reference = request.settings.image
        if not reference:
            raise BuildFailed("the manifest names no image", hint='set build.image to "registry.example/shop@sha256:…"')
        self._docker.check()
        request.output.mkdir(parents=True)
        async with image_bench(request, log, surroundings=self._surroundings, logins=self._logins) as sandbox:
            variables = self._docker.variables
            _, platform = machine(await sandbox.ask(self._docker.asks_machine(), directory=request.source, variables=variables))
            check_platform(request.settings.platform, platform)
            found = await self._found(sandbox, request)
            if found is None:
                await sandbox.run((self._docker.path, "pull", "--quiet", "--", reference), directory=request.source, variables=variables)
                found = made(await sandbox.ask(self._docker.asks_image(reference), directory=request.source, variables=variables))
            check_platform(found.platform, platform)
            words = (self._docker.path, "tag", "--", reference, self._docker.tag(request.output.name))
            await sandbox.run(words, directory=request.source, variables=variables)
        log(f"{reference} is {found.id}")
        image = reference if "@" in reference else found.id
        return artifact_of(found, builder=self.name, reason="build.image names one", request=request, image=image)

    async def _found(self, sandbox: Sandbox, request: BuildRequest) -> Made | None:
        """In the engine of this machine already."""
        argv = self._docker.asks_image(request.settings.image)
        try:
            return made(await sandbox.ask(argv, directory=request.source, variables=self._docker.variables))
        except BuildFailed:
            return None
