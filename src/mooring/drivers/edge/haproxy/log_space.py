"""Keeps the access log bounded while HAProxy goes on writing to the same file: its oldest part is cut out and leaves a hole.

HAProxy holds the file open and cannot be told to open another. A hole takes no space, and loses no line that is written meanwhile.
Source: fallocate(2), FALLOC_FL_PUNCH_HOLE. Must not: cut what is newer than what is to be kept.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from mooring.errors import Unavailable

BLOCK = 512  # bytes, as stat(2) counts space
SLACK = 1.25  # cut only when so much more is there


def cut(log: Path, *, kept: int) -> bool:
    """Leave the newest `kept` bytes once there are clearly more; whether anything was cut. Raises Unavailable."""
    try:
        found = log.stat()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise Unavailable(f"the edge's access log {log} cannot be seen: {error.strerror}") from error
    if found.st_blocks * BLOCK <= kept * SLACK:
        return False
    command = ("fallocate", "--punch-hole", "--offset", "0", "--length", str(found.st_size - kept), str(log))
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=60)  # noqa: S603 - an argument list
    except (OSError, subprocess.SubprocessError) as error:
        hint = "its file system must support holes, as ext4 and xfs do"
        raise Unavailable(f"the edge's access log {log} cannot be cut", hint=hint) from error
    return True
