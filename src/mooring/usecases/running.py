"""Which instance somebody means who says `web`, or `web.2`. Must not: do anything to it."""

from __future__ import annotations

from mooring.errors import InvalidInput, NotFound, Unavailable
from mooring.model.environment import EnvironmentId
from mooring.model.instance import InstanceKey, InstanceView, ProcessState
from mooring.model.names import process_name
from mooring.model.records import EnvironmentRecord
from mooring.usecases.platform import Platform

_LARGEST_SLOT = 10_000
_SHOWN = 10


def check_target(process: str, slot: int | None) -> None:
    """Raises InvalidName, InvalidInput."""
    process_name(process)
    if slot is not None and not 1 <= slot <= _LARGEST_SLOT:
        raise InvalidInput(f"there is no instance {process}.{slot}", hint="they are numbered from 1: `mooring ps` lists them")


async def running(platform: Platform, environment: EnvironmentId, process: str, slot: int | None) -> InstanceKey:
    """One that runs: of the release that serves rather than of one on its way, with the least number where none is named.

    Raises NotFound, Unavailable."""
    record = platform.existing(environment)
    views = [view for view in await platform.runtime.observe() if view.key.environment == environment]
    meant = [view for view in views if view.key.process == process and slot in (None, view.key.slot)]
    if not meant:
        known = sorted({f"{view.key.process}.{view.key.slot}" for view in views})
        hint = f"it runs {', '.join(known[:_SHOWN])}" if known else "it runs nothing: `mooring deploy` it first"
        raise NotFound(f"{environment} has no {_named(process, slot)}", hint=hint)
    best = min(meant, key=lambda view: _preference(view, record))
    if best.state is not ProcessState.RUNNING:
        hint = "`mooring logs` may say why; `mooring run` starts a fresh process beside it"
        raise Unavailable(f"{best.key} is {best.state.value}: nothing can be run in it", hint=hint)
    return best.key


def _named(process: str, slot: int | None) -> str:
    return process if slot is None else f"{process}.{slot}"


def _preference(view: InstanceView, record: EnvironmentRecord) -> tuple[bool, bool, int]:
    revision = record.revision
    is_wanted = revision is not None and (view.key.release, view.key.generation) == (revision.release, revision.generation)
    return view.state is not ProcessState.RUNNING, not is_wanted, view.key.slot
