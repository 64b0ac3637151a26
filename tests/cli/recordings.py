"""Recorded deployments, as files: what was asked, every event, the record at the end. Replayed here into lines, without a server."""

from __future__ import annotations

from pathlib import Path

import msgspec

from mooring.cli.render.ending import ending_lines
from mooring.cli.render.progress import Progress
from mooring.cli.render.story import Story, opening, output_in_full, plain_line
from mooring.cli.render.styled import Line, joined
from mooring.model.deployment import Deployment
from mooring.model.events import Event

FOLDER = Path(__file__).parents[1] / "cases" / "cli" / "deployments"


class Recording(msgspec.Struct, frozen=True):
    requested: Deployment
    events: tuple[Event, ...]
    ended: Deployment


def recording(name: str) -> Recording:
    return msgspec.json.decode((FOLDER / f"{name}.json").read_bytes(), type=Recording)


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def on_a_terminal(told: Recording, *, width: int) -> list[Line]:
    """What stays on a terminal of this width when the deployment has ended."""
    progress, story = Progress(told.requested.requested_at), Story()
    lines = opening(told.requested, width=width)
    for event in told.events:
        for entry in progress.apply(event):
            if not entry.is_passing:
                lines += story.settled(entry, width=width)
    apart = [()] if progress.has_told else []
    return [*lines, *apart, *output_in_full(progress.output_of_failed(told.ended), width=width), *ending_lines(told.ended, width=width)]


def in_a_file(told: Recording) -> list[Line]:
    """What a pipe gets."""
    progress = Progress(told.requested.requested_at)
    lines = opening(told.requested, width=None)
    for event in told.events:
        lines += [plain_line(entry) for entry in progress.apply(event)]
    return [*lines, *([()] if progress.has_told else []), *ending_lines(told.ended, width=None)]


def told_as_text(name: str) -> dict[str, str]:
    """What each way of looking at it shows, by the suffix of its file of expected text."""
    told = recording(name)
    return {
        "80.txt": joined(on_a_terminal(told, width=80)),
        "120.txt": joined(on_a_terminal(told, width=120)),
        "plain.txt": joined(in_a_file(told)),
    }


if __name__ == "__main__":  # writes the expected texts anew: look at the difference before you keep it
    for name in names():
        for suffix, text in told_as_text(name).items():
            (FOLDER / f"{name}.{suffix}").write_text(text, encoding="utf-8")
