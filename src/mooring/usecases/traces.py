"""What was left of a review app when its tear-down ended, as it was put on record then. Must not: look for it anew, or remove it."""

from __future__ import annotations

import msgspec

from mooring.model.access import Actor
from mooring.model.deployment import Outcome
from mooring.model.environment import EnvironmentId
from mooring.model.events import Event, EventKind
from mooring.model.names import DeploymentId, app_name
from mooring.model.review import branch_name, review_environment
from mooring.model.trace import Trace, held_up
from mooring.usecases.permission import Permission, require
from mooring.usecases.platform import Platform

_LAST = "it goes last, with the environment's record"


async def traces(platform: Platform, actor: Actor, app: str, branch: str, *, deployment: str) -> tuple[Trace, ...]:
    """A line for every kind of thing that it could have; settings and releases, which go with its record, as they are now.

    `deployment`: the one that takes it down; none before that has looked. Raises InvalidName, Forbidden.
    """
    require(actor, Permission.SEE)
    environment = review_environment(app_name(app), branch_name(branch))
    event = platform.memory.newest_event(environment, EventKind.TRACES)
    if event is None or event.deployment != deployment:
        return ()
    settings = tuple(f"version {each.version}" for each in platform.memory.config_versions(environment))
    releases = tuple(release.version for release in platform.memory.releases(environment))
    recorded = (Trace(kind="config", left=settings), Trace(kind="release", left=releases))
    ended = platform.memory.deployment(DeploymentId(deployment))
    is_gone = ended is None or ended.outcome is Outcome.SUCCEEDED
    return (*_of(event), *(recorded if is_gone else held_up(recorded, _LAST)))


def last_traces(platform: Platform, environment: EnvironmentId) -> tuple[Trace, ...]:
    """Of its newest end that is remembered; none where there is none."""
    event = platform.memory.newest_event(environment, EventKind.TRACES)
    return _of(event) if event is not None else ()


def _of(event: Event) -> tuple[Trace, ...]:
    return msgspec.convert(event.fields["traces"], tuple[Trace, ...])
