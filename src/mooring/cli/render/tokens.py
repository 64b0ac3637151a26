"""Tokens as a table. Must not: know a token's secret."""

from __future__ import annotations

from collections.abc import Sequence

from mooring.cli.render.moments import ago
from mooring.cli.render.styled import Line, Span, Style, line
from mooring.cli.render.table import Column, table
from mooring.model.access import TokenRecord

_COLUMNS = (Column("name", is_flexible=True), Column("role"), Column("age", is_right=True), Column("state"), Column("id"))


def token_lines(tokens: Sequence[TokenRecord], *, now: float, width: int | None) -> list[Line]:
    """One row a token."""
    if not tokens:
        return [line("No tokens: only this machine's socket is open.")]
    return table(_COLUMNS, [_row(token, now=now) for token in tokens], width=width)


def _row(token: TokenRecord, *, now: float) -> list[Line]:
    state = Span("valid", Style.GOOD) if token.is_valid(now) else Span("revoked" if token.revoked_at else "expired", Style.DIM)
    return [line(token.name), line(token.role.value), line(ago(token.created_at, now=now)), line(state), line(Span(token.id, Style.DIM))]
