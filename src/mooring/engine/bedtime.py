"""A review app's accessories sleep when it does: down once nothing of it runs any more, and ready before anything of it starts, be it
what slept or what is deployed in its place.

Must not: put anything to sleep, or wake it; that is decided for the app.
"""

from __future__ import annotations

from mooring.engine.accessories import records_of
from mooring.engine.parts import Parts
from mooring.errors import NotHealthy
from mooring.model.environment import EnvironmentId
from mooring.model.health import Health
from mooring.model.instance import ProcessState
from mooring.model.names import AccessoryName
from mooring.model.records import EnvironmentRecord
from mooring.planner.goal import Current, Wanted

_LOOK_EVERY = 0.1  # seconds between two looks at accessories that are waited for
_OLD = 0.5  # seconds after which an app that sleeps is looked at again


async def is_held(parts: Parts, record: EnvironmentRecord, current: Current) -> bool:
    """Whether nothing of it is to run now, though it does not sleep itself: an accessory whose app sleeps and has stopped, or an app that
    wakes and has an accessory that is not ready yet. Raises Unavailable."""
    if record.environment.accessory is None:
        return record.review is not None and is_waking(current) and await _unready(parts, record.environment) is not None
    home = parts.memory.environment(record.environment.home)
    if home is None or not home.is_asleep or parts.has_target(home.environment):
        return False
    seen = await parts.observer.look(home.environment, max_age=_OLD)
    return seen.is_known and not seen.instances


def is_waking(current: Current) -> bool:
    """Whether it slept, and nothing of it runs yet."""
    return current.table is not None and current.table.is_asleep and not current.instances


async def await_accessories(parts: Parts, wanted: Wanted) -> None:
    """Of an app that sleeps or wakes, until they are ready. Raises NotHealthy where one is not by the time that a visitor waits."""
    environment = wanted.release.environment
    if not parts.is_asleep(environment) and not is_waking(await parts.observer.look(environment)):
        return
    until = parts.clock.monotonic() + wanted.release.policy.wakes_within
    while (name := await _unready(parts, environment)) is not None:
        if parts.clock.monotonic() >= until:
            raise NotHealthy(f"accessory {name} did not wake", hint=f"`mooring accessory logs {name}` shows what it said")
        await parts.clock.sleep(_LOOK_EVERY)


async def _unready(parts: Parts, environment: EnvironmentId) -> AccessoryName | None:
    """The first of its accessories that is to run and is not ready."""
    for name, record in records_of(parts.memory, environment).items():
        wanted = parts.wanted(record.environment)
        seen = await parts.observer.look(record.environment, max_age=_LOOK_EVERY)
        views = [seen.view(key) for key in (wanted.instances() if wanted is not None else ())]
        if any(view is None or view.state is not ProcessState.RUNNING or view.health is not Health.READY for view in views):
            return name
    return None
