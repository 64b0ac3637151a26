"""The entry point: quick answers without imports, then the command that was asked for, then its exit code. Must not: know commands."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mooring.cli.session import Session

HELP_WORDS: tuple[list[str], ...] = (["--help"], ["-h"], ["help"], [])
COMPLETION = "_MOORING_COMPLETE"  # set by the script that `mooring completion` gives to a shell
VERSION_WORDS = (["--version"], ["version"])


def main() -> None:
    """The program `mooring`."""
    arguments = sys.argv[1:]
    try:
        code = _quick_answer(arguments) if COMPLETION not in os.environ else run(arguments)
    except KeyboardInterrupt:  # while the program was still being loaded
        code = 130
    sys.exit(code)


def _quick_answer(arguments: list[str]) -> int:
    if arguments in HELP_WORDS:
        from mooring.cli.help_page import root_help

        return _printed(root_help())
    if arguments in VERSION_WORDS:
        from mooring import __version__

        return _printed(f"mooring {__version__}\n")
    if arguments[0] == "help":
        return run([*arguments[1:], "--help"])
    return run(arguments)


def _printed(text: str) -> int:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return 0


def run(arguments: Sequence[str], session: Session | None = None) -> int:
    """Run one command line; gives its exit code and never raises."""
    from mooring.cli.failure import report

    try:
        session = session or _session()
    except FileNotFoundError:
        sys.stderr.write("mooring: the directory that you stand in has been removed: cd somewhere else\n")
        return 2
    try:
        return _invoked(list(arguments), session)
    except (Exception, KeyboardInterrupt) as error:
        session.is_json = session.is_json or "--json" in arguments
        return report(session, error)


def _invoked(arguments: list[str], session: Session) -> int:
    """Not click's own `main`, which ends the program itself when a pipe closes."""
    from click.exceptions import Exit

    from mooring.cli.group import root

    _check_text(arguments)
    group = root()
    if COMPLETION in os.environ:
        group.main(args=arguments, prog_name="mooring", complete_var=COMPLETION)
    try:
        with group.make_context("mooring", arguments, obj=session) as context:
            code = group.invoke(context)
    except Exit as asked:
        return asked.exit_code
    return code if isinstance(code, int) else 0


def _check_text(arguments: Sequence[str]) -> None:
    """Bytes that are no UTF-8 cannot travel in JSON: refused here, rather than changed on the way. Raises InvalidInput."""
    from mooring.errors import InvalidInput

    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError:
            raise InvalidInput(f"an argument is not UTF-8 text: {argument!a}", hint="encode it, for example with base64") from None


def _session() -> Session:
    from mooring.cli.session import Session

    return Session(stdin=sys.stdin, stdout=sys.stdout, stderr=sys.stderr, variables=os.environ, directory=Path.cwd())
