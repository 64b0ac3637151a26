"""Builds the parts of a platform for a state directory. Here, and in what it imports for that, concrete drivers are named; nowhere else.

Must not: decide, serve or start.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from shutil import disk_usage

from mooring import __version__
from mooring.drivers.builder.confines import build_confines
from mooring.drivers.builder.container.program import Program
from mooring.drivers.builder.standard import standard_builders
from mooring.drivers.edge.contract import TendedEdge
from mooring.drivers.host.ssh import SshHosts
from mooring.drivers.probe.network import NetworkProber
from mooring.drivers.probe.stream import EdgeStreams
from mooring.drivers.runtime import listeners
from mooring.drivers.runtime.contract import Runtime
from mooring.drivers.runtime.process.runtime import ProcessRuntime
from mooring.drivers.transport.contract import Transport
from mooring.engine.capacity import CapacityKeeper
from mooring.engine.certificates import CertificateKeeper
from mooring.engine.clock import SystemClock
from mooring.engine.controller import Controller
from mooring.engine.hosts import HostDesk
from mooring.engine.lookout import Lookout
from mooring.engine.secure_edges import SecureEdges
from mooring.errors import InvalidInput
from mooring.model.certificate import CertificateSource
from mooring.model.host import DOCKER_SOCKET, Host, HostRuntime
from mooring.model.names import LOCAL
from mooring.model.registry import Logins
from mooring.server.buckets import S3Buckets
from mooring.server.edges import edge_kit, edge_of
from mooring.server.forges import forge_of, remote_of
from mooring.server.forging import ForgeDesk
from mooring.server.installation import Installation
from mooring.server.issuing import hook_for, issuer_for, terms_for
from mooring.server.lending import capacity_for, capacity_terms
from mooring.server.machinery import Machinery
from mooring.server.redaction import Redactors
from mooring.server.service_drivers import Drivers
from mooring.server.settings import Settings
from mooring.store.authorized_keys import AuthorizedKeys
from mooring.store.memory import SqliteMemory
from mooring.usecases.platform import Platform
from mooring.usecases.workshop import Workshop

IDENTITY = "controller"  # in leases; one state directory has one controller, so its successor is the same holder


@dataclass(frozen=True)
class Wired:
    """A platform with those of its parts that need more than use cases do: closing, tending."""

    platform: Platform
    machinery: Machinery
    memory: SqliteMemory
    edge: TendedEdge
    workshop: Workshop
    secrets: Redactors
    forges: ForgeDesk


def wire(installation: Installation, settings: Settings) -> Wired:
    """Everything of a controller, not started. Raises StateDamaged, NeedsPerson, Unavailable."""
    memory = SqliteMemory.open(installation.state)
    secrets = Redactors(memory)
    clock = SystemClock()
    machinery = Machinery(installation)
    runtime = ProcessRuntime(machinery.supervisor, takes_strangers=settings.unconfined_strangers, hidden=installation.hidden)
    edge = edge_of(installation, settings)
    workshop = Workshop(
        installation.workshop,
        standard_builders(os.environ, workshop=installation.workshop, logins=memory.registry_logins),
        takes_strangers=settings.unconfined_strangers,
        confines=partial(build_confines, installation.hidden),
    )
    hosts = SshHosts(
        installation.ssh,
        lambda host, transport: runtime_on(
            host, transport, hosts.controller, logins=memory.registry_logins, takes_strangers=settings.unconfined_strangers
        ),
        edge_kit(installation),
    )
    lookout = Lookout(hosts, memory.hosts, clock)
    controller = Controller(
        memory=memory,
        runtime=runtime,
        services=Drivers(lambda: hosts.controller),
        buckets=S3Buckets(lambda: hosts.controller),
        edge=edge,
        prober=NetworkProber(),
        streams=EdgeStreams(address=local_address(settings.bind), port=settings.http_port),
        workshop=workshop,
        clock=clock,
        redact=secrets.redact,
        secrets_changed=secrets.changed,
        certified=lambda: memory.certificates(CertificateSource.ACME),
        identity=IDENTITY,
        free_disk=lambda: {LOCAL: disk_usage(installation.state).free, **lookout.free()},
    )
    for host in memory.hosts():
        controller.fleet.add(host.name, hosts.runtime(host))
        controller.edges.place(host.name, host.region)
        if host.edge is not None:
            controller.edges.add(host.name, hosts.edge(host))
    desk = HostDesk(hosts, memory, controller.fleet, controller.edges, clock)
    forges = ForgeDesk(installation.state / "forges", installation.uploads, forge=forge_of, remote=remote_of)
    platform = Platform(
        controller=controller,
        memory=memory,
        runtime=controller.fleet,
        edge=edge,
        certificates=CertificateKeeper(
            memory=memory,
            edge=SecureEdges(edge, controller.edges.others),
            issuer=issuer_for(installation, settings),
            dns=hook_for(settings),
            clock=clock,
            tell=controller.tell,
            terms=terms_for(settings),
        ),
        hosts=hosts,
        desk=desk,
        capacity=CapacityKeeper(
            memory=memory,
            desk=desk,
            reviews=controller.reviews,
            driver=capacity_for(settings, hosts, secrets.redact_all),
            terms=capacity_terms(settings),
            clock=clock,
            tell=controller.tell,
            controller=lambda: hosts.controller,
        ),
        lookout=lookout,
        forges=forges,
        push_keys=AuthorizedKeys(installation.authorized_keys, state=installation.state),
        clock=clock,
        secrets=secrets,
        parts=lambda: asyncio.to_thread(machinery.parts),
        interactive=controller.fleet,
        directory=installation.state,
        hidden={"edge/authority": installation.edge / "authority", "certificates": installation.certificates, "ssh": installation.ssh},
        version=__version__,
        started_at=clock.wall(),
    )
    return Wired(platform=platform, machinery=machinery, memory=memory, edge=edge, workshop=workshop, secrets=secrets, forges=forges)


def runtime_on(host: Host, transport: Transport, controller: str, *, logins: Logins, takes_strangers: bool = False) -> Runtime:
    """The runtime of a host, over the way to it. `takes_strangers`: also where nothing keeps their code apart.

    Raises InvalidInput for a kind that only the controller's own machine has.
    """
    match host.runtime:  # imported here: a platform without such a host does not pay for it
        case HostRuntime.DOCKER:
            from mooring.drivers.runtime.docker.runtime import DockerRuntime
            from mooring.drivers.runtime.docker.settings import DockerSettings, of_account

            own = Program.of(os.environ, installation=controller).socket
            settings = DockerSettings(
                controller=controller,
                memory_budget=host.memory,
                processors=host.processors,
                socket=PurePosixPath(host.engine_socket or DOCKER_SOCKET),
                bind=host.bind,
                source=own,
            )
            return DockerRuntime(transport, of_account(settings, host.uid) if host.uid else settings, logins=logins)
        case HostRuntime.SYSTEMD:
            from mooring.drivers.runtime.systemd.runtime import SystemdRuntime, SystemdSettings

            is_root = host.address.user == "root"  # else all units run as that account
            units = SystemdSettings(
                memory_budget=host.memory, processors=host.processors, address=host.bind, takes_strangers=is_root or takes_strangers
            )
            return SystemdRuntime(transport, units)
        case _:
            hint = "use --runtime docker or --runtime systemd"
            raise InvalidInput(f"{host.name} cannot run {host.runtime.value}", hint=hint, where=host.name)


def port_holder(port: int) -> str:
    """Who listens there: `nginx (pid 4711)`; empty when nobody is seen."""
    return listeners.holder(port, besides=())


def local_address(bind: str) -> str:
    """Where this machine reaches what listens on `bind`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(bind, bind)
