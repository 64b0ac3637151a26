"""The one place where a command's failure becomes words and an exit code. Nobody ever sees a traceback that they did not ask for.

Must not: hide an error, or print a secret (messages of MooringErrors hold none).
"""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from pathlib import Path

import click

from mooring.cli import exit_codes
from mooring.cli.render.errors import error_lines
from mooring.cli.session import Session
from mooring.errors import MooringError, NeedsPerson, UsageError


def report(session: Session, error: BaseException) -> int:
    """Say what was wrong; gives the exit code."""
    match error:
        case BrokenPipeError():
            return _pipe_closed()
        case KeyboardInterrupt() | click.Abort():
            session.err.write([()])
            return exit_codes.INTERRUPTED
        case MooringError():
            return _told(session, error)
        case click.ClickException():
            return _told(session, _usage(error))
        case _:
            return _unexpected(session, error)


def _told(session: Session, error: MooringError) -> int:
    session.err.write(error_lines(error, width=session.err.width))
    if session.is_json:
        from mooring.cli.render.documents import document, error_document

        session.out.write_raw(document(error_document(error)))
    return error.exit_code


def _usage(error: click.ClickException) -> UsageError:
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "mooring"
    return UsageError(" ".join(error.format_message().split()).rstrip("."), hint=f"`{path} --help` shows options and examples")


def _unexpected(session: Session, error: BaseException) -> int:
    details = "".join(traceback.format_exception(error))
    if session.is_debug:
        session.err.write_raw(details)
        hint = "this is a fault of Mooring; the details are above"
    else:
        hint = f"this is a fault of Mooring; the details are in {_kept(details)} (MOORING_DEBUG=1 shows them at once)"
    summary = f"{type(error).__name__}: {error}".rstrip(": ")
    return _told(session, NeedsPerson(f"something unexpected happened: {summary}", hint=hint))


def _kept(details: str) -> str:
    try:
        descriptor, name = tempfile.mkstemp(prefix="mooring-error-", suffix=".txt")
        os.close(descriptor)
        Path(name).write_text(details, encoding="utf-8", errors="backslashreplace")
    except OSError:
        return "no file, since none could be written"
    return name


def _pipe_closed() -> int:
    """Nobody reads any more. Standard output is pointed nowhere, else Python complains once more at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return exit_codes.PIPE_CLOSED
