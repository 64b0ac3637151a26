"""Begins the commands of a build within bounds, as Landlock keeps them: all that everybody may read but what is the platform's or others'.

Must not: say whose builds are confined.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from mooring.drivers.builder import contract
from mooring.drivers.builder.contract import Command
from mooring.drivers.runtime.process import landlock
from mooring.drivers.runtime.process import record as records
from mooring.drivers.runtime.process.bounds import bounds_of, pairs
from mooring.drivers.runtime.process.confining import confined_argv, confined_environment
from mooring.model.build import BuildConfinement


class LandlockConfines(msgspec.Struct, frozen=True):
    """`hidden`: absolute paths of directories."""

    hidden: tuple[str, ...]

    def confined(self, command: Command, *, record: Path, writes: Sequence[Path], reads: Sequence[Path]) -> Command:
        bounds = bounds_of(hidden=self.hidden, own=tuple(map(str, writes)), shown=tuple(map(str, reads)))
        records.write(str(record), pairs(bounds))
        return Command(confined_argv(record, command.argv), confined_environment("", command.variables))


def build_confines(platform: Sequence[Path], confinement: BuildConfinement) -> LandlockConfines | None:
    """`platform`: the directories that are its own. None where this machine confines no build: it could not install anything there."""
    if landlock.version() < landlock.REFERS:
        return None
    return LandlockConfines((*map(str, platform), *confinement.hidden))


_: type[contract.Confines] = LandlockConfines
