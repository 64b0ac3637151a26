"""Release notes from a real repository: bounded, and each kind of history told as what it is."""

from __future__ import annotations

import subprocess
from pathlib import Path

import msgspec
import pytest

from mooring.client.git import Git
from mooring.client.notes import notes_of
from mooring.errors import SourceInvalid
from mooring.model.promotion import LONGEST_SUBJECT, MOST_COMMITS, History, Notes
from mooring.model.release import Release, Source
from mooring.testing.samples import a_release
from mooring.usecases.promote import LONGEST_NOTES, read_notes


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet", "--initial-branch", "main")
    return tmp_path


def git(directory: Path, *words: str) -> str:
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@localhost"]
    return subprocess.run(["git", *identity, *words], cwd=directory, check=True, capture_output=True, text=True).stdout.strip()


def commit(directory: Path, *messages: str) -> str:
    for message in messages:
        git(directory, "commit", "--quiet", "--allow-empty", "-m", message)
    return git(directory, "rev-parse", "HEAD")


def running(commit_id: str) -> Release:
    return msgspec.structs.replace(a_release(4), source=Source(digest="d", commit=commit_id))


def test_newer_commits_are_listed_newest_first(repository: Path) -> None:
    before = commit(repository, "Begin")
    after = commit(repository, "Page 2", "Page 3")
    notes = notes_of(Git(repository), after, running(before))
    assert (notes.history, notes.since, notes.brought, notes.left) == (History.KNOWN, 4, 2, 0)
    assert [each.subject for each in notes.commits] == ["Page 3", "Page 2"]
    assert notes.commits[0].id == after


def test_the_first_time_the_same_commit_and_the_way_back_are_told_apart(repository: Path) -> None:
    before = commit(repository, "Begin")
    after = commit(repository, "Page 2", "Page 3")
    asking = Git(repository)
    assert notes_of(asking, after, None) == Notes(history=History.FIRST)
    assert notes_of(asking, after, running(after)) == Notes(history=History.KNOWN, since=4)
    assert notes_of(asking, before, running(after)) == Notes(history=History.KNOWN, since=4, left=2)


def test_a_rewritten_history_is_told_by_both_its_sides(repository: Path) -> None:
    commit(repository, "Begin")
    before = commit(repository, "Draft", "Draft again")
    git(repository, "reset", "--quiet", "--hard", "HEAD~2")
    after = commit(repository, "Final")
    notes = notes_of(Git(repository), after, running(before))
    assert (notes.history, [each.subject for each in notes.commits], notes.brought, notes.left) == (History.KNOWN, ["Final"], 1, 2)


@pytest.mark.parametrize("before", ["", "0123456789012345678901234567890123456789"])
def test_what_ran_from_no_commit_of_this_clone_is_not_guessed(repository: Path, before: str) -> None:
    after = commit(repository, "Begin")
    assert notes_of(Git(repository), after, running(before)) == Notes(history=History.UNKNOWN, since=4)


def test_a_commit_that_the_clone_has_not_got_is_refused(repository: Path) -> None:
    commit(repository, "Begin")
    with pytest.raises(SourceInvalid, match="there is no commit"):
        notes_of(Git(repository), "0123456789012345678901234567890123456789", None)


@pytest.mark.parametrize("subject", ["x" * 1000, "ü" * 300, "日本語" * 100, '"\\' * 200, "a\tb\x1b[31m" * 50])
def test_many_and_long_commits_are_cut_to_what_the_platform_takes(repository: Path, subject: str) -> None:
    before = commit(repository, "Begin")
    after = commit(repository, *[subject] * (MOST_COMMITS + 3))
    notes = notes_of(Git(repository), after, running(before))
    assert (len(notes.commits), notes.brought) == (MOST_COMMITS, MOST_COMMITS + 3)
    assert all(len(each.subject.encode()) <= LONGEST_SUBJECT and each.subject.isprintable() for each in notes.commits)
    text = msgspec.json.encode(notes).decode()
    assert len(text) <= LONGEST_NOTES
    assert read_notes(text) == notes
