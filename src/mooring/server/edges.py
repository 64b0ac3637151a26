"""Which proxy is a platform's edge: its driver and its programs. The only place that names them. Must not: start one.

The driver of a proxy that is not there is not held in memory: each is imported where it is needed.
"""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from mooring.drivers.edge.contract import HostEdge, TendedEdge
from mooring.drivers.edge.program import Program
from mooring.drivers.host.ssh import EdgeKit
from mooring.drivers.transport.contract import Transport
from mooring.errors import Unavailable
from mooring.model.host import EdgePorts, Host
from mooring.server.installation import Installation
from mooring.server.settings import AUTO, ENVOY, HAPROXY, Settings

if TYPE_CHECKING:
    from mooring.drivers.edge.envoy.settings import EnvoySettings
    from mooring.drivers.edge.haproxy.settings import HaproxySettings

PARTS = {ENVOY: ("edge-attendant", "edge"), HAPROXY: ("edge",)}  # the names of each one's programs


def chosen(word: str) -> str:
    """`auto`: HAProxy where it is installed and new enough, else Envoy, which comes with Mooring."""
    if word != AUTO:
        return word
    from mooring.drivers.edge.haproxy.programs import haproxy_binary

    try:
        haproxy_binary()
    except Unavailable:
        return ENVOY
    return HAPROXY


def edge_of(installation: Installation, settings: Settings) -> TendedEdge:
    if settings.edge == HAPROXY:
        from mooring.drivers.edge.haproxy.edge import HaproxyEdge

        return HaproxyEdge.here(installation.edge, installation.run, _haproxy(settings))
    from mooring.drivers.edge.envoy.edge import EnvoyEdge

    return EnvoyEdge(installation.edge, installation.run, _envoy(settings))


def edge_programs(installation: Installation, settings: Settings) -> tuple[Program, ...]:
    """Raises Unavailable when the proxy is not installed."""
    if settings.edge == HAPROXY:
        from mooring.drivers.edge.haproxy.programs import programs as haproxy_programs

        return haproxy_programs(installation.edge, installation.run, _haproxy(settings))
    from mooring.drivers.edge.envoy.programs import programs as envoy_programs

    return envoy_programs(installation.edge, installation.run, _envoy(settings))


def edge_kit(installation: Installation) -> EdgeKit:
    """For hosts: always HAProxy, which the distribution keeps up to date there."""
    kept = installation.edges

    async def prepared(host: Host, transport: Transport) -> None:
        from mooring.drivers.edge.haproxy.preparation import install

        await asyncio.to_thread(shutil.rmtree, kept / host.name, ignore_errors=True)  # it begins without a route
        await install(transport)

    async def undone(host: Host, transport: Transport) -> None:
        from mooring.drivers.edge.haproxy.preparation import uninstall

        await uninstall(transport)
        await asyncio.to_thread(shutil.rmtree, kept / host.name, ignore_errors=True)

    return EdgeKit(install=prepared, uninstall=undone, make=lambda host, transport: _on_host(kept / host.name, host, transport))


def _on_host(directory: Path, host: Host, transport: Transport) -> HostEdge:
    """With its files made anew, from what was kept for it; a table that was damaged it is given again."""
    from mooring.drivers.edge.haproxy.another_host import AnotherHost
    from mooring.drivers.edge.haproxy.edge import HaproxyEdge
    from mooring.drivers.edge.haproxy.settings import HaproxySettings

    ports = host.edge or EdgePorts()
    settings = HaproxySettings(http_port=ports.http, https_port=ports.https, bind="0.0.0.0")
    edge = HaproxyEdge(directory, AnotherHost(transport, directory), settings)
    edge.prepare()
    return edge


def is_another(before: Settings, wanted: Settings) -> bool:
    """Whether the one that runs has to go first: Envoy takes other ports while it runs, HAProxy does not."""
    places = [(each.http_port, each.https_port, each.bind) for each in (before, wanted)]
    return before.edge != wanted.edge or (wanted.edge == HAPROXY and places[0] != places[1])


def _envoy(settings: Settings) -> EnvoySettings:
    from mooring.drivers.edge.envoy.settings import EnvoySettings

    return EnvoySettings(http_port=settings.http_port, https_port=settings.https_port, bind=settings.bind)


def _haproxy(settings: Settings) -> HaproxySettings:
    from mooring.drivers.edge.haproxy.settings import HaproxySettings

    return HaproxySettings(http_port=settings.http_port, https_port=settings.https_port, bind=settings.bind)
