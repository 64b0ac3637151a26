"""A command in a fresh process with the app's code and config, somebody attached. Must not: run beside a release that is not there."""

from __future__ import annotations

import secrets
import shlex

from mooring.drivers.runtime.contract import Terminal
from mooring.engine.confinement import confinement_of
from mooring.engine.variables import variables_of
from mooring.errors import NotFound
from mooring.model.access import Actor
from mooring.model.environment import EnvironmentId
from mooring.model.instance import TaskSpec
from mooring.model.names import LOCAL, HostId
from mooring.model.release import Release
from mooring.planner.goal import wanted_of
from mooring.usecases.command import check_command, check_window, remembered
from mooring.usecases.enter import interactive
from mooring.usecases.permission import Permission
from mooring.usecases.platform import Platform
from mooring.usecases.requests import RunRequest

_DAY = 86_400.0


async def run(platform: Platform, actor: Actor, environment: EnvironmentId, request: RunRequest) -> Terminal:
    """Started, attached. The words reach the program as they are: quoted for the one shell that stands between.

    Raises InvalidInput, NotFound, Unavailable, Forbidden."""
    check_command(request.command, example="mooring run -- python manage.py shell")
    check_window(rows=request.rows, columns=request.columns)
    platform.allow(actor, Permission.CHANGE, "run", environment, command=remembered(platform, environment, request.command))
    release = _release(platform, environment)
    spec = TaskSpec(
        environment=environment,
        name=f"run.{secrets.token_hex(4)}",
        command=shlex.join(request.command),
        directory=release.artifact.directory,
        timeout=_DAY,
        release=release.number,
        host=_host(platform, environment, release),
        artifact=release.artifact,
        confinement=confinement_of(platform.memory, platform.controller.services, environment),
    )
    variables = variables_of(platform.memory, platform.controller.services, release, process=spec.name)
    return await interactive(platform).attach(spec, variables, terminal=request.terminal, rows=request.rows, columns=request.columns)


def _release(platform: Platform, environment: EnvironmentId) -> Release:
    record = platform.existing(environment)
    release = platform.memory.release(environment, record.revision.release) if record.revision else None
    if release is None:
        raise NotFound(f"{environment} runs nothing yet", hint="`mooring deploy` it first")
    return release


def _host(platform: Platform, environment: EnvironmentId, release: Release) -> HostId:
    """Beside its first instance; the local one where nothing of it runs."""
    revision = platform.existing(environment).revision
    return wanted_of(revision, release).first_host() if revision else LOCAL
