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
from mooring.errors import UsageError
from mooring.usecases.requests import ExecRequest, RunRequest

if TYPE_CHECKING:
    from types import FrameType

    from mooring.cli.target import Target
    from mooring.client.attached import Attached

CHUNK = 32_768
_ENDINGS = (signal.SIGTERM, signal.SIGHUP)


def run_remotely(session: Session, words: Sequence[str]) -> int:
    """Run it attached, in a fresh place; gives its exit code, 128 + signal number when it was killed."""
    is_terminal = session.stdin.isatty() and session.out.is_terminal and not session.is_json
    columns, rows = shutil.get_terminal_size()
    request = RunRequest(command=tuple(words), terminal=is_terminal, rows=rows, columns=columns)
    with session.client.run(session.environment, request) as attached:
        return _attended(session, attached, words, is_terminal=is_terminal, takes_input=True)


def run_inside(session: Session, target: Target, words: Sequence[str], *, takes_input: bool, is_terminal: bool) -> int:
    """Likewise, where an instance runs. Raises UsageError where a terminal is asked for and there is none."""
    if is_terminal and (session.is_json or not (session.stdin.isatty() and session.out.is_terminal)):
        raise UsageError("-t takes a terminal, and this is none", hint="leave it away: then input and output are piped")
    columns, rows = shutil.get_terminal_size()
    request = ExecRequest(process=target.process, slot=target.slot, command=tuple(words), terminal=is_terminal, rows=rows, columns=columns)
    is_typed_for_it = takes_input or is_terminal or not session.stdin.isatty()
    with session.client.enter(session.environment, request) as attached:
        return _attended(session, attached, words, is_terminal=is_terminal, takes_input=is_typed_for_it)


def _attended(session: Session, attached: Attached, words: Sequence[str], *, is_terminal: bool, takes_input: bool) -> int:
    descriptor = session.stdin.fileno()
    with _raw(descriptor) if is_terminal else _plain(), _resizing(attached, is_wanted=is_terminal):
        if takes_input:
            threading.Thread(target=_send_input, args=(descriptor, attached), daemon=True).start()
        else:
            attached.close_input()
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
    handlers = {number: signal.signal(number, _killed) for number in _ENDINGS}
    try:
        tty.setraw(descriptor, termios.TCSADRAIN)  # what was typed ahead is for the command
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _killed(number: int, _: FrameType | None) -> None:
    """So that what is to be done at the end is done."""
    raise SystemExit(128 + number)


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
