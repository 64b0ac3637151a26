"""What one environment runs, to another: the same artifact, run by what its manifest says of the other. Must not: have anything built.

The source is packed from this clone and compared with what was deployed: the platform reads the manifest of it, and nothing else.
"""

from __future__ import annotations

import msgspec

from mooring.cli import exit_codes
from mooring.cli.follow import started
from mooring.cli.render.notes import note_lines
from mooring.cli.render.plan import plan_lines
from mooring.cli.render.styled import Line, line
from mooring.cli.session import Session
from mooring.cli.upload import packed
from mooring.client.git import Git
from mooring.client.notes import notes_of
from mooring.engine.orders import Preview
from mooring.errors import NotFound, Refused, UsageError
from mooring.model.environment import EnvironmentId
from mooring.model.promotion import Promotion
from mooring.model.release import Release


class PlannedPromotion(msgspec.Struct, frozen=True, kw_only=True):
    """What would come, and what would be done."""

    commit: str
    promotion: Promotion
    plan: Preview


def promoted(session: Session, source: EnvironmentId, target: EnvironmentId, *, is_detached: bool, is_plan: bool) -> int:
    """Gives the deployment's exit code. Raises NotFound, Refused, SourceInvalid, UsageError."""
    if source == target:
        raise UsageError(f"{source} cannot be promoted to itself", hint="mooring promote staging production")
    release = _serving(session, source)
    if release is None:
        raise NotFound(f"{source} runs nothing", hint="`mooring status` lists what runs")
    if release.source.is_dirty or not release.source.commit:
        hint = f"commit, and deploy that to {source.environment} first"
        raise Refused(f"{source} {release.version} was deployed from a working tree, which no commit holds", hint=hint)
    notes = notes_of(Git(session.project), release.source.commit, _serving(session, target))
    promotion = Promotion(environment=source.environment, number=release.number, notes=notes)
    told = _told(release, promotion, target, width=session.out.width)
    with packed(session, ref=release.source.commit, dirty=False) as package:
        if package.source.digest != release.source.digest:
            hint = "stand in the directory that was deployed, in a clone of the same repository"
            raise Refused(f"what {release.source.commit[:7]} holds here is not what {release.environment} runs", hint=hint)
        if is_plan:
            plan = session.client.plan_promotion(target, package.archive, promotion)
            planned = PlannedPromotion(commit=release.source.commit, promotion=promotion, plan=plan)
            session.answer(planned, [*told, *plan_lines(plan, width=session.out.width)])
            return exit_codes.SERVING
        deployment = session.client.promote(target, package.archive, promotion)
    (session.err if session.is_json else session.out).write(told)
    return started(session, deployment, is_detached=is_detached)


def _serving(session: Session, environment: EnvironmentId) -> Release | None:
    """None where it runs nothing, or is not there yet."""
    try:
        return session.client.environment(environment).release
    except NotFound:
        return None


def _told(release: Release, promotion: Promotion, target: EnvironmentId, *, width: int | None) -> list[Line]:
    head = line(f"{release.environment} {release.version} ({release.source.commit[:7]}) goes to {target}")
    return [head, *note_lines(promotion.notes, width=width), ()]
