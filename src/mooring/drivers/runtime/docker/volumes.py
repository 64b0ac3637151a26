"""What accessories keep on a host: one volume of the engine's for each, labelled as ours. Must not: touch one without the label.

A container of ours runs as nobody in particular, and a new volume is root's: its top directory is given to that user by an archive that
is put into a container which is never started, so that the image needs no program for it.
"""

from __future__ import annotations

import io
import json
import tarfile
from typing import Any

from mooring.drivers.runtime.docker import labels
from mooring.drivers.runtime.docker.containers import Container, body
from mooring.drivers.runtime.docker.engine import Engine, Missing
from mooring.drivers.runtime.docker.images import Image
from mooring.drivers.runtime.docker.labels import Names, asking
from mooring.drivers.runtime.docker.settings import DockerSettings
from mooring.errors import InvalidName, Unavailable
from mooring.model.environment import EnvironmentId
from mooring.model.instance import InstanceSpec

_PRIVATE = 0o700


class Volumes:
    def __init__(self, engine: Engine, *, names: Names, settings: DockerSettings) -> None:
        self._engine = engine
        self._names = names
        self._settings = settings

    async def ready(self, spec: InstanceSpec, image: Image) -> tuple[str, str] | None:
        """Its volume and where it stands inside; None where it keeps nothing. Raises Unavailable where the name is somebody else's."""
        if spec.lasting is None or not spec.lasting.mount:
            return None
        environment, mount = spec.key.environment, spec.lasting.mount
        name = self._names.volume(environment)
        asked = {"Name": name, "Labels": labels.of_volume(self._names.controller, environment)}
        made = await self._engine.post("volumes/create", body=asked)  # the one of that name, where there is one
        if (made.get("Labels") or {}).get(labels.CONTROLLER) != self._names.controller:
            raise Unavailable(f"a volume of somebody else is called {name}", hint="remove it, or rename it", where=self._engine.host)
        if image.is_root and self._settings.user:
            await self._give_away((name, mount), image)
        return name, mount

    async def remove(self, environment: EnvironmentId) -> None:
        """Its own, and those of its accessories."""
        for name in await self.names(environment):
            try:
                await self._engine.delete(f"volumes/{name}")
            except Missing:
                pass  # gone already

    async def names(self, environment: EnvironmentId) -> tuple[str, ...]:
        """Of those that the engine has of it and of its accessories."""
        answer = await self._engine.get("volumes", {"filters": json.dumps(asking(self._names.controller))})
        owners = {each["Name"]: _owner(each) for each in answer["Volumes"] or ()}
        return tuple(sorted(name for name, owner in owners.items() if owner is not None and environment in (owner, owner.home)))

    async def _give_away(self, volume: tuple[str, str], image: Image) -> None:
        """To the user that the container will run as."""
        user, _, group = self._settings.user.partition(":")
        plain = Container(image=image.id, argv=("/nothing",), environment={}, labels={}, volume=volume, is_writable=True)
        asked = {**body(plain, self._settings), "Labels": {labels.CONTROLLER: self._names.controller}}
        made = (await self._engine.post("containers/create", body=asked))["Id"]
        try:
            archive = _directory(volume[1], user=int(user), group=int(group or user))
            async with self._engine.stream(f"containers/{made}/archive", {"path": "/"}, method="PUT", content=archive) as answer:
                await answer.read()
        finally:
            await self._engine.delete(f"containers/{made}", force=1)


def _owner(volume: dict[str, Any]) -> EnvironmentId | None:
    try:
        return EnvironmentId.parse((volume.get("Labels") or {}).get(labels.ENVIRONMENT, ""))
    except InvalidName:
        return None


def _directory(path: str, *, user: int, group: int) -> bytes:
    """An archive of one directory, which is that user's alone."""
    entry = tarfile.TarInfo(path.strip("/"))
    entry.type, entry.mode, entry.uid, entry.gid = tarfile.DIRTYPE, _PRIVATE, user, group
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(entry)
    return file.getvalue()
