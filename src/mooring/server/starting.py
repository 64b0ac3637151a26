"""`mooring up`: from whatever is there to a running platform; asked twice, it changes nothing the second time.

Must not: restart what runs as it should, or keep settings that turn out impossible.
"""

from __future__ import annotations

import asyncio
import time

from mooring import __version__
from mooring.client.client import Client
from mooring.errors import MooringError, NeedsPerson, Refused
from mooring.server import settings as kept
from mooring.server.edges import edge_of, edge_programs, is_another
from mooring.server.installation import Installation
from mooring.server.issuing import check_acme
from mooring.server.lending import check_capacity
from mooring.server.machinery import CONTROLLER, EDGE, Machinery
from mooring.server.ports import check_free
from mooring.server.settings import Settings
from mooring.server.telling import Teller
from mooring.server.turns import one_at_a_time
from mooring.server.wiring import local_address
from mooring.store.directory import prepare
from mooring.store.memory import SqliteMemory

_PATIENCE = 30.0  # seconds for the API to answer and the edge to listen


def up(installation: Installation, wanted: Settings, teller: Teller) -> None:
    """`wanted` are the settings to have from now on. Raises what stands in the way."""
    prepare(installation.state)
    with one_at_a_time(installation.state):
        asyncio.run(_up(installation, _checked(wanted), teller))


async def _up(installation: Installation, wanted: Settings, teller: Teller) -> None:
    before = kept.load(installation.state)
    machinery = Machinery(installation)
    if wanted == before and await asyncio.to_thread(_runs, installation, machinery):
        teller.summary(installation, wanted, is_up=True, changed=False, apps=_apps(installation))
        return
    await asyncio.to_thread(edge_programs, installation, wanted)  # they are there, or nothing is begun
    _check_ports(before, wanted, machinery)
    if machinery.is_up(CONTROLLER) and not await asyncio.to_thread(_is_current, installation, before, wanted):
        await machinery.stop_controller()
        teller.progress("the controller is renewed; apps and edge go on")
    if not machinery.is_up(CONTROLLER):
        await asyncio.to_thread(_prepare, installation, wanted, teller)
    if is_another(before, wanted) and machinery.is_up(EDGE):
        await machinery.remove_edge()
        teller.progress(f"the edge is {wanted.edge} from now on; connections to the one before are closed")
    kept.save(installation.state, wanted)
    await machinery.start(wanted)
    teller.progress("supervisor, edge and controller are started")
    await asyncio.to_thread(_await_controller, installation)
    teller.progress("the controller answers")
    await _await_edge(installation, wanted)
    teller.progress(f"the edge listens on port {wanted.http_port}")
    teller.summary(installation, wanted, is_up=True, changed=True, apps=_apps(installation))


def _checked(wanted: Settings) -> Settings:
    check_acme(wanted)
    check_capacity(wanted)
    return kept.checked(wanted)


def _runs(installation: Installation, machinery: Machinery) -> bool:
    """Every part is up, and the controller is of this version."""
    return all(part.is_up for part in machinery.parts()) and _version(installation) == __version__


def _is_current(installation: Installation, before: Settings, wanted: Settings) -> bool:
    return before == wanted and _version(installation) == __version__


def _version(installation: Installation) -> str:
    """Of the controller that answers; empty when none does."""
    try:
        return Client(installation.socket).health().version
    except MooringError:
        return ""


def _check_ports(before: Settings, wanted: Settings, machinery: Machinery) -> None:
    """Of those that our own edge has, nothing needs to be asked."""
    is_edge_up = machinery.is_up("edge")
    asked = (("--http-port", wanted.http_port, before.http_port), ("--https-port", wanted.https_port, before.https_port))
    new = {option: port for option, port, known in asked if not (is_edge_up and (before.bind, known) == (wanted.bind, port))}
    check_free(wanted.bind, {option: port for option, port in new.items() if port})


def _prepare(installation: Installation, wanted: Settings, teller: Teller) -> None:
    """State of this version, and the edge's files, before anything starts that reads them."""
    memory = SqliteMemory.open(installation.state)
    try:
        if wanted.api and not any(token.is_valid(time.time()) for token in memory.tokens()):
            hint = "make one first: `mooring up`, `mooring token create NAME --role deployer`, then this again"
            raise Refused("the API listens on TCP only when there is a token", hint=hint)
    finally:
        memory.close()
    teller.progress(f"the state in {installation.state} is ready")
    for damage in edge_of(installation, wanted).prepare():
        teller.progress(f"left out: {damage}")


def _await_controller(installation: Installation) -> None:
    deadline = time.monotonic() + _PATIENCE
    while _version(installation) != __version__:
        if time.monotonic() > deadline:
            raise NeedsPerson(
                "the controller does not answer", hint=f"{_last_line(installation, CONTROLLER)} (see its log in {installation.log})"
            )
        time.sleep(0.05)


async def _await_edge(installation: Installation, wanted: Settings) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not await _listens(local_address(wanted.bind), wanted.http_port):
        if time.monotonic() > deadline:
            raise NeedsPerson("the edge does not listen", hint=f"{_last_line(installation, EDGE)} (see its log in {installation.log})")
        await asyncio.sleep(0.05)


async def _listens(address: str, port: int) -> bool:
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(address, port), timeout=2.0)
    except OSError:
        return False
    writer.close()
    return True


def _last_line(installation: Installation, name: str) -> str:
    path = installation.log / f"{name}.log"
    try:
        with path.open("rb") as file:
            file.seek(max(path.stat().st_size - 4096, 0))
            lines = file.read().decode(errors="replace").strip().splitlines()
    except OSError:
        return "it wrote nothing"
    return lines[-1][:500] if lines else "it wrote nothing"


def _apps(installation: Installation) -> int:
    """Environments that are to run."""
    try:
        return sum(1 for environment in Client(installation.socket).environments() if environment.release)
    except MooringError:
        return 0
