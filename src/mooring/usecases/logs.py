"""What the instances print, without their secrets. Must not: keep a line."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec

from mooring.drivers.runtime.contract import LogQuery
from mooring.errors import InvalidInput, NotFound
from mooring.model.access import Actor
from mooring.model.environment import EnvironmentId
from mooring.model.instance import LogLine
from mooring.model.names import ProcessName, process_name
from mooring.usecases.permission import Permission, require
from mooring.usecases.platform import Platform

MOST = 100_000


def log_query(
    environment: EnvironmentId, *, lines: int, follow: bool, process: str | None, slot: int | None, release: int | None
) -> LogQuery:
    """Checked; raises InvalidInput, InvalidName."""
    if not 0 <= lines <= MOST:
        raise InvalidInput(f"lines={lines} is out of range", hint=f"use 0 to {MOST}")
    name = process_name(process) if process is not None else None
    return LogQuery(environment=environment, lines=lines, follow=follow, process=name, slot=slot, release=release)


def logs(platform: Platform, actor: Actor, query: LogQuery) -> AsyncIterator[LogLine]:
    """History first. Raises NotFound, Forbidden at once."""
    require(actor, Permission.SEE)
    platform.existing(query.environment)
    if query.process is not None:
        _check_named(platform, query.environment, query.process)
    return _redacted(platform, query)


def _check_named(platform: Platform, environment: EnvironmentId, process: ProcessName) -> None:
    """Raises NotFound where no release has it; where there is none yet, a line may still come."""
    known = {each.name for release in platform.memory.releases(environment) for each in release.processes}
    if known and process not in known:
        raise NotFound(f"{environment} has no process type {process!r}", hint=f"it has {', '.join(sorted(known))}")


async def _redacted(platform: Platform, query: LogQuery) -> AsyncIterator[LogLine]:
    async for line in platform.runtime.logs(query):
        text = platform.secrets.redactor(query.environment).redact(line.text)
        yield line if text is line.text else msgspec.structs.replace(line, text=text)
