"""The command of a check: a unit that passes, of the same user as its instance, in the same place and with the same variables.

Must not: leave anything running or written, or go on when its time is over.
"""

from __future__ import annotations

import os
import selectors
import sys
import time
from typing import Any

from mooring.drivers.runtime.systemd.onhost import record, sessions, units
from mooring.drivers.runtime.systemd.onhost.place import Place

_CHUNK = 65_536
_LINE = 1_000  # bytes of the last line that are told
_BEGUN = b"\0"  # launch.py's own first byte


def check(place: Place, asked: dict[str, Any]) -> dict[str, Any]:
    """`code` None: it did not end within `asked["seconds"]`. Raises Failed where it cannot be begun."""
    deadline = time.monotonic() + float(asked["seconds"])
    with sessions.placed(place, asked["name"]) as (folder, unit):
        spec = sessions.within(place, asked)
        sessions.lay_out(folder, spec)
        output = _output(folder)
        try:
            text = units.check_unit(
                spec,
                directory=place.directory,
                run=folder,
                program=place.program,
                python=sys.executable,
                is_root=place.is_root,
                seconds=float(asked["seconds"]),
            )
            sessions.put(place, unit, text)
            return _ended(place, unit, output, deadline)
        finally:
            os.close(output)


def _output(folder: str) -> int:
    path = f"{folder}/output"
    os.mkfifo(path)
    os.chmod(path, 0o666)  # noqa: S103 - the app's own user may open it again; nobody else comes into the folder
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)


def _ended(place: Place, unit: str, output: int, deadline: float) -> dict[str, Any]:
    waiting = place.starting(unit)
    ended = os.pidfd_open(waiting.pid)
    try:
        heard, has_ended = _heard(output, ended, deadline)
    finally:
        os.close(ended)
        waiting.kill()
        failure = waiting.communicate()[1].decode(errors="replace").strip()
    if not has_ended:
        return {"code": None, "said": ""}
    if not heard.startswith(_BEGUN):
        raise record.Failed(
            "unavailable", f"the check was not started: {failure[-300:]}", f"`journalctl -u {unit}` on the host may say why"
        )
    lines = heard.removeprefix(_BEGUN).strip().splitlines()
    return {"code": sessions.exit_code(place, unit), "said": lines[-1][:_LINE].decode(errors="replace") if lines else ""}


def _heard(output: int, ended: int, deadline: float) -> tuple[bytes, bool]:
    """How it begins and the end of what it says, and whether it ended in time."""
    heard = b""
    with selectors.DefaultSelector() as selector:
        for descriptor in (output, ended):
            selector.register(descriptor, selectors.EVENT_READ)
        while (left := deadline - time.monotonic()) > 0:
            ready = {key.fd for key, _ in selector.select(left)}
            if output in ready:
                chunk = _piece(output)
                heard = _kept(heard, chunk)
                if not chunk:
                    selector.unregister(output)
            if ended in ready:  # with all that it started: what is left to be read does not grow any more
                while chunk := _piece(output):
                    heard = _kept(heard, chunk)
                return heard, True
    return heard, False


def _piece(output: int) -> bytes:
    """Empty where nothing is there."""
    try:
        return os.read(output, _CHUNK)
    except BlockingIOError:
        return b""


def _kept(heard: bytes, chunk: bytes) -> bytes:
    whole = heard + chunk
    return whole[:1] + whole[1:][-_CHUNK:]
