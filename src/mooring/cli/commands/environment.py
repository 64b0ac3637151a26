"""Looking at one environment: ps, releases, open. Must not: change anything."""

from __future__ import annotations

import time

import click

from mooring.cli.commands.deploy import release_number
from mooring.cli.options import command
from mooring.cli.render.styled import Span, Style, line
from mooring.cli.session import Session
from mooring.errors import NotFound


@command("ps")
def ps_command(session: Session) -> None:
    from mooring.cli.render.instances import instance_lines

    detail = session.client.environment(session.environment)
    session.answer(detail.snapshot, instance_lines(detail.snapshot, now=time.time(), width=session.out.width))


@command("releases")
@click.argument("release", required=False, default="", metavar="[vN]")
def releases_command(session: Session, release: str) -> None:
    from mooring.cli.render.releases import release_lines, release_notes

    number = release_number(release) if release else None
    releases = [each for each in session.client.releases(session.environment) if number in (None, each.number)]
    if number is not None and not releases:
        raise NotFound(f"{session.environment} has no release v{number}", hint="`mooring releases` lists them")
    detail = session.client.environment(session.environment)
    current = detail.record.revision.release if detail.record.revision else None
    shown = sorted(releases, key=lambda release: -release.number)
    document = {"environment": str(session.environment), "current": current, "releases": shown}
    notes = release_notes(shown[0], width=session.out.width) if number is not None else []
    session.answer(document, [*release_lines(shown, current=current, now=time.time(), width=session.out.width), *notes])


@command("open")
def open_command(session: Session) -> None:
    urls = session.client.environment(session.environment).urls
    if not urls:
        raise NotFound(
            f"{session.environment} has no address", hint="only an app with a web process gets one; `mooring ps` shows what runs"
        )
    session.answer({"environment": str(session.environment), "urls": urls}, [line(Span(url, Style.ACCENT)) for url in urls])
    if session.is_interactive and session.out.is_terminal and _has_desktop(session):
        click.launch(urls[0])


def _has_desktop(session: Session) -> bool:
    return bool(session.variables.get("DISPLAY") or session.variables.get("WAYLAND_DISPLAY"))
