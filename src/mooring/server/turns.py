"""Whose turn it is to start or stop the platform's programs: `up`, `down` and the controller's look at the supervisor take turns.

The lock ends with the process that holds it, whatever ends that. Must not: start or stop anything.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LOCK = "up.lock"


@contextmanager
def one_at_a_time(state: Path) -> Iterator[None]:
    """Two `up`s, or an `up` and a `down`, wait for each other."""
    descriptor = _opened(state)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def if_nobody_else(state: Path) -> Iterator[bool]:
    """Whether it is our turn: False, without waiting, while an `up` or a `down` is at work. Those wait until the block has ended."""
    descriptor = _opened(state)
    try:
        yield _is_taken(descriptor)
    finally:
        os.close(descriptor)


def _is_taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _opened(state: Path) -> int:
    return os.open(state / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
