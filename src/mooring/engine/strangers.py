"""Whose code a release is: a stranger's begins with nobody's data, and runs where it is kept apart. Must not: name a stranger."""

from __future__ import annotations

from mooring.engine.contract import Memory
from mooring.engine.fleet import Fleet
from mooring.errors import Refused
from mooring.model.names import LOCAL
from mooring.model.release import Release
from mooring.model.review import is_strangers
from mooring.planner.goal import Wanted


def is_strangers_release(memory: Memory, release: Release) -> bool:
    """By the branch that it is of, and by the mark of its environment."""
    record = memory.environment(release.environment)
    mark = record.review if record is not None else None
    return is_strangers(release.source.branch) or (mark is not None and is_strangers(mark.branch))


def check_kept_apart(memory: Memory, fleet: Fleet, wanted: Wanted) -> None:
    """Raise Refused where a stranger's code would run as whoever runs the platform, or the other apps."""
    hosts = wanted.hosts() or (() if wanted.release.regions else (LOCAL,))
    bare = [host for host in hosts if host not in fleet.taking_strangers()]
    if bare and is_strangers_release(memory, wanted.release):
        where = "on the controller's own machine" if bare[0] == LOCAL else f"on {bare[0]}"
        raise Refused(
            f"this is a stranger's code, and nothing {where} keeps it apart from the platform and its other apps",
            hint="have review apps run in containers, or under systemd as root (`[review]` with `runtime` and `regions`); or allow it, "
            "for all strangers: `mooring up --unconfined-strangers`",
            where=str(wanted.release.environment),
        )
