"""The runtime `process` fulfils the contract with real processes under a real supervisor."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from mooring.drivers.runtime.contract import Delivery, Runtime
from mooring.drivers.runtime.process import kernel
from mooring.drivers.runtime.process.runtime import ProcessRuntime
from mooring.drivers.runtime.process.supervisor import Supervisor
from mooring.errors import InvalidInput, Unavailable
from mooring.model.accessory import Lasting
from mooring.model.instance import InstanceKey, InstanceSpec, ProcessState, TaskSpec
from mooring.model.names import ArtifactId
from mooring.model.release import Artifact
from mooring.model.secret import SecretFile
from mooring.testing.asking_contract import AskingContract
from mooring.testing.interactive_contract import InteractiveContract
from mooring.testing.lasting_contract import LastingContract
from mooring.testing.runtime_contract import Kind, RuntimeContract, RuntimeRig, a_key, a_mark, started, view_of

APP = Path(__file__).with_name("app.py")
PATIENCE = 20.0


class ProcessRig:
    def __init__(self, supervisor: Supervisor, runtime: ProcessRuntime, directory: Path) -> None:
        self._supervisor = supervisor
        self._runtime = runtime
        self._directory = directory

    @property
    def runtime(self) -> Runtime:
        return self._runtime

    def instance(self, key: InstanceKey, kind: Kind = Kind.STEADY, *, is_routed: bool = True) -> InstanceSpec:
        return InstanceSpec(key=key, command=self._command(kind), directory=str(self._directory), is_routed=is_routed)

    def lasting(self, key: InstanceKey) -> InstanceSpec:
        command = f'echo "$VOLUME" >> starts; exec {self._command(Kind.STEADY)}'
        return InstanceSpec(key=key, command=command, directory=str(self._directory), is_routed=False, lasting=Lasting())

    async def starts(self, key: InstanceKey) -> int:
        volume = Path(os.fsdecode(await self.variable(key, "VOLUME")))
        assert volume.stat().st_mode & 0o777 == 0o700
        lines = file.read_text().splitlines() if (file := volume / "starts").exists() else []
        assert set(lines) <= {str(volume)}
        return len(lines)

    def task(self, name: str, kind: Kind, *, timeout: float = 60.0) -> TaskSpec:
        command = f"echo run >> {shlex.quote(name)}.runs; {self._command(kind)}"
        return TaskSpec(
            environment=a_key().environment, name=name, command=command, directory=str(self._directory), timeout=timeout, release=1
        )

    async def until(self, condition: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not await condition():
                await asyncio.sleep(0.02)

    async def kill(self, key: InstanceKey) -> None:
        view = await view_of(self, key)
        assert view is not None
        os.kill(view.pid, signal.SIGKILL)

    async def variable(self, key: InstanceKey, name: str) -> bytes:
        found: list[bytes] = []

        async def has_come() -> bool:  # its launcher, on the way to become it, has another environment
            view = await view_of(self, key)
            assert view is not None
            variables = Path(f"/proc/{view.pid}/environ").read_bytes().split(b"\0")
            found[:] = [entry.removeprefix(f"{name}=".encode()) for entry in variables if entry.startswith(f"{name}=".encode())]
            return bool(found)

        await self.until(has_come)
        return found[0]

    async def secret_file(self, key: InstanceKey, name: str) -> bytes:
        view = await view_of(self, key)
        assert view is not None
        assert f"{name}=".encode() not in Path(f"/proc/{view.pid}/environ").read_bytes()
        path = Path(os.fsdecode(await self.variable(key, f"{name}_FILE")))
        assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
        return path.read_bytes()

    async def processes(self, key: InstanceKey) -> int:
        return len(kernel.members(str(self._supervisor.run_directory(key.slug))))

    def times_run(self, spec: TaskSpec) -> int:
        return len((self._directory / f"{spec.name}.runs").read_text().splitlines())

    def _command(self, kind: Kind) -> str:
        return f"{shlex.quote(sys.executable)} -S {shlex.quote(str(APP))} {kind.value}"


@pytest.fixture
def rig(supervisor: Supervisor, runtime: ProcessRuntime, tmp_path: Path) -> ProcessRig:
    directory = tmp_path / "app"
    directory.mkdir()
    return ProcessRig(supervisor, runtime, directory)


class TestProcessRuntime(RuntimeContract):
    pass


class TestProcessLasting(LastingContract):
    pass


class TestProcessAsking(AskingContract):
    pass


async def test_a_file_of_a_secret_outlives_a_crash_and_goes_with_the_instance(rig: RuntimeRig) -> None:
    await started(rig, rig.instance(a_key()), {"TLS_KEY": SecretFile("k3y")})
    path = Path(os.fsdecode(await rig.variable(a_key(), "TLS_KEY_FILE")))
    before = await view_of(rig, a_key())
    await rig.kill(a_key())

    async def is_back() -> bool:
        view = await view_of(rig, a_key())
        return before is not None and view is not None and view.pid not in (0, before.pid)

    await rig.until(is_back)
    assert await rig.secret_file(a_key(), "TLS_KEY") == b"k3y"
    await rig.runtime.stop(a_mark(), a_key(), grace=5)
    assert not path.parent.exists()


async def test_what_a_controller_was_stopping_when_it_died_is_seen_so_and_can_be_started_again(
    rig: RuntimeRig, supervisor: Supervisor
) -> None:
    before = await started(rig, rig.instance(a_key()), {"NAME": "first"})
    assert not before.is_retired
    await supervisor.retire_program(a_key().slug, grace=5)  # of `stop`, all but to forget it
    left = await view_of(rig, a_key())
    assert left is not None
    assert (left.state, left.is_retired) == (ProcessState.EXITED, True)
    after = await started(rig, rig.instance(a_key()), {"NAME": "second"})
    assert not after.is_retired
    assert await rig.variable(a_key(), "NAME") == b"second"
    await rig.kill(a_key())
    await rig.until(lambda: is_running_again(rig, after.pid))


async def is_running_again(rig: RuntimeRig, pid: int) -> bool:
    view = await view_of(rig, a_key())
    return view is not None and view.state is ProcessState.RUNNING and view.pid != pid


async def test_an_artifact_runs_where_it_was_built_and_nothing_is_sent(rig: RuntimeRig, tmp_path: Path) -> None:
    artifact = Artifact(id=ArtifactId("a1"), builder="procfile", reason="", directory=str(tmp_path), size=12)
    assert await rig.runtime.deliver(a_mark(), artifact) == Delivery(sent=0, total=12)
    assert await rig.runtime.reclaim(a_mark(), keep=frozenset()) == 0
    assert tmp_path.is_dir()


async def test_an_artifact_that_somebody_removed_is_missed_before_anything_starts(rig: RuntimeRig, tmp_path: Path) -> None:
    gone = Artifact(id=ArtifactId("a1"), builder="procfile", reason="", directory=str(tmp_path / "gone"), size=12)
    with pytest.raises(Unavailable, match="the artifact a1 is gone"):
        await rig.runtime.deliver(a_mark(), gone)


async def test_an_image_is_refused_with_what_to_do(rig: RuntimeRig) -> None:
    image = Artifact(id=ArtifactId("a1"), builder="image", reason="", directory="", size=12, image="sha256:00")
    with pytest.raises(InvalidInput, match="container engine"):
        await rig.runtime.deliver(a_mark(), image)


class TestInteractive(InteractiveContract):
    pass
