"""Columns of lines, fitted to a width by cutting the flexible ones. Must not: know what is in them."""

from __future__ import annotations

from collections.abc import Sequence

from mooring.cli.render.styled import Line, Span, Style, clip, padded, width_of

GAP = 2


class Column:
    """A heading and how its cells sit. A flexible column gives way when the terminal is narrow."""

    __slots__ = ("heading", "is_flexible", "is_right")

    def __init__(self, heading: str, *, is_right: bool = False, is_flexible: bool = False) -> None:
        self.heading = heading
        self.is_right = is_right
        self.is_flexible = is_flexible


def table(columns: Sequence[Column], rows: Sequence[Sequence[Line]], *, width: int | None, indent: int = 0) -> list[Line]:
    """Heading and rows; columns that are empty in every row are left out."""
    shown = [number for number, _ in enumerate(columns) if not rows or any(width_of(row[number]) for row in rows)]
    widths = [max(len(columns[number].heading), *(width_of(row[number]) for row in rows), 0) for number in shown]
    _squeeze([columns[number] for number in shown], widths, width=None if width is None else width - indent)
    heading: list[Line] = [(Span(columns[number].heading, Style.DIM),) for number in shown]
    bodies = [heading, *([row[number] for number in shown] for row in rows)]
    return [_row(body, [columns[number] for number in shown], widths, indent=indent, width=width) for body in bodies]


def table_with_places(columns: Sequence[Column], rows: Sequence[Sequence[Line]], *, width: int | None) -> list[Line]:
    """The same, but what stands in the last column is there to be opened: where there is no room, each stands whole below its row."""
    wide = table(columns, rows, width=None)
    if width is None or all(width_of(each) <= width for each in wide):
        return wide
    heading, *narrow = table(columns[:-1], [row[:-1] for row in rows], width=width)
    below = ([(Span("  "), *row[-1])] if width_of(row[-1]) else [] for row in rows)
    return [heading, *(each for row, places in zip(narrow, below, strict=True) for each in (row, *places))]


def _squeeze(columns: Sequence[Column], widths: list[int], *, width: int | None) -> None:
    if width is None:
        return
    excess = sum(widths) + GAP * (len(widths) - 1) - width
    for number, column in reversed(list(enumerate(columns))):  # what stands furthest right matters least
        if excess > 0 and column.is_flexible:
            least = max(len(column.heading), 8)
            taken = min(excess, max(widths[number] - least, 0))
            widths[number] -= taken
            excess -= taken


def _row(body: Sequence[Line], columns: Sequence[Column], widths: Sequence[int], *, indent: int, width: int | None) -> Line:
    spans: list[Span] = [Span(" " * indent)] if indent else []
    for number, (cell, column, room) in enumerate(zip(body, columns, widths, strict=True)):
        is_last = number == len(columns) - 1
        fitted = clip(cell, room)
        spans.extend(fitted if is_last and not column.is_right else padded(fitted, room, is_right=column.is_right))
        if not is_last:
            spans.append(Span(" " * GAP))
    return clip(tuple(spans), width)
