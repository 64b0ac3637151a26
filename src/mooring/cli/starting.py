"""Bringing the platform up or down, told line by line. Must not: know what the platform consists of."""

from __future__ import annotations

from collections.abc import Iterable

from mooring.cli.render.receipt import labelled
from mooring.cli.render.styled import Line, Span, Style, line
from mooring.cli.session import Session
from mooring.client.platform import Progress, Summary
from mooring.errors import NeedsPerson
from mooring.model.quantity import format_duration


def tell(session: Session, steps: Iterable[Progress | Summary]) -> Summary:
    """Show each step as it is done (beside the result, on standard error); gives the summary."""
    for step in steps:
        if isinstance(step, Summary):
            return step
        session.err.write([line(Span("· ", Style.DIM), step.message, Span(f"  {format_duration(step.seconds)}", Style.DIM))])
    raise NeedsPerson("the platform did not say how it is", hint="`mooring status` shows it")


def up_lines(summary: Summary, *, width: int | None) -> list[Line]:
    """Where it listens and where its state is."""
    was = "" if summary.changed else " already"
    https = f", https {summary.https_port}" if summary.https_port else ""
    return [
        line(Span("✓ ", Style.SUCCESS), Span(f"mooring {summary.version} is up{was}", Style.SUCCESS)),
        *labelled("ports", f"http {summary.http_port}{https} on {summary.bind or '127.0.0.1'}", width=width),
        *labelled("apps", str(summary.apps), width=width),
        *(labelled("API", f"{summary.socket}{f' and {summary.api}' if summary.api else ''}", width=width)),
        *labelled("state", summary.state_directory, width=width),
    ]


def down_lines(summary: Summary) -> list[Line]:
    """That nothing runs any more."""
    said = "the platform is down; `mooring up` brings every app back" if summary.changed else "the platform was down already"
    return [line(Span("✓ ", Style.SUCCESS), said)]
