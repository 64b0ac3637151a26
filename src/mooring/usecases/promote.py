"""Run in one environment what another one runs, as it is built. Must not: build, or take another source for it."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from mooring.engine.orders import DeployOrder, Preview
from mooring.engine.promoting import promoted_release
from mooring.errors import InvalidInput, Refused
from mooring.model.access import Actor
from mooring.model.deployment import Deployment
from mooring.model.environment import EnvironmentId
from mooring.model.promotion import LONGEST_SUBJECT, MOST_COMMITS, Notes, Promotion, cut_subject
from mooring.model.records import Answering
from mooring.usecases.deploy import kept_unless_refused, refuse_others
from mooring.usecases.discretion import shown_promotion, shown_source
from mooring.usecases.permission import Permission, require
from mooring.usecases.platform import Platform

LONGEST_NOTES = 20_000  # characters of JSON: what 50 commits of 100 bytes take, each of them quoted
_COMMIT = re.compile(r"\A[0-9a-f]{40}(?:[0-9a-f]{24})?\Z")


async def promote(
    platform: Platform, actor: Actor, environment: EnvironmentId, archive: Path, promotion: Promotion, *, answering: Answering | None = None
) -> Deployment:
    """The archive is of the source that the promoted release was deployed from: of its manifest this environment's settings are read.

    The engine owns the archive from here on; it is removed when this is refused.
    Raises Forbidden, LeaseHeld, NotFound, Refused, InvalidInput, SourceInvalid, ManifestInvalid.
    """
    async with kept_unless_refused(platform, archive):
        platform.allow(actor, Permission.CHANGE, "promote", environment, release=promotion.origin)
        order = _order(platform, environment, archive, promotion)
        refuse_others(platform, environment, order.origin)
        await platform.controller.examine(environment, order)
        return platform.controller.submit(environment, order, by=actor.name, answering=answering)


async def plan_promotion(platform: Platform, actor: Actor, environment: EnvironmentId, archive: Path, promotion: Promotion) -> Preview:
    """The archive is removed in any case. Raises as `promote` does, and CapacityExceeded."""
    try:
        require(actor, Permission.CHANGE)
        return await platform.controller.preview(environment, _order(platform, environment, archive, promotion))
    finally:
        archive.unlink(missing_ok=True)


def read_notes(text: str) -> Notes | None:
    """Of JSON; None for none. Raises InvalidInput for what is no notes, or larger than notes are."""
    if not text:
        return None
    try:
        notes = msgspec.json.decode(text, type=Notes)
    except (msgspec.MsgspecError, UnicodeEncodeError) as foreign:
        raise InvalidInput(f"the notes are not understood: {foreign}", hint="leave them out, or send what the reference says") from foreign
    is_bounded = len(notes.commits) <= MOST_COMMITS and all(0 <= count < 2**31 for count in (notes.since, notes.brought, notes.left))
    if not is_bounded or not all(_COMMIT.match(each.id) and cut_subject(each.subject) == each.subject for each in notes.commits):
        hint = f"at most {MOST_COMMITS} commits with their whole ids, each with one line of at most {LONGEST_SUBJECT} bytes"
        raise InvalidInput("the notes are larger than notes may be, or hold what is no commit", hint=hint)
    return notes


def _order(platform: Platform, environment: EnvironmentId, archive: Path, promotion: Promotion) -> DeployOrder:
    """With the source that is on record here, not what somebody says of it. Raises NotFound, Refused."""
    origin = EnvironmentId(environment.app, promotion.environment)
    if origin == environment:
        raise Refused(f"{environment} cannot be promoted to itself", hint="`mooring rollback` serves an earlier release again")
    record = platform.memory.environment(environment)
    if record is not None and record.review is not None:
        branch = record.review.branch
        raise Refused(f"{environment} is the review app of {branch}, and runs what is built for it", hint=f"`mooring review up {branch}`")
    platform.existing(origin)
    release = promoted_release(platform.memory, environment.app, promotion)
    if not release.source.digest:
        hint = f"`mooring deploy -e {origin.environment}` deploys it with one"
        raise Refused(
            f"{origin} {release.version} came without the digest of its source, so that nothing can be held against it", hint=hint
        )
    source = shown_source(platform, environment, release.source)
    return DeployOrder(archive=str(archive), origin=source, promotion=shown_promotion(platform, environment, promotion))
