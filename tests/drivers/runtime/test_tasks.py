"""A one-off runs once, whatever dies around it."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mooring.drivers.runtime.process import kernel
from mooring.drivers.runtime.process.runtime import ProcessRuntime
from mooring.drivers.runtime.process.status import Status
from mooring.drivers.runtime.process.supervisor import Supervisor
from mooring.errors import InvalidName
from mooring.model.instance import TaskSpec, TaskState, TaskView
from mooring.model.secret import Secret, SecretFile
from mooring.testing.runtime_contract import SHOP, a_mark

NAME = "release.v1"


def spec(directory: Path, command: str, *, name: str = NAME, timeout: float = 60.0) -> TaskSpec:
    return TaskSpec(environment=SHOP, name=name, command=command, directory=str(directory), timeout=timeout, release=1)


async def until(runtime: ProcessRuntime, condition: Callable[[TaskView], bool]) -> TaskView:
    async with asyncio.timeout(20):
        while not condition(view := await runtime.observe_task(SHOP, NAME)):
            await asyncio.sleep(0.02)
    return view


def has_ended(view: TaskView) -> bool:
    return view.state not in (TaskState.RUNNING, TaskState.ABSENT)


async def test_its_end_is_recorded_without_a_supervisor(runtime: ProcessRuntime, supervisor: Supervisor, tmp_path: Path) -> None:
    command = "while [ ! -f go ]; do sleep 0.05; done; echo went; exit 4"
    await runtime.run_task(a_mark(), spec(tmp_path, command), {})
    os.kill(int((supervisor.directory / "supervisord.pid").read_text()), signal.SIGKILL)
    assert (await runtime.observe_task(SHOP, NAME)).state is TaskState.RUNNING
    (tmp_path / "go").touch()
    view = await until(runtime, has_ended)
    assert (view.state, view.exit_code, view.last_lines) == (TaskState.FAILED, 4, ("went",))


async def test_it_is_not_run_again_by_the_next_supervisor(runtime: ProcessRuntime, supervisor: Supervisor, tmp_path: Path) -> None:
    await runtime.run_task(a_mark(), spec(tmp_path, "echo run >> runs"), {})
    await until(runtime, has_ended)
    await supervisor.shutdown()
    await supervisor.ensure_running()
    await runtime.run_task(a_mark(), spec(tmp_path, "echo run >> runs"), {})
    assert (await runtime.observe_task(SHOP, NAME)).state is TaskState.SUCCEEDED
    assert (tmp_path / "runs").read_text() == "run\n"


async def test_controllers_that_run_it_at_the_same_time_run_it_once(
    runtime: ProcessRuntime, supervisor: Supervisor, tmp_path: Path
) -> None:
    await supervisor.ensure_running()
    others = [ProcessRuntime(Supervisor(supervisor.directory)) for _ in range(4)]
    await asyncio.gather(*(other.run_task(a_mark(), spec(tmp_path, "echo run >> runs; sleep 0.3"), {}) for other in others))
    await until(runtime, has_ended)
    assert (tmp_path / "runs").read_text() == "run\n"


async def test_one_whose_runner_was_killed_is_lost_and_not_begun_again(
    runtime: ProcessRuntime, supervisor: Supervisor, tmp_path: Path
) -> None:
    await runtime.run_task(a_mark(), spec(tmp_path, "echo run >> runs; exec sleep 3600"), {})
    directory = supervisor.run_directory(f"{SHOP.slug}@{NAME}")
    async with asyncio.timeout(20):
        while not (tmp_path / "runs").exists():
            await asyncio.sleep(0.02)
    os.kill(Status.read(str(directory), "begun").pid, signal.SIGKILL)
    assert (await until(runtime, has_ended)).state is TaskState.LOST
    await runtime.run_task(a_mark(), spec(tmp_path, "echo run >> runs"), {})
    assert (await runtime.observe_task(SHOP, NAME)).state is TaskState.LOST
    assert (tmp_path / "runs").read_text() == "run\n"


async def test_its_secrets_are_gone_from_the_disk_when_it_has_ended(
    runtime: ProcessRuntime, supervisor: Supervisor, tmp_path: Path
) -> None:
    await runtime.run_task(a_mark(), spec(tmp_path, 'test "$TOKEN" = "s3cr3t"-"sentinel"'), {"TOKEN": Secret("s3cr3t-sentinel")})
    assert (await until(runtime, has_ended)).state is TaskState.SUCCEEDED
    holding = [path for path in supervisor.directory.rglob("*") if path.is_file() and b"s3cr3t-sentinel" in path.read_bytes()]
    assert holding == []


async def test_it_can_be_stopped_from_the_moment_in_which_it_has_begun(
    runtime: ProcessRuntime, supervisor: Supervisor, tmp_path: Path
) -> None:
    await runtime.run_task(a_mark(), spec(tmp_path, "unset MOORING_RUN_DIRECTORY; touch runs; exec sleep 600"), {})
    async with asyncio.timeout(20):
        while not (tmp_path / "runs").exists():
            await asyncio.sleep(0.02)
    directory = next((supervisor.directory / "run").glob(f"{SHOP.slug}@*"))
    (directory / "status").unlink()  # it is written a moment after `begun`
    await runtime.stop_task(a_mark(), SHOP, NAME)
    assert (await until(runtime, has_ended)).state is TaskState.FAILED


async def test_it_leaves_nothing_running(runtime: ProcessRuntime, supervisor: Supervisor, tmp_path: Path) -> None:
    background = "import os, time; os.setsid(); time.sleep(3600)"
    command = f"{shlex.quote(sys.executable)} -S -c {shlex.quote(background)} & echo $! > pid"
    await runtime.run_task(a_mark(), spec(tmp_path, command), {})
    await until(runtime, has_ended)
    assert kernel.members(str(supervisor.run_directory(f"{SHOP.slug}@{NAME}"))) == []
    assert kernel.process(int((tmp_path / "pid").read_text())) is None


async def test_a_name_cannot_lead_anywhere_else(runtime: ProcessRuntime, tmp_path: Path) -> None:
    for name in ("../../etc", "a/b", "", ".hidden", "a b", "x" * 81):
        with pytest.raises(InvalidName):
            await runtime.run_task(a_mark(), spec(tmp_path, "true", name=name), {})


async def test_forgetting_its_release_forgets_it(runtime: ProcessRuntime, supervisor: Supervisor, tmp_path: Path) -> None:
    await runtime.run_task(a_mark(), spec(tmp_path, "echo done"), {})
    await until(runtime, has_ended)
    await runtime.forget(a_mark(), SHOP, releases=frozenset({2}))
    assert (await runtime.observe_task(SHOP, NAME)).state is TaskState.SUCCEEDED
    await runtime.forget(a_mark(), SHOP, releases=frozenset({1}))
    assert (await runtime.observe_task(SHOP, NAME)).state is TaskState.ABSENT
    assert not supervisor.run_directory(f"{SHOP.slug}@{NAME}").exists()


async def test_a_one_off_finds_a_secret_as_a_file_which_is_gone_when_it_has_ended(
    runtime: ProcessRuntime, supervisor: Supervisor, tmp_path: Path
) -> None:
    command = 'cat "$TLS_KEY_FILE" > found; echo "$TLS_KEY_FILE" > place; test -z "${TLS_KEY+set}"'
    await runtime.run_task(a_mark(), spec(tmp_path, command), {"TLS_KEY": SecretFile("a\0b\udcff\n")})
    assert (await until(runtime, has_ended)).state is TaskState.SUCCEEDED
    assert (tmp_path / "found").read_bytes() == b"a\0b\xff\n"
    place = Path((tmp_path / "place").read_text().strip())
    assert place.is_relative_to(supervisor.directory)
    assert not place.parent.exists(), "gone before the end is seen"
