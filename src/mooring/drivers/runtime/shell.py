"""What every runtime reads alike: the app's own command line, as `/bin/sh -c` gets it; names of signals and of one-offs.

Must not: put anything into a command, or run it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from mooring.errors import InvalidInput, InvalidName, Unavailable

SHELL = "/bin/sh"
_NAME = re.compile(r"\A[A-Za-z0-9][A-Za-z0-9_.-]{0,79}\Z")
_SIGNAL = re.compile(r"\A(?:SIG)?(HUP|INT|QUIT|KILL|TERM|USR1|USR2|WINCH)\Z")
_OPERATORS = re.compile(r"[;&|<>()`\n\\{}]")
_FIRST_WORD = re.compile(r"\A[A-Za-z0-9_./+@-]+\Z")
_BUILTIN = re.compile(  # what a shell knows itself: there is nothing to exec
    r"\A(?:!|\.|:|\[|alias|bg|break|case|cd|command|continue|do|done|echo|elif|else|esac|eval|exec|exit|export|false|fc|fg|fi|for|getopts|"
    r"hash|if|in|jobs|kill|local|printf|pwd|read|readonly|return|set|shift|test|then|time|times|trap|true|type|ulimit|umask|unalias|"
    r"unset|until|wait|while)\Z"
)


def argv(command: str) -> tuple[str, ...]:
    """A simple command is exec'd, so that the app itself is the main process and gets the stop signal; anything else as it is."""
    return ("/bin/sh", "-c", f"exec {command}" if is_simple(command) else command)


def words(argv: Sequence[str]) -> tuple[str, ...]:
    """Words for a program, each as it is: the shell looks the program up, and says as every shell where there is none (127, or 126)."""
    return (SHELL, "-c", 'exec "$@"', SHELL, *argv)


def not_running(what: str) -> Unavailable:
    """What is told who wants to enter an instance that has no process now."""
    return Unavailable(f"{what} does not run now", hint="`mooring ps` shows what does, and `mooring run` starts a fresh process")


def is_simple(command: str) -> bool:
    """Whether `exec` before it changes nothing but who waits: one program with its arguments, without operators."""
    words = command.split()
    return bool(words) and not _OPERATORS.search(command) and bool(_FIRST_WORD.match(words[0])) and not _BUILTIN.match(words[0])


def signal_name(text: str) -> str:
    """`TERM` for TERM and SIGTERM."""
    match = _SIGNAL.match(text)
    if match is None:
        raise InvalidInput(f"{text!r} is no stop signal", hint="use TERM, INT, QUIT, HUP, USR1, USR2, WINCH or KILL")
    return match[1]


def task_name(text: str) -> str:
    """1-80 characters: letters, digits, _ . and -, a letter or digit first."""
    if not _NAME.match(text):
        raise InvalidName(f"the task name {text!r} is not allowed", hint="use letters, digits, _ . and -")
    return text
