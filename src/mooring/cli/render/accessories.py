"""Accessories as a table, then what is to be done about them. Must not: decide what that is."""

from __future__ import annotations

from collections.abc import Sequence

from mooring.cli.render.instances import STALE_AFTER, age_words, state_words
from mooring.cli.render.moments import ago
from mooring.cli.render.styled import Line, Span, Style, hanging, line
from mooring.cli.render.table import Column, table
from mooring.model.instance import ProcessState
from mooring.model.names import LOCAL
from mooring.model.quantity import format_size
from mooring.planner.accessories import Condition
from mooring.usecases.answers import AccessoryStatus

_COLUMNS = (
    Column("accessory"),
    Column("state"),
    Column("host"),
    Column("address"),
    Column("up", is_right=True),
    Column("memory", is_right=True),
    Column("runs", is_flexible=True),
)


def accessory_lines(found: Sequence[AccessoryStatus], *, now: float, width: int | None) -> list[Line]:
    """One row each; `now` is wall seconds."""
    if not found:
        return [line("There is no accessory; [accessories.NAME] in mooring.toml declares one.")]
    rows = [_row(each, now=now) for each in found]
    said = [each.said for each in found if each.condition is not Condition.AS_DECLARED]
    remarks = [row for text in said for row in hanging(line(Span("! ", Style.WARN)), text, width=width)]
    oldest = max(each.age for each in found)
    aged = line(Span(age_words(oldest), Style.WARN if oldest > STALE_AFTER else Style.DIM))
    return [*table(_COLUMNS, rows, width=width), *remarks, aged]


def _row(each: AccessoryStatus, *, now: float) -> list[Line]:
    view, place = each.instance, each.place
    is_up = view is not None and view.started_at and view.state is ProcessState.RUNNING
    return [
        line(each.name),
        line(state_words(view, now=now) if view else Span(_absence(each), Style.DIM)),
        line("" if place is None or place.host == LOCAL else place.host),
        line(Span(f"{place.address}:{place.port}" if place else "", Style.DIM)),
        line(ago(view.started_at, now=now) if view and is_up else ""),
        line(format_size(view.memory) if view and view.memory else ""),
        line(each.runs),
    ]


def _absence(each: AccessoryStatus) -> str:
    if each.is_asleep:
        return "asleep"
    return "stopped" if each.condition is Condition.STOPPED else "not there"
