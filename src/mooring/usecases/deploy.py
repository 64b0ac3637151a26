"""Run a source tree that was uploaded. Must not: look into it; the workshop does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from mooring.engine.orders import DeployOrder
from mooring.errors import InvalidInput, Refused
from mooring.model.access import Actor
from mooring.model.deployment import Deployment
from mooring.model.environment import EnvironmentId
from mooring.model.records import Answering
from mooring.model.release import Source
from mooring.model.review import is_review_of
from mooring.usecases.discretion import shown_source
from mooring.usecases.permission import Permission
from mooring.usecases.platform import Platform

_LONGEST_WORD = 255
_LONGEST_MESSAGE = 10_000


async def deploy(
    platform: Platform, actor: Actor, environment: EnvironmentId, archive: Path, origin: Source, *, answering: Answering | None = None
) -> Deployment:
    """The engine owns the archive from here on; it is removed when this is refused.

    Raises Forbidden, LeaseHeld, InvalidInput, SourceInvalid, ManifestInvalid.
    """
    async with kept_unless_refused(platform, archive):
        origin = shown_source(platform, environment, checked_origin(origin))
        detail = {"commit": origin.commit, "branch": origin.branch, "digest": origin.digest}
        platform.allow(actor, Permission.CHANGE, "deploy", environment, **{key: value for key, value in detail.items() if value})
        refuse_others(platform, environment, origin)
        order = DeployOrder(archive=str(archive), origin=origin)
        await platform.controller.examine(environment, order)
        return platform.controller.submit(environment, order, by=actor.name, answering=answering)


@asynccontextmanager
async def kept_unless_refused(platform: Platform, archive: Path) -> AsyncIterator[None]:
    """The archive, and what was unpacked of it, goes with whatever is raised within."""
    try:
        yield
    except BaseException:
        archive.unlink(missing_ok=True)
        await platform.controller.drop(archive)
        raise


def refuse_others(platform: Platform, environment: EnvironmentId, origin: Source) -> None:
    """A branch's own environment is brought up with all that makes it a review app, and holds nothing else. Raises Refused."""
    record = platform.memory.environment(environment)
    mark = record.review if record is not None else None
    if mark is None and is_review_of(environment, origin.branch):
        raise Refused(f"{environment} is the place of a review app", hint=f"`mooring review up {origin.branch}` makes it")
    if mark is not None and not is_review_of(environment, origin.branch):
        raise Refused(f"{environment} is the review app of {mark.branch}", hint=f"`mooring review up {mark.branch}` brings it up to date")


def checked_origin(origin: Source) -> Source:
    """What a stranger says of the source is shown to people later: bounded, one line each, but for the message."""
    for name in ("digest", "commit", "branch"):
        text = getattr(origin, name)
        if len(text) > _LONGEST_WORD or not text.isprintable():
            raise InvalidInput(f"the {name} is too long or holds control characters", hint=f"at most {_LONGEST_WORD} printable characters")
    if len(origin.message) > _LONGEST_MESSAGE:
        raise InvalidInput("the commit message is too long", hint=f"send its first {_LONGEST_MESSAGE} characters")
    return origin
