"""Other machines for instances to run on: added, looked at, emptied, taken away. Must not: trust a host key that nobody has seen."""

from __future__ import annotations

import asyncio

import msgspec

from mooring.errors import CapacityExceeded, InvalidInput, NotFound, Refused
from mooring.model.access import Actor
from mooring.model.host import EdgePorts, Host, HostAddress, HostRuntime, HostStep, Preparation, fingerprint
from mooring.model.names import HostId, host_id, region_name
from mooring.planner import hosts as planner
from mooring.planner.goal import Wanted, wanted_of
from mooring.usecases.answers import HostAdded, HostPlan, HostStatus
from mooring.usecases.permission import Permission, require
from mooring.usecases.platform import Platform
from mooring.usecases.requests import HostRequest


async def hosts(platform: Platform, actor: Actor) -> tuple[HostStatus, ...]:
    """All that were added, by name, with what is placed on each and how well it is seen."""
    require(actor, Permission.SEE)
    fleet, edges = platform.controller.fleet, platform.controller.edges
    await asyncio.gather(fleet.look_around(), edges.look_around())
    sights, edge_errors = {sight.host: sight for sight in fleet.sights()}, {sight.host: sight.error for sight in edges.sights()}
    placed = _placed(platform)
    found = []
    for host in platform.memory.hosts():
        sight = sights.get(host.name)
        keys = [key for wanted in placed for key in wanted.instances() if key.host == host.name]
        environments = sorted({str(wanted.release.environment) for wanted in placed if host.name in wanted.hosts()})
        found.append(
            HostStatus(
                host=host,
                fingerprint=host.fingerprint,
                age=sight.age if sight else None,
                error=sight.error if sight else "it has not been looked at yet",
                instances=len(keys),
                environments=tuple(environments),
                edge_error=edge_errors.get(host.name, ""),
            )
        )
    return tuple(found)


async def plan_host(platform: Platform, actor: Actor, request: HostRequest) -> HostPlan:
    """What is there, and what would be done; nothing is. Without a host key in the request only the one that is offered is told.

    Raises InvalidInput, Unavailable, NeedsPerson, Forbidden.
    """
    platform.allow(actor, Permission.ADMINISTER, "host plan", address=request.address[:200])
    host = _asked(platform, request)
    if not request.host_key:
        offered = await platform.hosts.offered_key(host.address)
        return HostPlan(host=msgspec.structs.replace(host, host_key=offered), fingerprint=fingerprint(offered))
    return await _planned(platform, host, request)


async def add_host(platform: Platform, actor: Actor, request: HostRequest) -> HostAdded:
    """Prepared, remembered and used from now on. A host that is there already is prepared again and changed. Its edge, if it is to have
    one, has begun to serve when this returns.

    Raises InvalidInput, CapacityExceeded for one with faults, Unavailable, NeedsPerson, Forbidden.
    """
    platform.allow(actor, Permission.ADMINISTER, "host add", address=request.address[:200], host_key=request.host_key[:200])
    if not request.host_key:
        raise InvalidInput("no host key is given", hint="ask for the plan first: it tells which one the host shows")
    plan = await _planned(platform, _asked(platform, request), request)
    _check(plan.preparation)
    done = tuple(each.step for each in plan.preparation.steps)
    for step in done:
        await platform.hosts.perform(plan.host, step)
    known = _known(platform, plan.host.name)
    prepared = dict.fromkeys((*(known.prepared if known else ()), *(step.value for step in done)))
    host = msgspec.structs.replace(plan.host, prepared=tuple(prepared), added_at=platform.clock.wall())
    if host.edge is None and HostStep.EDGE.value in prepared:
        host = await _without_edge(platform, host)
    edge = platform.hosts.edge(host) if host.edge else None
    if edge is not None:
        await edge.tend()
    platform.memory.save_host(host)
    await platform.controller.fleet.replace(host.name, platform.hosts.runtime(host))
    platform.controller.edges.place(host.name, host.region)
    if edge is not None:
        platform.controller.edges.add(host.name, edge)
    return HostAdded(host=host, fingerprint=host.fingerprint, done=tuple(each.what for each in plan.preparation.steps))


async def check_host(platform: Platform, actor: Actor, name: str) -> HostPlan:
    """Looked at anew. Raises NotFound, Unavailable, NeedsPerson, Forbidden."""
    require(actor, Permission.SEE)
    host = _existing(platform, name)
    facts = await platform.hosts.survey(host, now=platform.clock.wall())
    preparation = planner.prepare(host, facts, controller=platform.hosts.controller)
    return HostPlan(host=host, fingerprint=host.fingerprint, facts=facts, preparation=preparation)


def drain_host(platform: Platform, actor: Actor, name: str, *, is_draining: bool) -> Host:
    """Nothing new is placed on it; what is there moves away with each environment's next deployment. Raises NotFound, Forbidden."""
    platform.allow(actor, Permission.ADMINISTER, "host drain" if is_draining else "host resume", host=name[:100])
    host = msgspec.structs.replace(_existing(platform, name), is_draining=is_draining)
    platform.memory.save_host(host)
    return host


async def remove_host(platform: Platform, actor: Actor, name: str, *, is_lost: bool = False) -> Host:
    """What was done on it is undone, and it is forgotten. `is_lost`: it will never answer again, so nothing is asked of it.

    Raises Refused while something is placed on it that still could be moved, NotFound, Unavailable, Forbidden.
    """
    platform.allow(actor, Permission.ADMINISTER, "host remove", host=name[:100], lost=str(is_lost))
    host = _existing(platform, name)
    used_by = sorted({str(wanted.release.environment) for wanted in _placed(platform) if host.name in wanted.hosts()})
    if used_by and not is_lost:
        hint = f"`mooring host drain {host.name}`, then deploy them again; if the host is gone for good: --lost"
        raise Refused(f"{', '.join(used_by)} still run on {host.name}", hint=hint)
    if not is_lost:
        left = await platform.controller.fleet.runtime_of(host.name).observe()
        if left:
            hint = "it may be a leftover: `mooring status` names what belongs to nobody"
            raise Refused(f"{len(left)} instances still run on {host.name}", hint=hint)
        for step in reversed(host.prepared):
            await platform.hosts.undo(host, HostStep(step))
    await platform.controller.fleet.remove(host.name)
    platform.controller.edges.forget(host.name)
    await platform.hosts.close(host)
    platform.memory.forget_host(host.name)
    return host


def host_key(platform: Platform, actor: Actor) -> str:
    """The line for the authorized_keys of an account on a host. Raises Forbidden."""
    require(actor, Permission.ADMINISTER)
    return platform.hosts.public_key


async def _planned(platform: Platform, host: Host, request: HostRequest) -> HostPlan:
    _check_reach(platform, host)
    facts = await platform.hosts.survey(host, now=platform.clock.wall())
    bind, memory = request.bind or facts.address or host.bind, request.memory or planner.budget(facts)
    host = msgspec.structs.replace(host, bind=bind, memory=memory, processors=facts.processors, uid=facts.uid)
    seen = msgspec.structs.replace(facts, owner="") if request.take_over else facts
    preparation = planner.prepare(host, seen, controller=platform.hosts.controller)
    return HostPlan(host=host, fingerprint=host.fingerprint, facts=facts, preparation=preparation)


async def _without_edge(platform: Platform, host: Host) -> Host:
    """It carries none any more."""
    platform.controller.edges.drop(host.name)
    await platform.hosts.undo(host, HostStep.EDGE)
    return msgspec.structs.replace(host, prepared=tuple(step for step in host.prepared if step != HostStep.EDGE.value))


def _check_reach(platform: Platform, host: Host) -> None:
    """A firewall lets in the controller alone. Raises InvalidInput where that would keep out an edge of the region on another host."""
    others = [each for each in platform.memory.hosts() if each.region == host.region and each.name != host.name]
    pairs = [(each, host) for each in others if each.edge and host.has_firewall]
    pairs += [(host, each) for each in others if host.edge and each.has_firewall]
    if pairs:
        edge, closed = pairs[0]
        hint = "leave --firewall out where a region's edge and its instances are on several hosts, and close the ports in your own network"
        raise InvalidInput(f"the edge on {edge.name} could not reach instances behind the firewall of {closed.name}", hint=hint)


def _check(preparation: Preparation) -> None:
    faults = preparation.faults
    if faults:
        said = "; ".join(f"{fault.subject}: {fault.said}" for fault in faults)
        raise CapacityExceeded(f"the host cannot be used: {said}", hint=faults[0].hint)


def _asked(platform: Platform, request: HostRequest) -> Host:
    """Raises InvalidInput, InvalidName."""
    address = HostAddress.parse(request.address)
    name = host_id(request.name or _likely_name(address))
    host_key = request.host_key
    if host_key:
        fingerprint(host_key)
    known = _known(platform, name)
    if known is not None and known.address != address:
        hint = "give this one another name with --name"
        raise InvalidInput(f"{name} is {known.address} already", hint=hint)
    if known is not None and host_key and known.host_key != host_key:
        hint = f"if it was installed anew: `mooring host rm {name} --lost`, then add it again"
        raise InvalidInput(f"{name} is pinned to {known.fingerprint}, and this is another key", hint=hint)
    labels = {str(label): str(value) for label, value in request.labels.items()}
    return Host(
        name=name,
        address=address,
        runtime=HostRuntime(request.runtime),
        host_key=host_key,
        region=region_name(request.region),
        labels=labels,
        memory=request.memory,
        has_firewall=request.firewall or (known is not None and known.has_firewall),
        is_draining=known.is_draining if known else False,
        edge=_checked_ports(request.edge) if request.edge else None,
    )


def _checked_ports(ports: EdgePorts) -> EdgePorts:
    """Raises InvalidInput."""
    if not (1 <= ports.http <= 65_535 and 0 <= ports.https <= 65_535 and ports.http != ports.https):
        hint = "two different numbers from 1 to 65535; 0 for HTTPS means none"
        raise InvalidInput(f"an edge cannot listen on {ports.http} and {ports.https}", hint=hint)
    return ports


def _likely_name(address: HostAddress) -> str:
    """The first label of its name; an address has none that is easy to say."""
    label = address.host.partition(".")[0].lower()
    if label.isdigit() or ":" in address.host:
        digits = "".join(mark if mark.isdigit() or mark in "abcdef" else "-" for mark in address.host.lower())
        return f"host-{digits}".rstrip("-")
    return label


def _existing(platform: Platform, name: str) -> Host:
    host = _known(platform, HostId(name))
    if host is None:
        raise NotFound(f"there is no host {name[:100]}", hint="`mooring host ls` lists them")
    return host


def _known(platform: Platform, name: HostId) -> Host | None:
    return next((host for host in platform.memory.hosts() if host.name == name), None)


def _placed(platform: Platform) -> list[Wanted]:
    """What every environment is to run, and what each deployment that goes on would have it run."""
    memory = platform.memory
    revisions = [(record.environment, record.revision) for record in memory.environments()]
    revisions += [(each.environment, each.target) for each in memory.unfinished_deployments()]
    found = []
    for environment, revision in revisions:
        release = memory.release(environment, revision.release) if revision else None
        if revision is not None and release is not None:
            found.append(wanted_of(revision, release))
    return found
