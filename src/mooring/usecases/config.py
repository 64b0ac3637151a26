"""Variables set by command: shown with where they come from, changed by a new snapshot that becomes a release and a rolling restart.

A change goes from what runs, not from the newest snapshot: after a rollback, or a change that did not come up, the newest is not in force.
Must not: show a secret's value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from mooring.engine.contract import EnvironmentRecord
from mooring.engine.orders import ConfigOrder, decode_order
from mooring.errors import InvalidInput, LeaseHeld, NotFound
from mooring.model.access import Actor
from mooring.model.assets import URL, url_of
from mooring.model.config import next_config, revealed
from mooring.model.deployment import Deployment, Trigger
from mooring.model.environment import EnvironmentId
from mooring.model.records import Answer, Answering
from mooring.model.release import Release
from mooring.model.secret import Secret
from mooring.model.service import ServiceWish
from mooring.usecases.answers import ConfigChange, Variable, VariableKind
from mooring.usecases.permission import Permission, require
from mooring.usecases.platform import Platform
from mooring.usecases.requests import LARGEST_VALUE

Values = Mapping[str, str | Secret]
MOST_VARIABLES = 1000


def variables(platform: Platform, actor: Actor, environment: EnvironmentId, *, origin: bool) -> tuple[Variable, ...]:
    """In the order of their names; with `origin` also those that the builder sets. A secret's value is shown in none. Raises NotFound."""
    require(actor, Permission.SEE)
    record = platform.existing(environment)
    release = _release(platform, record)
    base = version_in_force(platform, environment)
    found: dict[str, Variable] = {}
    if release is not None and origin:
        found |= {name: _plain(name, value, f"builder {release.artifact.builder}") for name, value in release.artifact.environment.items()}
    if release is not None:
        places = release.variable_origins
        found |= {name: _of_service(name, wish) for wish in _given(platform, release) for name in wish.variables}
        found |= _of_assets(release)
        found |= {name: _plain(name, value, places.get(name, "the app's files")) for name, value in release.variables.items()}
    found |= {variable.name: variable for variable in _set_by_command(platform, environment, base)}
    redact = platform.secrets.redactor(environment).redact
    return tuple(_discreet(found[name], redact) for name in sorted(found))


def change_config(
    platform: Platform,
    actor: Actor,
    environment: EnvironmentId,
    *,
    changes: Mapping[str, str],
    unset: tuple[str, ...],
    answering: Answering | None = None,
) -> ConfigChange:
    """Plain variables set, names removed (secrets too). Raises InvalidName, InvalidInput, NotFound, LeaseHeld, Forbidden."""
    if not changes and not unset:
        raise InvalidInput("no variable is named", hint="write it like LOG_LEVEL=debug")
    require(actor, Permission.CHANGE)
    present = _present(platform, environment)
    for name in changes:
        if isinstance(present.get(name), Secret) and name not in unset:
            raise InvalidInput(
                f"{name} is a secret", hint=f"`mooring secret set {name}` changes it; `mooring secret unset {name}` removes it"
            )
    absent = [name for name in unset if name not in present]
    if absent:
        raise NotFound(f"{environment} has no variable {', '.join(absent)}", hint="`mooring config show` names them")
    words = [*(["set", *changes] if changes else []), *(["unset", *unset] if unset else [])]
    what = " ".join(["config", *words])
    return apply_changes(platform, actor, environment, changes=changes, unset=frozenset(unset), what=what, answering=answering)


def apply_changes(
    platform: Platform,
    actor: Actor,
    environment: EnvironmentId,
    *,
    changes: Values,
    unset: frozenset[str],
    what: str,
    answering: Answering | None = None,
) -> ConfigChange:
    """A new snapshot, and where something runs the deployment that brings it there. `what` names variables, never values."""
    _check(changes)
    present = _present(platform, environment)
    wanted = next_config(present, changes=changes, unset=unset)
    if len(wanted) > MOST_VARIABLES:
        raise InvalidInput(f"that would be {len(wanted)} variables", hint=f"at most {MOST_VARIABLES} are possible")
    _refuse_locked(platform, environment)
    verb, _, names = what.partition(" ")
    platform.allow(actor, Permission.CHANGE, verb, environment, names=names)
    record = platform.memory.environment(environment) or _made(platform, environment)
    version = _stored(platform, actor, environment, wanted)
    platform.secrets.changed(environment)

    def whole(deployment: object) -> Answer:
        assert answering is not None and isinstance(deployment, Deployment)
        return answering(ConfigChange(version=version, deployment=deployment))

    deployment = _deployed(platform, actor, record, version=version, what=what, answering=whole if answering else None)
    return ConfigChange(version=version, deployment=deployment)


def version_in_force(platform: Platform, environment: EnvironmentId) -> int:
    """Of the snapshot that the environment runs or is on its way to; the newest where nothing runs yet."""
    for deployment in reversed(platform.memory.unfinished_deployments()):
        if deployment.environment == environment and (version := _ordered(deployment)) is not None:
            return version
    release = _serving(platform, environment)
    return release.config_version if release is not None else _newest(platform, environment)


def _present(platform: Platform, environment: EnvironmentId) -> Values:
    return platform.memory.config(environment, version_in_force(platform, environment))


def _stored(platform: Platform, actor: Actor, environment: EnvironmentId, wanted: Values) -> int:
    """The snapshot with exactly these values: the memory makes each from the newest one."""
    newest = platform.memory.config(environment, _newest(platform, environment))
    changes = {name: value for name, value in wanted.items() if newest.get(name) != value}
    gone = frozenset(newest.keys() - wanted.keys())
    return platform.memory.put_config(environment, changes=changes, unset=gone, by=actor.name, at=platform.clock.wall())


def _deployed(
    platform: Platform, actor: Actor, record: EnvironmentRecord, *, version: int, what: str, answering: Answering | None
) -> Deployment | None:
    """None when nothing runs, or what runs has this snapshot already."""
    mine = [each for each in platform.memory.unfinished_deployments() if each.environment == record.environment]
    for deployment in mine:
        if _ordered(deployment) == version:
            return deployment  # asked for a second time
    release = _release(platform, record)
    if not mine and (release is None or release.config_version == version):
        return None
    order = ConfigOrder(config_version=version, description=what)
    return platform.controller.submit(record.environment, order, by=actor.name, answering=answering)


def _ordered(deployment: Deployment) -> int | None:
    """Which snapshot this deployment brings."""
    if deployment.trigger is not Trigger.CONFIG or not deployment.order:
        return None
    order = decode_order(deployment.order)
    return order.config_version if isinstance(order, ConfigOrder) else None


def _set_by_command(platform: Platform, environment: EnvironmentId, version: int) -> list[Variable]:
    last_change = {
        name: snapshot
        for snapshot in platform.memory.config_versions(environment)
        if snapshot.version <= version
        for name in snapshot.changed
    }
    found = []
    for name, value in platform.memory.config(environment, version).items():
        changed = last_change.get(name)
        is_secret = isinstance(value, Secret)
        found.append(
            Variable(
                name=name,
                value=None if isinstance(value, Secret) else value,
                kind=VariableKind.SECRET if is_secret else VariableKind.PLAIN,
                origin=f"{'secret' if is_secret else 'config'} set by {changed.by}" if changed else "config",
                version=changed.version if changed else version,
            )
        )
    return found


def _discreet(variable: Variable, redact: Callable[[str], str]) -> Variable:
    """A plain value in which a secret's stands does not show that one."""
    return variable if variable.value is None else msgspec.structs.replace(variable, value=redact(variable.value))


def _given(platform: Platform, release: Release) -> list[ServiceWish]:
    """Those that are there: its variables are in the environment of what runs."""
    ready = {record.piece.service for record in platform.memory.services(release.environment) if record.is_ready}
    return [wish for wish in release.services if wish.name in ready]


def _of_service(name: str, wish: ServiceWish) -> Variable:
    return Variable(name=name, value=None, kind=VariableKind.SECRET, origin=f"service {wish.name}")


def _of_assets(release: Release) -> dict[str, Variable]:
    """Where its static files are, if a bucket serves them."""
    if release.assets is None:
        return {}
    return {URL: _plain(URL, url_of(release.environment, release.assets, release.assets_digest), "[assets]")}


def _plain(name: str, value: str, origin: str) -> Variable:
    return Variable(name=name, value=value, kind=VariableKind.PLAIN, origin=origin)


def _check(changes: Values) -> None:
    for name, value in changes.items():
        if name == "PORT" or name.startswith("MOORING_"):
            raise InvalidInput(f"{name} is given by Mooring and cannot be set", hint="choose another name")
        size = len(revealed(value).encode("utf-8", "surrogateescape"))
        if size > LARGEST_VALUE:
            raise InvalidInput(
                f"the value of {name} has {size} bytes", hint=f"an environment variable holds at most {LARGEST_VALUE}; use a file"
            )


def _serving(platform: Platform, environment: EnvironmentId) -> Release | None:
    record = platform.memory.environment(environment)
    return _release(platform, record) if record is not None else None


def _refuse_locked(platform: Platform, environment: EnvironmentId) -> None:
    """Before anything is stored: the engine would refuse only afterwards."""
    lock = platform.memory.lock(environment)
    if lock is not None:
        raise LeaseHeld(f"{environment} was locked by {lock.by}: {lock.reason or 'no reason given'}", hint="`mooring unlock` takes it off")


def _made(platform: Platform, environment: EnvironmentId) -> EnvironmentRecord:
    record = EnvironmentRecord(environment=environment, created_at=platform.clock.wall())
    platform.memory.save_environment(record)
    return record


def _release(platform: Platform, record: EnvironmentRecord) -> Release | None:
    return platform.memory.release(record.environment, record.revision.release) if record.revision else None


def _newest(platform: Platform, environment: EnvironmentId) -> int:
    return max((snapshot.version for snapshot in platform.memory.config_versions(environment)), default=0)
