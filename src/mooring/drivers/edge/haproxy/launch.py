"""Becomes HAProxy, with the access log as its standard output: `python -m mooring.drivers.edge.haproxy.launch LOG PROGRAM ARGUMENTS…`.

HAProxy writes its log to a file descriptor that it is given, and to no file by itself. Must not: stay.
"""

from __future__ import annotations

import os
import sys

APPENDING = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW

if __name__ == "__main__":
    log, program, *arguments = sys.argv[1:]
    os.dup2(os.open(log, APPENDING, 0o600), 1)
    os.execv(program, [program, *arguments])  # noqa: S606 - an argument list, from the supervisor's record
