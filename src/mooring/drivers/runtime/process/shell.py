"""The app's own command line, as `/bin/sh -c` gets it. Must not: put anything into it, or run it."""

from __future__ import annotations

import re

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


def is_simple(command: str) -> bool:
    """Whether `exec` before it changes nothing but who waits: one program with its arguments, without operators."""
    words = command.split()
    return bool(words) and not _OPERATORS.search(command) and bool(_FIRST_WORD.match(words[0])) and not _BUILTIN.match(words[0])
