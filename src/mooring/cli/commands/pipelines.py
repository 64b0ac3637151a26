"""From one environment to the next, and what a forge's CI has to run. Must not: build anything."""

from __future__ import annotations

import re

import click

from mooring.cli.options import DETACH, command
from mooring.cli.render.styled import line
from mooring.cli.session import Session
from mooring.errors import InvalidInput, UsageError
from mooring.model.environment import EnvironmentId

_ADDRESS = re.compile(r"\Assh://(?:[A-Za-z0-9_][A-Za-z0-9._-]*@)?[A-Za-z0-9][A-Za-z0-9.-]*(?::[0-9]{1,5})?/[a-z0-9-]+\Z")
_BRANCH = re.compile(r"\A[A-Za-z0-9][A-Za-z0-9._/-]{0,199}\Z")


@command("promote")
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@click.option("--plan", "is_plan", is_flag=True, help="Only tell what it would bring and do.")
@DETACH
def promote_command(session: Session, source: str, target: str, is_plan: bool, detach: bool) -> int:
    from mooring.cli.promoting import promoted
    from mooring.model.names import environment_name

    app = session.environment.app
    pair = EnvironmentId(app, environment_name(source)), EnvironmentId(app, environment_name(target))
    return promoted(session, *pair, is_detached=detach, is_plan=is_plan)


@command("ci init")
@click.argument("forge", type=click.Choice(["github", "gitlab"]))
@click.option("--server", required=True, metavar="SSH-URL", help="Where to push, like ssh://deploy@203.0.113.7.")
@click.option("--branch", default="main", show_default=True, help="The branch that is deployed.")
def ci_init_command(session: Session, forge: str, server: str, branch: str) -> None:
    from mooring.cli.pipeline_files import pipeline_file

    address = f"{server.rstrip('/')}/{session.environment.app}"
    if not _ADDRESS.match(address):
        raise InvalidInput(
            f"{server[:100]!r} is no address to push to", hint="write it like ssh://deploy@203.0.113.7 or ssh://deploy@host:2222"
        )
    if not _BRANCH.match(branch):
        raise InvalidInput(f"{branch[:100]!r} is no branch that this can be written for", hint="use letters, digits and . _ / -")
    made = pipeline_file(forge, address=address, branch=branch)
    file = session.project / made.name
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("x", encoding="utf-8") as opened:
            opened.write(made.text)
    except FileExistsError:
        raise UsageError(f"{made.name} is there already", hint="take over what you need of it by hand, or move it away") from None
    except OSError as foreign:
        raise InvalidInput(f"{made.name} cannot be written: {foreign.strerror}", hint="is this directory yours?") from foreign
    session.answer({"file": str(file), "address": address}, [line(f"{file} is written: a push to {branch} pushes to {address}.")])
    session.remark("Make a key for it: ssh-keygen -t ed25519 -N '' -f mooring-ci && mooring key add ci < mooring-ci.pub")
    session.remark(
        "Give the forge two secrets: MOORING_KEY, the file mooring-ci; MOORING_KNOWN_HOSTS, what `ssh-keyscan HOST` says, compared."
    )
