"""In what the engines that have Docker's API differ, as far as this driver meets it: found by asking the engine what it is.

Podman's answers that are only shaped otherwise are read as such where they are read. Must not: connect.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

_PODMAN = "Podman Engine"


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """`takes_docker_archives`: compressed as a whole, without layers that it has; else it takes the layout of OCI, without them too.

    `spares_containers`: taking an image away by force leaves those alone that were made from it; Podman ends and removes them.
    `cuts_logs`: it tells the last lines of a log, each with its time in full. Podman (4.3) mixes up unfinished lines where it is asked
    for the last, and tells whole seconds. `waits`: longer and longer before it starts again what died. Podman starts it again at once.
    `changes_policies`: a container can be told to be started no more, whatever becomes of it. Podman (4.3) has no such question.
    """

    takes_docker_archives: bool = True
    spares_containers: bool = True
    cuts_logs: bool = True
    waits: bool = True
    changes_policies: bool = True


DOCKER = Dialect()
PODMAN = Dialect(takes_docker_archives=False, spares_containers=False, cuts_logs=False, waits=False, changes_policies=False)


def dialect_of(version: Mapping[str, Any]) -> Dialect:
    """From the engine's answer about its version."""
    return PODMAN if any(each.get("Name") == _PODMAN for each in version.get("Components") or ()) else DOCKER
