"""From the directory we stand in to a deployment that has been asked for. Must not: leave the archive behind, or ask twice for two."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from mooring.cli.session import Session
from mooring.errors import InvalidInput, PlatformNotRunning, UsageError

if TYPE_CHECKING:
    from mooring.client.source import Package
    from mooring.model.deployment import Deployment
    from mooring.model.release import Source


def deployed(session: Session, *, ref: str, dirty: bool, may_start: bool) -> tuple[Deployment, Source]:
    """Pack, start the platform if none runs here, upload. Raises SourceInvalid, PlatformNotRunning, LeaseHeld, ManifestInvalid."""
    environment = session.environment
    with packed(session, ref=ref, dirty=dirty) as package:
        _ensure_platform(session, may_start=may_start)
        try:
            return session.client.deploy(environment, package.archive, package.source), package.source
        except KeyboardInterrupt:
            session.remark("Interrupted while the source was uploaded: `mooring follow` shows whether the deployment has begun.")
            raise


def brought_up(session: Session, branch: str, *, dirty: bool, may_start: bool) -> tuple[Deployment, Source]:
    """The same for a branch's review app; an empty `branch` is the one that is checked out. Raises InvalidInput where none is."""
    from mooring.client.git import Git

    present = Git(session.project).branch()
    branch = branch or present
    if not branch:
        raise InvalidInput("no branch is checked out", hint="name one: mooring review up BRANCH")
    if dirty and branch != present:
        raise UsageError(f"--dirty means the working tree, and that is of {present or 'no branch'}", hint=f"`git switch {branch}` first")
    with packed(session, ref="" if dirty else f"refs/heads/{branch}", dirty=dirty) as package:
        _ensure_platform(session, may_start=may_start)
        source = msgspec.structs.replace(package.source, branch=branch)
        return session.client.review_up(session.app, package.archive, source), source


@contextmanager
def packed(session: Session, *, ref: str, dirty: bool) -> Iterator[Package]:
    """The source as an archive that is gone afterwards; what was left out is said."""
    from mooring.client.source import pack

    if dirty and ref:
        raise UsageError("--dirty means the working tree and --ref a commit", hint="say one of them")
    package = pack(session.project, commit=ref or "HEAD", dirty=dirty)
    try:
        for note in package.notes:
            session.remark(note)
        yield package
    finally:
        package.archive.unlink(missing_ok=True)


def _ensure_platform(session: Session, *, may_start: bool) -> None:
    """A platform elsewhere is never started from here."""
    try:
        session.client.health()
    except PlatformNotRunning:
        if not may_start or session.variables.get("MOORING_URL") or session.context != "local":
            raise
        from mooring.cli.starting import tell
        from mooring.client import platform

        session.remark("No platform runs here yet: starting it, as `mooring up` does.")
        tell(session, platform.start())
