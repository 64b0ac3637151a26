"""A command where an instance runs, somebody attached (`mooring exec`). Must not: change the instance, or start one."""

from __future__ import annotations

from mooring.drivers.runtime.contract import Interactive, Terminal
from mooring.errors import Unavailable
from mooring.model.access import Actor
from mooring.model.environment import EnvironmentId
from mooring.usecases.command import check_command, check_window, remembered
from mooring.usecases.permission import Permission
from mooring.usecases.platform import Platform
from mooring.usecases.requests import ExecRequest
from mooring.usecases.running import check_target, running


async def enter(platform: Platform, actor: Actor, environment: EnvironmentId, request: ExecRequest) -> Terminal:
    """Started, attached. The words reach the program as they are. Takes what deploying takes: whoever may deploy may run any code there.

    Raises InvalidInput, InvalidName, NotFound, Unavailable, Forbidden."""
    check_target(request.process, request.slot)
    check_command(request.command, example="mooring exec -it web.1 -- sh")
    check_window(rows=request.rows, columns=request.columns)
    platform.allow(
        actor,
        Permission.CHANGE,
        "exec",
        environment,
        instance=f"{request.process}.{request.slot or 'any'}",
        command=remembered(platform, environment, request.command),
    )
    key = await running(platform, environment, request.process, request.slot)
    return await interactive(platform).enter(key, request.command, terminal=request.terminal, rows=request.rows, columns=request.columns)


def interactive(platform: Platform) -> Interactive:
    """Raises Unavailable where nothing runs interactively."""
    if platform.interactive is None:
        raise Unavailable("this runtime runs nothing interactively", hint="put the command into the release process of the Procfile")
    return platform.interactive
