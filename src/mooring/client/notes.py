"""Release notes from the commits of a clone. Must not: know whose release they are of, beyond what runs now."""

from __future__ import annotations

from mooring.client.git import Git
from mooring.model.promotion import MOST_COMMITS, CommitNote, History, Notes, cut_subject
from mooring.model.release import Release


def notes_of(git: Git, commit: str, present: Release | None) -> Notes:
    """What `commit`, a whole id, brings where `present` runs. Raises SourceInvalid where this clone has not got it."""
    git.commit(commit)
    if present is None:
        return Notes(history=History.FIRST)
    before = present.source.commit
    if not before or git.commit_if_any(before) is None:
        return Notes(history=History.UNKNOWN, since=present.number)
    found = git.commits_between(before, commit, at_most=MOST_COMMITS)
    return Notes(
        history=History.KNOWN,
        since=present.number,
        commits=tuple(CommitNote(id=each.id, subject=cut_subject(each.message)) for each in found),
        brought=git.count_between(before, commit),
        left=git.count_between(commit, before),
    )
