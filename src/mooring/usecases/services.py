"""Data services of environments, and the servers they come from. Must not: show a password or an address, or touch what is not marked."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path

import msgspec

from mooring.drivers.service.contract import ISOLATION, Login, ServerFacts
from mooring.engine.orders import RotateOrder
from mooring.engine.variables import access_to
from mooring.errors import InvalidInput, MooringError, NotFound, Refused
from mooring.model.access import Actor
from mooring.model.config import revealed
from mooring.model.deployment import Deployment
from mooring.model.environment import EnvironmentId
from mooring.model.host import Weight
from mooring.model.names import ServerName, ServiceName, server_name, service_name
from mooring.model.records import Answering
from mooring.model.secret import Secret
from mooring.model.service import FILES, ServiceKind, ServiceRecord, ServiceServer
from mooring.model.steps import RemoveService, RestoreService
from mooring.usecases.answers import ServerStatus, ServiceStatus
from mooring.usecases.permission import Permission, require
from mooring.usecases.platform import Platform

LONGEST_ADDRESS = 4_000


async def add_server(
    platform: Platform,
    actor: Actor,
    name: str,
    kind: ServiceKind,
    address: bytes,
    *,
    accept_open: bool = False,
    accessory: EnvironmentId | None = None,
) -> ServerStatus:
    """Looked at, then remembered. One that is there already gets another address: what was made on it must be there too. With `accessory`
    its address is that accessory's own `url`.

    Raises InvalidInput, NotFound, Refused for one with faults and for an accessory of a review app, Unavailable, Forbidden.
    """
    checked = server_name(name)
    platform.allow(actor, Permission.ADMINISTER, "service add-server", server=checked, type=kind.value, accept_open=str(accept_open))
    known = {server.name: server for server in platform.memory.service_servers()}.get(checked)
    if known is not None and known.kind.value != kind.value:
        raise InvalidInput(f"{checked} is a {known.kind.value} server", hint="give this one another name")
    secret = _address_of(platform, accessory) if accessory is not None else _address(address)
    server = ServiceServer(name=checked, kind=kind, added_at=platform.clock.wall(), accessory=accessory)
    facts = await platform.controller.services.driver_of(server, secret).inspect()
    _check(checked, facts, accept_open=accept_open)
    server = msgspec.structs.replace(server, place=facts.place, version=facts.version)
    platform.memory.save_service_server(server, secret)
    platform.secrets.changed(None)
    return _status(platform, server, facts)


async def servers(platform: Platform, actor: Actor) -> tuple[ServerStatus, ...]:
    """All that were added, by name; each is asked how it is."""
    require(actor, Permission.SEE)
    return tuple(await asyncio.gather(*(_asked(platform, server) for server in platform.memory.service_servers())))


def check_lost(platform: Platform, accessories: Iterable[EnvironmentId]) -> None:
    """Raises Refused while services come from one of these, which are to go."""
    gone = frozenset(accessories)
    for server in platform.memory.service_servers():
        used = _used(platform, server.name) if server.accessory in gone else ()
        if used:
            hint = f"remove them first with `mooring service rm`, or dump them and add another server {server.name}"
            raise Refused(f"{', '.join(used)} come from {server.accessory}, and would be lost with it", hint=hint)


def remove_server(platform: Platform, actor: Actor, name: str) -> ServiceServer:
    """Forgotten; the server itself is not touched. Raises Refused while services come from it, NotFound, Forbidden."""
    platform.allow(actor, Permission.ADMINISTER, "service rm-server", server=name[:100])
    server = {str(each.name): each for each in platform.memory.service_servers()}.get(name)
    if server is None:
        raise NotFound(f"there is no server {name[:100]}", hint="`mooring service servers` lists them")
    used = _used(platform, server.name)
    if used:
        raise Refused(f"{', '.join(used)} come from {server.name}", hint="`mooring service rm` removes a service")
    platform.memory.forget_service_server(server.name)
    return server


async def services(platform: Platform, actor: Actor, environment: EnvironmentId) -> tuple[ServiceStatus, ...]:
    """What the environment owns, by name; also of one that was destroyed. Each server is asked how large it is."""
    require(actor, Permission.SEE)
    return tuple(await asyncio.gather(*(_measured(platform, record) for record in platform.memory.services(environment))))


def rotate_service(
    platform: Platform, actor: Actor, environment: EnvironmentId, name: str, *, answering: Answering | None = None
) -> Deployment:
    """A new password, brought to every instance; the old one is valid until all have it. Raises NotFound, LeaseHeld, Forbidden, Refused
    for what has none."""
    service = _named(platform, environment, name)
    platform.allow(actor, Permission.CHANGE, "service rotate", environment, service=service)
    if platform.controller.services.record(environment, service).kind in FILES:
        raise Refused(f"{service} is a file: it has no password", hint="whoever runs as the app's account may open it, and nobody else")
    platform.existing(environment)
    return platform.controller.submit(environment, RotateOrder(service=service), by=actor.name, answering=answering)


async def dump_service(platform: Platform, actor: Actor, environment: EnvironmentId, name: str, into: Path) -> None:
    """All that is in it, as a new file. Raises NotFound, Unavailable, Forbidden."""
    service = _named(platform, environment, name)
    platform.allow(actor, Permission.CHANGE, "service dump", environment, service=service)
    record, login = _opened(platform, environment, service)
    await platform.controller.services.driver(record).dump(record.piece, login, into)


async def restore_service(platform: Platform, actor: Actor, environment: EnvironmentId, name: str, dump: Path) -> None:
    """The file is removed in any case. Raises NotFound, LeaseHeld, Unavailable with what was in it as it was, Forbidden."""
    try:
        service = _named(platform, environment, name)
        platform.allow(actor, Permission.CHANGE, "service restore", environment, service=service)
        _opened(platform, environment, service)
        step = RestoreService(service=service, dump=str(dump), reason=f"{actor.name} asked for it")
        await platform.controller.change_service(environment, step, tries=1)
    finally:
        dump.unlink(missing_ok=True)


async def remove_service(platform: Platform, actor: Actor, environment: EnvironmentId, name: str, *, confirm: str) -> ServiceRecord:
    """With all that is in it; also one that only its server knows, by our mark. Raises Refused while the app that runs declares it,
    InvalidInput unless `confirm` is its name, NotFound, LeaseHeld, Unavailable, Forbidden."""
    service = service_name(name)
    platform.allow(actor, Permission.ADMINISTER, "service rm", environment, service=service)
    if confirm != f"{environment}/{service}":
        raise InvalidInput(f"removing {service} is confirmed with its full name", hint=f"confirm={environment}/{service}")
    record = platform.memory.environment(environment)
    release = platform.memory.release(environment, record.revision.release) if record and record.revision else None
    if release is not None and any(wish.name == service for wish in release.services):
        hint = f"take [services.{service}] out of mooring.toml and deploy first"
        raise Refused(f"{release.version} of {environment}, which runs, declares {service}", hint=hint)
    try:
        found = platform.controller.services.record(environment, service)
    except NotFound:
        found = await platform.controller.services.adopt(environment, service)
    await platform.controller.change_service(environment, RemoveService(service=service, reason=f"{actor.name} asked for it"))
    return found


def _address_of(platform: Platform, accessory: EnvironmentId) -> Secret:
    """Of an accessory that runs and stays. Raises InvalidInput, NotFound, Refused."""
    if accessory.accessory is None:
        raise InvalidInput(f"{accessory} is no accessory", hint="write it like data/production.redis: app, environment, accessory")
    home = platform.memory.environment(accessory.home)
    if home is not None and home.review is not None:
        hint = "name an accessory of an environment that stays, like data/production.redis"
        raise Refused(f"{accessory} goes with its review app, and so would what comes from it", hint=hint)
    access = access_to(platform.memory, accessory)
    if not access:
        hint = "declare it in mooring.toml of its app, and deploy that; `mooring accessory ls` names those that there are"
        raise NotFound(f"there is no accessory {accessory} that runs", hint=hint)
    if "URL" not in access:
        hint = f"say how an administrator reaches it: `url` below [accessories.{accessory.accessory}], and deploy that"
        raise InvalidInput(f"{accessory} has no url", hint=hint)
    return Secret(revealed(access["URL"]))


def _address(content: bytes) -> Secret:
    try:
        text = content.decode().strip()
    except UnicodeDecodeError:
        text = ""
    if not text or len(text) > LONGEST_ADDRESS or not text.isprintable():
        raise InvalidInput(
            "that is no address of a server",
            hint="pipe it in: postgresql://, mysql:// or redis://, then admin:PASSWORD@db.example.com; s3+https://KEY:SECRET@s3.example.com/BUCKET",
        )
    return Secret(text)


def _check(name: ServerName, facts: ServerFacts, *, accept_open: bool) -> None:
    faults = [each for each in facts.findings if each.weight is Weight.FAULT and not (accept_open and each.subject == ISOLATION)]
    if not faults:
        return
    said = "; ".join(f"{fault.subject}: {fault.said}" for fault in faults)
    hint = "; ".join(fault.hint for fault in faults)
    may_accept = " (or accept it with --accept-open)" if any(fault.subject == ISOLATION for fault in faults) else ""
    raise Refused(f"{name} cannot be used as it is: {said}", hint=hint + may_accept, where=facts.place)


async def _asked(platform: Platform, server: ServiceServer) -> ServerStatus:
    try:
        facts = await platform.controller.services.driver_of(server).inspect()
        orphans = await platform.controller.services.orphans(server.name)
    except MooringError as error:
        return ServerStatus(server=server, services=_used(platform, server.name), error=str(error))
    return msgspec.structs.replace(_status(platform, server, facts), orphans=orphans)


def _status(platform: Platform, server: ServiceServer, facts: ServerFacts) -> ServerStatus:
    now = msgspec.structs.replace(server, place=facts.place, version=facts.version)
    return ServerStatus(server=now, services=_used(platform, server.name), findings=facts.findings)


def _used(platform: Platform, server: ServerName) -> tuple[str, ...]:
    return tuple(f"{each.piece.environment}/{each.piece.service}" for each in platform.memory.services() if each.server == server)


async def _measured(platform: Platform, record: ServiceRecord) -> ServiceStatus:
    known = platform.controller.services
    logins = len(known.logins(record))
    try:
        size = await known.driver(record).size(record.piece)
    except MooringError as error:
        return ServiceStatus(record=record, logins=logins, size=None, error=str(error))
    return ServiceStatus(record=record, logins=logins, size=size)


def _named(platform: Platform, environment: EnvironmentId, name: str) -> ServiceName:
    """Raises InvalidName, NotFound."""
    return platform.controller.services.record(environment, service_name(name)).piece.service


def _opened(platform: Platform, environment: EnvironmentId, service: ServiceName) -> tuple[ServiceRecord, Login]:
    record = platform.controller.services.record(environment, service)
    if not record.is_ready:
        raise Refused(f"{service} of {environment} is not finished", hint="`mooring deploy` finishes it")
    return record, platform.controller.services.logins(record)[0]
