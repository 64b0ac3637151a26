"""What each exit code means: one table for the program, its reference page and its tests. Must not: decide which one applies."""

from __future__ import annotations

from typing import NamedTuple

SERVING = 0
FAILED = 1
USAGE = 2
HELD = 3
NEEDS_PERSON = 4
INTERRUPTED = 130
PIPE_CLOSED = 141


class ExitCode(NamedTuple):
    code: int
    name: str
    meaning: str
    what_to_do: str


EXIT_CODES = (
    ExitCode(SERVING, "serving", "Done. After a deploy: the new release serves and the old one is gone.", "Nothing."),
    ExitCode(
        FAILED,
        "failed",
        "It failed, and what served before still serves.",
        "Read the diagnosis above, mend the app, deploy again.",
    ),
    ExitCode(
        USAGE,
        "usage",
        "It cannot be done as asked: a wrong name, option or file, no platform running, no permission. Nothing was changed.",
        "Read the hint; `mooring COMMAND --help` shows examples.",
    ),
    ExitCode(
        HELD,
        "held",
        "Another deployment or a lock holds the environment, or a newer push superseded this one.",
        "Wait and try again, or see `mooring status` and `mooring unlock`.",
    ),
    ExitCode(
        NEEDS_PERSON,
        "needs a person",
        "Mooring stopped where going on could lose something, or requests failed on the way, or it met an error of its own; "
        "or `mooring status --check` found something at fault.",
        "Read what it says; `mooring status` shows what serves.",
    ),
    ExitCode(
        INTERRUPTED,
        "interrupted",
        "Ctrl-C. A deployment goes on in the server; `mooring follow` shows it.",
        "Nothing, or `mooring follow`, or `mooring abort`.",
    ),
    ExitCode(PIPE_CLOSED, "pipe closed", "The program that read the output went away, as in `mooring logs | head`.", "Nothing."),
)
