"""A real runtime in a directory of its own, with all that it started ended afterwards, whatever happened."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mooring.drivers.runtime.process import kernel
from mooring.drivers.runtime.process.runtime import ProcessRuntime
from mooring.drivers.runtime.process.supervisor import Supervisor


@pytest.fixture
async def supervisor(tmp_path: Path) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(tmp_path / "state")
    try:
        yield supervisor
    finally:
        await end_everything(supervisor)


@pytest.fixture
def runtime(supervisor: Supervisor) -> ProcessRuntime:
    return ProcessRuntime(supervisor, memory_budget=4_000_000_000)


async def end_everything(supervisor: Supervisor) -> None:
    """Also what a daemon that was killed, or a test that failed, has left."""
    try:
        await supervisor.shutdown(grace=0.5)
    finally:
        marks = f"{kernel.MARKER}={supervisor.directory}/".encode()
        for pid in kernel.processes():
            if pid != os.getpid() and (marks in content(f"/proc/{pid}/environ") or is_ours(pid, supervisor)):
                os.kill(pid, signal.SIGKILL)


def is_ours(pid: int, supervisor: Supervisor) -> bool:
    """The daemon, and launchers that have not become anything yet."""
    arguments = content(f"/proc/{pid}/cmdline").split(b"\0")
    return any(argument.startswith(str(supervisor.directory).encode()) for argument in arguments) and b"-I" in arguments


def content(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""
