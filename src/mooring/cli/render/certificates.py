"""Certificates as a table, and below it why something is not as it should be. Must not: know a key."""

from __future__ import annotations

from collections.abc import Sequence

from mooring.cli.render.moments import ago
from mooring.cli.render.styled import Line, Span, Style, line
from mooring.cli.render.table import Column, table
from mooring.model.certificate import CertificateView
from mooring.planner.certificates import SOON

_COLUMNS = (
    Column("hostname", is_flexible=True),
    Column("source"),
    Column("issuer", is_flexible=True),
    Column("expires in", is_right=True),
    Column("next order in", is_right=True),
)


def certificate_lines(views: Sequence[CertificateView], *, now: float, width: int | None) -> list[Line]:
    """One row a hostname, then a line for each that something stands in the way of."""
    if not views:
        return [line("No app has a hostname of the wide web.")]
    return [*table(_COLUMNS, [_row(view, now=now) for view in views], width=width), *_remarks(views)]


def _row(view: CertificateView, *, now: float) -> list[Line]:
    waiting = "now" if view.is_under_way else _until(view.next_order_at, now=now)
    return [line(view.hostname), line(view.source or "none"), line(view.issuer), line(_expiry(view, now=now)), line(waiting)]


def _expiry(view: CertificateView, *, now: float) -> Span:
    if not view.expires_at:
        return Span("-", Style.DIM)
    if view.expires_at <= now:
        return Span("expired", Style.BAD)
    return Span(_until(view.expires_at, now=now), Style.WARN if view.expires_at - now < SOON else Style.GOOD)


def _until(at: float, *, now: float) -> str:
    """`59d`: the largest unit alone; a dash for an unknown time."""
    return ago(now, now=at) if at and at > now else "-"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _remarks(views: Sequence[CertificateView]) -> list[Line]:
    troubled = [
        line(Span(f"{view.hostname}: failed {_times(view.failures)}: {view.last_error}", Style.BAD)) for view in views if view.failures
    ]
    return [*troubled, *(line(f"{view.hostname}: {view.hindrance}") for view in views if view.hindrance)]
