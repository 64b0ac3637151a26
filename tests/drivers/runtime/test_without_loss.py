"""No request is lost when the supervisor is killed, or when an instance is stopped while it answers."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import sys
from pathlib import Path

import httpx
import pytest

from mooring.drivers.probe.stream import EdgeStreams
from mooring.drivers.runtime.process import kernel
from mooring.drivers.runtime.process.runtime import ProcessRuntime
from mooring.drivers.runtime.process.supervisor import Supervisor
from mooring.model.instance import InstanceSpec, InstanceView, ProcessState
from mooring.testing.runtime_contract import a_key, a_mark

DIRECTORY = Path(__file__).parents[2] / "apps" / "trouble"
SERVER = f"{shlex.quote(sys.executable)} server.py"


def spec(command: str = SERVER) -> InstanceSpec:
    return InstanceSpec(key=a_key(), command=command, directory=str(DIRECTORY), is_routed=True)


async def answering(runtime: ProcessRuntime, command: str = SERVER) -> InstanceView:
    await runtime.start(a_mark(), spec(command), {})
    async with asyncio.timeout(20):
        while not (await runtime.inspect(a_key())).listening:
            await asyncio.sleep(0.02)
    (view,) = await runtime.observe()
    return view


async def test_killing_the_supervisor_loses_no_request_and_makes_no_second_copy(runtime: ProcessRuntime, supervisor: Supervisor) -> None:
    """The app writes a line for each request: with its output in the supervisor's hands, the first one would have ended it."""
    before = await answering(runtime)
    stream = await EdgeStreams(port=before.port).open(hostname="shop.localhost", path="/up", rate=100)
    for _ in range(2):
        daemon = int((supervisor.directory / "supervisord.pid").read_text())
        os.kill(daemon, signal.SIGKILL)
        await asyncio.sleep(0.3)
        assert [view.state for view in await runtime.observe()] == [ProcessState.RUNNING]
        await supervisor.ensure_running()
        await asyncio.sleep(0.3)
    count = await stream.close()
    assert count.sent > 60
    assert (count.failed, count.failures) == (0, ())
    (after,) = await runtime.observe()
    assert (after.pid, after.restarts) == (before.pid, 0)
    assert len(kernel.members(str(supervisor.run_directory(a_key().slug)))) == 1
    await runtime.stop(a_mark(), a_key(), grace=5)
    assert kernel.process(before.pid) is None
    assert await runtime.observe() == ()


@pytest.mark.parametrize(
    "command",
    [SERVER, f"exec {SERVER}", f"true && {SERVER}", f"{SERVER}; true", f"sh -c {shlex.quote(SERVER)}"],
    ids=["simple", "exec", "after-another", "before-another", "shell-in-shell"],
)
async def test_a_request_in_flight_finishes_when_its_instance_is_stopped(runtime: ProcessRuntime, command: str) -> None:
    view = await answering(runtime, command)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{view.port}", timeout=20) as client:
        request = asyncio.create_task(client.get("/sleep?s=1"))
        await asyncio.sleep(0.3)
        await runtime.stop(a_mark(), a_key(), grace=15)
        assert (await request).status_code == 200


async def test_children_of_their_own_sessions_end_with_their_instance(runtime: ProcessRuntime, supervisor: Supervisor) -> None:
    await runtime.start(a_mark(), spec(), {"TROUBLE": "forks-children"})
    directory = str(supervisor.run_directory(a_key().slug))
    async with asyncio.timeout(20):
        while len(kernel.members(directory)) < 4:
            await asyncio.sleep(0.02)
    pids = [process.pid for process in kernel.members(directory)]
    await runtime.stop(a_mark(), a_key(), grace=0.5)
    assert [kernel.process(pid) for pid in pids] == [None] * len(pids)


async def test_an_effect_starts_a_supervisor_that_has_gone(runtime: ProcessRuntime, supervisor: Supervisor) -> None:
    await answering(runtime)
    os.kill(int((supervisor.directory / "supervisord.pid").read_text()), signal.SIGKILL)
    while supervisor.is_running():
        await asyncio.sleep(0.01)
    await runtime.restart(a_mark(), a_key(), grace=5)
    assert supervisor.is_running()
    assert [view.restarts for view in await runtime.observe()] in ([0], [1])


async def test_memory_that_ran_out_is_told(runtime: ProcessRuntime, supervisor: Supervisor) -> None:
    """The kernel's own counter cannot be raised here: the daemon's note stands for it."""
    from mooring.drivers.runtime.process.status import Exit, Status

    await answering(runtime)
    directory = str(supervisor.run_directory(a_key().slug))
    pid = Status.read(directory).pid
    Exit(pid=pid, code=None, signal=9, at=1.0, was_asked=False, is_out_of_memory=True).write(directory)
    inspection = await runtime.inspect(a_key())
    assert inspection.is_out_of_memory
    assert inspection.view is not None
    assert inspection.view.signal == "SIGKILL"


async def test_memory_in_use_is_observed(runtime: ProcessRuntime) -> None:
    assert (await answering(runtime)).pid > 0
    (view,) = await runtime.observe()
    assert view.memory > 1_000_000
