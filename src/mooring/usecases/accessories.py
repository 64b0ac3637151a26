"""Accessories of an environment: which there are, and what a person may ask of one. Must not: touch the app.

What is declared is what the release that serves declares; nothing is read from a source tree here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import assert_never

import msgspec

from mooring.engine import accessories as engine
from mooring.engine.orders import AccessoryOrder, DestroyOrder, Order, Preview, RestartOrder, ScaleOrder
from mooring.errors import NotFound, Refused
from mooring.model.access import Actor
from mooring.model.accessory import Accessory
from mooring.model.deployment import Deployment
from mooring.model.environment import EnvironmentId
from mooring.model.instance import LogLine
from mooring.model.names import LOCAL, AccessoryName, HostId, ProcessName, accessory_name
from mooring.model.records import Answering
from mooring.planner.accessories import Condition, Judgement
from mooring.planner.goal import Wanted, wanted_of
from mooring.usecases.answers import AccessoryChange, AccessoryStatus
from mooring.usecases.logs import log_query, logs
from mooring.usecases.permission import Permission, require
from mooring.usecases.platform import Platform
from mooring.usecases.requests import AccessoryVerb, PlannedVerb
from mooring.usecases.services import check_lost
from mooring.usecases.status import active_deployment, sleeps, snapshot_of


async def accessories(platform: Platform, actor: Actor, environment: EnvironmentId) -> tuple[AccessoryStatus, ...]:
    """Those that are declared, then those that are not any more. Raises NotFound."""
    require(actor, Permission.SEE)
    declared = _declared(platform, environment)
    return tuple([await _status(platform, environment, each) for each in engine.judgements(platform.memory, environment, declared)])


async def change(
    platform: Platform,
    actor: Actor,
    environment: EnvironmentId,
    name: str,
    verb: AccessoryVerb,
    *,
    answering: Answering | None = None,
) -> AccessoryChange:
    """Raises NotFound, Refused, InvalidInput, LeaseHeld, CapacityExceeded, Forbidden."""
    checked = accessory_name(name)
    platform.allow(actor, Permission.CHANGE, f"accessory {verb}", environment, accessory=checked)
    order, said = _order(platform, environment, checked, verb)
    if order is None:
        return AccessoryChange(deployment=None, said=said)
    own = environment.with_accessory(checked)
    if platform.memory.environment(own) is not None:
        await platform.controller.examine(own, order)

    def whole(deployment: object) -> object:
        assert isinstance(deployment, Deployment)
        return AccessoryChange(deployment=deployment, said=said)

    deployment = platform.controller.submit(
        own,
        order,
        by=actor.name,
        description=f"accessory {verb} {checked}",
        answering=(lambda deployment: answering(whole(deployment))) if answering else None,
    )
    return AccessoryChange(deployment=deployment, said=said)


async def plan(
    platform: Platform, actor: Actor, environment: EnvironmentId, name: str, verb: PlannedVerb, *, is_volume_removed: bool = False
) -> Preview:
    """What it would do and why. Raises as `change` does."""
    require(actor, Permission.CHANGE)
    checked = accessory_name(name)
    own = environment.with_accessory(checked)
    order, said = (
        (_removal(platform, environment, checked, is_volume_removed), "")
        if verb == "remove"
        else _order(platform, environment, checked, verb)
    )
    what = f"accessory {verb} {checked}"
    if order is None:
        return Preview(environment=own, description=what, steps=(), notes=(said,))
    preview = await platform.controller.preview(own, order)
    notes = (said, *preview.notes) if said else preview.notes
    return msgspec.structs.replace(preview, description=what, notes=(*notes, *_notes_of_removal(order)))


async def remove(
    platform: Platform,
    actor: Actor,
    environment: EnvironmentId,
    name: str,
    *,
    is_volume_removed: bool,
    answering: Answering | None = None,
) -> Deployment:
    """Its volume and its secrets stay, unless the volume is to go too. Also one that the memory does not know, as long as it runs.

    Raises Refused while services come from it, NotFound, LeaseHeld, Forbidden, Unavailable."""
    checked = accessory_name(name)
    volume = "removed" if is_volume_removed else "kept"
    platform.allow(actor, Permission.ADMINISTER, "accessory remove", environment, accessory=checked, volume=volume)
    own = environment.with_accessory(checked)
    check_lost(platform, [own])
    if any(each.environment == own for each in await platform.controller.unowned()):
        await platform.controller.adopt(own)
    order = _removal(platform, environment, checked, is_volume_removed)
    return platform.controller.submit(own, order, by=actor.name, description=f"accessory rm {checked}", answering=answering)


def its_logs(
    platform: Platform, actor: Actor, environment: EnvironmentId, name: str, *, lines: int, follow: bool
) -> AsyncIterator[LogLine]:
    """History first. Raises NotFound, InvalidInput, InvalidName, Forbidden at once."""
    require(actor, Permission.SEE)
    own = _existing(platform, environment, accessory_name(name))
    return logs(platform, actor, log_query(own, lines=lines, follow=follow, process=None, slot=None, release=None))


# within


def _declared(platform: Platform, environment: EnvironmentId) -> tuple[Accessory, ...]:
    """Nothing where the app runs nothing yet. Raises NotFound."""
    wanted = _wanted(platform, environment)
    return wanted.release.accessories if wanted else ()


def _wanted(platform: Platform, environment: EnvironmentId) -> Wanted | None:
    record = platform.existing(environment)
    release = platform.memory.release(environment, record.revision.release) if record.revision else None
    return wanted_of(record.revision, release) if record.revision and release else None


def _known(platform: Platform, environment: EnvironmentId, name: AccessoryName) -> Judgement:
    found = engine.judgements(platform.memory, environment, _declared(platform, environment))
    known = next((each for each in found if each.name == name), None)
    if known is None:
        hint = f"declare it in mooring.toml as [accessories.{name}] and deploy; `mooring accessory ls` names those that there are"
        raise NotFound(f"{environment} has no accessory {name}", hint=hint)
    return known


def _order(platform: Platform, environment: EnvironmentId, name: AccessoryName, verb: AccessoryVerb) -> tuple[Order | None, str]:
    """None: nothing has to be done, and why. Raises NotFound, Refused."""
    known = _known(platform, environment, name)
    is_stopped, is_there = _state(platform, environment, name)
    process = ProcessName(name)
    match verb:
        case "apply":
            if known.condition in (Condition.MISSING, Condition.CHANGED):
                return _as_declared(platform, environment, name), known.reason
            return None, f"{known.reason}; a change of mooring.toml counts once it is deployed"
        case "start":
            if not is_there:
                return _as_declared(platform, environment, name), known.reason
            return (ScaleOrder(counts={process: 1}), "") if is_stopped else (None, f"accessory {name} is to run already")
        case "stop":
            return (ScaleOrder(counts={process: 0}), "") if is_there and not is_stopped else (None, f"accessory {name} does not run")
        case "restart":
            if not is_there or is_stopped:
                raise Refused(f"accessory {name} does not run", hint=f"`mooring accessory start {name}` starts it")
            return RestartOrder(), ""
        case _:
            assert_never(verb)


def _state(platform: Platform, environment: EnvironmentId, name: AccessoryName) -> tuple[bool, bool]:
    """Whether it is stopped, and whether there is one at all."""
    record = platform.memory.environment(environment.with_accessory(name))
    present = engine.present(platform.memory, record) if record is not None else None
    return (present.is_stopped, present.made_from is not None) if present is not None else (False, False)


def _as_declared(platform: Platform, environment: EnvironmentId, name: AccessoryName) -> AccessoryOrder:
    wanted = _wanted(platform, environment)
    declared = {each.name: each for each in _declared(platform, environment)}
    if name not in declared:
        hint = f"declare it in mooring.toml as [accessories.{name}] and deploy"
        raise NotFound(f"{environment} declares no accessory {name}", hint=hint)
    beside: HostId = engine.first_host(wanted) if wanted else LOCAL
    return AccessoryOrder(accessory=declared[name], beside=beside)


def _removal(platform: Platform, environment: EnvironmentId, name: AccessoryName, is_volume_removed: bool) -> DestroyOrder:
    _existing(platform, environment, name)
    return DestroyOrder(keeps_volume=not is_volume_removed)


def _existing(platform: Platform, environment: EnvironmentId, name: AccessoryName) -> EnvironmentId:
    """The accessory's own. Raises NotFound."""
    own = environment.with_accessory(name)
    if platform.memory.environment(own) is None:
        hint = "`mooring accessory ls` names those that there are"
        raise NotFound(f"there is no accessory {name} of {environment}", hint=hint)
    return own


def _notes_of_removal(order: Order) -> tuple[str, ...]:
    if not isinstance(order, DestroyOrder):
        return ()
    return ("its volume and its secrets are kept: --volume removes them too",) if order.keeps_volume else ("its volume goes with it",)


async def _status(platform: Platform, environment: EnvironmentId, judgement: Judgement) -> AccessoryStatus:
    own = environment.with_accessory(judgement.name)
    record = platform.memory.environment(own)
    release = platform.memory.release(own, record.revision.release) if record and record.revision else None
    snapshot = await snapshot_of(platform, own)
    going = active_deployment(platform, own)
    is_running = release is not None and judgement.condition is not Condition.STOPPED  # while its app is awake
    return AccessoryStatus(
        name=judgement.name,
        condition=judgement.condition,
        said=judgement.reason,
        runs=release.description if release else "",
        place=record.place if record and record.revision else None,
        instance=next(iter(snapshot.instances), None),
        is_asleep=is_running and sleeps(platform, own),
        age=snapshot.age,
        deployment=going.id if going else "",
    )
