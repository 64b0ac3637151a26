"""Registries as a table. Must not: know a password."""

from __future__ import annotations

from collections.abc import Sequence

from mooring.cli.render.styled import Line, line
from mooring.cli.render.table import Column, table
from mooring.model.registry import Registry

_COLUMNS = (Column("registry", is_flexible=True), Column("as"), Column("images to hosts through", is_flexible=True))


def registry_lines(registries: Sequence[Registry], *, width: int | None) -> list[Line]:
    """One row a registry."""
    if not registries:
        return [line("Images are fetched as nobody; `mooring registry add` says as whom.")]
    return table(_COLUMNS, [_row(each) for each in registries], width=width)


def _row(registry: Registry) -> list[Line]:
    return [line(registry.host), line(registry.username), line(registry.images or "-")]
