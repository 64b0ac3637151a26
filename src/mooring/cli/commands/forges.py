"""Forges whose pushes deploy apps. Must not: take a secret from the command line."""

from __future__ import annotations

import getpass

import click

from mooring.cli.options import command
from mooring.cli.render.styled import Line, Span, Style, line
from mooring.cli.render.table import Column, table
from mooring.cli.session import Session
from mooring.errors import InvalidInput
from mooring.model.forge import SEEN, ForgeKind
from mooring.model.quantity import format_duration, parse_duration
from mooring.usecases.answers import ForgeChecked, ForgeStatus
from mooring.usecases.requests import ForgeRequest

_LONGEST = 20_000  # characters of token and secret together
_COLUMNS = (Column("app"), Column("forge"), Column("repository", is_flexible=True), Column("told by"), Column("looked at"))


@command("forge add")
@click.argument("kind", type=click.Choice([kind.value for kind in ForgeKind]))
@click.option("--repo", "repository", required=True, metavar="OWNER/NAME", help="The repository; of plain git its address.")
@click.option("--url", default="", metavar="URL", help="The forge's own address (default: the public one).")
@click.option("--clone", default="", metavar="URL", help="Where git fetches, if not there: ssh://git@git.example.com/acme/shop.git.")
@click.option("--every", default="", metavar="DURATION", help="How often it is looked at, besides its own messages (default: 1m).")
def forge_add_command(session: Session, kind: str, repository: str, url: str, clone: str, every: str) -> None:
    token, secret = _secrets(session, is_plain=kind == ForgeKind.GIT.value)
    request = ForgeRequest(
        app=session.environment.app,
        kind=ForgeKind(kind),
        repository=repository,
        url=url,
        clone=clone,
        every=parse_duration(every) if every else SEEN,
        token=token,
        hook_secret=secret,
    )
    checked = session.client.add_forge(request)
    session.answer(checked, _checked(checked))
    if checked.link.has_hook:
        path = f"/v1/forges/{checked.link.app}/hook"
        session.remark(
            f"Set the forge's hook to https://YOUR-API{path}, as JSON, with the same secret, for pushes, pull requests and checks."
        )


@command("forge ls", about_environment=False)
def forge_ls_command(session: Session) -> None:
    forges = session.client.forges()
    shown = table(_COLUMNS, [_row(each) for each in forges], width=session.out.width) if forges else [line("No forges.")]
    errors = [line(f"{each.link.app}: ", Span(each.error, Style.BAD)) for each in forges if each.error]
    session.answer({"forges": forges}, [*shown, *errors])


@command("forge check")
def forge_check_command(session: Session) -> None:
    checked = session.client.check_forge(session.environment.app)
    session.answer(checked, _checked(checked))


@command("forge rm")
def forge_rm_command(session: Session) -> None:
    link = session.client.remove_forge(session.environment.app)
    session.answer(link, [line(f"{link.app} is not deployed by {link.repository} any more; what runs goes on.")])


def _secrets(session: Session, *, is_plain: bool) -> tuple[str, str]:
    """The token and the hook's secret, each of which may be empty. Raises InvalidInput for more than two lines."""
    if session.stdin.isatty():
        ask = "Token (not shown; empty: none): " if is_plain else "Token (not shown): "
        token = getpass.getpass(ask, stream=session.err.stream)
        return token, "" if is_plain else getpass.getpass("The hook's secret (not shown; empty: no hook): ", stream=session.err.stream)
    lines = session.stdin.read(_LONGEST).splitlines()
    if len(lines) > 2:
        raise InvalidInput("there are more than two lines", hint="the token is the first, the hook's secret the second")
    return lines[0].strip() if lines else "", lines[1].strip() if len(lines) > 1 else ""


def _checked(checked: ForgeChecked) -> list[Line]:
    link = checked.link
    told = f"by its messages, and every {format_duration(link.every)}" if link.has_hook else f"every {format_duration(link.every)}"
    branches = "1 branch" if checked.branches == 1 else f"{checked.branches} branches"
    return [line(f"{link.app}: {checked.said}."), line(f"Its {branches} are looked at {told}; the next push deploys.")]


def _row(status: ForgeStatus) -> list[Line]:
    link = status.link
    told = "hook" if link.has_hook else f"every {format_duration(link.every)}"
    looked = "not yet" if status.age is None else f"{format_duration(round(status.age))} ago"
    seen = line(Span(looked, Style.BAD if status.error else Style.GOOD))
    return [line(link.app), line(link.kind.value), line(link.repository), line(told), seen]
