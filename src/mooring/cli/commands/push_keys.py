"""Keys that may push, and what sshd and git run for them. Must not: take a private key."""

from __future__ import annotations

from pathlib import Path

import click

from mooring.cli.options import command
from mooring.cli.render.styled import Span, Style, line
from mooring.cli.render.table import Column, table
from mooring.cli.session import Session
from mooring.errors import UsageError
from mooring.model.push_key import LONGEST

_COLUMNS = (Column("name", is_flexible=True), Column("apps", is_flexible=True), Column("kind"), Column("fingerprint"))


@command("key add", about_environment=False)
@click.argument("name")
@click.option("--only", multiple=True, metavar="APP", help="For this app alone; may be given again (default: every app).")
def key_add_command(session: Session, name: str, only: tuple[str, ...]) -> None:
    if session.stdin.isatty():
        raise UsageError("the public key is read from standard input", hint=f"mooring key add {name} < ~/.ssh/id_ed25519.pub")
    key = session.client.add_push_key(name, session.stdin.read(LONGEST + 1), apps=only)
    session.answer(key, [line(f"{key.name} may push to {', '.join(key.apps) or 'every app'}: {key.fingerprint}")])


@command("key ls", about_environment=False)
def key_ls_command(session: Session) -> None:
    keys = session.client.push_keys()
    rows = [[line(key.name), line(", ".join(key.apps) or "all"), line(key.kind), line(Span(key.fingerprint, Style.DIM))] for key in keys]
    shown = table(_COLUMNS, rows, width=session.out.width) if keys else [line("No keys: nobody may push.")]
    session.answer({"keys": keys}, shown)


@command("key rm", about_environment=False)
@click.argument("name")
def key_rm_command(session: Session, name: str) -> None:
    key = session.client.remove_push_key(name)
    session.answer(key, [line(f"{key.name} may push no more.")])


@command("git-receive", about_environment=False)
@click.option("--key", required=True, help="The name of the key that came in.")
@click.option("--state", required=True, type=click.Path(path_type=Path), help="The directory of the platform's state.")
@click.option("--only", multiple=True, metavar="APP", help="The apps that it may push to.")
def git_receive_command(session: Session, key: str, state: Path, only: tuple[str, ...]) -> int:
    from mooring.client.receiving import pushed_app, receive

    return receive(pushed_app(session.variables.get("SSH_ORIGINAL_COMMAND", ""), only=only), key=key, state=state)


@command("git-deploy", about_environment=False)
@click.argument("ref")
@click.argument("old")
@click.argument("new")
def git_deploy_command(session: Session, ref: str, old: str, new: str) -> int:
    from mooring.cli.pushing import deployed

    return deployed(session, ref=ref, commit="" if set(new) == {"0"} else new)
