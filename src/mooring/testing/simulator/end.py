"""The laws that a story's end shows: who serves, who was superseded, what a rollback brought back, what was told. Must not: wait."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from mooring.model.deployment import Deployment, Outcome, Revision, Trigger
from mooring.model.environment import EnvironmentId
from mooring.model.events import Event, EventKind
from mooring.testing.platform import FakePlatform
from mooring.testing.simulator.app import GOOD, kind_of
from mooring.testing.simulator.story import HARMLESS, HOST_FAULTS, Happening, What

_PATIENCE = 8.0  # seconds that drivers may be slow or silent in all before a deadline may be missed for it
_IN_THE_WAY = (What.BLIND, What.REFUSED, What.DISK_FULL, What.LATE, *HOST_FAULTS)
_REFUSALS = ("capacity-exceeded", "not-found")
_AFTERWARDS = 5.0  # seconds after a controller's start in which what goes wrong is laid to it


class Lived(msgspec.Struct, frozen=True, kw_only=True):
    """What the laws of the end have to know of a story. `before`: what was desired when it began. Times are monotonic seconds."""

    before: dict[EnvironmentId, Revision | None]
    destroyers: frozenset[EnvironmentId]
    happened: tuple[Happening, ...]
    absences: tuple[tuple[float, float], ...]  # of the controller, from its death to its successor


def check_end(platform: FakePlatform, lived: Lived) -> None:
    for environment in lived.before:
        deployments = tuple(reversed(platform.memory.deployments(environment, limit=1_000)))
        _check_what_serves(platform, environment, deployments, lived)
        _check_order(platform, environment, deployments, lived)
        _check_rollbacks(platform, environment, deployments)
        _check_persons(platform, deployments, lived.happened)
        if _is_harmless(lived.happened):
            _check_success(platform, deployments, lived.happened)
    _check_what_was_told(platform, lived)
    _check_absences(platform, lived.absences)


def _check_what_serves(platform: FakePlatform, environment: EnvironmentId, deployments: tuple[Deployment, ...], lived: Lived) -> None:
    """Law 4: what the last one wanted that succeeded, or that was to stay whatever came; all others have left what was."""
    record = platform.memory.environment(environment)
    if record is None:
        has_been = lived.before[environment] is not None or any(platform.memory.events(environment=environment, limit=1))
        if has_been and environment not in lived.destroyers:
            platform.laws.tell(8, f"{environment} is gone and nobody asked for it")
        return
    expected = None if environment in lived.destroyers else lived.before[environment]
    for each in deployments:
        if each.outcome is Outcome.SUCCEEDED or _stays(each) or _is_half_destroyed(each):
            expected = each.target
    if expected is not None and record.revision != expected:
        platform.laws.tell(4, f"{environment} is to run {record.revision}, the last deployment led to {expected}")


def _stays(deployment: Deployment) -> bool:
    return deployment.outcome is Outcome.NEEDS_PERSON and deployment.error_code == "" and deployment.target is not None


def _is_half_destroyed(deployment: Deployment) -> bool:
    """Whether a destruction ended with something left that a person must see to: all may be stopped already, or serve again."""
    return deployment.outcome is Outcome.NEEDS_PERSON and deployment.trigger is Trigger.DESTROY


def _check_order(platform: FakePlatform, environment: EnvironmentId, deployments: tuple[Deployment, ...], lived: Lived) -> None:
    """Law 13: begun in the order in which they were asked for, and only what is older is superseded."""
    numbers = {each.id: each.number for each in deployments}
    events = platform.memory.events(environment=environment, limit=1_000_000)
    begun = [numbers[each.deployment] for each in events if each.kind is EventKind.DEPLOYMENT_STARTED and each.deployment in numbers]
    if begun != sorted(begun):
        platform.laws.tell(13, f"deployments of {environment} began in the order {begun}")
    pushes = [each for each in deployments if each.trigger is Trigger.DEPLOY]
    if pushes and pushes[-1].outcome is Outcome.SUPERSEDED and environment not in lived.destroyers:
        platform.laws.tell(13, f"the newest push to {environment} was superseded")


def _check_rollbacks(platform: FakePlatform, environment: EnvironmentId, deployments: tuple[Deployment, ...]) -> None:
    """Law 15: artifact, config, process types and counts of before; what failed is kept to look at."""
    for each in deployments:
        release = platform.memory.release(environment, each.target.release) if each.target else None
        if each.target is not None and release is None:
            platform.laws.tell(15, f"v{each.target.release} of {environment} is not kept")
        if each.trigger is not Trigger.ROLLBACK or each.outcome is not Outcome.SUCCEEDED or release is None or each.target is None:
            continue
        earlier = platform.memory.release(environment, int(release.description.rpartition(" v")[2]))
        if earlier is None or _content(release) != _content(earlier):
            platform.laws.tell(15, f"v{release.number} of {environment} is not what it went back to")
        if each.baseline is not None and each.baseline.counts != each.target.counts:
            platform.laws.tell(15, f"the rollback of {environment} changed how many run")


def _content(release: object) -> object:
    return [getattr(release, name) for name in ("artifact", "config_version", "processes", "hostnames", "policy", "variables")]


def _is_harmless(happened: Iterable[Happening]) -> bool:
    slow = sum(each.seconds for each in happened if each.what in (What.LATE, What.BLIND, What.REFUSED))
    return slow <= _PATIENCE and all(
        each.what in HARMLESS and (each.what is not What.DEPLOY or kind_of(each.pick) == GOOD) for each in happened
    )


def _check_success(platform: FakePlatform, deployments: tuple[Deployment, ...], happened: tuple[Happening, ...]) -> None:
    """Laws 10 and 13: no lost answer, death of a controller or jump of a clock is a reason for a good release to fail."""
    faults = {each.what for each in happened}
    law = 13 if What.CLOCK_JUMP in faults else 10 if faults & {What.LOST, What.LATE, What.TWICE} else 4
    for each in deployments:
        if each.outcome not in (Outcome.SUCCEEDED, Outcome.SUPERSEDED) and each.error_code not in _REFUSALS:
            platform.laws.tell(law, f"deployment {each.number} of a good release ended {each.outcome}: {each.error}")


def _check_persons(platform: FakePlatform, deployments: tuple[Deployment, ...], happened: tuple[Happening, ...]) -> None:
    """Law 4: neither the one nor the other is reached only where the world itself stands in the way, or nothing is to go back."""
    for each in deployments:
        in_the_way = (*_IN_THE_WAY, What.FLAP) if _stays(each) else _IN_THE_WAY
        if each.outcome is Outcome.NEEDS_PERSON and not any(one.what in in_the_way for one in happened):
            platform.laws.tell(4, f"deployment {each.number} ended for a person to look at, and nothing was in its way: {each.error}")


def _check_what_was_told(platform: FakePlatform, lived: Lived) -> None:
    """Law 14: each has ended, and its end was told once; and no defect was."""
    events = platform.events()
    repeats = sum(each.what is What.LOST for each in lived.happened)  # where the answer to the telling itself got lost
    ends = [each.deployment for each in events if each.kind is EventKind.DEPLOYMENT_ENDED]
    for deployment in {each.deployment for each in events if each.kind is EventKind.DEPLOYMENT_QUEUED} | {
        each.id for each in platform.memory.deployments(limit=1_000)
    }:
        if not 1 <= ends.count(deployment) <= 1 + repeats:
            platform.laws.tell(14, f"the end of {deployment} was told {ends.count(deployment)} times")
    for event in events:
        if _is_defect(event):
            platform.laws.tell(14, f"a defect: {event.fields['message']}")


def _is_defect(event: Event) -> bool:
    text = str(event.fields.get("message", ""))
    return event.kind is EventKind.PLATFORM and 'File "' in text


def _check_absences(platform: FakePlatform, absences: tuple[tuple[float, float], ...]) -> None:
    """Law 12: what visitors or the number of those that serve suffered while the controller was away, or just back, is its fault."""
    for violation in list(platform.laws.violations):
        if violation.law in (0, 1, 2) and any(begin <= violation.at <= end + _AFTERWARDS for begin, end in absences):
            platform.laws.tell(12, f"while the controller was away, or just back: {violation.what}")
