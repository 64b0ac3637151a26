"""The runtime `docker` on a real engine, as the contract's suite wants it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from docker.engine import ContainerEngine

from mooring.drivers.runtime.contract import Runtime
from mooring.drivers.runtime.docker.runtime import DockerRuntime
from mooring.model.accessory import Lasting
from mooring.model.instance import InstanceKey, InstanceSpec, TaskSpec
from mooring.model.names import ArtifactId
from mooring.model.release import Artifact
from mooring.testing.runtime_contract import Kind, a_key, view_of

PATIENCE = 40.0  # seconds
_STAY = 'if [ -n "$PORT" ]; then exec httpd -f -p "0.0.0.0:$PORT" -h /etc; else exec sleep 100000; fi'
COMMANDS = {
    Kind.STEADY: f"echo hello; {_STAY}",
    Kind.CRASHING: "exit 3",
    Kind.DEAF: "trap '' TERM; echo hello; while :; do sleep 100; done",
    Kind.FORKING: f"""setsid sh -c "trap '' TERM; while :; do sleep 100; done" & echo hello; {_STAY}""",
    Kind.SUCCEEDING: "echo done",
    Kind.FAILING: "exit 5",
    Kind.ENDLESS: "sleep 100000",
}


class DockerRig:
    def __init__(self, runtime: DockerRuntime, engine: ContainerEngine, own: ContainerEngine) -> None:
        self.docker = runtime
        self.engine = engine
        self._own = own
        base = str(engine.ask("GET", "/images/base:1/json")["Id"])
        self.present = Artifact(id=ArtifactId("present"), builder="dockerfile", reason="", directory="", size=1, image=base)

    @property
    def runtime(self) -> Runtime:
        return self.docker

    def instance(self, key: InstanceKey, kind: Kind = Kind.STEADY, *, is_routed: bool = True) -> InstanceSpec:
        return InstanceSpec(key=key, command=COMMANDS[kind], directory="", is_routed=is_routed, artifact=self.present)

    def lasting(self, key: InstanceKey) -> InstanceSpec:
        command = f"echo x >> /data/starts; {_STAY}"
        return InstanceSpec(key=key, command=command, directory="", is_routed=False, artifact=self.present, lasting=Lasting(mount="/data"))

    async def starts(self, key: InstanceKey) -> int:
        """Written by nobody in particular, to a volume that was root's when it was made."""
        pids = await self.pids(key)
        file = Path(f"/proc/{pids[-1]}/root/data/starts") if pids else None
        if file is None or not file.exists():
            return 0
        assert file.stat().st_uid == 65532
        return len(file.read_text().splitlines())

    def task(self, name: str, kind: Kind, *, timeout: float = 60.0) -> TaskSpec:
        environment = a_key().environment
        return TaskSpec(
            environment=environment, name=name, command=COMMANDS[kind], directory="", timeout=timeout, release=1, artifact=self.present
        )

    async def until(self, condition: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not await condition():
                await asyncio.sleep(0.05)

    async def kill(self, key: InstanceKey) -> None:
        view = await view_of(self, key)
        assert view is not None
        os.kill(view.pid, signal.SIGKILL)

    async def variable(self, key: InstanceKey, name: str) -> bytes:
        found: list[bytes] = []

        async def has_come() -> bool:
            pids = await self.pids(key)
            for pid in reversed(pids):
                variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
                found[:] = [entry.removeprefix(f"{name}=".encode()) for entry in variables if entry.startswith(f"{name}=".encode())]
                if found:
                    return True
            return False

        await self.until(has_come)
        return found[0]

    async def secret_file(self, key: InstanceKey, name: str) -> bytes:
        path = (await self.variable(key, f"{name}_FILE")).decode()
        pid = (await self.pids(key))[-1]
        assert f"{name}=".encode() not in Path(f"/proc/{pid}/environ").read_bytes()
        mounted = [mount for mount in self.inspected(key)["Mounts"] if mount["Destination"] == "/run/secrets"]
        outside = Path(mounted[0]["Source"])
        assert outside.parent.stat().st_mode & 0o077 == 0
        assert not mounted[0]["RW"]
        return Path(f"/proc/{pid}/root{path}").read_bytes()

    async def processes(self, key: InstanceKey) -> int:
        return len(await self.pids(key))

    def times_run(self, spec: TaskSpec) -> int:
        """By the engine's own memory of what it started."""
        ids = {each["Id"] for each in self.engine.ask("GET", "/containers/json?all=1") if each["Labels"].get("mooring.task") == spec.name}
        starts = self.engine.events({"label": [f"mooring.task={spec.name}"], "event": ["start"]})
        return sum(each["Actor"]["ID"] in ids for each in starts)

    def artifact(self, name: str, *, size: int = 10_000) -> Artifact:
        image = self._own.make_base(f"{name}:1", marker=name, size=size)
        return Artifact(id=ArtifactId(f"{name}1"), builder="dockerfile", reason="", directory="", size=size, image=image)

    def from_artifact(self, key: InstanceKey, artifact: Artifact) -> InstanceSpec:
        return InstanceSpec(key=key, command=COMMANDS[Kind.STEADY], directory="", is_routed=True, artifact=artifact)

    async def pids(self, key: InstanceKey) -> list[int]:
        """Of all processes in the instance's containers, the engine's init among them, as the host sees them."""
        found: list[int] = []
        for each in self.engine.ask("GET", "/containers/json"):
            wanted = {"environment": str(key.environment), "release": str(key.release), "slot": str(key.slot)}
            if wanted.items() <= {name.removeprefix("mooring."): text for name, text in each["Labels"].items()}.items():
                found += self.engine.pids(each["Id"])
        return sorted(found)

    def inspected(self, key: InstanceKey) -> dict[str, Any]:
        answer: dict[str, Any] = self.engine.ask("GET", f"/containers/tests.{key.slug}/json")
        return answer
