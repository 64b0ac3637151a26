"""Instances are kept to the memory they declared: told to stop, ended, started again, and the reason said with both numbers."""

from __future__ import annotations

import asyncio
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mooring.drivers.runtime.contract import Inspection
from mooring.drivers.runtime.process import kernel
from mooring.drivers.runtime.process.memorykeeper import Limited, MemoryKeeper, held
from mooring.drivers.runtime.process.overuse import Overuse
from mooring.drivers.runtime.process.runtime import MEMORY_KEEPER, ProcessRuntime
from mooring.drivers.runtime.process.supervisor import Supervisor
from mooring.engine.diagnosis import diagnose
from mooring.model.health import Check
from mooring.model.instance import InstanceSpec, ProcessState
from mooring.testing.runtime_contract import a_key, a_mark

MEGA = 1_000_000
LIMIT = 60 * MEGA


def python(code: str) -> str:
    return f"exec {shlex.quote(sys.executable)} -u -c {shlex.quote(code)}"


def spec(code: str, *, directory: Path, memory: int = LIMIT) -> InstanceSpec:
    return InstanceSpec(key=a_key(), command=python(code), directory=str(directory), is_routed=False, kill_timeout=2.0, memory=memory)


def hog(amount: int, *, first_words: str = "") -> str:
    """Holds so many bytes until it is told to stop."""
    return f"""
import signal, sys, time
def stop(*_):
    print("told to stop")
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
{first_words}
held = bytearray(b"x") * {amount}
time.sleep(3600)
"""


async def restarted(runtime: ProcessRuntime) -> Inspection:
    async with asyncio.timeout(30):
        while True:
            inspection = await runtime.inspect(a_key())
            if inspection.view is not None and inspection.view.restarts:
                return inspection
            await asyncio.sleep(0.1)


async def test_an_instance_over_its_memory_is_told_to_stop_and_started_again_with_the_reason(
    runtime: ProcessRuntime, tmp_path: Path
) -> None:
    assert runtime.capabilities.limits_memory
    await runtime.start(a_mark(), spec(hog(80 * MEGA), directory=tmp_path), {})
    inspection = await restarted(runtime)
    assert inspection.view is not None
    assert inspection.is_out_of_memory
    assert "told to stop" in inspection.last_lines, "its requests in flight could end"
    said = re.fullmatch(r"OOM: used (\d+) MB of 60 MB declared", inspection.view.end_reason)
    assert said is not None, inspection.view.end_reason
    assert 80 <= int(said[1]) <= 120
    (seen,) = await runtime.observe()
    assert seen.end_reason == inspection.view.end_reason
    diagnosis = diagnose(a_key(), inspection, (), check=Check(), is_routed=False)
    assert diagnosis.likely_cause == f"{seen.end_reason}, and was restarted 1 time"
    assert f"processes.{a_key().process}.memory" in diagnosis.hint


async def test_that_it_will_be_told_to_stop_is_seen_before_so_that_it_gets_no_new_requests(runtime: ProcessRuntime, tmp_path: Path) -> None:
    await runtime.start(a_mark(), spec(hog(80 * MEGA), directory=tmp_path), {})
    seen: list[ProcessState] = []
    async with asyncio.timeout(30):
        while not seen or seen[-1] is not ProcessState.STOPPING:
            inspection = await runtime.inspect(a_key())
            assert inspection.view is not None
            seen.append(inspection.view.state)
            await asyncio.sleep(0.1)
    assert ProcessState.RUNNING in seen
    assert "told to stop" not in inspection.last_lines, "whoever routes has time to look"
    inspection = await restarted(runtime)
    assert inspection.view is not None
    assert inspection.view.state is ProcessState.RUNNING, "the next process is another one"


async def test_an_instance_at_twice_its_memory_is_ended_at_once(runtime: ProcessRuntime, tmp_path: Path) -> None:
    await runtime.start(a_mark(), spec(hog(150 * MEGA), directory=tmp_path), {})
    inspection = await restarted(runtime)
    assert inspection.view is not None
    assert inspection.view.signal == "SIGKILL"
    assert inspection.is_out_of_memory
    assert "told to stop" not in inspection.last_lines


async def test_an_instance_that_is_deaf_to_its_stop_signal_is_killed_after_its_grace(runtime: ProcessRuntime, tmp_path: Path) -> None:
    deaf = hog(80 * MEGA).replace("sys.exit(0)", "pass").replace("time.sleep(3600)", "while True: time.sleep(1)")
    await runtime.start(a_mark(), spec(deaf, directory=tmp_path), {})
    inspection = await restarted(runtime)
    assert inspection.view is not None
    assert "told to stop" in inspection.last_lines
    assert (inspection.view.signal, inspection.is_out_of_memory) == ("SIGKILL", True)


async def test_the_reason_is_of_the_last_end_only(runtime: ProcessRuntime, tmp_path: Path) -> None:
    await runtime.start(
        a_mark(), spec(hog(150 * MEGA, first_words="import os\nif os.path.exists('well'): time.sleep(3600)"), directory=tmp_path), {}
    )
    first = await restarted(runtime)
    assert first.view is not None
    assert first.view.end_reason
    (tmp_path / "well").touch()
    async with asyncio.timeout(30):
        while (inspection := await runtime.inspect(a_key())).view and inspection.view.end_reason:
            pid = inspection.view.pid
            if pid and b"sleep" in Path(f"/proc/{pid}/cmdline").read_bytes():
                signal_to(pid)
            await asyncio.sleep(0.1)
    assert not inspection.is_out_of_memory


def signal_to(pid: int) -> None:
    process = kernel.process(pid)
    if process is not None:
        kernel.send(process, signal.SIGKILL)


async def test_without_declared_memory_nothing_is_watched(runtime: ProcessRuntime, supervisor: Supervisor, tmp_path: Path) -> None:
    await runtime.start(a_mark(), spec(hog(150 * MEGA), directory=tmp_path, memory=0), {})
    assert not supervisor.run_directory(MEMORY_KEEPER).exists()


@pytest.fixture
def limited(tmp_path: Path) -> Iterator[Limited]:
    """What a process of this directory holds; `pid` is given by the test."""
    directory = tmp_path / "program"
    directory.mkdir()
    yield Limited(str(directory), {"memory": str(LIMIT), "grace": "1", "stop_signal": "TERM"})
    for process in kernel.members(str(directory)):
        kernel.send(process, signal.SIGKILL)


def begin(limited: Limited, code: str) -> None:
    """Returns when it has said that it holds what it holds."""
    environment = {kernel.MARKER: limited.directory}
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", code], cwd=limited.directory, env=environment, stdout=subprocess.PIPE, start_new_session=True
    )
    limited.pid = process.pid
    assert process.stdout is not None
    assert process.stdout.readline()


MAPPING = """
import mmap, time
file = open("large", "rb")
mapped = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
print(sum(mapped[at] for at in range(0, len(mapped), 4096)))
time.sleep(3600)
"""
SHARING = """
import os, time
held = bytearray(b"x") * 100_000_000
for _ in range(2):
    if os.fork() == 0:
        time.sleep(3600)
print("ready")
time.sleep(3600)
"""
APART = """
import os, time
reader, writer = os.pipe()
if os.fork() == 0:
    os.setsid()
    held = bytearray(b"x") * 100_000_000
    os.write(writer, b"1")
    time.sleep(3600)
os.read(reader, 1)
print("ready")
time.sleep(3600)
"""


def test_mapped_files_do_not_count(limited: Limited) -> None:
    Path(limited.directory, "large").write_bytes(b"x" * 100 * MEGA)
    begin(limited, MAPPING)
    assert held(limited) < 50 * MEGA


def test_what_forks_share_counts_once(limited: Limited) -> None:
    begin(limited, SHARING)
    assert 100 * MEGA < held(limited) < 160 * MEGA


def test_a_child_in_a_session_of_its_own_counts(limited: Limited) -> None:
    begin(limited, APART)
    assert held(limited) > 100 * MEGA


def test_records_of_before_there_was_a_limit_and_strangers_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "launch").write_bytes(b"argv=true\0directory=/\0stop_signal=TERM\0")
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    MemoryKeeper(str(tmp_path)).look(1.0)
    assert Overuse.read(str(tmp_path / "old")) is None
