"""Words that every transport uses alike. Must not: connect."""

from __future__ import annotations

from collections.abc import Sequence

from mooring.errors import InvalidInput, OutcomeUnknown, Unavailable


def check_argv(argv: Sequence[str]) -> None:
    """Raises InvalidInput for what cannot be an argument list."""
    if not argv or not argv[0]:
        raise InvalidInput("there is no program to run")
    if any("\0" in word for word in argv):
        raise InvalidInput(f"an argument of {argv[0]} holds a NUL, which no argument can")


def too_much(host: str, program: str, most: int) -> OutcomeUnknown:
    return OutcomeUnknown(f"{program} said more than {most:,} bytes and was cut off", where=host)


def too_long(host: str, program: str, timeout: float) -> OutcomeUnknown:
    return OutcomeUnknown(f"{program} did not end within {timeout:g} seconds", hint="it may still run", where=host)


def lost(host: str, program: str) -> OutcomeUnknown:
    return OutcomeUnknown(f"the connection broke while {program} ran", hint="look there before it is repeated", where=host)


def missing(host: str, program: str) -> Unavailable:
    return Unavailable(f"there is no program {program!r}", where=host)
