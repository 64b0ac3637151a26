"""Why the instances of a failed release are not well: asks the runtime while they still exist. Must not: stop them, or decide anything."""

from __future__ import annotations

import msgspec

from mooring.engine.diagnosis import diagnose
from mooring.engine.parts import Parts
from mooring.engine.witness import cleaned
from mooring.errors import DriverError
from mooring.model.health import Diagnosis, Health
from mooring.model.instance import InstanceKey, ProcessState
from mooring.planner.goal import Current, Wanted

_MOST = 3  # diagnoses told: ten instances fail alike


async def explain(parts: Parts, target: Wanted, current: Current, *, before: frozenset[InstanceKey]) -> tuple[Diagnosis, ...]:
    """Of the instances that this deployment brought and that are not well, redacted; those that never were ready first."""
    found = [await _of(parts, target, key) for key in _unwell(target, current, before)[:_MOST]]
    return tuple(diagnosis for diagnosis in found if diagnosis is not None)


def _unwell(target: Wanted, current: Current, before: frozenset[InstanceKey]) -> list[InstanceKey]:
    views = {view.key: view for view in current.instances}
    mine = [key for key in target.instances() if key in views and key not in before]
    bad = [key for key in mine if views[key].health is not Health.READY or views[key].state is not ProcessState.RUNNING]
    return bad or [key for key in mine if views[key].restarts]


async def _of(parts: Parts, target: Wanted, key: InstanceKey) -> Diagnosis | None:
    process = target.release.process(key.process)
    if process is None:
        return None
    try:
        inspection = await parts.runtime.inspect(key)
    except DriverError:
        return None

    def redact(text: str) -> str:
        return parts.redact(key.environment, text)

    lines = tuple(redact(line) for line in inspection.last_lines)  # before a part of one is told: half a secret is not found any more
    inspection = msgspec.structs.replace(inspection, last_lines=lines)
    probes = parts.health.results(key)
    return cleaned(diagnose(key, inspection, probes, check=process.checks.startup, is_routed=process.listens), redact)
