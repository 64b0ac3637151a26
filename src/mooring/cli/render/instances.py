"""The instances of an environment as a table, with the age of what is known. Must not: call old knowledge new."""

from __future__ import annotations

from mooring.cli.render.moments import ago
from mooring.cli.render.styled import Line, Span, Style, line
from mooring.cli.render.table import Column, table
from mooring.engine.orders import Snapshot
from mooring.model.health import Health
from mooring.model.host import Sight
from mooring.model.instance import InstanceView, ProcessState
from mooring.model.names import LOCAL
from mooring.model.quantity import format_duration, format_size
from mooring.model.routing import RouteView

STALE_AFTER = 15.0
_COLUMNS = (
    Column("instance"),
    Column("release"),
    Column("host"),
    Column("state"),
    Column("in flight", is_right=True),
    Column("restarts", is_right=True),
    Column("up", is_right=True),
    Column("memory", is_right=True),
    Column("address", is_flexible=True),
)
_HEALTH_STYLES = {Health.READY: Style.GOOD, Health.UNREADY: Style.BAD, Health.STARTING: Style.ACCENT, Health.UNKNOWN: Style.DIM}


def instance_lines(snapshot: Snapshot, *, now: float, width: int | None) -> list[Line]:
    """One row an instance; `now` is wall seconds."""
    if not snapshot.instances:
        return [line(f"{snapshot.environment} runs nothing.", Span(f" {age_words(snapshot.age)}", Style.DIM)), *_away(snapshot)]
    rows = [_row(view, _in_flight(view, snapshot.routes), now=now) for view in sorted(snapshot.instances, key=lambda view: view.key)]
    aged = Span(age_words(snapshot.age), Style.WARN if snapshot.age > STALE_AFTER else Style.DIM)
    return [*table(_COLUMNS, rows, width=width), *_reasons(snapshot), *_away(snapshot), line(aged)]


def _away(snapshot: Snapshot) -> list[Line]:
    """How old it is what is told of hosts that do not answer."""
    return [line(Span(_away_words(sight), Style.WARN)) for sight in snapshot.away]


def _away_words(sight: Sight) -> str:
    why = f" ({sight.error})" if sight.error else ""
    if sight.age is None:
        return f"{sight.host} has not answered yet{why}: what runs there is not known"
    return f"{sight.host} does not answer{why}: what is told of it was seen {format_duration(round(sight.age))} ago"


def _reasons(snapshot: Snapshot) -> list[Line]:
    """Why those that were started again had ended, where that is known."""
    told = [view for view in snapshot.instances if view.end_reason]
    return [line(Span(f"{view.key}  last ended by {view.end_reason}", Style.WARN)) for view in sorted(told, key=lambda view: view.key)]


def _in_flight(view: InstanceView, routes: RouteView | None) -> int | None:
    """Requests and streams; None for what gets none."""
    if routes is None or routes.table.endpoint(view.key) is None:
        return None
    return routes.in_flight.get(view.key.slug, 0) + routes.streams.get(view.key.slug, 0)


def age_words(seconds: float) -> str:
    """How old the knowledge is."""
    if seconds > STALE_AFTER:
        return f"(seen {format_duration(seconds)} ago: this may have changed)"
    return f"(seen {format_duration(seconds)} ago)" if seconds >= 1 else "(seen just now)"


def state_words(view: InstanceView, *, now: float) -> Span:
    """`ready`, or what is in the way of it."""
    if view.state is ProcessState.RUNNING:
        return Span({Health.UNKNOWN: "running"}.get(view.health, view.health.value), _HEALTH_STYLES.get(view.health, Style.BAD))
    if view.state is ProcessState.BACKOFF:
        wait = f", again in {format_duration(max(view.retry_at - now, 0.0))}" if view.retry_at else ""
        return Span(f"crashed ({_end(view)}){wait}", Style.BAD)
    if view.state is ProcessState.EXITED:
        return Span(f"ended ({_end(view)})", Style.BAD)
    return Span(view.state.value, Style.DIM)


def _end(view: InstanceView) -> str:
    return f"signal {view.signal}" if view.signal else f"code {'?' if view.exit_code is None else view.exit_code}"


def _row(view: InstanceView, in_flight: int | None, *, now: float) -> list[Line]:
    is_up = view.started_at and view.state is ProcessState.RUNNING
    return [
        line(f"{view.key.process}.{view.key.slot}"),
        line(f"v{view.key.release}"),
        line("" if view.key.host == LOCAL else view.key.host),
        line(state_words(view, now=now)),
        line("" if in_flight is None else str(in_flight)),
        line(Span(str(view.restarts), Style.WARN if view.restarts else Style.PLAIN)),
        line(ago(view.started_at, now=now) if is_up else ""),
        line(format_size(view.memory) if view.memory else ""),
        line(Span(f"{view.address}:{view.port}" if view.port else "", Style.DIM)),
    ]
