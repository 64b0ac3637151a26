"""Review apps as a table; what is left of one that was taken down. Must not: look for anything."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from mooring.cli.render.moments import ago
from mooring.cli.render.status import state_words
from mooring.cli.render.styled import Line, Span, Style, hanging, line
from mooring.cli.render.table import Column, table_with_places
from mooring.model.trace import Trace
from mooring.usecases.answers import ReviewAppStatus

_COLUMNS = (
    Column("branch", is_flexible=True),
    Column("commit"),
    Column("state"),
    Column("age", is_right=True),
    Column("goes in", is_right=True),
    Column("url"),
)
_MINUTES = ((1440, "d"), (60, "h"), (1, "m"))


def review_lines(app: str, reviews: Sequence[ReviewAppStatus], *, now: float, width: int | None) -> list[Line]:
    """One row each, then why one does not serve, and which will be gone soon."""
    if not reviews:
        return [line(f"{app} has no review app; `mooring review up BRANCH` brings one up.")]
    troubles = [
        row
        for each in reviews
        for said in (each.error, each.waiting)
        if said
        for row in hanging(line(Span(f"{each.branch}: ", Style.BAD)), said, width=width)
    ]
    ends = [
        row
        for each in reviews
        if each.is_warned and not each.leaving
        for row in hanging(line(Span(f"{each.branch}: ", Style.WARN)), _end(each, now=now), width=width)
    ]
    return [*table_with_places(_COLUMNS, [_row(each, now=now) for each in reviews], width=width), *troubles, *ends]


def until(review: ReviewAppStatus, *, now: float) -> str:
    """How long it stays, in its two largest units: `3d`, `2d 23h`, `5m`."""
    left, units = max(0, round((review.expires_at - now) / 60)), []
    for size, letter in _MINUTES:
        count, left = divmod(left, size)
        units += [f"{count}{letter}"] if count else []
    return " ".join(units[:2]) or "0m"


def _end(review: ReviewAppStatus, *, now: float) -> str:
    return f"it goes in {until(review, now=now)}; `mooring review extend {shlex.quote(review.branch)}` keeps it"


def trace_lines(traces: Sequence[Trace], *, width: int | None) -> list[Line]:
    """A line for each kind of thing."""
    return [row for trace in traces for row in _trace(trace, width=width)]


def _row(review: ReviewAppStatus, *, now: float) -> list[Line]:
    state = Span(f"going: {review.leaving}", Style.WARN) if review.leaving else state_words(review.summary)
    state = Span("waits for room", Style.WARN) if review.waiting and not review.leaving else state
    return [
        line(Span(review.branch, Style.STRONG), "".join(f" #{number}" for number in review.pulls)),
        line(review.head[:7]),
        line(state),
        line(Span(ago(review.created_at, now=now), Style.DIM)),
        line("" if review.leaving else until(review, now=now)),
        line(Span(review.summary.urls[0] if review.summary.urls else "", Style.ACCENT)),
    ]


def _trace(trace: Trace, *, width: int | None) -> list[Line]:
    if trace.is_gone:
        return [line(Span("✓ ", Style.SUCCESS), f"{trace.kind}: gone")]
    mark = Span("· ", Style.DIM) if trace.is_in_order else Span("✗ ", Style.BAD)
    why = trace.reason or trace.stuck
    because = f" ({why})" if why else ""
    left = [f"{', '.join(trace.left)} left{because}"] if trace.left else []
    unseen = [f"could not be looked for: {trace.unseen}"] if trace.unseen else []
    return hanging(line(mark), f"{trace.kind}: {'; '.join([*left, *unseen])}", width=width)
