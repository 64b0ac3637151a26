"""Deployments as they are recorded; those of a destroyed environment as their events tell them. Must not: change one."""

from __future__ import annotations

import re

import msgspec

from mooring.errors import InvalidInput, NotFound
from mooring.model.access import Actor
from mooring.model.deployment import Deployment, Outcome, Phase, Trigger
from mooring.model.environment import EnvironmentId
from mooring.model.events import Event, EventKind
from mooring.model.names import DeploymentId, schema_pattern
from mooring.model.receipt import Receipt
from mooring.model.records import JournalEntry
from mooring.usecases.permission import Permission, require
from mooring.usecases.platform import Platform

_ID = re.compile(r"\A[A-Za-z0-9_-]{1,64}\Z")
DEPLOYMENT_PATTERN = schema_pattern(_ID)
MOST = 500


def deployments(platform: Platform, actor: Actor, environment: EnvironmentId | None, *, limit: int) -> tuple[Deployment, ...]:
    """Newest first. Raises NotFound when the environment is named and unknown."""
    require(actor, Permission.SEE)
    if not 1 <= limit <= MOST:
        raise InvalidInput(f"limit={limit} is out of range", hint=f"use 1 to {MOST}")
    if environment is not None:
        platform.existing(environment)
    return platform.memory.deployments(environment, limit=limit)


def find_deployment(platform: Platform, actor: Actor, deployment: str) -> Deployment:
    """Raises NotFound."""
    require(actor, Permission.SEE)
    found = platform.memory.deployment(DeploymentId(deployment)) if _ID.match(deployment) else None
    if found is None and _ID.match(deployment):
        found = _told(platform.memory.events(deployment=DeploymentId(deployment)))
    if found is None:
        raise NotFound(f"there is no deployment {deployment[:64]!r}", hint="`mooring events` names them")
    return found


def journal(platform: Platform, actor: Actor, deployment: str) -> tuple[JournalEntry, ...]:
    """Each intent with its outcome, in order. Raises NotFound."""
    return platform.memory.journal(find_deployment(platform, actor, deployment).id)


def _told(events: tuple[Event, ...]) -> Deployment | None:
    """What the events say of a deployment whose record went with its environment."""
    queued = next((event for event in events if event.kind is EventKind.DEPLOYMENT_QUEUED), None)
    ended = next((event for event in events if event.kind is EventKind.DEPLOYMENT_ENDED), None)
    if queued is None or ended is None or queued.environment is None or queued.deployment is None:
        return None
    receipt = next((event.fields.get("receipt") for event in events if event.kind is EventKind.RECEIPT), None)
    code = str(ended.fields.get("code", ""))
    return Deployment(
        id=queued.deployment,
        environment=queued.environment,
        number=0,
        trigger=Trigger(queued.fields.get("trigger", Trigger.DESTROY.value)),
        phase=Phase.ENDED,
        requested_at=queued.at,
        requested_by="",
        description=str(queued.fields.get("description", "")),
        ended_at=ended.at,
        outcome=Outcome(ended.fields.get("outcome", Outcome.SUCCEEDED.value)),
        error_code=code,
        error=str(ended.fields.get("message", "")) if code else "",
        hint=str(ended.fields.get("hint", "")),
        receipt=msgspec.convert(receipt, Receipt) if receipt else None,
    )
