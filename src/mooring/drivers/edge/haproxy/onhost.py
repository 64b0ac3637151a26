"""What is done on the host of an edge in one go: run there by its own Python, with a request in JSON on standard input and an answer back.

Under one lock the fences are compared and raised, and then files are put, or HAProxy is told something: an older controller's effect is
refused here. Standard library only, nothing of Mooring's besides. Must not: put a secret into an argument list, or end half way.

    DIRECTORY/            what HAProxy reads, its owner's; lock; fences/<environment>, the highest number seen
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import zlib
from typing import Any

BLOCK = 1 << 20
WITHIN = 5.0  # seconds for an answer of HAProxy
STARTED_WITHIN = 10.0  # seconds
OWN = ("fences", "log", "lock", "waited-for")  # what is not put there
STAT_BLOCK = 512  # bytes, as stat(2) counts space
SLACK = 1.25


class Failed(Exception):
    """`kind` is the code of the error that the controller raises."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def put(asked: dict[str, Any]) -> dict[str, Any]:
    """Files by their names below the directory. `names`, where it is there: all that there are to be."""
    directory = asked["directory"]
    for name, text in asked["files"].items():
        if read(os.path.join(directory, name)) != text.encode():
            write(directory, name, text.encode())
    if asked.get("names") is not None:
        kept = set(asked["names"])
        for found in present(directory):
            if found not in kept:
                os.unlink(os.path.join(directory, found))
    return {}


def start(asked: dict[str, Any]) -> dict[str, Any]:
    """The unit runs, now and after the host boots, and HAProxy answers."""
    if os.path.exists(f"/etc/systemd/system/multi-user.target.wants/{asked['unit']}") and answers(asked["socket"]):
        return {}
    done = subprocess.run(["systemctl", "enable", "--now", asked["unit"]], capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise Failed("unavailable", f"{asked['unit']} does not start: {done.stderr.strip()[-300:]}")
    until = time.monotonic() + STARTED_WITHIN
    while not answers(asked["socket"]):
        if time.monotonic() > until:
            words = ["journalctl", "--unit", asked["unit"], "--lines", "20", "--output", "cat", "--quiet"]
            said = subprocess.run(words, capture_output=True, text=True, timeout=60).stdout.splitlines()
            why = next((line for line in reversed(said) if "ALERT" in line), said[-1] if said else "it said nothing")
            raise Failed("unavailable", f"the edge (HAProxy) does not start: {why[-300:]}")
        time.sleep(0.05)
    return {}


def answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(path)
        except OSError:
            return False
    return True


def tell(asked: dict[str, Any]) -> dict[str, Any]:
    """Lines to HAProxy's command socket, each on a connection of its own; their answers one after the other."""
    said: list[str] = []
    for line in asked["lines"]:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(WITHIN)
            try:
                connection.connect(asked["socket"])
            except OSError as error:
                raise Failed("unavailable" if not said else "outcome-unknown", "the edge (HAProxy) does not run") from error
            connection.sendall(line.encode())
            connection.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: connection.recv(BLOCK), b""))
        if not answer:
            raise Failed("outcome-unknown", "the edge (HAProxy) said nothing")
        said.append(answer.decode(errors="replace"))
    return {"said": "".join(said)}


def lines(asked: dict[str, Any]) -> dict[str, Any]:
    """Lines of the access log that name the environment and ended at `since` (microseconds) or later; from the newest back."""
    mine, since, found = asked["mine"].encode(), asked["since"], []
    path = os.path.join(asked["directory"], "log", "access.log")
    if not os.path.exists(path):
        return {"lines": ""}
    with open(path, "rb") as log:
        end, rest = log.seek(0, os.SEEK_END), b""
        while end > 0:
            begin = max(0, end - BLOCK)
            log.seek(begin)
            block = log.read(end - begin) + rest
            first, _, whole = block.partition(b"\n") if begin else (b"", b"", block)
            rest, end = first + b"\n", begin
            found += [line for line in whole.splitlines() if mine in line and ended(line) >= since]
            oldest = next((at for line in whole.splitlines() if (at := ended(line))), 0)
            if not block.strip(b"\0\n") or 0 < oldest < since:
                break
    return {"lines": base64.b64encode(zlib.compress(b"\n".join(found))).decode()}


def cut(asked: dict[str, Any]) -> dict[str, Any]:
    """The newest bytes of the access log stay, once there are clearly more; the rest becomes a hole."""
    path = os.path.join(asked["directory"], "log", "access.log")
    found = os.stat(path) if os.path.exists(path) else None
    if found is not None and found.st_blocks * STAT_BLOCK > asked["kept"] * SLACK:
        length = str(found.st_size - asked["kept"])
        done = subprocess.run(["fallocate", "--punch-hole", "--offset", "0", "--length", length, path], capture_output=True, timeout=60)
        if done.returncode:
            raise Failed("unavailable", f"the edge's access log {path} cannot be cut: its file system must support holes")
    return {}


def waited(asked: dict[str, Any]) -> dict[str, Any]:
    """For whom requests have waited since this was asked last: HAProxy makes an empty file for each."""
    place = os.path.join(asked["directory"], "waited-for")
    names = os.listdir(place) if os.path.isdir(place) else []
    for name in names:
        os.unlink(os.path.join(place, name))
    return {"names": names}


def forget(asked: dict[str, Any]) -> dict[str, Any]:
    """Who waited for it has got an answer."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(os.path.join(asked["directory"], "waited-for", os.path.basename(asked["slug"])))
    return {}


def ended(line: bytes) -> int:
    found = re.search(rb'"end":(\d{1,17})', line)
    return int(found[1]) if found else 0


def check(directory: str, fences: dict[str, int]) -> None:
    """Compared first, then raised, under the lock."""
    place = os.path.join(directory, "fences")
    os.makedirs(place, mode=0o700, exist_ok=True)
    seen = {slug: int(read(os.path.join(place, slug)) or 0) for slug in fences}
    for slug, fence in fences.items():
        if fence < seen[slug]:
            raise Failed("stale-fence", f"number {fence} of {slug} is older than {seen[slug]}: another controller has taken over")
    for slug, fence in fences.items():
        if fence > seen[slug]:
            write(directory, f"fences/{slug}", str(fence).encode())


def read(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


def write(directory: str, name: str, content: bytes) -> None:
    """In one step, for the directory's owner alone."""
    path, owner = os.path.join(directory, name), os.stat(directory)
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        os.makedirs(folder, mode=0o700)
        os.chown(folder, owner.st_uid, owner.st_gid)
    beside = os.path.join(folder, f".{os.path.basename(path)}.new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        os.fchown(descriptor, owner.st_uid, owner.st_gid)
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    os.replace(beside, path)


def present(directory: str) -> list[str]:
    """Every file that was put there."""
    found = []
    for folder, folders, files in os.walk(directory):
        if folder == directory:
            folders[:] = [each for each in folders if each not in OWN]
        found += [os.path.relpath(os.path.join(folder, file), directory) for file in files]
    return [each for each in found if each not in OWN]


def main() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the connection may break: an effect that has begun ends
    asked = json.load(sys.stdin)
    free = {"lines": lines, "waited": waited}  # no controller's effect, so under no fence
    fenced = {"put": put, "start": start, "tell": tell, "cut": cut, "forget": forget}
    try:
        if not os.path.isdir(asked["directory"]):
            raise Failed("unavailable", f"there is no edge on this host: {asked['directory']} is not there")
        if asked["verb"] in free:
            answer: dict[str, Any] = {"done": free[asked["verb"]](asked)}
        else:
            with open(os.path.join(asked["directory"], "lock"), "a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                check(asked["directory"], asked["fences"])
                answer = {"done": fenced[asked["verb"]](asked)}
    except Failed as failure:
        answer = {"failed": [failure.kind, str(failure)]}
    except (OSError, subprocess.SubprocessError) as error:
        answer = {"failed": ["outcome-unknown", f"{type(error).__name__}: {error}"]}
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
