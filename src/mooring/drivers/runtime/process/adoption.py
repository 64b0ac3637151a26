"""Stands in for a process that outlived its supervisor, so that the next supervisor has a child to wait for and to stop.

The old process goes on serving, untouched. What this stand-in is sent, it hands on; when the old process ends, so does this, and
the supervisor starts the program anew. Must not: start a second copy.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from types import FrameType

from mooring.drivers.runtime.process import kernel
from mooring.drivers.runtime.process.status import Status

_HANDED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH)


def attend(earlier: Status) -> None:
    """Until it has ended; does not return."""
    main = kernel.process(earlier.pid)
    if main is None or main.ticks != earlier.ticks:
        sys.exit(0)
    try:
        descriptor = os.pidfd_open(main.pid)
    except ProcessLookupError:
        sys.exit(0)

    def hand_on(number: int, _: FrameType | None) -> None:
        kernel.send(main, number)

    for number in _HANDED_ON:
        signal.signal(number, hand_on)
    waiting = select.poll()
    waiting.register(descriptor, select.POLLIN)
    while kernel.is_same(main.pid, main.ticks):
        waiting.poll(10_000)
    sys.exit(0)
