"""Entries of a deployment's progress laid out: settled lines, the part that still moves, and plain lines for a file.

    prepare   ✓ start v7 web.1 · v7 web.1 replaces v6 web.1                 0.1s
              ✓ v7 web.1 is ready                                           1.3s

Must not: read a clock; the moment is an argument.
"""

from __future__ import annotations

from mooring.cli.render.progress import PHASE_WORDS, Entry, Mark, Progress
from mooring.cli.render.styled import Line, Span, Style, clip, hanging, line, padded, verbatim, width_of
from mooring.model.deployment import Deployment, Trigger
from mooring.model.quantity import format_duration
from mooring.model.release import Source

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
    Trigger.ROTATE: "Changing a password of",
    Trigger.RESEED: "Seeding",
    Trigger.DESTROY: "Destroying",
}
_STAYS = (Trigger.SCALE, Trigger.RESTART, Trigger.ROTATE)  # the release is the same afterwards


def opening(deployment: Deployment, *, width: int | None, source: Source | None = None) -> list[Line]:
    """Which environment goes from what to what, and what was asked for; of a deploy from here also the commit's own words."""
    head = line(
        Span(f"{_VERBS[deployment.trigger]} {deployment.environment}", Style.STRONG),
        Span(_way(deployment), Style.ACCENT),
        Span(f"  {deployment.id}", Style.DIM),
    )
    described = commit_words(source) if source else deployment.description
    return [clip(head, width), *([clip(line(Span(described, Style.DIM)), width)] if described else []), ()]


def _way(deployment: Deployment) -> str:
    """`v6 → new release`, or the one that stays; nothing while it waits, since what serves when its turn comes is not known yet."""
    if deployment.started_at is None or deployment.trigger is Trigger.DESTROY:
        return ""
    before = f"v{deployment.baseline.release}" if deployment.baseline else "nothing"
    if deployment.trigger in _STAYS:
        return f"  {before}"
    return f"  {before} → {f'v{deployment.target.release}' if deployment.target else 'new release'}"


def commit_words(source: Source) -> str:
    """`commit 3f2a91c on main: Fix the cart`."""
    which = f"commit {source.commit[:7]}" if source.commit else "a tree without a commit"
    branch = f" on {source.branch}" if source.branch else ""
    changed = " and uncommitted changes" if source.is_dirty and source.commit else ""
    subject = source.message.split("\n")[0]
    return f"{which}{branch}{changed}" + (f": {subject}" if subject else "")


class Story:
    """Lays out entries one after another; the phase's name stands only where it changes."""

    def __init__(self) -> None:
        self._phase = ""

    def settled(self, entry: Entry, *, width: int | None) -> list[Line]:
        """The lines of one entry for a terminal."""
        gutter = self.gutter(entry.phase)
        self._phase = entry.phase
        return settled_lines(entry, gutter=gutter, width=min(width or WIDEST, WIDEST))

    def gutter(self, phase: str) -> str:
        """The phase's name, unless it stands above already."""
        return "" if phase == self._phase else phase


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
    text = f"{entry.text}{_in_brackets(entry.seconds)}"
    if entry.is_output:
        return line(f"{stamp} | {entry.text}")
    mark = f" {entry.mark.value}" if entry.mark in (Mark.DONE, Mark.FAILED, Mark.WARNING) else ""
    return line(f"{stamp}:{mark} {text}" + (f": {entry.reason}" if entry.reason else ""))


def _in_brackets(seconds: float | None) -> str:
    return f" ({format_duration(seconds)})" if seconds is not None else ""


def moving(progress: Progress, *, moment: float, width: int, spinner: str, gutter: str) -> list[Line]:
    """What goes on at `moment` (wall seconds): the phase, its running steps, unready instances, the last lines of output."""
    width = min(width, WIDEST)
    since = max(moment - progress.phase_since, 0.0)
    rows = [_turning(PHASE_WORDS.get(progress.phase, progress.phase), since, phase=gutter, width=width, spinner=spinner)]
    for running in list(progress.running.values())[:MOST_RUNNING]:
        rows.append(_turning(running.summary, max(moment - running.since, 0.0), phase="", width=width, spinner=spinner))
    for instance, answer in list(progress.unready.items())[:MOST_RUNNING]:
        rows.append(clip(line(" " * GUTTER, Span(f" · {instance} is not ready yet: {answer}", Style.DIM)), width))
    for instance, count in list(progress.in_flight.items())[:MOST_RUNNING]:
        rows.append(clip(line(" " * GUTTER, Span(f" · {instance} finishes {count} request{'s' if count != 1 else ''}", Style.DIM)), width))
    tail = list(progress.output)[-OUTPUT_TAIL:] if progress.phase in ("build", "release") else []
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
    rows = [row for text in lines for row in verbatim(text, width=width)]
    return [line(Span("What it printed:", Style.STRONG)), *rows, ()]
