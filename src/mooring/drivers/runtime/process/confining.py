"""How a command is begun that is to be confined without a launcher: by one more program before it (landlock.py). Must not: begin it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from mooring.drivers.runtime.process import kernel, landlock

_CONFINING = (sys.executable, "-I", "-S", "-E", str(Path(landlock.__file__).resolve()))


def confined_argv(record: Path, argv: tuple[str, ...]) -> tuple[str, ...]:
    """Within the bounds that are on record there; without them it does not begin."""
    return (*_CONFINING, str(record), *argv)


def confined_environment(marker: str, variables: Mapping[str, str]) -> dict[str, str]:
    """The variables for the command alone, and the marker for both; without one where it is empty."""
    given = {f"{landlock.GIVEN}{name}": value for name, value in variables.items()}
    return {**given, kernel.MARKER: marker} if marker else given
