"""Starts and stops the containers of instances. Must not: decide which, or check fencing numbers.

A container has the instance's name as long as it is to run. One that is to run no more is renamed first and stopped then: at every moment
what runs under a name is wanted, and what was stopped keeps its log until its release is forgotten.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from math import ceil
from typing import Any

from mooring.drivers.runtime.contract import Variables
from mooring.drivers.runtime.docker import labels
from mooring.drivers.runtime.docker.containers import Container
from mooring.drivers.runtime.docker.engine import Conflict, Engine, Missing
from mooring.drivers.runtime.docker.host import HostFiles
from mooring.drivers.runtime.docker.images import Image
from mooring.drivers.runtime.docker.labels import ContainerKind, Names, asking
from mooring.drivers.runtime.docker.making import Maker
from mooring.drivers.runtime.docker.settings import DockerSettings
from mooring.drivers.runtime.docker.views import LIVE, has_begun, is_running
from mooring.drivers.runtime.docker.volumes import Volumes
from mooring.drivers.runtime.docker.watching import Watcher
from mooring.drivers.runtime.shell import not_running, signal_name
from mooring.errors import CapacityExceeded, Unavailable
from mooring.model.instance import InstanceKey, InstanceSpec

_PORT_TAKEN = ("port is already allocated", "address already in use")
_MOST_TRIES = 20
_NOT_ENDED = ("created", *LIVE)
_STOP_PATIENCE = 30.0  # seconds for an engine that can only be asked again
_STOP_AGAIN_AFTER = 0.01  # seconds: what dies at once is up that long only
_KILL_PATIENCE = 30.0  # seconds beyond the grace, for the engine to end what it killed


class Instances:
    def __init__(self, engine: Engine, *, maker: Maker, files: HostFiles, watcher: Watcher, names: Names, settings: DockerSettings) -> None:
        self._engine = engine
        self._volumes = Volumes(engine, names=names, settings=settings)
        self._maker = maker
        self._files = files
        self._watcher = watcher
        self._names = names
        self._settings = settings

    async def start(self, spec: InstanceSpec, variables: Variables) -> None:
        name = self._names.instance(spec.key)
        known = await self._found(name)
        if known is not None and is_running(known):
            return
        image = await self._maker.image(spec.artifact)
        if known is not None:
            await self._put_away(known, name)
        volume = await self._volumes.ready(spec, image)
        tried: set[int] = set()
        while not await self._started(spec, variables, image, tried, volume=volume):
            if len(tried) >= _MOST_TRIES:
                raise Unavailable(f"{_MOST_TRIES} ports are taken by others, {min(tried)} among them", where=self._engine.host)

    async def stop(self, key: InstanceKey, *, grace: float) -> None:
        name = self._names.instance(key)
        every = await self._engine.listed("containers/json", labels.of_key(self._names.controller, key), all=1)
        for each in every:
            if each["State"] in _NOT_ENDED or f"/{name}" in each["Names"]:  # Podman calls ended what it starts again in a moment
                await self._retire(each["Id"])
                await self._end(each["Id"], grace)
        await self._files.remove(name)

    async def restart(self, key: InstanceKey, *, grace: float) -> None:
        known = await self._found(self._names.instance(key))
        if known is None:
            return
        self._watcher.touch(known["Id"])
        await self._engine.post(f"containers/{known['Id']}/restart", {"t": ceil(grace)}, within=grace + _KILL_PATIENCE)
        self._watcher.touch(known["Id"])

    async def running(self, key: InstanceKey) -> dict[str, Any]:
        """Its container. Raises Unavailable where none runs."""
        known = await self._found(self._names.instance(key))
        if known is None or not is_running(known):
            raise not_running(str(key))
        return known

    async def newest(self, key: InstanceKey) -> dict[str, Any] | None:
        """What the instance has, or had last."""
        listed = await self._engine.listed("containers/json", labels.of_key(self._names.controller, key), all=1)
        if not listed:
            return None
        newest = max(listed, key=lambda each: (f"/{self._names.instance(key)}" in each["Names"], each["Created"]))
        return await self._found(newest["Id"])

    async def _found(self, name: str) -> dict[str, Any] | None:
        try:
            answer: dict[str, Any] = await self._engine.get(f"containers/{name}/json")
        except Missing:
            return None
        if (answer["Config"].get("Labels") or {}).get(labels.CONTROLLER) != self._names.controller:
            hint = "remove it, or rename it"
            raise Unavailable(f"a container of somebody else is called {name}", hint=hint, where=self._engine.host)
        return answer

    async def _started(
        self, spec: InstanceSpec, variables: Variables, image: Image, tried: set[int], *, volume: tuple[str, str] | None
    ) -> bool:
        """False when the port was taken by others, which is then among those tried."""
        name, lasting = self._names.instance(spec.key), spec.lasting
        port = await self._port(spec, tried) if spec.listens else 0
        tried.add(port)
        inside = (lasting.inside if lasting else 0) or image.port_inside(port)
        container = Container(
            image=image.id,
            argv=image.argv_of(spec.command),
            environment={},
            labels=labels.of_instance(self._names.controller, spec.key, port=port, memory=spec.memory, is_lasting=lasting is not None),
            ports=(port, inside) if port else None,
            volume=volume,
            memory=spec.memory,
            cpus=spec.cpus,
            log_bytes=spec.log_bytes,
            stop_signal=f"SIG{signal_name(spec.stop_signal)}",
            is_kept=True,
        )
        placed = {"HOST": "0.0.0.0", **variables, "PORT": str(inside)} if port else variables
        made = await self._maker.make(name, container, placed, image)
        try:
            await self._engine.post(f"containers/{made}/start")
        except Unavailable as error:
            await self._maker.discard(made, name)
            if any(words in error.message for words in _PORT_TAKEN):
                return False
            raise
        self._watcher.touch(made)
        return True

    async def _port(self, spec: InstanceSpec, tried: set[int]) -> int:
        """Of what is lasting the one that it had last; else, and where others have that by now, a free one. Raises CapacityExceeded."""
        listed = await self._engine.listed("containers/json", asking(self._names.controller, ContainerKind.INSTANCE), all=1)
        mine = [each for each in listed if each["Labels"].get(labels.ENVIRONMENT) == str(spec.key.environment)]
        last = max(mine, key=lambda each: float(each["Created"]), default=None) if spec.lasting is not None else None
        kept = int(labels.number(last["Labels"], labels.PORT)) if last is not None else 0
        return kept if kept and kept not in tried else self._free_port(listed, tried)

    def _free_port(self, listed: Iterable[Mapping[str, Any]], tried: set[int]) -> int:
        """The lowest that no container of ours has, or is to have again; that others have it is found out by trying."""
        held = [each for each in listed if each["State"] in _NOT_ENDED or labels.LASTING in each["Labels"]]
        taken = {int(labels.number(each["Labels"], labels.PORT)) for each in held} | tried
        first, last = self._settings.ports
        for port in range(first, last + 1):
            if port not in taken:
                return port
        raise CapacityExceeded(f"all ports from {first} to {last} are taken", where=self._engine.host)

    async def _put_away(self, known: dict[str, Any], name: str) -> None:
        """One that the engine will not run again: it goes where it never ran, and stays for its log where it did."""
        if has_begun(known["State"]):
            await self._retire(known["Id"])
        else:
            await self._maker.discard(known["Id"], name)

    async def _retire(self, container: str) -> None:
        """Not even an engine that begins anew is to run it again."""
        self._watcher.touch(container)
        try:
            await self._engine.post(f"containers/{container}/rename", {"name": self._names.retired(container)})
        except (Missing, Conflict):
            pass  # it is gone, or has that name already
        if not (await self._engine.dialect()).changes_policies:
            return
        try:
            await self._engine.post(f"containers/{container}/update", body={"RestartPolicy": {"Name": "no"}})
        except Missing:
            pass  # it is gone

    async def _end(self, container: str, grace: float) -> None:
        """Raises Unavailable where it is started again all the same."""
        deadline = time.monotonic() + _STOP_PATIENCE
        while True:
            try:
                await self._engine.post(f"containers/{container}/stop", {"t": ceil(grace)}, within=grace + _KILL_PATIENCE)
            except Missing:
                return  # it is gone
            finally:
                self._watcher.touch(container)
            if (await self._engine.dialect()).changes_policies or not await self._comes_back(container):
                return
            if time.monotonic() > deadline:
                what = f"container {container[:12]} dies and is started again faster than it can be stopped"
                raise Unavailable(what, where=self._engine.host)
            await asyncio.sleep(_STOP_AGAIN_AFTER)

    async def _comes_back(self, container: str) -> bool:
        """What has just ended of itself is not stopped by Podman, which starts it again a moment later."""
        try:
            return is_running(await self._engine.get(f"containers/{container}/json"))
        except Missing:
            return False
