"""The command of a check beside its instance: in its directory, with its variables, in its bounds.

Must not: leave it running past its time.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping
from pathlib import Path

from mooring.drivers.runtime import shell
from mooring.drivers.runtime.contract import Heard
from mooring.drivers.runtime.hearing import kept, told
from mooring.drivers.runtime.process import kernel
from mooring.drivers.runtime.process.confining import confined_argv, confined_environment
from mooring.drivers.runtime.process.program import Program

_PIECE = 64 * 1024


async def asked(directory: Path, program: Program, variables: Mapping[str, str], command: str) -> Heard:
    """`directory` is the instance's own, where its bounds are on record too. Cancelled, the command is ended with its group."""
    argv: tuple[str, ...] = (shell.SHELL, "-c", command)
    environment = {**variables, kernel.MARKER: str(directory)}  # whatever it leaves is the instance's, and ends with that
    if program.bounds is not None:
        argv, environment = confined_argv(directory / "launch", argv), confined_environment(str(directory), variables)
    process = await asyncio.create_subprocess_exec(
        *argv,
        cwd=program.directory,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
        umask=program.umask,
    )
    try:
        heard = await _heard(process)
        code = await process.wait()
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    return told(code if code >= 0 else 128 - code, heard)


async def _heard(process: asyncio.subprocess.Process) -> bytes:
    if process.stdout is None:
        return b""
    heard = b""
    while part := await process.stdout.read(_PIECE):
        heard = kept(heard, part)
    return heard
