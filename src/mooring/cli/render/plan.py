"""A plan before it runs: each step with its reason, and what will happen besides. Must not: judge the plan."""

from __future__ import annotations

from typing import assert_never

from mooring.cli.render.styled import Line, Span, Style, hanging, line, width_of
from mooring.engine.orders import Preview
from mooring.model.quantity import format_duration
from mooring.model.steps import (
    Conclude,
    Deliver,
    ForgetReleases,
    GoBack,
    RemoveRoutes,
    RestartInstance,
    RunRelease,
    SetRoutes,
    StartInstance,
    Step,
    StopInstance,
    StopRelease,
    own_words,
)


def plan_lines(preview: Preview, *, width: int | None) -> list[Line]:
    """Numbered steps, reasons dimmed, notes at the end."""
    rows = [line(Span(f"{preview.environment}: {preview.description}", Style.STRONG)), ()]
    if not preview.steps:
        rows.append(line("  Nothing to do: what runs is what is desired."))
    for number, step in enumerate(preview.steps, start=1):
        rows += _numbered(number, step_words(step), step.reason, width=width)
    notes = [row for note in preview.notes for row in hanging(line(Span("  ! ", Style.WARN)), note, width=width)]
    return [*rows, (), *notes, *([()] if notes else []), line(Span("Nothing was touched.", Style.DIM))]


def step_words(step: Step) -> str:
    """What a step does, as a person says it."""
    match step:
        case RunRelease() | StopRelease() | Deliver():
            return _words_of_release(step)
        case StartInstance():
            return f"start {step.instance}"
        case SetRoutes():
            return f"switch: {step.summary}" if step.is_switch else step.summary
        case StopInstance():
            return f"stop {step.instance} (SIGKILL after {format_duration(step.grace)})"
        case RestartInstance():
            return f"restart {step.instance}"
        case ForgetReleases():
            return "remove the logs of releases that are not kept" if step.releases is not None else "remove all that is left"
        case Conclude():
            return f"end: {step.outcome.value}"
        case RemoveRoutes() | GoBack():
            return "go back" if isinstance(step, GoBack) else "remove all routes"
        case _:
            return own_words(step)


def _words_of_release(step: RunRelease | StopRelease | Deliver) -> str:
    match step:
        case RunRelease():
            return f"run the {'seed' if step.is_seed else 'release'} command of v{step.release}: {step.command}"
        case StopRelease():
            return f"end the release command of v{step.release}"
        case Deliver():
            return f"deliver v{step.release} to {step.host}"
    assert_never(step)


def _numbered(number: int, words: str, reason: str, *, width: int | None) -> list[Line]:
    head = line(Span(f"{number:>3}  ", Style.DIM))
    together = line(Span(words), Span(f" · {reason}" if reason else "", Style.DIM))
    if width is None or width_of(head) + width_of(together) <= width:
        return [(*head, *together)]
    return [*hanging(head, words, width=width), *hanging(line(" " * width_of(head)), reason, width=width, style=Style.DIM)]
