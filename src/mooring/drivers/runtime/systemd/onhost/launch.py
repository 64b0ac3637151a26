"""The four moments of a unit's life, each a line of its unit file: before, become (the app itself), ending, after.

  - `before` counts lives: after three short ones in a row it waits 1, 2, 4 … 60 seconds, whatever systemd's version knows of that.
  - `become` reads the app's command, directory and environment from a credential, and turns into the app by exec.
  - `ending` signals the main process alone; when it has gone, what is left gets the same signal; at the end of the grace, SIGKILL.
    That lets servers finish what is in flight, whoever of them waits for whom.
  - `after` records how it ended, and what a one-off's end was.
All but `become` run with the rights of systemd itself. Must not: put anything of the app's into an argument list.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import time

from mooring.drivers.runtime.systemd.onhost import record

LONG_LIFE = 60.0  # seconds after which a life was no short one
QUICK_STARTS = 3  # short lives before it waits
LONGEST_WAIT = 60.0
CREDENTIAL = "mooring.launch"
_KILLED_CHILD = 137  # how a shell says that SIGKILL ended what it waited for
TIMED_OUT = 124  # as timeout(1) says it
_LEFT_PATIENCE = 2.0  # seconds that what a dead process has left gets to end by itself
_JOURNAL = "/run/systemd/journal/stdout"
_INFO, _ERROR = 6, 3  # priorities of the journal; they tell standard output from standard error. Source: syslog(3)


def before(directory: str) -> None:
    now = record.read(f"{directory}/status.json")
    boot = _boot()
    ended = record.read(f"{directory}/exit.json")
    if now.get("starts") and now.get("boot") == boot and not ended.get("asked"):
        lived = time.monotonic() - float(now.get("began", 0.0))
        now["short_lives"] = int(now.get("short_lives", 0)) + 1 if lived < LONG_LIFE else 0
    else:
        now["short_lives"] = 0
    if now["short_lives"] >= QUICK_STARTS:
        seconds = min(LONGEST_WAIT, 2.0 ** (now["short_lives"] - QUICK_STARTS))
        record.write(f"{directory}/status.json", {**now, "retry_at": time.time() + seconds})
        time.sleep(seconds)
    now.update(starts=int(now.get("starts", 0)) + 1, boot=boot, began=time.monotonic(), started_at=time.time(), retry_at=0.0)
    record.write(f"{directory}/status.json", now)


def become(*, is_attached: bool) -> None:
    """Does not return. `is_attached`: somebody reads its outputs, and not the journal; a first byte tells them that both ends are open."""
    credentials = os.environ["CREDENTIALS_DIRECTORY"]
    with open(f"{credentials}/{CREDENTIAL}", "rb") as file:
        launch = json.loads(file.read())
    environment = {"HOME": os.environ.get("STATE_DIRECTORY") or os.environ.get("HOME", "/"), "CREDENTIALS_DIRECTORY": credentials}
    environment.update(launch["environment"])
    environment.update({f"{name}_FILE": f"{credentials}/{name}" for name in launch["files"]})
    if is_attached:
        os.write(1, b"\0")
    else:
        _tell_errors_apart()
    os.umask(0o027)
    try:
        os.chdir(launch["directory"])
        os.execvpe(
            launch["argv"][0],
            [_bytes(word) for word in launch["argv"]],
            {_bytes(name): _bytes(value) for name, value in environment.items()},
        )
    except OSError as error:
        print(f"mooring: {error.filename or launch['argv'][0]}: {error.strerror}", file=sys.stderr, flush=True)
        os._exit(126 if isinstance(error, PermissionError) else 127)


def ending(directory: str) -> None:
    main = int(os.environ.get("MAINPID") or 0)
    launch = record.read(f"{directory}/launch")
    number = getattr(signal, f"SIG{launch.get('stop_signal', 'TERM')}")
    asked = record.read(f"{directory}/asked.json")
    grace = float(asked.get("grace", launch.get("grace", 10.0))) if main else _LEFT_PATIENCE
    deadline = time.monotonic() + grace
    told = set()
    if main:
        record.write(f"{directory}/asked.json", {"grace": grace})
        _send(main, number)
        told.add(main)
        while os.path.exists(f"/proc/{main}") and not _is_dead(main) and time.monotonic() < deadline:
            time.sleep(0.01)
    while left := _members():
        for pid in left:
            if time.monotonic() >= deadline:
                _send(pid, signal.SIGKILL)
            elif pid not in told:
                _send(pid, number)
                told.add(pid)
        time.sleep(0.01)


def after(directory: str) -> None:
    ended = {"code": _code(), "signal": _signal(), "at": time.time(), "asked": os.path.exists(f"{directory}/asked.json")}
    ended["is_out_of_memory"] = os.environ.get("SERVICE_RESULT") == "oom-kill" or (
        _killed_for_memory(directory) and (ended["signal"] == "SIGKILL" or ended["code"] == _KILLED_CHILD)
    )
    record.remove(f"{directory}/asked.json")
    if not record.read(f"{directory}/status.json").get("retry_at"):  # else it was only waiting to be started
        record.write(f"{directory}/exit.json", ended)


def after_task(directory: str) -> None:
    """Its secrets, no longer needed, are gone before its end is seen."""
    record.remove(f"{directory}/launch")
    folder = f"{directory}/secrets"
    for name in os.listdir(folder) if os.path.isdir(folder) else ():
        record.remove(f"{folder}/{name}")
    code = _code()
    if os.environ.get("SERVICE_RESULT") == "timeout":
        code = TIMED_OUT
    elif code is None:
        code = 128 + int(getattr(signal, str(_signal()), 0))
    record.write(f"{directory}/result.json", {"code": code})


def _code() -> int | None:
    """None when a signal ended it. Source: systemd.exec(5), $EXIT_CODE and $EXIT_STATUS."""
    return int(os.environ.get("EXIT_STATUS") or 0) if os.environ.get("EXIT_CODE") == "exited" else None


def _signal() -> str:
    return "" if os.environ.get("EXIT_CODE") == "exited" else f"SIG{os.environ.get('EXIT_STATUS', '')}"


def _killed_for_memory(directory: str) -> bool:
    """Whether the kernel counted one more killing in the unit's control group; version 1 tells systemd nothing of it."""
    found = _group("memory")
    if found is None:
        return False
    for name in ("memory.events", "memory.oom_control"):
        with contextlib.suppress(OSError), open(f"{found}/{name}") as file:
            counts = dict(line.split()[:2] for line in file if len(line.split()) == 2)
            now = {"group": os.stat(found).st_ino, "count": int(counts.get("oom_kill", "0"))}
            seen = record.read(f"{directory}/memory.json")
            record.write(f"{directory}/memory.json", now)
            new = now["count"] - (seen["count"] if seen.get("group") == now["group"] else 0)
            return new > 0
    return False


def _group(controller: str) -> str | None:
    """The directory of this process's control group: of that controller in version 1, else the one there is in version 2."""
    with open("/proc/self/cgroup") as file:
        rows = [line.rstrip("\n").split(":", 2) for line in file]
    for _, controllers, path in rows:
        if controller in controllers.split(","):
            return f"/sys/fs/cgroup/{controller.replace('name=', '')}{path}"
    return next((f"/sys/fs/cgroup{path}" for _, controllers, path in rows if not controllers), None)


def _members() -> list[int]:
    """The unit's processes, this one left out."""
    group = _group("name=systemd")
    if group is None:
        return []
    with contextlib.suppress(OSError), open(f"{group}/cgroup.procs") as file:
        return [pid for pid in map(int, file.read().split()) if pid != os.getpid() and not _is_dead(pid)]
    return []


def _is_dead(pid: int) -> bool:
    """A zombie waits only for its parent."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] in ("Z", "X")
    except OSError:
        return True


def _send(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _boot() -> str:
    with open("/proc/sys/kernel/random/boot_id") as file:
        return file.read().strip()


def _tell_errors_apart() -> None:
    """A stream of its own for standard error. Source: systemd, docs/JOURNAL_NATIVE_PROTOCOL and sd_journal_stream_fd(3)."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as stream:
        stream.connect(_JOURNAL)
        stream.sendall(f"mooring\n\n{_ERROR}\n0\n0\n0\n0\n".encode())
        stream.shutdown(socket.SHUT_RD)
        os.dup2(stream.fileno(), 2)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
