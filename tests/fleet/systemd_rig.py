"""The means to test the runtime `systemd` on a host of the fleet. Must not: leave anything there."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import shlex
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from fleet.image import USER
from fleet.rig import Host

from mooring.drivers.runtime.contract import Runtime
from mooring.drivers.runtime.systemd.runtime import SystemdRuntime, SystemdSettings
from mooring.drivers.transport.ssh import SshTransport
from mooring.model.accessory import Lasting
from mooring.model.instance import InstanceKey, InstanceSpec, TaskSpec
from mooring.model.names import ArtifactId
from mooring.model.release import Artifact
from mooring.testing.runtime_contract import Kind, a_key, view_of

APP = Path(__file__).parents[1] / "drivers/runtime/app.py"
PATIENCE = 60.0
BUDGET = 1_000_000_000


class SystemdRig:
    """`user` reaches the host; all that is looked at from outside is looked at as root."""

    def __init__(self, host: Host, user: str, transport: SshTransport, artifacts: Path) -> None:
        self.host = host
        self.artifacts = artifacts
        self.user = user
        home = "/root" if user == "root" else f"/home/{user}"
        self.directory = f"{'/var/lib' if user == 'root' else home}/mooring-{secrets.token_hex(4)}"
        self.home = "/var/lib/private/mooring-apps/shop--production" if user == "root" else home
        self.app = f"/srv/{secrets.token_hex(4)}"
        self.systemd = SystemdRuntime(transport, SystemdSettings(memory_budget=BUDGET, directory=self.directory))
        host.says("install", "-d", self.app)
        host.says("tee", f"{self.app}/app.py", stdin=APP.read_bytes())

    @property
    def runtime(self) -> Runtime:
        return self.systemd

    def instance(self, key: InstanceKey, kind: Kind = Kind.STEADY, *, is_routed: bool = True) -> InstanceSpec:
        return InstanceSpec(key=key, command=self.command(kind), directory=self.app, is_routed=is_routed)

    def lasting(self, key: InstanceKey) -> InstanceSpec:
        command = f'echo "$VOLUME" >> starts; exec {self.command(Kind.STEADY)}'
        return InstanceSpec(key=key, command=command, directory=self.app, is_routed=False, lasting=Lasting())

    async def starts(self, key: InstanceKey) -> int:
        volume = (await self.variable(key, "VOLUME")).decode()
        lines = self.host.run("cat", f"{volume}/starts").stdout.decode().splitlines()
        assert set(lines) <= {volume}
        return len(lines)

    def task(self, name: str, kind: Kind, *, timeout: float = 60.0) -> TaskSpec:
        command = f'echo run >> "$HOME"/{shlex.quote(name)}.runs; {self.command(kind)}'
        return TaskSpec(environment=a_key().environment, name=name, command=command, directory=self.app, timeout=timeout, release=1)

    def artifact(self, name: str, *, size: int = 1_000) -> Artifact:
        """Below the test's own directory on this machine, where the host has nothing."""
        place = self.artifacts / name
        place.mkdir(parents=True)
        (place / "app.py").write_bytes(APP.read_bytes())
        (place / "ballast").write_bytes(secrets.token_bytes(size))
        return Artifact(id=ArtifactId(name), builder="procfile", reason="", directory=str(place), size=size)

    def from_artifact(self, key: InstanceKey, artifact: Artifact) -> InstanceSpec:
        command = f"python3 -S app.py {Kind.STEADY.value}"
        return InstanceSpec(key=key, command=command, directory=artifact.directory, is_routed=True, artifact=artifact)

    def command(self, kind: Kind) -> str:
        return f"python3 -S {self.app}/app.py {kind.value}"

    async def until(self, condition: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not await condition():
                await asyncio.sleep(0.05)

    async def kill(self, key: InstanceKey) -> None:
        view = await view_of(self, key)
        assert view is not None
        self.host.says("kill", "-KILL", str(view.pid))

    async def variable(self, key: InstanceKey, name: str) -> bytes:
        found: list[bytes] = []

        async def has_come() -> bool:  # its launcher, on the way to become it, has another environment
            view = await view_of(self, key)
            assert view is not None
            entries = self.host.run("cat", f"/proc/{view.pid}/environ").stdout.split(b"\0")
            found[:] = [entry.removeprefix(f"{name}=".encode()) for entry in entries if entry.startswith(f"{name}=".encode())]
            return bool(found)

        await self.until(has_come)
        return found[0]

    async def secret_file(self, key: InstanceKey, name: str) -> bytes:
        path = (await self.variable(key, f"{name}_FILE")).decode()
        view = await view_of(self, key)
        assert view is not None
        assert f"\0{name}=".encode() not in self.host.run("cat", f"/proc/{view.pid}/environ").stdout
        assert [mode[-1] for mode in self.host.says("stat", "-c", "%a", path, str(Path(path).parent)).split()] == ["0", "0"]
        return self.host.run("cat", path).stdout

    async def processes(self, key: InstanceKey) -> int:
        found = self.host.run("sh", "-c", f"grep -l mooring-{key.slug}.service /proc/[0-9]*/cgroup 2>/dev/null").stdout
        return len(found.split())

    def times_run(self, spec: TaskSpec) -> int:
        return len(self.host.says("cat", f"{self.home}/{spec.name}.runs").split())

    def remove(self) -> None:
        """Everything that is Mooring's, whatever state it is in."""
        self.host.says("sh", "-c", REMOVE, "sh", self.directory, self.app, self.home)


REMOVE = """
theirs() { runuser -u deploy -- env XDG_RUNTIME_DIR=/run/user/1000 systemctl --user "$@"; }
systemctl stop 'mooring*.service'
theirs stop 'mooring*.service'
for place in /etc/systemd/system /run/systemd/system /home/deploy/.config/systemd/user /run/user/1000/systemd/user; do
    rm -f $place/mooring*.service $place/*.wants/mooring*.service
done
for each in daemon-reload reset-failed; do systemctl $each; theirs $each; done
rm -rf "$1" "$2" "$3"/*.runs /var/lib/private/mooring-apps/*.* /var/lib/mooring-apps/*.*
"""


def linger(host: Host) -> None:
    """Units of the account last without a login. Not by asking logind: it may not know who comes in another way than through one."""
    host.says("install", "-D", "/dev/null", f"/var/lib/systemd/linger/{USER}")
    host.says("sh", "-c", 'systemctl start "user@$(id -u "$1").service"', "sh", USER)


@contextlib.asynccontextmanager
async def systemd_rig(host: Host, user: str, artifacts: Path) -> AsyncIterator[SystemdRig]:
    """As that account, whose units last without a login."""
    linger(host)
    transport = SshTransport(host.ssh(user))
    rig = SystemdRig(host, user, transport, artifacts)
    try:
        yield rig
    finally:
        rig.remove()
        await transport.close()
