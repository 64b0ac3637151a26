"""Entries of a deployment's progress laid out: settled lines, the part that still moves, and plain lines for a file.

    prepare   ✓ start v7 web.1 · v7 web.1 replaces v6 web.1                 0.1s
              ✓ v7 web.1 is ready                                           1.3s

Must not: read a clock; the moment is an argument.
"""

from __future__ import annotations

from mooring.cli.render.progress import PHASE_WORDS, Entry, Mark, Progress
from mooring.cli.render.styled import Line, Span, Style, clip, hanging, line, padded, width_of
from mooring.model.deployment import Deployment, Trigger
from mooring.model.quantity import format_duration

GUTTER = 9
WIDEST = 120
OUTPUT_TAIL = 5
MOST_RUNNING = 12
_STYLES = {Mark.DONE: Style.GOOD, Mark.FAILED: Style.BAD, Mark.WARNING: Style.WARN, Mark.NOTE: Style.DIM, Mark.NONE: Style.DIM}
_VERBS = {
    Trigger.DEPLOY: "Deploying",
    Trigger.ROLLBACK: "Rolling back",
    Trigger.CONFIG: "Changing config of",
    Trigger.SCALE: "Scaling",
    Trigger.RESTART: "Restarting",
    Trigger.DESTROY: "Destroying",
}


def opening(deployment: Deployment, *, width: int | None) -> list[Line]:
    """Which environment goes from what to what, and what was asked for."""
    before = f"v{deployment.baseline.release}" if deployment.baseline else "nothing"
    after = f"v{deployment.target.release}" if deployment.target else "new release"
    way = "" if deployment.trigger is Trigger.DESTROY else f"  {before} → {after}"
    head = line(
        Span(f"{_VERBS[deployment.trigger]} {deployment.environment}", Style.STRONG),
        Span(way, Style.ACCENT),
        Span(f"  {deployment.id}", Style.DIM),
    )
    described = [clip(line(Span(deployment.description, Style.DIM)), width)] if deployment.description else []
    return [clip(head, width), *described, ()]


class Story:
    """Lays out entries one after another; the phase's name stands only where it changes."""

    def __init__(self) -> None:
        self._phase = ""

    def settled(self, entry: Entry, *, width: int | None) -> list[Line]:
        """The lines of one entry for a terminal."""
        gutter = "" if entry.phase == self._phase else entry.phase
        self._phase = entry.phase
        return settled_lines(entry, gutter=gutter, width=min(width or WIDEST, WIDEST))


def settled_lines(entry: Entry, *, gutter: str, width: int) -> list[Line]:
    """One line where text, reason and seconds fit; the reason on lines of its own, dimmed, where they do not."""
    head = (*padded(line(Span(gutter, Style.DIM)), GUTTER), Span(" "), Span(entry.mark.value, _STYLES[entry.mark]), Span(" "))
    taken = Span(format_duration(entry.seconds) if entry.seconds is not None else "", Style.DIM)
    room = width - width_of(head) - len(taken.text) - 1
    short = line(Span(entry.text), Span(f" · {entry.reason}" if entry.reason else "", Style.DIM))
    if width_of(short) <= room:
        return [(*padded((*head, *short), width - len(taken.text)), taken)] if taken.text else [(*head, *short)]
    first, *more = hanging(head, entry.text, width=width - len(taken.text) - 1)
    timed = (*padded(first, width - len(taken.text)), taken)
    reasons = hanging((Span(" " * width_of(head)),), entry.reason, width=width, style=Style.DIM) if entry.reason else []
    return [timed, *more, *reasons]


def plain_line(entry: Entry) -> Line:
    """One line for a file or a pipe: seconds since the request, phase, what happened, why."""
    stamp = f"[{entry.elapsed:7.1f}s] {entry.phase}"
    if entry.is_output:
        return line(f"{stamp} | {entry.text}")
    mark = f" {entry.mark.value}" if entry.mark in (Mark.DONE, Mark.FAILED, Mark.WARNING) else ""
    taken = f" ({format_duration(entry.seconds)})" if entry.seconds is not None else ""
    return line(f"{stamp}{mark} {entry.text}{taken}" + (f": {entry.reason}" if entry.reason else ""))


def moving(progress: Progress, *, moment: float, width: int, spinner: str, output_tail: int = OUTPUT_TAIL) -> list[Line]:
    """What goes on at `moment` (wall seconds): the phase, its running steps, unready instances, the last lines of output."""
    width = min(width, WIDEST)
    since = max(moment - progress.phase_since, 0.0)
    rows = [_turning(PHASE_WORDS.get(progress.phase, progress.phase), since, phase=progress.phase, width=width, spinner=spinner)]
    for running in list(progress.running.values())[:MOST_RUNNING]:
        rows.append(_turning(running.summary, max(moment - running.since, 0.0), phase="", width=width, spinner=spinner))
    for instance, answer in list(progress.unready.items())[:MOST_RUNNING]:
        rows.append(clip(line(" " * GUTTER, Span(f" · {instance} is not ready yet: {answer}", Style.DIM)), width))
    tail = list(progress.output)[-output_tail:] if progress.phase in ("build", "release") else []
    rows.extend(clip(line(" " * GUTTER, Span(f" │ {text}", Style.DIM)), width) for text in tail)
    return rows


def _turning(text: str, seconds: float, *, phase: str, width: int, spinner: str) -> Line:
    taken = format_duration(seconds) if seconds >= 1 else ""
    head = (*padded(line(Span(phase, Style.DIM)), GUTTER), Span(" "), Span(spinner, Style.ACCENT), Span(" "))
    body = clip((*head, Span(text)), width - len(taken) - 1)
    return (*padded(body, width - len(taken)), Span(taken, Style.DIM)) if taken else body


def output_in_full(lines: list[str], *, width: int | None) -> list[Line]:
    """Everything that a failed build or task printed."""
    if not lines:
        return []
    rows = [row for text in lines for row in hanging(line(Span("  │ ", Style.DIM)), text, width=width)]
    return [line(Span("What it printed:", Style.STRONG)), *rows, ()]
