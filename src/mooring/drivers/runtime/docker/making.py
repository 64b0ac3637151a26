"""Makes a container with all that belongs to it: image, variables, secrets in memory. Must not: start it, or know what it is for."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from mooring.drivers.runtime.docker import carried
from mooring.drivers.runtime.docker.containers import Container, body
from mooring.drivers.runtime.docker.engine import Conflict, Engine, Missing
from mooring.drivers.runtime.docker.host import HostFiles
from mooring.drivers.runtime.docker.images import Image, image
from mooring.drivers.runtime.docker.settings import DockerSettings
from mooring.errors import InvalidInput, Unavailable
from mooring.model.release import Artifact
from mooring.model.secret import Secret


def repository(controller: str) -> str:
    """The name under which this controller's images are tagged, each with its artifact's id."""
    return f"mooring-{controller}"


class Maker:
    def __init__(self, engine: Engine, files: HostFiles, settings: DockerSettings) -> None:
        self._engine = engine
        self._files = files
        self._settings = settings

    async def image(self, artifact: Artifact | None) -> Image:
        """As it is on this host. Raises Unavailable where it was not delivered."""
        if artifact is None or not artifact.image:
            raise not_an_image(artifact, self._engine.host)
        for name in (f"{repository(self._settings.controller)}:{artifact.id}", artifact.image):
            try:
                return image(await self._engine.get(f"images/{name}/json"))
            except Missing:
                continue
        hint = "deliver it first"
        raise Unavailable(f"the image of artifact {artifact.id} is not on this host", hint=hint, where=self._engine.host)

    async def make(self, name: str, container: Container, variables: Mapping[str, str | Secret], image: Image) -> str:
        """The container's id. Raises Conflict where the name is taken, InvalidInput where the image cannot be run so."""
        goods = carried.carried(variables)
        argv = carried.started_by(container.argv, goods)
        if not argv:
            raise InvalidInput("the image names no command, and the app none for it", hint="add a Procfile, or a CMD to the image")
        asked = msgspec.structs.replace(
            container,
            argv=argv,
            environment=goods.environment,
            secrets=await self._files.lay(name, goods.files) if goods.files else None,
            user=self._settings.user if image.is_root else "",
        )
        try:
            answer = await self._engine.post("containers/create", {"name": name}, body(asked, self._settings))
        except Conflict:
            raise  # another has that name, and the files laid under it
        except Unavailable:
            await self._files.remove(name)
            raise
        made = str(answer["Id"])
        if carried.needs_shell(argv) and not await self._engine.has_file(made, argv[0]):
            await self.discard(made, name)
            raise _no_shell(needs_it_for_secrets=goods.has_exports, where=self._engine.host)
        return made

    async def discard(self, container: str, name: str) -> None:
        """It, what it wrote, and its secrets."""
        try:
            await self._engine.delete(f"containers/{container}", v=1, force=1)
        except Missing:
            pass  # gone already
        await self._files.remove(name)


def not_an_image(artifact: Artifact | None, host: str) -> InvalidInput:
    what = f"artifact {artifact.id}, which the builder {artifact.builder} made," if artifact else "an app without an artifact"
    hint = "build it with the builder dockerfile or image, or run it on a host of another kind"
    return InvalidInput(f"{what} is no image: a container engine cannot run it", hint=hint, where=host)


def _no_shell(*, needs_it_for_secrets: bool, where: str) -> InvalidInput:
    if needs_it_for_secrets:
        hint = "let the app read them from files: name them in secrets.files of mooring.toml"
        return InvalidInput("the image has no /bin/sh, which secrets need on their way into the environment", hint=hint, where=where)
    hint = "leave the command away: the image's own is then run as it is"
    return InvalidInput("the image has no /bin/sh to run this command line with", hint=hint, where=where)
