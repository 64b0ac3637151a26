"""Tokens of programs and people. Must not: show a token twice."""

from __future__ import annotations

import time

import click

from mooring.cli.options import command
from mooring.cli.render.styled import line
from mooring.cli.session import Session
from mooring.model.access import Role, token_name
from mooring.model.quantity import parse_duration


@command("token create", about_environment=False)
@click.argument("name")
@click.option(
    "--role", type=click.Choice([role.value for role in Role]), default=Role.VIEWER.value, show_default=True, help="What it may do."
)
@click.option("--expires", metavar="DURATION", default="", help="After this long it ends, like 30d (default: never).")
def token_create_command(session: Session, name: str, role: str, expires: str) -> None:
    lasting = parse_duration(expires) if expires else None
    created = session.client.create_token(token_name(name), role=Role(role), expires_in=lasting)
    session.answer(created, [line(created.token)])
    session.remark("Keep it now: it is not shown again.")


@command("token ls", about_environment=False)
def token_ls_command(session: Session) -> None:
    from mooring.cli.render.tokens import token_lines

    tokens = session.client.tokens()
    session.answer({"tokens": tokens}, token_lines(tokens, now=time.time(), width=session.out.width))


@command("token revoke", about_environment=False)
@click.argument("name")
def token_revoke_command(session: Session, name: str) -> None:
    session.client.revoke_token(token_name(name))
    session.answer({"name": name, "revoked": True}, [line(f"{name} is revoked; its open streams end now.")])
