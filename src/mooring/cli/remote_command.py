"""A command on the server with this terminal attached: keys go there, its output comes here, byte for byte.

This is the one place where bytes reach the terminal as they are: the person asked for an interactive program of their own app.
Must not: leave the terminal in raw mode, whatever happens.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mooring.cli.session import Session
from mooring.usecases.requests import RunRequest

if TYPE_CHECKING:
    from types import FrameType

    from mooring.client.attached import Attached

CHUNK = 32_768


def run_remotely(session: Session, words: Sequence[str]) -> int:
    """Run it attached; gives its exit code, 128 + signal number when it was killed."""
    is_terminal = session.stdin.isatty() and session.out.is_terminal and not session.is_json
    columns, rows = shutil.get_terminal_size()
    request = RunRequest(command=tuple(words), terminal=is_terminal, rows=rows, columns=columns)
    with session.client.run(session.environment, request) as attached:
        threading.Thread(target=_send_input, args=(session.stdin.fileno(), attached), daemon=True).start()
        with _raw(session.stdin.fileno()) if is_terminal else _plain(), _resizing(attached, is_wanted=is_terminal):
            captured = _receive(session, attached)
        code = attached.wait()
    if session.is_json:
        session.answer({"command": list(words), "exit_code": code, **captured}, [])
    return code


def _receive(session: Session, attached: Attached) -> dict[str, str]:
    """Output as it comes; for JSON it is collected instead."""
    collected = {"stdout": b"", "stderr": b""}
    streams = {"stdout": session.out.stream, "stderr": session.err.stream}
    for name, chunk in attached.output():
        if session.is_json:
            collected[name] += chunk
        else:
            _write_all(streams[name].fileno(), chunk)
    return {name: written.decode("utf-8", "replace") for name, written in collected.items()}


def _write_all(descriptor: int, chunk: bytes) -> None:
    while chunk:
        chunk = chunk[os.write(descriptor, chunk) :]


def _send_input(descriptor: int, attached: Attached) -> None:
    """Until there is no more; runs in a thread of its own, which ends with the program."""
    try:
        while chunk := os.read(descriptor, CHUNK):
            attached.write(chunk)
    except OSError:
        pass  # the input was taken away: the same as its end
    attached.close_input()


@contextmanager
def _raw(descriptor: int) -> Iterator[None]:
    """Every key goes to the command, Ctrl-C too; the terminal is as before afterwards."""
    import termios
    import tty

    before = termios.tcgetattr(descriptor)
    try:
        tty.setraw(descriptor)
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


@contextmanager
def _plain() -> Iterator[None]:
    sys.stdout.flush()
    yield


@contextmanager
def _resizing(attached: Attached, *, is_wanted: bool) -> Iterator[None]:
    """Tell the command when the window has another size."""
    if not is_wanted:
        yield
        return

    def resized(_: int, __: FrameType | None) -> None:
        columns, rows = shutil.get_terminal_size()
        attached.resize(rows=rows, columns=columns)

    before = signal.signal(signal.SIGWINCH, resized)
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)
