"""Brings images to the host's engine: from their registry, through a registry, or straight from the controller's engine with only the
layers that are missing.

What was brought is tagged with the artifact's id under a name of this controller's: only what has that name is ever taken away.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import Mapping
from typing import IO, Any

from mooring.drivers.runtime.contract import Delivery
from mooring.drivers.runtime.docker.archive import shorten
from mooring.drivers.runtime.docker.engine import Engine, Missing
from mooring.drivers.runtime.docker.host import HostFiles
from mooring.drivers.runtime.docker.images import Image, familiar, image, layer_sizes, shared
from mooring.drivers.runtime.docker.labels import CONTROLLER
from mooring.drivers.runtime.docker.layout import lay_out
from mooring.drivers.runtime.docker.making import not_an_image, repository
from mooring.drivers.runtime.docker.registry import progress, pull, push
from mooring.drivers.runtime.docker.settings import DockerSettings
from mooring.drivers.runtime.docker.views import LIVE
from mooring.errors import CapacityExceeded, InvalidInput, NotFound, OutcomeUnknown, Unavailable
from mooring.model.names import ArtifactId
from mooring.model.quantity import format_size
from mooring.model.registry import Logins, login_for
from mooring.model.release import Artifact

_RESERVE = 200_000_000  # bytes that stay free on the engine's disk
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}  # as kernels call them, and as images do
_OWN_STORE = "io.containerd.snapshotter"  # an engine that keeps images as containerd does takes whole archives only
_PIECE = 1_000_000


class Deliveries:
    """`source` is the controller's own engine, where it has one; `logins` as whom registries are asked."""

    def __init__(self, engine: Engine, *, source: Engine | None, files: HostFiles, settings: DockerSettings, logins: Logins) -> None:
        self._engine = engine
        self._source = source
        self._files = files
        self._settings = settings
        self._logins = logins
        self._repository = repository(settings.controller)
        self._turn = asyncio.Lock()

    async def deliver(self, artifact: Artifact) -> Delivery:
        if not artifact.image:
            raise not_an_image(artifact, self._engine.host)
        async with self._turn:
            for name in (f"{self._repository}:{artifact.id}", artifact.image):
                known = await _found(self._engine, name)
                if known is not None:
                    return Delivery(sent=0, total=known.size)
            if "@" in artifact.image:
                return await self._pulled(artifact)
            return await self._sent(artifact)

    async def reclaim(self, keep: frozenset[ArtifactId]) -> int:
        async with self._turn:
            gone = [name for name in await self.artifacts() if name not in keep]
            return sum([await self._removed(f"{self._repository}:{name}") for name in gone])

    async def artifacts(self) -> frozenset[ArtifactId]:
        """Those that were brought and not taken away, by the engine's own list."""
        tagged = await self._engine.listed("images/json", {"reference": [self._repository]})
        every = [familiar(tag) for each in tagged for tag in each.get("RepoTags") or ()]
        return frozenset(ArtifactId(tag.partition(":")[2]) for tag in every if tag.startswith(f"{self._repository}:"))

    async def _pulled(self, artifact: Artifact) -> Delivery:
        """From the registry that the reference names; from the controller's engine where the host cannot reach it."""
        try:
            return await self._fetched(artifact, artifact.image)
        except Unavailable:
            if self._source is None or await _found(self._source, artifact.image) is None:
                raise
            return await self._sent(artifact)

    async def _fetched(self, artifact: Artifact, reference: str) -> Delivery:
        sent = await pull(self._engine, reference, login_for(reference, self._logins()))
        await self._engine.post(f"images/{reference}/tag", {"repo": self._repository, "tag": artifact.id})
        brought = image(await self._engine.get(f"images/{reference}/json"))
        return Delivery(sent=sent, total=brought.size)

    async def _sent(self, artifact: Artifact) -> Delivery:
        if self._source is None:
            hint = "push it to a registry, or give the controller a container engine"
            raise Unavailable(f"artifact {artifact.id} is in no registry, and the controller has no engine", hint=hint)
        theirs = await _found(self._source, artifact.image)
        if theirs is None:
            raise NotFound(
                f"the image of artifact {artifact.id} is gone from the controller's engine", hint="deploy again: it is built anew"
            )
        present = await self._present(theirs)
        sizes = layer_sizes(await self._source.get(f"images/{theirs.id}/history"), len(theirs.layers))
        await self._expect_room(sum(sizes[present:]), artifact)
        carrier = next((each for each in self._logins() if each.registry.images), None)
        if carrier is not None:
            return await self._fetched(artifact, await push(self._source, theirs.id, carrier, tag=artifact.id))
        tag = f"{self._repository}:{artifact.id}"
        takes_docker_archives = (await self._engine.dialect()).takes_docker_archives
        with tempfile.TemporaryFile(dir=self._settings.spool) as whole, tempfile.TemporaryFile(dir=self._settings.spool) as packed:
            await _save(self._source, theirs.id, whole)
            if takes_docker_archives:
                await asyncio.to_thread(shorten, whole, packed, tag=tag, present=present)
            else:
                await asyncio.to_thread(lay_out, whole, packed, present=present, spool=self._settings.spool)
            sent = packed.tell()
            packed.seek(0)
            await self._load(packed)
        if not takes_docker_archives:  # the other layout holds no name that Podman would take over
            await self._engine.post(f"images/{theirs.id}/tag", {"repo": self._repository, "tag": artifact.id})
        brought = await _found(self._engine, tag)
        if brought is None:
            raise OutcomeUnknown("the engine took an image, and does not have it", where=self._engine.host)
        return Delivery(sent=sent, total=brought.size)

    async def _present(self, wanted: Image) -> int:
        """How many of the layers, from the lowest, the host has. Raises InvalidInput when its machine is of another kind."""
        told = await self._engine.get("info")
        check_platform(wanted.platform, told, self._engine.host)
        if any(_OWN_STORE in str(value) for pair in told.get("DriverStatus") or () for value in pair):
            return 0
        listed = await self._engine.listed("images/json", {}, all=1)
        others = await asyncio.gather(*(_found(self._engine, each["Id"]) for each in listed))
        return shared(wanted.layers, [other.layers for other in others if other is not None])

    async def _expect_room(self, size: int, artifact: Artifact) -> None:
        """Twice the bytes: the engine unpacks an archive before it takes it."""
        root = str((await self._engine.get("info")).get("DockerRootDir", "/"))
        free = await self._files.free_bytes(root)
        needed = 2 * size + _RESERVE
        if free is not None and free < needed:
            raise CapacityExceeded(
                f"artifact {artifact.id} needs {format_size(needed)} on the engine's disk, and {format_size(free)} are free",
                hint="make room, or keep fewer old releases",
                where=self._engine.host,
            )

    async def _load(self, packed: IO[bytes]) -> None:
        async with self._engine.stream("images/load", {"quiet": 1}, method="POST", content=packed) as content:
            async for _ in progress(content):
                pass  # until it has ended well

    async def _removed(self, tag: str) -> int:
        """Bytes that went with it: none while another name holds the image, and nothing happens while anything runs from it."""
        known = await _found(self._engine, tag)
        if known is None or await self._is_used(known):
            return 0
        freed = await self._own_bytes(known)
        try:
            await self._engine.delete(f"images/{tag}", force=await self._force())
        except Missing:
            return 0
        await self._let_go(known.id)
        return freed if await _found(self._engine, known.id) is None else 0

    async def _let_go(self, identity: str) -> None:
        """What came from a registry is held by its digest there too, until nothing else names it. Others went with their name."""
        with contextlib.suppress(Missing):
            left = await self._engine.get(f"images/{identity}/json")
            for reference in () if left.get("RepoTags") else left.get("RepoDigests") or ():
                await self._engine.delete(f"images/{reference}", force=await self._force())

    async def _force(self) -> int:
        """1 where that is harmless."""
        return int((await self._engine.dialect()).spares_containers)

    async def _is_used(self, known: Image) -> bool:
        """By what runs, or by what is somebody else's; by anything where the engine would take that away too."""
        identity = known.id.removeprefix("sha256:")  # with which Podman finds nothing
        users = await self._engine.listed("containers/json", {"ancestor": [identity]}, all=1)
        if users and not (await self._engine.dialect()).spares_containers:
            return True
        return any(each["State"] in LIVE or (each["Labels"] or {}).get(CONTROLLER) != self._settings.controller for each in users)

    async def _own_bytes(self, known: Image) -> int:
        listed = await self._engine.listed("images/json", {}, all=1)
        others = await asyncio.gather(*(_found(self._engine, each["Id"]) for each in listed if each["Id"] != known.id))
        sizes = layer_sizes(await self._engine.get(f"images/{known.id}/history"), len(known.layers))
        return sum(sizes[shared(known.layers, [other.layers for other in others if other is not None]) :])


def check_platform(platform: str, told: Mapping[str, Any], host: str) -> None:
    """Raises InvalidInput where a machine, as its engine tells of it, cannot run an image of that platform."""
    kernel = str(told.get("Architecture", ""))
    machine = f"{told.get('OSType', 'linux')}/{_ARCHITECTURES.get(kernel, kernel)}"
    wanted = "/".join(platform.split("/")[:2])
    if wanted != machine:
        raise InvalidInput(f"the image is for {wanted}, and the host is {machine}", hint=f"build it for {machine}", where=host)


async def _found(engine: Engine, name: str) -> Image | None:
    try:
        return image(await engine.get(f"images/{name}/json"))
    except Missing:
        return None


async def _save(engine: Engine, identity: str, target: IO[bytes]) -> None:
    async with engine.stream(f"images/{identity}/get") as content:
        async for piece in content.iter_chunked(_PIECE):
            await asyncio.to_thread(target.write, piece)
    target.seek(0)
