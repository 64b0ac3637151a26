"""Moving an environment to another release: deploy, plan, follow, abort, rollback. Must not: lay out lines."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from mooring.cli.options import DETACH, command
from mooring.cli.session import Session
from mooring.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from mooring.model.deployment import Deployment


@command("deploy")
@click.option("--dirty", is_flag=True, help="Deploy the working tree as it is, not the commit.")
@click.option("--ref", default="", metavar="REF", help="Deploy this branch, tag or commit (default: HEAD).")
@click.option("--no-start", is_flag=True, help="Fail when no platform runs here, instead of starting it.")
@DETACH
def deploy_command(session: Session, dirty: bool, ref: str, no_start: bool, detach: bool) -> int:
    from mooring.cli.follow import started
    from mooring.cli.upload import deployed

    deployment, source = deployed(session, ref=ref, dirty=dirty, may_start=not no_start)
    return started(session, deployment, is_detached=detach, source=source)


@command("plan")
@click.option("--dirty", is_flag=True, help="Plan for the working tree as it is, not the commit.")
@click.option("--ref", default="", metavar="REF", help="Plan for this branch, tag or commit (default: HEAD).")
def plan_command(session: Session, dirty: bool, ref: str) -> None:
    from mooring.cli.render.plan import plan_lines
    from mooring.cli.upload import packed

    environment = session.environment
    with packed(session, ref=ref, dirty=dirty) as package:
        preview = session.client.plan_deploy(environment, package.archive, package.source)
    session.answer(preview, plan_lines(preview, width=session.out.width))


@command("rollback")
@click.argument("release", required=False, default="", metavar="[vN]")
@DETACH
def rollback_command(session: Session, release: str, detach: bool) -> int:
    from mooring.cli.follow import started

    number = release_number(release) if release else None
    return started(session, session.client.rollback(session.environment, release=number), is_detached=detach)


@command("follow")
@click.argument("deployment", required=False, default="", metavar="[ID]")
def follow_command(session: Session, deployment: str) -> int:
    from mooring.cli.follow import follow_to_the_end, stream_events

    found = session.client.deployment(deployment) if deployment else _newest(session)
    return stream_events(session, found) if session.is_json else follow_to_the_end(session, found)


@command("abort")
@click.argument("deployment", required=False, default="", metavar="[ID]")
def abort_command(session: Session, deployment: str) -> None:
    from mooring.cli.render.styled import line

    found = session.client.abort(deployment or _newest(session).id)
    session.answer(found, [line(f"{found.environment}: {found.id} is asked to stop; `mooring follow {found.id}` shows its end.")])


def _newest(session: Session) -> Deployment:
    found = session.client.deployments(session.environment, limit=1)
    if not found:
        raise NotFound(f"{session.environment} has had no deployment", hint="`mooring status` lists what there is")
    return found[0]


def release_number(text: str) -> int:
    """`v5` or `5`; raises InvalidInput."""
    if not re.fullmatch(r"v?[1-9][0-9]{0,8}", text, flags=re.ASCII):
        raise InvalidInput(f"{text!r} is not a release", hint="write it like v5; `mooring releases` lists them")
    return int(text.removeprefix("v"))
