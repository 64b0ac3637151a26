"""Secrets that an app asks to have made up for it (app.json's `generator: secret`): each once, then kept like any other.

Must not: replace one that there is, or show it.
"""

from __future__ import annotations

from mooring.engine.contract import ReleasePlan
from mooring.engine.parts import Parts
from mooring.model.environment import EnvironmentId
from mooring.model.secret import Secret


def config_with_generated(parts: Parts, planned: ReleasePlan, environment: EnvironmentId, *, version: int) -> tuple[int, tuple[str, ...]]:
    """The snapshot that holds all of `version` and what was still to be made up, and the names of those that are new.

    What an earlier deployment made up without coming to serve is in the newest snapshot, and is taken from there.
    """
    present = parts.memory.config(environment, version)
    absent = [name for name in planned.generated_variables if name not in present and name not in planned.template.variables]
    if not absent:
        return version, ()
    newest = parts.memory.config(environment, max((each.version for each in parts.memory.config_versions(environment)), default=0))
    kept = {name: value for name in absent if isinstance(value := newest.get(name), Secret)}
    made = {name: parts.new_secret() for name in absent if name not in kept}
    wanted = {**present, **kept, **made}
    changes = {name: value for name, value in wanted.items() if newest.get(name) != value}
    gone = frozenset(newest.keys() - wanted.keys())
    following = parts.memory.put_config(environment, changes=changes, unset=gone, by="app.json", at=parts.clock.wall())
    parts.secrets_changed(environment)
    return following, tuple(made)
