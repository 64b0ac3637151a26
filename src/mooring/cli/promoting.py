"""What one environment runs, to another: the same commit, byte for byte, so that the platform finds it built already.

The source is packed from this clone and compared with what was deployed. Must not: deploy another source than the one that serves.
"""

from __future__ import annotations

import msgspec

from mooring.cli import exit_codes
from mooring.cli.follow import started
from mooring.cli.render.styled import Line, Span, Style, hanging, line
from mooring.cli.session import Session
from mooring.cli.upload import packed
from mooring.client.git import Commit, Git
from mooring.errors import NotFound, Refused, UsageError
from mooring.model.environment import EnvironmentId
from mooring.model.release import Release

MOST_NOTES = 100


class Notes(msgspec.Struct, frozen=True, kw_only=True):
    """What comes with it. `commits` newest first; None: they cannot be told. `back`: how many commits go with it."""

    release: str
    commit: str
    commits: tuple[Commit, ...] | None
    back: int = 0


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
    present = _serving(session, target)
    notes = _notes(session, release, present)
    told = _told(notes, target, width=session.out.width)
    if is_plan:
        session.answer(notes, told)
        return exit_codes.SERVING
    (session.err if session.is_json else session.out).write(told)
    return _deployed(session, release, target, is_detached=is_detached)


def _deployed(session: Session, release: Release, target: EnvironmentId, *, is_detached: bool) -> int:
    with packed(session, ref=release.source.commit, dirty=False) as package:
        if package.source.digest != release.source.digest:
            hint = "stand in the directory that was deployed, in a clone of the same repository"
            raise Refused(f"what {release.source.commit[:7]} holds here is not what {release.environment} runs", hint=hint)
        source = msgspec.structs.replace(package.source, branch=release.source.branch)
        deployment = session.client.deploy(target, package.archive, source)
    code = started(session, deployment, is_detached=is_detached, source=source)
    if code == exit_codes.SERVING and not is_detached:
        now = _serving(session, target)
        if now is not None and now.artifact.id != release.artifact.id:
            session.remark(f"It was built anew: [build] of {target.environment} differs from that of {release.environment.environment}.")
    return code


def _serving(session: Session, environment: EnvironmentId) -> Release | None:
    """None where it runs nothing, or is not there yet."""
    try:
        return session.client.environment(environment).release
    except NotFound:
        return None


def _notes(session: Session, release: Release, present: Release | None) -> Notes:
    version, commit = f"{release.environment} {release.version}", release.source.commit
    before = present.source.commit if present is not None else ""
    git = Git(session.project)
    git.commit(commit)  # raises where this clone has not got it
    if not before or git.commit_if_any(before) is None:
        return Notes(release=version, commit=commit, commits=None)
    commits = git.commits_between(before, commit, at_most=MOST_NOTES)
    back = 0 if commits else len(git.commits_between(commit, before, at_most=MOST_NOTES))
    return Notes(release=version, commit=commit, commits=commits, back=back)


def _told(notes: Notes, target: EnvironmentId, *, width: int | None) -> list[Line]:
    head = line(f"{notes.release} ({notes.commit[:7]}) goes to {target}")
    if notes.commits is None:
        return [head, line(Span("  what it brings cannot be told: nothing of this clone's history runs there", Style.DIM)), ()]
    if not notes.commits:
        said = f"  goes back by {notes.back} commits" if notes.back else "  the same commit runs there"
        return [head, line(Span(said, Style.DIM)), ()]
    rows = [row for each in notes.commits for row in hanging((Span("  "), Span(f"{each.id[:7]} ", Style.DIM)), each.message, width=width)]
    more = [line(Span(f"  and those before: the newest {MOST_NOTES} are shown", Style.DIM))] if len(notes.commits) == MOST_NOTES else []
    return [head, *rows, *more, ()]
