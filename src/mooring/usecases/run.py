"""A command in a fresh process with the app's code and config, somebody attached. Must not: run beside a release that is not there."""

from __future__ import annotations

import secrets
import shlex

from mooring.drivers.runtime.contract import Terminal
from mooring.engine.variables import variables_of
from mooring.errors import InvalidInput, NotFound, Unavailable
from mooring.model.access import Actor
from mooring.model.environment import EnvironmentId
from mooring.model.instance import TaskSpec
from mooring.model.names import LOCAL, HostId
from mooring.model.release import Release
from mooring.planner.goal import wanted_of
from mooring.usecases.permission import Permission
from mooring.usecases.platform import Platform
from mooring.usecases.requests import RunRequest

_LONGEST = 100_000  # bytes of command line
_LARGEST_WINDOW = 1000
_DAY = 86_400.0


async def run(platform: Platform, actor: Actor, environment: EnvironmentId, request: RunRequest) -> Terminal:
    """Started, attached. The words reach the program as they are: quoted for the one shell that stands between.

    Raises InvalidInput, NotFound, Unavailable, Forbidden."""
    _check(request)
    platform.allow(actor, Permission.CHANGE, "run", environment, program=request.command[0][:200])
    release = _release(platform, environment)
    if platform.interactive is None:
        raise Unavailable("this runtime runs nothing interactively", hint="put the command into the release process of the Procfile")
    spec = TaskSpec(
        environment=environment,
        name=f"run.{secrets.token_hex(4)}",
        command=shlex.join(request.command),
        directory=release.artifact.directory,
        timeout=_DAY,
        release=release.number,
        host=_host(platform, environment, release),
        artifact=release.artifact,
    )
    variables = variables_of(platform.memory, release, process=spec.name)
    return await platform.interactive.attach(spec, variables, terminal=request.terminal, rows=request.rows, columns=request.columns)


def _check(request: RunRequest) -> None:
    if not request.command or not request.command[0]:
        raise InvalidInput("no command is given", hint="mooring run -- python manage.py shell")
    if (
        any("\0" in word for word in request.command)
        or sum(len(word.encode("utf-8", "surrogateescape")) for word in request.command) > _LONGEST
    ):
        raise InvalidInput(
            "the command is too long or holds a NUL byte", hint=f"at most {_LONGEST} bytes; put long input into standard input"
        )
    if not (1 <= request.rows <= _LARGEST_WINDOW and 1 <= request.columns <= _LARGEST_WINDOW):
        raise InvalidInput(f"a window of {request.columns}x{request.rows} is none", hint=f"1 to {_LARGEST_WINDOW} each way")


def _release(platform: Platform, environment: EnvironmentId) -> Release:
    record = platform.existing(environment)
    release = platform.memory.release(environment, record.revision.release) if record.revision else None
    if release is None:
        raise NotFound(f"{environment} runs nothing yet", hint="`mooring deploy` it first")
    return release


def _host(platform: Platform, environment: EnvironmentId, release: Release) -> HostId:
    """Beside its first instance; the local one where nothing of it runs."""
    revision = platform.existing(environment).revision
    hosts = wanted_of(revision, release).hosts() if revision else ()
    return next(iter(hosts), LOCAL)
