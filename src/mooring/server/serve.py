"""The controller's process: takes up the state, decides, answers the API, until it is told to stop. Must not: take an app down with it."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import socket
from pathlib import Path

from mooring import __version__
from mooring.errors import Refused
from mooring.server import logs
from mooring.server.application import build
from mooring.server.asked import Services
from mooring.server.chores import (
    FORGET_EVERY,
    GUARD_EVERY,
    TEND_EVERY,
    OrphanWatch,
    bound_logs,
    forget_old,
    guard_supervisor,
    repeat,
    sweep_uploads,
    tend_others,
    trim_downloads,
)
from mooring.server.installation import Installation
from mooring.server.listening import ApiServer, tcp_socket, unix_socket
from mooring.server.metrics import Metrics
from mooring.server.settings import Settings, load, parse_address
from mooring.server.sse import Streams
from mooring.server.wiring import Wired, wire

log = logging.getLogger("mooring.server")


def serve(installation: Installation) -> None:
    """Returns when it was told to stop. Raises Refused when another controller has this state."""
    os.umask(0o077)
    logs.set_up(lambda text: text)  # until the secrets are known, nothing is logged that could hold one
    for directory in (installation.state, installation.uploads, installation.log):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = _alone(installation.state)
    settings = load(installation.state)
    wired = wire(installation, settings)
    logs.set_up(wired.secrets.redact_all)
    try:
        asyncio.run(_run(installation, settings, wired))
    finally:
        wired.memory.close()
        os.close(lock)


async def _run(installation: Installation, settings: Settings, wired: Wired) -> None:
    for damage in wired.edge.prepare():
        log.error("a table of the edge was damaged and is left out", extra={"fields": {"error": str(damage)}})
    await asyncio.to_thread(wired.workshop.tidy)
    swept = sweep_uploads(installation.uploads, wired.memory)
    services = Services(
        platform=wired.platform,
        streams=Streams(),
        metrics=Metrics(),
        uploads=installation.uploads,
        hosts=frozenset(name.lower() for name in settings.api_hosts),
    )
    server = ApiServer(build(services), services.streams)
    listening = _sockets(installation, settings, wired)
    await wired.platform.controller.start()
    wired.platform.certificates.prepare()
    wired.forges.start(wired.platform)
    log.info("started", extra={"fields": {"version": __version__, "state": str(installation.state), "swept_uploads": swept}})
    chores = _chores(installation, settings, wired, services)
    try:
        await server.serve(listening)
    finally:
        for chore in chores:
            chore.cancel()
        await asyncio.gather(*chores, return_exceptions=True)
        await wired.forges.stop()
        await wired.platform.controller.stop()
        installation.socket.unlink(missing_ok=True)
        log.info("stopped")


def _chores(installation: Installation, settings: Settings, wired: Wired, services: Services) -> list[asyncio.Task[None]]:
    return [
        asyncio.create_task(
            repeat(lambda: guard_supervisor(installation, wired.machinery), every=GUARD_EVERY, name="look after the supervisor")
        ),
        asyncio.create_task(repeat(wired.edge.tend, every=TEND_EVERY, name="tend the edge")),
        asyncio.create_task(repeat(lambda: tend_others(wired.platform.controller.edges), every=TEND_EVERY, name="tend the edges of hosts")),
        asyncio.create_task(repeat(lambda: forget_old(wired.memory), every=FORGET_EVERY, name="forget what is old")),
        asyncio.create_task(repeat(OrphanWatch(wired.platform).look, every=FORGET_EVERY, name="look for what nobody owns")),
        asyncio.create_task(repeat(wired.platform.controller.prune, every=FORGET_EVERY, name="prune artifacts")),
        asyncio.create_task(
            repeat(
                lambda: trim_downloads(wired.workshop, at_most=settings.largest_downloads), every=FORGET_EVERY, name="trim the downloads"
            )
        ),
        asyncio.create_task(repeat(lambda: asyncio.to_thread(bound_logs, installation.log), every=TEND_EVERY, name="bound the logs")),
        asyncio.create_task(services.metrics.watch(wired.platform)),
        asyncio.create_task(wired.platform.certificates.run(), name="certificates"),
        asyncio.create_task(wired.platform.lookout.run(), name="survey the hosts"),
        asyncio.create_task(wired.platform.capacity.run(), name="keep borrowed hosts"),
    ]


def _sockets(installation: Installation, settings: Settings, wired: Wired) -> list[socket.socket]:
    """The Unix socket, and TCP when it was asked for and somebody could use it."""
    found = [unix_socket(installation.socket)]
    if settings.api:
        now = wired.platform.clock.wall()
        if any(token.is_valid(now) for token in wired.memory.tokens()):
            address, port = parse_address(settings.api)
            found.append(tcp_socket(str(address), port))
        else:
            log.warning("no valid token: the API does not listen on TCP", extra={"fields": {"api": settings.api}})
    return found


def _alone(state: Path) -> int:
    """The lock that ends with this process, whatever ends it."""
    descriptor = os.open(state / "controller.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise Refused(f"another controller works on {state}", hint="`mooring status` shows it; `mooring down` stops it") from None
    return descriptor
