"""What a deploy does about the accessories that are declared beside an app: it makes those that are missing, and says the rest.

A deploy never stops, restarts or changes one that there is: that takes a person's own word, `mooring accessory apply`. An accessory that
was made is kept like any environment's single process type, by `planner.rollout`. Must not: look at the world.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping

import msgspec

from mooring.errors import InvalidInput
from mooring.model.accessory import Accessory, Lasting, Place
from mooring.model.environment import EnvironmentId
from mooring.model.host import Host, HostRuntime
from mooring.model.names import LOCAL, AccessoryName, HostId, ProcessName
from mooring.model.placement import Placement, Region
from mooring.model.policy import Policy
from mooring.model.quantity import format_size
from mooring.model.release import Artifact, ProcessType, Release, Source

_WELL_FOR = 0.5  # seconds: what listens may still die of what it finds in its volume
_LOOPBACK = ("127.", "::1", "localhost")


class Condition(enum.Enum):
    """How what is declared and what there is stand to each other."""

    MISSING = "missing"
    AS_DECLARED = "as-declared"
    CHANGED = "changed"
    STOPPED = "stopped"
    UNDECLARED = "undeclared"


class Present(msgspec.Struct, frozen=True, kw_only=True):
    """An accessory that was asked for. `made_from`: the declaration that it runs by; None: it has never come to run."""

    made_from: Accessory | None
    is_stopped: bool = False


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """`reason` is a sentence, with what to do where there is something."""

    name: AccessoryName
    condition: Condition
    reason: str


def judged(declared: Iterable[Accessory], present: Mapping[AccessoryName, Present]) -> tuple[Judgement, ...]:
    """Every one that is declared, in that order, then those that are not (any more)."""
    known = {accessory.name: accessory for accessory in declared}
    others = sorted(name for name in present if name not in known)
    return (*(_judged(accessory, present.get(name)) for name, accessory in known.items()), *(_undeclared(name) for name in others))


def missing(judgements: Iterable[Judgement]) -> tuple[AccessoryName, ...]:
    """Those that a deploy makes: all that it ever does to any."""
    return tuple(each.name for each in judgements if each.condition is Condition.MISSING)


def _judged(accessory: Accessory, present: Present | None) -> Judgement:
    name = accessory.name
    if present is None or present.made_from is None:
        reason = f"accessory {name} is declared and missing: a deploy starts it before the app, from {_origin(accessory)}"
        return Judgement(name=name, condition=Condition.MISSING, reason=reason)
    changes = differences(present.made_from, accessory)
    if changes:
        reason = f"accessory {name} is declared otherwise than it runs ({'; '.join(changes)}): `mooring accessory apply {name}` changes it"
        return Judgement(name=name, condition=Condition.CHANGED, reason=reason)
    if present.is_stopped:
        reason = f"accessory {name} is stopped: `mooring accessory start {name}` starts it"
        return Judgement(name=name, condition=Condition.STOPPED, reason=reason)
    return Judgement(name=name, condition=Condition.AS_DECLARED, reason=f"accessory {name} runs as it is declared")


def _undeclared(name: AccessoryName) -> Judgement:
    reason = f"accessory {name} is not declared and goes on: `mooring accessory rm {name}` removes it"
    return Judgement(name=name, condition=Condition.UNDECLARED, reason=reason)


def differences(before: Accessory, after: Accessory) -> tuple[str, ...]:
    """What of the declaration changed, a few words each; of variables only the names."""
    told = [
        _change("image", before.image, after.image),
        _change("command", before.command, after.command),
        _change("port", before.port, after.port),
        _change("volume", before.volume, after.volume),
        _change("host", before.host, after.host),
        _change("region", before.region, after.region),
        _change("memory", *(format_size(each.memory) if each.memory else "" for each in (before, after))),
        _change("stop_signal", before.stop_signal, after.stop_signal),
        _change("kill_timeout", f"{before.kill_timeout:g}s", f"{after.kill_timeout:g}s"),
    ]
    named = sorted(
        {name for name, _ in set(before.variables.items()) ^ set(after.variables.items())} | {*before.secrets} ^ {*after.secrets}
    )
    other = [word for word, differs in (("url", before.url != after.url), ("health", before.checks != after.checks)) if differs]
    return tuple(each for each in [*told, *named, *other] if each)


def _change(word: str, before: object, after: object) -> str:
    return "" if before == after else f"{word} {before or 'none'} → {after or 'none'}"


def _origin(accessory: Accessory) -> str:
    return f"the image {accessory.image}" if accessory.image else f"the command {accessory.command}"


def host_of(
    accessory: Accessory, hosts: Iterable[Host], *, beside: HostId, before: HostId | None, load: Mapping[HostId, int]
) -> Host | None:
    """Where it is to run; None: on the local host. `before`: where it runs, and stays while it may.

    `beside`: where the app is. `load`: bytes that others declare there. Raises InvalidInput where it could not run, or would leave what
    it has kept behind.
    """
    known = {host.name: host for host in hosts}
    chosen = _chosen(accessory, known, beside=beside, before=before, load=load)
    _check_runtime(accessory, known.get(chosen))
    if before is not None and chosen != before and (accessory.volume or not accessory.image):
        hint = f"`mooring accessory rm {accessory.name}` first; what it keeps is moved by nobody"
        raise InvalidInput(f"accessory {accessory.name} is on {before}, with its volume, and is declared for {chosen}", hint=hint)
    return known.get(chosen)


def _chosen(
    accessory: Accessory, known: Mapping[HostId, Host], *, beside: HostId, before: HostId | None, load: Mapping[HostId, int]
) -> HostId:
    where = f"accessories.{accessory.name}"
    if accessory.host is not None:
        if accessory.host != LOCAL and accessory.host not in known:
            raise InvalidInput(f"there is no host {accessory.host}", hint="`mooring host ls` lists those that were added", where=where)
        return accessory.host
    if accessory.region is None:
        return _still_there(before, accessory, known) if before else beside
    fit = [each for each in known.values() if each.region == accessory.region and not each.is_draining and _runs(accessory, each)]
    if before in [each.name for each in fit]:
        return before or LOCAL
    if not fit:
        hint = f"`mooring host add USER@ADDRESS --region {accessory.region}` adds one"
        raise InvalidInput(f"region {accessory.region} has no host that can run it", hint=hint, where=where)
    return min(fit, key=lambda each: (load.get(each.name, 0), each.name)).name


def _still_there(before: HostId, accessory: Accessory, known: Mapping[HostId, Host]) -> HostId:
    if before != LOCAL and before not in known:
        hint = f"`mooring accessory rm {accessory.name}` gives up what it kept there; then it is made anew"
        raise InvalidInput(f"accessory {accessory.name} ran on {before}, which is no host any more", hint=hint)
    return before


def _runs(accessory: Accessory, host: Host) -> bool:
    return (host.runtime is HostRuntime.DOCKER) == bool(accessory.image)


def _check_runtime(accessory: Accessory, host: Host | None) -> None:
    where = f"accessories.{accessory.name}"
    if host is None and accessory.image:
        hint = "name a host with a container engine (`mooring host add`), or give it a command instead"
        raise InvalidInput("an image runs in a container engine, and the controller's own machine runs processes", hint=hint, where=where)
    if host is not None and not _runs(accessory, host):
        needed = "a container engine" if accessory.image else "systemd"
        hint = "name another host, or an image" if not accessory.image else "name another host, or a command"
        raise InvalidInput(f"{host.name} runs {host.runtime.value}, and this needs {needed}", hint=hint, where=where)


def pinned(release: Release, counts: Mapping[ProcessName, int]) -> Placement:
    """An accessory stays on the one host that its release names, draining or not: what it has kept is there."""
    process = release.processes[0]
    count = min(counts.get(process.name, process.count), 1)
    return {process.name: release.regions[0].hosts[:1] * count} if release.regions else {}


def check_reachable(name: AccessoryName, place: Place, hosts: Iterable[HostId], runtimes: Mapping[HostId, HostRuntime]) -> None:
    """Raise InvalidInput where an app on one of these hosts could not connect: an accessory listens on no public address."""
    cut_off = out_of_reach(place, hosts, runtimes)
    if cut_off:
        where = "the controller's machine" if place.host == LOCAL else str(place.host)
        hint = "declare a host for it that was added with a private address of its own (`mooring host add --bind ADDRESS`)"
        raise InvalidInput(f"accessory {name} listens on the loopback of {where}, and the app runs on {', '.join(cut_off)}", hint=hint)


def out_of_reach(place: Place, hosts: Iterable[HostId], runtimes: Mapping[HostId, HostRuntime]) -> tuple[HostId, ...]:
    """Those of these hosts from which nothing connects to it."""
    if not place.address.startswith(_LOOPBACK):
        return ()
    return tuple(host for host in hosts if host != place.host or runtimes.get(host) is HostRuntime.DOCKER)


def release_of(
    accessory: Accessory, environment: EnvironmentId, *, number: int, artifact: Artifact, host: Host | None, config_version: int, at: float
) -> Release:
    """What makes it run: one process type, of which there are never two, without a route. `environment` is its own."""
    process = ProcessType(
        name=ProcessName(accessory.name),
        command=accessory.command or artifact.processes.get("web", ""),
        is_single=True,
        checks=accessory.checks,
        stop_signal=accessory.stop_signal,
        memory=accessory.memory,
        lasting=Lasting(inside=accessory.port, mount=accessory.volume),
    )
    return Release(
        environment=environment,
        number=number,
        artifact=artifact,
        source=Source(digest=""),
        config_version=config_version,
        processes=(process,),
        hostnames=(),
        policy=Policy(bake=0.0, min_healthy_time=_WELL_FOR, kill_timeout=accessory.kill_timeout),
        runtime=host.runtime if host else None,
        regions=(Region(name=host.region, hosts=(host.name,)),) if host else (),
        accessories=(accessory,),
        variables=accessory.variables,
        created_at=at,
        description=_origin(accessory),
    )
