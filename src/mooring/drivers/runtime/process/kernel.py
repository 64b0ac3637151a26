"""What the kernel says of processes: whether one still lives, and which belong to a program. Linux, through /proc.

A process is told from a later one of the same number by its start (in clock ticks since boot) and by the boot itself.
Read by the launcher before each start, so nothing heavy is imported. Must not: end a process.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # what `signal` wraps; that costs 7 ms at each start for its enums
import os
import time

MARKER = "MOORING_RUN_DIRECTORY"  # in the environment of every process of a program: names the program's own directory
_KERNEL_THREAD = 0x00200000  # PF_KTHREAD
_EXEC_LOOKS = 25
_EXEC_PAUSE = 0.002  # seconds
_bare: set[tuple[int, int]] = set()  # pid and start of processes that really have no environment, or do not show it to us


class Process:
    """One line of /proc, as it was read."""

    __slots__ = ("group", "is_of_kernel", "parent", "pid", "session", "ticks")

    def __init__(self, pid: int, *, parent: int, group: int, session: int, ticks: int, flags: int) -> None:
        self.pid = pid
        self.parent = parent
        self.group = group
        self.session = session
        self.ticks = ticks
        self.is_of_kernel = bool(flags & _KERNEL_THREAD)


def boot() -> str:
    """Names this boot of the machine."""
    return _content("/proc/sys/kernel/random/boot_id").decode().strip()


def process(pid: int) -> Process | None:
    """None when it is gone, or is a zombie: it runs nothing any more."""
    content = _content(f"/proc/{pid}/stat")
    if not content:
        return None
    rest = content[content.rindex(b")") + 2 :].split()  # the name before may hold anything, a parenthesis included
    if rest[0] in (b"Z", b"X"):
        return None
    return Process(pid, parent=int(rest[1]), group=int(rest[2]), session=int(rest[3]), ticks=int(rest[19]), flags=int(rest[6]))


def is_same(pid: int, ticks: int) -> bool:
    """Whether the process that had this number and start lives."""
    found = process(pid) if pid else None
    return found is not None and found.ticks == ticks


def processes() -> dict[int, Process]:
    """Every living process."""
    found = (process(int(name)) for name in os.listdir("/proc") if name.isdigit())  # noqa: PTH208 - pathlib costs 10 ms at each start
    return {each.pid: each for each in found if each is not None}


def members(directory: str, *, leader: int = 0) -> list[Process]:
    """The processes of the program of this directory: those that carry its marker, their groups and all they started.

    `leader` is its main process while that is known to live: then the group it leads counts whole, marked or not. One that was forked just
    now still is in the group of the supervisor, with everything else in it.
    """
    mark = f"\0{MARKER}={directory}\0".encode("utf-8", "surrogateescape")
    everyone = processes()
    chosen = {pid for pid, environment in _environments(everyone).items() if mark in b"\0" + environment}
    groups = {everyone[pid].group for pid in chosen if everyone[pid].group in chosen}
    if leader in everyone:
        chosen.add(leader)
        groups.add(leader)
    chosen |= {each.pid for each in everyone.values() if each.group in groups}
    _add_descendants(chosen, everyone)
    chosen.discard(os.getpid())
    return [everyone[pid] for pid in sorted(chosen)]


def _environments(everyone: dict[int, Process]) -> dict[int, bytes]:
    """Of each. Within an exec a process shows none for a moment: those that show none are asked again for a while, once."""
    asked = (pid for pid, each in everyone.items() if not each.is_of_kernel)
    found = {pid: _content(f"/proc/{pid}/environ") for pid in asked if os.access(f"/proc/{pid}/environ", os.R_OK)}
    bare = [pid for pid, environment in found.items() if not environment and (pid, everyone[pid].ticks) not in _bare]
    for _ in range(_EXEC_LOOKS):
        if not bare:
            return found
        time.sleep(_EXEC_PAUSE)
        found.update({pid: _content(f"/proc/{pid}/environ") for pid in bare})
        bare = [pid for pid in bare if not found[pid] and is_same(pid, everyone[pid].ticks)]
    _bare.update((pid, everyone[pid].ticks) for pid in bare)
    return found


def _add_descendants(chosen: set[int], everyone: dict[int, Process]) -> None:
    while True:
        more = {each.pid for each in everyone.values() if each.parent in chosen} - chosen
        if not more:
            return
        chosen |= more


def _content(path: str) -> bytes:
    """Empty when the process is gone, or is somebody else's."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        chunks = []
        while chunk := os.read(descriptor, 1 << 16):
            chunks.append(chunk)
        return b"".join(chunks)
    except OSError:
        return b""
    finally:
        os.close(descriptor)


def send(to: Process, signal: int) -> bool:
    """To that very process, never to a later one of the same number. False: it is gone, or not ours to signal."""
    try:
        descriptor = os.pidfd_open(to.pid)
    except OSError:
        return False
    try:
        if not is_same(to.pid, to.ticks):
            return False
        _signal.pidfd_send_signal(descriptor, signal)
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)


def restore_signals() -> None:
    """Python ignores these two, and what it execs would inherit that."""
    for number in (_signal.SIGPIPE, _signal.SIGXFSZ):
        _signal.signal(number, _signal.SIG_DFL)
