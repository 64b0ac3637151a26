"""Ends a program's processes so that requests in flight finish, and nothing is left.

Whom to signal was decided by trying (a request of 1.5 s in flight; `main`: only the main process, `all`: its whole group):

    command                         main                         all
    gunicorn, sync and gthread      finishes it, ends cleanly    finishes it
    true && gunicorn (sh waits)     sh dies, gunicorn stays      finishes it
    npm start (npm does not wait)   npm dies, node stays         finishes it

and some servers, Celery's pool among them, abort work when their children are signalled behind their back. So: first the main
process alone; once it has gone, whatever of the program still lives gets the same signal; at the end of the grace, SIGKILL to all.
That finishes every request in the table. One that was paused (SIGSTOP) is told to go on: else it would hear of its end by SIGKILL
alone, when its grace is over. Must not: signal a process that is not the program's.
"""

from __future__ import annotations

import asyncio
import os
import signal

from mooring.drivers.runtime.process import kernel
from mooring.drivers.runtime.process.status import Status
from mooring.errors import OutcomeUnknown

_KILL_PATIENCE = 10.0  # seconds that SIGKILL may take: a process within the kernel ends late


async def end(directory: str, *, stop_signal: int, grace: float, child: int = 0) -> None:
    """Returns when no process of the program lives.

    `child`: the supervisor's own process for it, if any. It is the main process, a launcher on its way to become that, or a
    stand-in for one that outlived an earlier supervisor (and ends with it).
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + grace
    launched = kernel.process(child) if child else None
    main = await asyncio.to_thread(_main_process, directory) or launched
    known = await asyncio.to_thread(_known, directory, main)
    if launched is not None:
        known[launched.pid] = launched
    if main is not None:
        _tell(main, stop_signal)
        await _wait_for(main, until=deadline)
    if await _until_nobody(directory, known, main, signal_number=stop_signal, until=deadline):
        return
    if not await _until_nobody(directory, known, main, signal_number=signal.SIGKILL, until=loop.time() + _KILL_PATIENCE):
        left = ", ".join(str(process.pid) for process in await asyncio.to_thread(_left, directory, known, main))
        raise OutcomeUnknown(f"processes {left} do not end, even by SIGKILL", where=directory)


def _main_process(directory: str) -> kernel.Process | None:
    status = Status.read(directory)
    return kernel.process(status.pid) if status.is_alive() else None


def _known(directory: str, main: kernel.Process | None) -> dict[int, kernel.Process]:
    """While the main process lives its group is surely its own; later only these and what carries the marker are."""
    return {process.pid: process for process in kernel.members(directory, leader=main.pid if main else 0)}


def _left(directory: str, known: dict[int, kernel.Process], main: kernel.Process | None) -> list[kernel.Process]:
    """`known` grows by what is found."""
    is_leading = main is not None and kernel.is_same(main.pid, main.ticks)
    found = _known(directory, main if is_leading else None)
    known.update(found)
    return [process for process in known.values() if process.pid in found or kernel.is_same(process.pid, process.ticks)]


def _tell(process: kernel.Process, signal_number: int) -> None:
    kernel.send(process, signal_number)
    kernel.send(process, signal.SIGCONT)


async def _wait_for(process: kernel.Process, *, until: float) -> None:
    """Until it has ended, or until that time of the loop."""
    loop = asyncio.get_running_loop()
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return
    ended = asyncio.Event()
    try:
        if not kernel.is_same(process.pid, process.ticks):
            return
        loop.add_reader(descriptor, ended.set)
        async with asyncio.timeout_at(until):
            await ended.wait()
    except TimeoutError:
        return
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


async def _until_nobody(
    directory: str, known: dict[int, kernel.Process], main: kernel.Process | None, *, signal_number: int, until: float
) -> bool:
    """Signal each that still lives (once; SIGKILL each time), look again ever less often; False when `until` has come."""
    loop = asyncio.get_running_loop()
    told: set[int] = set() if main is None else {main.pid}
    pause = 0.005
    while left := await asyncio.to_thread(_left, directory, known, main):
        for process in left:
            if process.pid not in told or signal_number == signal.SIGKILL:
                _tell(process, signal_number)
                told.add(process.pid)
        if loop.time() >= until:
            return False
        await asyncio.sleep(min(pause, max(0.0, until - loop.time())))
        pause = min(0.1, pause * 2)
    return True
