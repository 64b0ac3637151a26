"""The lines of units in the host's journal. Which units are told is remembered in `known/`: forgetting a release forgets its units there.

The journal itself keeps lines as long as its own limits say; nothing of it is removed here. Must not: redact (the caller knows secrets).
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import subprocess
import time
from collections.abc import Iterator
from typing import Any

from mooring.drivers.runtime.systemd.onhost import record
from mooring.drivers.runtime.systemd.onhost.place import Place

_MOST = 6_000_000  # characters of one answer
_LOOK = 0.2  # seconds between two looks whether another unit has come
_GATHER = 0.05  # seconds in which more lines may join the first
_SOCKET = "/run/systemd/journal/socket"  # source: systemd, docs/JOURNAL_NATIVE_PROTOCOL
_SETTLED_WITHIN = 2.0  # seconds
_FIELDS = "MESSAGE,PRIORITY,_SYSTEMD_UNIT,_SYSTEMD_USER_UNIT"


def remember(place: Place, unit: str, spec: dict[str, Any]) -> None:
    """From its first start on its lines are told; what a unit of that name said earlier is not."""
    folder = place.path("known", spec["environment_slug"])
    path = f"{folder}/{unit}.json"
    if not os.path.exists(path):
        record.make_directory(folder)
        record.write(path, {"unit": unit, **spec["log"], "since": int(time.time() * 1_000_000)})


def forget(place: Place, environment: str, releases: list[int] | None) -> int:
    """Bytes freed: of what was remembered here."""
    freed = 0
    for known in _known(place, {"environment": environment}):
        if releases is None or known["release"] in releases:
            path = f"{place.path('known', environment)}/{known['unit']}.json"
            with contextlib.suppress(OSError):
                freed += os.stat(path).st_size
            record.remove(path)
    return freed


def history(place: Place, asked: dict[str, Any]) -> dict[str, Any]:
    """The last lines of each unit, oldest first over all; and from where the following goes on."""
    now = int(time.time() * 1_000_000)
    _settle(place)
    lines: list[list[Any]] = []
    for known in _known(place, asked):
        lines += [line for line in _lines(place, [known], "-n", str(asked["lines"])) if line[0] < now or not asked["follow"]]
    return {"lines": _newest(sorted(lines, key=_when)), "place": [now, []]}


def follow(place: Place, asked: dict[str, Any]) -> dict[str, Any]:
    """What came since; where nothing did, waits for it up to `wait` seconds.

    `place` is a time in microseconds, and which entries of that very moment were told. The journal's own `--after-cursor` leaves out an
    entry where its cursor's is not among those asked for (systemd 252).
    """
    at, told = asked["place"]
    known = _known(place, asked)
    if not known:  # to match nothing would be to match everything
        time.sleep(_LOOK)
        return {"lines": [], "place": [at, told]}
    since = f"--since=@{at // 1_000_000}.{at % 1_000_000:06d}"
    lines, size = [], 0
    for entry in _entries(_command(place, known, "--follow", "--no-tail", since), time.monotonic() + float(asked["wait"])):
        if size > _MOST or len(_known(place, asked)) != len(known):
            break  # another unit has come, which may have said something before this: what comes next is asked of both
        if not entry or (line := _line(entry, known)) is None or line[0] < at or entry["__CURSOR"] in told:
            continue
        at, told = line[0], [*(told if line[0] == at else []), entry["__CURSOR"]]
        lines.append(line)
        size += len(line[4])
    return {"lines": lines, "place": [at, told]}


def last_lines(place: Place, unit: str, count: int) -> list[str]:
    _settle(place)
    folder = place.path("known")
    for environment in os.listdir(folder) if os.path.isdir(folder) else ():
        known = record.read(f"{folder}/{environment}/{unit}.json")
        if known:
            return [line[4] for line in _lines(place, [known], "-n", str(count))] if count else []
    return []


def _known(place: Place, asked: dict[str, Any]) -> list[dict[str, Any]]:
    folder = place.path("known", asked["environment"])
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    rows = [row for name in names if (row := record.read(f"{folder}/{name}")) and name.endswith(".json")]
    wanted = {name: asked[name] for name in ("process", "slot", "release") if asked.get(name) is not None}
    return [row for row in rows if all(row[name] == value for name, value in wanted.items())]


def _settle(place: Place) -> None:
    """What was written is in the journal. Only root can ask for that; anybody else writes a line, and waits until it is there."""
    if place.is_root:
        subprocess.run(["journalctl", "--sync"], capture_output=True, stdin=subprocess.DEVNULL, timeout=30)
        return
    token, deadline = f"MOORING_SETTLED={os.urandom(8).hex()}", time.monotonic() + _SETTLED_WITHIN
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.sendto(f"MESSAGE=\nPRIORITY=7\n{token}\n".encode(), _SOCKET)
    while time.monotonic() < deadline:
        found = subprocess.run(["journalctl", "--quiet", "-n", "1", token], capture_output=True, stdin=subprocess.DEVNULL, timeout=30)
        if found.stdout.strip():
            return
        time.sleep(0.02)


def _command(place: Place, known: list[dict[str, Any]], *words: str) -> list[str]:
    field = "_SYSTEMD_UNIT" if place.is_root else "_SYSTEMD_USER_UNIT"
    matches = [f"{field}={each['unit']}" for each in known]
    return [
        "journalctl",
        "--quiet",
        "--no-pager",
        "--all",
        "--output=json",
        f"--output-fields={_FIELDS}",
        *words,
        "_TRANSPORT=stdout",
        *matches,
    ]


def _lines(place: Place, known: list[dict[str, Any]], *words: str) -> list[list[Any]]:
    done = subprocess.run(_command(place, known, *words), capture_output=True, stdin=subprocess.DEVNULL, timeout=60)
    entries = (json.loads(row) for row in done.stdout.splitlines() if row)
    return [line for entry in entries if (line := _line(entry, known))]


def _line(entry: dict[str, Any], known: list[dict[str, Any]]) -> list[Any] | None:
    """Microseconds, source, release, stream, text. None for what was said before the unit was this one."""
    at = int(entry["__REALTIME_TIMESTAMP"])
    unit = entry.get("_SYSTEMD_USER_UNIT") or entry.get("_SYSTEMD_UNIT")
    row = next((each for each in known if each["unit"] == unit), None)
    if row is None or at < row["since"]:
        return None
    return [at, row["source"], row["release"], "stderr" if entry.get("PRIORITY") == "3" else "stdout", _text(entry.get("MESSAGE"))]


def _text(message: Any) -> str:
    """The journal gives what is no UTF-8 text as numbers."""
    return bytes(message).decode("utf-8", "replace") if isinstance(message, list) else str(message or "")


def _entries(command: list[str], deadline: float) -> Iterator[dict[str, Any]]:
    """Until a moment after the first, or the deadline; an empty one each time when there is none to be had."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    assert process.stdout is not None
    descriptor, kept = process.stdout.fileno(), b""
    try:
        while (left := deadline - time.monotonic()) > 0:
            if not select.select([descriptor], [], [], min(left, _LOOK))[0]:
                yield {}
                continue
            chunk = os.read(descriptor, 1 << 16)
            if not chunk:
                return
            *rows, kept = (kept + chunk).split(b"\n")
            for row in rows:
                yield json.loads(row)
            deadline = min(deadline, time.monotonic() + _GATHER)
    finally:
        process.kill()
        process.wait()


def _newest(lines: list[list[Any]]) -> list[list[Any]]:
    size, kept = 0, len(lines)
    while kept and size < _MOST:
        kept -= 1
        size += len(lines[kept][4]) + 80
    return lines[kept:]


def _when(line: list[Any]) -> int:
    return int(line[0])
