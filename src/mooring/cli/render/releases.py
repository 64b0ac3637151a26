"""Releases as a table, newest first. Must not: say which one serves unless told."""

from __future__ import annotations

from collections.abc import Sequence

from mooring.cli.render.moments import ago
from mooring.cli.render.notes import note_lines
from mooring.cli.render.styled import Line, Span, Style, line
from mooring.cli.render.table import Column, table
from mooring.model.release import Release

_COLUMNS = (
    Column("release"),
    Column(""),
    Column("age", is_right=True),
    Column("by", is_flexible=True),
    Column("commit"),
    Column("what", is_flexible=True),
)


def release_lines(releases: Sequence[Release], *, current: int | None, now: float, width: int | None) -> list[Line]:
    """One row a release; `current` is the one that is desired now."""
    if not releases:
        return [line("No release yet: `mooring deploy` makes the first.")]
    ordered = sorted(releases, key=lambda release: -release.number)
    return table(_COLUMNS, [_row(release, current=current, now=now) for release in ordered], width=width)


def release_notes(release: Release, *, width: int | None) -> list[Line]:
    """Where it was promoted from, and what it brought."""
    if release.promotion is None:
        return [(), line(Span("It was not promoted from another environment: that is where notes come from.", Style.DIM))]
    return [(), line(f"promoted from {release.promotion.origin}"), *note_lines(release.promotion.notes, width=width)]


def _row(release: Release, *, current: int | None, now: float) -> list[Line]:
    is_current = release.number == current
    commit = f"{release.source.commit[:7]}{'+' if release.source.is_dirty else ''}"
    subject = release.source.message.split("\n")[0]
    return [
        line(Span(release.version, Style.STRONG if is_current else Style.PLAIN)),
        line(Span("current" if is_current else "", Style.GOOD)),
        line(ago(release.created_at, now=now)),
        line(release.created_by),
        line(Span(commit, Style.ACCENT)),
        line(release.description, Span(f" · {subject}" if subject and subject not in release.description else "", Style.DIM)),
    ]
