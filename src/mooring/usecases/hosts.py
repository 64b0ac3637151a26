"""Other machines for instances to run on: added, looked at, emptied, taken away. Must not: trust a host key that nobody has seen."""

from __future__ import annotations

import asyncio

import msgspec

from mooring.engine.hosts import placed
from mooring.errors import InvalidInput, NotFound, Refused
from mooring.model.access import Actor
from mooring.model.host import Bastion, EdgePorts, Host, HostAddress, HostRuntime, engine_socket, fingerprint
from mooring.model.names import HostId, host_id, region_name
from mooring.planner import hosts as planner
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
    everything = placed(platform.memory)
    found = []
    for host in platform.memory.hosts():
        sight = sights.get(host.name)
        keys = [key for wanted in everything for key in wanted.instances() if key.host == host.name]
        environments = sorted({str(wanted.release.environment) for wanted in everything if host.name in wanted.hosts()})
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
    """What is there, and what would be done; nothing is. Without a host key in the request only the one that is offered is told, that of
    the bastion first.

    Raises InvalidInput, Unavailable, NeedsPerson, Forbidden.
    """
    platform.allow(actor, Permission.ADMINISTER, "host plan", address=request.address[:200])
    host = _asked(platform, request)
    if host.bastion is not None and not host.bastion.host_key:
        offered = await platform.hosts.offered_key(host.bastion.address)
        return HostPlan(host=msgspec.structs.replace(host, bastion=msgspec.structs.replace(host.bastion, host_key=offered)), fingerprint="")
    if not request.host_key:
        offered = await platform.hosts.offered_key(host.address, bastion=host.bastion)
        return HostPlan(host=msgspec.structs.replace(host, host_key=offered), fingerprint=fingerprint(offered))
    host, facts, preparation = await platform.desk.planned(host, take_over=request.take_over)
    return HostPlan(host=host, fingerprint=host.fingerprint, facts=facts, preparation=preparation)


async def add_host(platform: Platform, actor: Actor, request: HostRequest) -> HostAdded:
    """Prepared, remembered and used from now on. A host that is there already is prepared again and changed. Its edge, if it is to have
    one, has begun to serve when this returns.

    Raises InvalidInput, CapacityExceeded for one with faults, Unavailable, NeedsPerson, Forbidden.
    """
    platform.allow(actor, Permission.ADMINISTER, "host add", address=request.address[:200], host_key=request.host_key[:200])
    if not request.host_key or (request.bastion and not request.bastion_key):
        what = "host key" if not request.host_key else "key of the bastion"
        raise InvalidInput(f"no {what} is given", hint="ask for the plan first: it tells which one is shown")
    host, done = await platform.desk.take_in(_asked(platform, request), take_over=request.take_over)
    return HostAdded(host=host, fingerprint=host.fingerprint, done=tuple(each.what for each in done))


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
    """What was done on it is undone, and it is forgotten. `is_lost`: it will never answer again, so nothing is asked of it. One that was
    borrowed then goes back. What fails on the way leaves it as a host that is drained: it is removed by asking again.

    Raises Refused while something is placed on it that still could be moved, or while it is given back already, NotFound, Unavailable,
    Forbidden.
    """
    platform.allow(actor, Permission.ADMINISTER, "host remove", host=name[:100], lost=str(is_lost))
    host = _existing(platform, name)
    with platform.capacity.left_alone(host):
        if not is_lost:
            _check_free(platform, host)
            await platform.desk.check_unused(host)
            _check_free(platform, host)
        platform.memory.save_host(msgspec.structs.replace(host, is_draining=True))
        await platform.desk.let_go(host, is_lost=is_lost)
        platform.capacity.give_back(host, f"{actor.name} took it away")
    return host


def host_key(platform: Platform, actor: Actor) -> str:
    """The line for the authorized_keys of an account on a host. Raises Forbidden."""
    require(actor, Permission.ADMINISTER)
    return platform.hosts.public_key


def _check_free(platform: Platform, host: Host) -> None:
    """Raises Refused while something is placed on it."""
    used_by = sorted({str(wanted.release.environment) for wanted in placed(platform.memory) if host.name in wanted.hosts()})
    if used_by:
        hint = f"`mooring host drain {host.name}`, then deploy them again; if the host is gone for good: --lost"
        raise Refused(f"{', '.join(used_by)} still run on {host.name}", hint=hint)


def _asked(platform: Platform, request: HostRequest) -> Host:
    """Raises InvalidInput, InvalidName."""
    address = HostAddress.parse(request.address)
    name = host_id(request.name or _likely_name(address))
    host_key = request.host_key
    if host_key:
        fingerprint(host_key)
    known = platform.desk.known(name)
    if known is not None and known.address != address:
        hint = "give this one another name with --name"
        raise InvalidInput(f"{name} is {known.address} already", hint=hint)
    if known is not None and host_key and known.host_key != host_key:
        hint = f"if it was installed anew: `mooring host rm {name} --lost`, then add it again"
        raise InvalidInput(f"{name} is pinned to {known.fingerprint}, and this is another key", hint=hint)
    bastion = _bastion(request, known.bastion if known else None)
    labels = {str(label): str(value) for label, value in request.labels.items()}
    return Host(
        name=name,
        address=address,
        runtime=HostRuntime(request.runtime),
        host_key=host_key,
        region=region_name(request.region),
        labels=labels,
        bind=request.bind,
        memory=request.memory,
        engine_socket=engine_socket(request.engine_socket) if request.engine_socket else "",
        has_firewall=request.firewall or (known is not None and known.has_firewall),
        is_draining=known.is_draining if known else False,
        edge=_checked_ports(request.edge) if request.edge else None,
        bastion=bastion,
        loan=known.loan if known else "",
    )


def _bastion(request: HostRequest, known: Bastion | None) -> Bastion | None:
    """Raises InvalidInput, also for another key than the one that it was pinned to before."""
    if not request.bastion:
        return None
    bastion = Bastion(address=HostAddress.parse(request.bastion), host_key=request.bastion_key)
    if bastion.host_key:
        fingerprint(bastion.host_key)
    if known is not None and known.address == bastion.address and bastion.host_key and known.host_key != bastion.host_key:
        hint = "find out who answers there; if it was installed anew, add the host without it first"
        raise InvalidInput(f"{bastion.address} is pinned to {known.fingerprint}, and this is another key", hint=hint)
    return bastion


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
    host = platform.desk.known(HostId(name))
    if host is None:
        raise NotFound(f"there is no host {name[:100]}", hint="`mooring host ls` lists them")
    return host
