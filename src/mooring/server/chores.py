"""What a controller does from time to time: tend edge and supervisor, forget what is old. Must not: decide about any app."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from mooring.drivers.edge.contract import HostEdge
from mooring.engine.edges import Edges
from mooring.engine.orders import DeployOrder, decode_order
from mooring.errors import DriverError, MooringError
from mooring.server.installation import Installation
from mooring.server.machinery import Machinery
from mooring.server.turns import if_nobody_else
from mooring.store.directory import replace
from mooring.store.memory import SqliteMemory
from mooring.usecases.forges import KEPT as KEPT_MESSAGES
from mooring.usecases.platform import Platform
from mooring.usecases.workshop import Workshop

log = logging.getLogger("mooring.chores")

GUARD_EVERY = 3.0
TEND_EVERY = 60.0
FORGET_EVERY = 3600.0
_DAY = 86_400.0
LARGEST_LOG = 10_000_000  # bytes of one of the platform's own logs
KEPT_ANSWERS = _DAY  # seconds an idempotency key is remembered
KEPT_HISTORY = 30 * _DAY
KEPT_DEPLOYMENTS = 50  # of each environment, with all their events, however old


async def repeat(chore: Callable[[], Awaitable[None]], *, every: float, name: str) -> None:
    """Until cancelled; a chore that fails is logged and tried again."""
    while True:
        await asyncio.sleep(every)
        try:
            await chore()
        except (MooringError, OSError) as error:
            log.warning("chore failed", extra={"fields": {"chore": name, "error": str(error)}})
        except Exception:
            log.exception("defect in a chore", extra={"fields": {"chore": name}})


async def guard_supervisor(installation: Installation, machinery: Machinery) -> None:
    """Start it where it has died: until then nothing that dies is started again, this controller included. Raises Unavailable.

    Not while `mooring down` or `up` is at work: who stops everything must not find it started again."""
    if machinery.supervisor.is_running():
        return
    with if_nobody_else(installation.state) as is_our_turn:
        if is_our_turn:
            await machinery.supervisor.ensure_running()
            log.warning("the supervisor had died and was started")


async def tend_others(edges: Edges) -> None:
    """Those of hosts, all at once. One that does not answer is told where hosts are listed."""
    await asyncio.gather(*(_tended(edge) for edge in edges.others()))


async def _tended(edge: HostEdge) -> None:
    try:
        await edge.tend()
    except DriverError as error:
        log.warning("an edge was not tended", extra={"fields": {"error": str(error)}})


async def forget_old(memory: SqliteMemory) -> None:
    """Answers a day old, a forge's messages a month old, and the details of deployments that ended a month ago."""
    now = time.time()
    await asyncio.to_thread(memory.forget_answers, before=now - KEPT_ANSWERS)
    await asyncio.to_thread(memory.forget_deliveries, before=now - KEPT_MESSAGES)
    await asyncio.to_thread(memory.forget_attempts, before=now - KEPT_HISTORY)
    await asyncio.to_thread(memory.prune_history, keep=KEPT_DEPLOYMENTS, before=now - KEPT_HISTORY)


async def trim_downloads(workshop: Workshop, *, at_most: int) -> None:
    """The package clients' caches grow with every version of every package."""
    freed = await workshop.trim_downloads(at_most=at_most)
    if freed:
        log.info("download caches emptied", extra={"fields": {"bytes": freed}})


class OrphanWatch:
    """Names what is on the servers of services by this platform's mark and owned by nobody, once. It goes when a person says so."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._told: frozenset[str] = frozenset()

    async def look(self) -> None:
        """A server that does not answer now is looked at the next time."""
        found = dict[str, str]()
        for server in self._platform.memory.service_servers():
            try:
                orphans = await self._platform.controller.services.orphans(server.name)
            except MooringError as error:
                log.warning("a server was not looked at", extra={"fields": {"server": server.name, "error": str(error)}})
                continue
            for each in orphans:
                whole = f"{each.piece.environment}/{each.piece.service}"
                found.setdefault(f"{whole} on {server.name}", f"{each.what} {each.name}; `mooring service servers` says how to remove it")
        for orphan in sorted(found.keys() - self._told):
            self._platform.controller.tell(f"nobody owns {orphan} any more: {found[orphan]}")
        self._told = frozenset(found)


def sweep_uploads(uploads: Path, memory: SqliteMemory) -> int:
    """Remove archives that no unfinished deployment waits for: a controller died while they came in. How many."""
    orders = [decode_order(deployment.order) for deployment in memory.unfinished_deployments() if deployment.order]
    wanted = {order.archive for order in orders if isinstance(order, DeployOrder)}
    left = [path for path in uploads.iterdir() if str(path) not in wanted]
    for path in left:
        path.unlink(missing_ok=True)
    return len(left)


def bound_logs(directory: Path, *, at_most: int = LARGEST_LOG) -> None:
    """The newest half of a log that grew too large goes beside it, and it begins anew: its writer appends, so nothing is torn."""
    for path in directory.glob("*.log"):
        size = path.stat().st_size
        if size <= at_most:
            continue
        with path.open("rb") as log_file:
            log_file.seek(size - at_most // 2)
            replace(path.with_suffix(".log.1"), log_file.read())
        os.truncate(path, 0)
