"""Builds what a Dockerfile describes, with BuildKit and its cache where the program docker has it.

The plain variables of the build are its arguments (ARG). Secrets are files of the build's own HOME, which BuildKit shows to those steps
alone that mount them. Must not: hand one over in any other way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

from mooring.drivers.builder.container.bench import image_bench
from mooring.drivers.builder.container.program import Made, Program, check_platform, has_buildkit_inside, machine, made
from mooring.drivers.builder.container.store import ImageStore
from mooring.drivers.builder.contract import BuildLog, BuildRequest, Detection
from mooring.drivers.builder.sandbox import Sandbox
from mooring.drivers.builder.surroundings import Surroundings
from mooring.errors import BuildFailed
from mooring.model.build import BuildSettings
from mooring.model.names import ArtifactId
from mooring.model.registry import Logins, nobody
from mooring.model.release import Artifact
from mooring.model.secret import Secret

_RESULT = "image"
_SECRETS = "secrets"


class DockerfileBuilder(ImageStore):
    name = "dockerfile"
    secret_place = "/run/secrets"  # noqa: S105 - BuildKit's own: https://docs.docker.com/reference/dockerfile/#run---mounttypesecret

    def __init__(self, surroundings: Surroundings, *, program: Program, logins: Logins = nobody) -> None:
        super().__init__(program)
        self._surroundings = surroundings
        self._logins = logins
        self._docker = program

    def detect(self, source: Path, settings: BuildSettings) -> Detection | None:
        file = settings.dockerfile or "Dockerfile"
        return Detection(self.name, f"{file} is present") if (source / file).is_file() else None

    async def build(self, request: BuildRequest, log: BuildLog) -> Artifact:
        self._docker.check()
        file = request.settings.dockerfile or "Dockerfile"
        if not (request.source / file).is_file():
            raise BuildFailed(f"there is no {file} in the source", hint="name it in build.dockerfile")
        request.output.mkdir(parents=True)
        async with image_bench(request, log, surroundings=self._surroundings, logins=self._logins) as sandbox:
            return await self._built(sandbox, request, log)

    async def _built(self, sandbox: Sandbox, request: BuildRequest, log: BuildLog) -> Artifact:
        variables, source = self._docker.variables, request.source
        major, platform = machine(await sandbox.ask(self._docker.asks_machine(), directory=source, variables=variables))
        check_platform(request.settings.platform, platform)
        has_buildkit = has_buildkit_inside(major) or await self._has_buildx(sandbox, source)
        log("building with BuildKit" if has_buildkit else "building without BuildKit, which the program docker here does not have")
        if request.secrets and not has_buildkit:
            hint = "install its component buildx; Debian from 13 on: apt-get install docker-buildx"
            raise BuildFailed("build.secrets need BuildKit, which the program docker here does not have", hint=hint)
        result = request.output / _RESULT
        secrets = await asyncio.to_thread(_laid_out, request.secrets, sandbox.home / _SECRETS)
        argv = self._docker.builds(
            request.settings, artifact=request.output.name, result=result, secrets=secrets, has_buildkit=has_buildkit
        )
        await sandbox.run(argv, directory=source, variables={**variables, "DOCKER_BUILDKIT": "1" if has_buildkit else "0"})
        identity = result.read_text().strip()
        image = made(await sandbox.ask(self._docker.asks_image(identity), directory=source, variables=variables))
        return artifact_of(image, builder=self.name, reason="a Dockerfile describes it", request=request, image=image.id)

    async def _has_buildx(self, sandbox: Sandbox, source: Path) -> bool:
        try:
            await sandbox.ask((self._docker.path, "buildx", "version"), directory=source, variables=self._docker.variables)
        except BuildFailed:
            return False
        return True


def _laid_out(secrets: Mapping[str, Secret], directory: Path) -> dict[str, Path]:
    """Each in a file of its own, by its name: 0600, below a directory that goes with the build."""
    directory.mkdir(mode=0o700)
    for name, secret in secrets.items():
        (directory / name).touch(mode=0o600)
        (directory / name).write_bytes(secret.reveal().encode("utf-8", "surrogateescape"))
    return {name: directory / name for name in secrets}


def artifact_of(made: Made, *, builder: str, reason: str, request: BuildRequest, image: str) -> Artifact:
    """`image` is the name by which engines find it: its id, or a reference with its digest."""
    return Artifact(
        id=ArtifactId(request.output.name),
        builder=builder,
        reason=reason,
        directory=str(request.output),
        size=made.size,
        processes={"web": made.command} if made.command else {},
        image=image,
    )
