"""What runs or is routed for an environment that is not in the memory: found and told. Must not: remove it.

A memory that was restored from an older backup does not know what was deployed since, and that may well be serving people. So nothing is
removed before a person names it: then it is adopted, with nothing desired, and destroyed like every other environment.
"""

from __future__ import annotations

from mooring.engine.parts import Parts
from mooring.model.environment import EnvironmentId
from mooring.model.records import Unowned


async def find_unowned(parts: Parts) -> tuple[Unowned, ...]:
    """In the order of their names. Raises Unavailable, OutcomeUnknown: what cannot be seen is not known to be nobody's."""
    views, routed = await parts.runtime.observe(), await parts.edge.observe()
    known = {record.environment for record in parts.memory.environments()}
    found = {view.key.environment for view in views} | {route.table.environment for route in routed}
    return tuple(
        Unowned(
            environment=environment,
            instances=tuple(sorted(view.key for view in views if view.key.environment == environment)),
            hostnames=tuple(name for route in routed if route.table.environment == environment for name in route.table.hostnames),
        )
        for environment in sorted(found - known, key=_name)
    )


def _name(environment: EnvironmentId) -> str:
    return str(environment)
