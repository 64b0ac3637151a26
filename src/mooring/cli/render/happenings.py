"""Events of any kind, a line each: when, where, what. Must not: tell a deployment's story (progress does)."""

from __future__ import annotations

from datetime import timedelta

from mooring.cli.render.moments import clock_time
from mooring.cli.render.progress import number, probe_answer, said
from mooring.cli.render.styled import Line, Span, Style, clip, line
from mooring.model.events import Event, EventKind
from mooring.model.quantity import format_duration

_BAD = (EventKind.STEP_FAILED, EventKind.INSTANCE_CRASHED, EventKind.REVERTING, EventKind.DIAGNOSIS)


def happening_line(event: Event, *, offset: timedelta, width: int | None) -> Line:
    """One event on one line; cut at `width`."""
    style = Style.BAD if event.kind in _BAD else Style.PLAIN
    return clip(
        line(
            Span(clock_time(event.at, offset=offset), Style.DIM),
            Span(f"  {event.environment or 'platform'}", Style.ACCENT),
            Span(f"  {event.kind.value}  ", Style.DIM),
            Span(happening_words(event), style),
        ),
        width,
    )


def happening_words(event: Event) -> str:
    """The event's fields as a few words; unknown ones as `key=value`."""
    match event.kind:
        case EventKind.STEP_STARTED | EventKind.STEP_FAILED | EventKind.STEP_ENDED:
            return _joined(said(event, "summary"), said(event, "message") or said(event, "reason"), _taken(event))
        case EventKind.PROBE_FAILED:
            return _joined(said(event, "instance"), probe_answer(event))
        case EventKind.INSTANCE_READY | EventKind.INSTANCE_CRASHED | EventKind.DIAGNOSIS:
            return _joined(said(event, "instance"), said(event, "said") or said(event, "likely_cause"), _taken(event))
        case EventKind.BUILD_OUTPUT | EventKind.TASK_OUTPUT:
            return said(event, "line")
        case EventKind.RECEIPT:
            return _joined(str(event.deployment or ""))
    simple = [f"{name}={_short(value)}" for name, value in event.fields.items() if name not in ("message", "reason") and _is_short(value)]
    return _joined(said(event, "message") or said(event, "reason"), " ".join(simple))


def _is_short(value: object) -> bool:
    return isinstance(value, (str, int, float)) and value != ""


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _taken(event: Event) -> str:
    seconds = number(event, "seconds")
    return "" if seconds is None else format_duration(seconds)


def _joined(*parts: str) -> str:
    return " · ".join(part for part in parts if part)
