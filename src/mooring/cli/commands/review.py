"""Review apps: a branch's own environment, brought up and taken down. Must not: lay out lines."""

from __future__ import annotations

import time

import click

from mooring.cli.commands.logs import FOLLOW, LINES, PROCESS, show
from mooring.cli.options import DETACH, command
from mooring.cli.render.styled import Span, Style, line
from mooring.cli.session import Session
from mooring.errors import NotFound
from mooring.model.review import branch_name, review_environment

_BRANCH = click.argument("branch", metavar="BRANCH")


@command("review up", about_environment=False, about_app=True)
@click.argument("branch", required=False, default="", metavar="[BRANCH]")
@click.option("--dirty", is_flag=True, help="Bring up the working tree as it is, not the commit.")
@click.option("--no-start", is_flag=True, help="Fail when no platform runs here, instead of starting it.")
@DETACH
def review_up_command(session: Session, branch: str, dirty: bool, no_start: bool, detach: bool) -> int:
    from mooring.cli.follow import started
    from mooring.cli.upload import brought_up

    deployment, source = brought_up(session, branch, dirty=dirty, may_start=not no_start)
    code = started(session, deployment, is_detached=detach, source=source)
    if code == 0 and not detach and not session.is_json:
        urls = session.client.environment(deployment.environment).urls
        session.out.write([line(Span(url, Style.ACCENT)) for url in urls])
        if session.client.review_login(session.app, source.branch).user:
            session.remark(f"It asks for a password: `mooring review access {source.branch}` says which.")
    return code


@command("review ls", about_environment=False, about_app=True)
def review_ls_command(session: Session) -> None:
    from mooring.cli.render.reviews import review_lines

    found = session.client.reviews(session.app)
    session.answer({"reviews": found}, review_lines(session.app, found, now=time.time(), width=session.out.width))


@command("review down", about_environment=False, about_app=True)
@_BRANCH
def review_down_command(session: Session, branch: str) -> int:
    from mooring.cli.tearing_down import torn_down

    return torn_down(session, session.app, branch)


@command("review logs", about_environment=False, about_app=True)
@_BRANCH
@PROCESS
@FOLLOW
@LINES
def review_logs_command(session: Session, branch: str, process: str, follow: bool, lines: int) -> None:
    try:
        show(session, review_environment(session.app, branch_name(branch)), process=process, follow=follow, lines=lines)
    except NotFound as error:
        if any(each.branch == branch for each in session.client.reviews(session.app)):
            raise
        raise NotFound(f"{session.app} has no review app of {branch}", hint="`mooring review ls` lists them") from error


@command("review access", about_environment=False, about_app=True)
@_BRANCH
def review_access_command(session: Session, branch: str) -> None:
    login = session.client.review_login(session.app, branch)
    said = [f"user      {login.user}", f"password  {login.password}"] if login.user else ["everybody gets in: `review.access` is open"]
    session.answer(login, [line(each) for each in said])


@command("review extend", about_environment=False, about_app=True)
@_BRANCH
def review_extend_command(session: Session, branch: str) -> None:
    from mooring.cli.render.reviews import until

    found = session.client.extend_review(session.app, branch)
    session.answer(found, [line(f"The review app of {branch} stays for {until(found, now=time.time())} now.")])


@command("review reseed", about_environment=False, about_app=True)
@_BRANCH
@DETACH
def review_reseed_command(session: Session, branch: str, detach: bool) -> int:
    from mooring.cli.follow import started

    return started(session, session.client.reseed_review(session.app, branch), is_detached=detach)
