"""The platform's own programs on this machine: supervisor, edge, controller. Registered, started, stopped, and how they are.

Beside wiring.py and edges.py the only place that names concrete drivers. Must not: know an app, or decide when.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping

from mooring.drivers.runtime.process.instances import make_way
from mooring.drivers.runtime.process.program import Program, write_program
from mooring.drivers.runtime.process.runtime import LOG_KEEPER, MEMORY_KEEPER
from mooring.drivers.runtime.process.supervisor import Supervisor
from mooring.model.instance import ProcessState
from mooring.server import settings as kept
from mooring.server.edges import PARTS, edge_programs
from mooring.server.installation import Installation
from mooring.server.settings import Settings
from mooring.usecases.answers import PartStatus

CONTROLLER = "controller"
EDGE = "edge"  # of whatever kind, the program that listens
OWN = frozenset({CONTROLLER, *(name for names in PARTS.values() for name in names), LOG_KEEPER, MEMORY_KEEPER})

_STOP_GRACE = 15.0
_APP_GRACE = 10.0
_FOR_SSH = ("SSH_AUTH_SOCK",)  # for the controller alone, which reaches hosts and repositories
_PASSED = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR", "XDG_RUNTIME_DIR")
_PASSED_PREFIXES = ("UV_", "PIP_", "NPM_CONFIG_", "SSL_CERT_", "MOORING_")
_PASSED_NAMES = (
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "DOCKER_HOST",
)
_ONE_HEAP = {"MALLOC_ARENA_MAX": "1"}  # else glibc gives each thread a heap, which grows and is never given back; mallopt(3)
_WITHHELD = ("MOORING_TOKEN", "MOORING_URL")

_Started = tuple[Program, Mapping[str, str]]


class Machinery:
    """Of one state directory; every method may be called whatever runs or does not."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self.supervisor = Supervisor(installation.processes)

    def parts(self) -> tuple[PartStatus, ...]:
        """How each is, from what they leave on disk."""
        views = {view.name: view for view in self.supervisor.programs()}
        found = [PartStatus(name="supervisor", is_up=self.supervisor.is_running())]
        for name in (*PARTS[kept.load(self._installation.state).edge], CONTROLLER):
            view = views.get(name)
            is_up = view is not None and view.state is ProcessState.RUNNING
            found.append(PartStatus(name=name, is_up=is_up, said="" if is_up else (view.state.value if view else "never started")))
        return tuple(found)

    def is_up(self, name: str) -> bool:
        return any(part.name == name and part.is_up for part in self.parts())

    def apps(self) -> tuple[str, ...]:
        """Programs that are instances of apps."""
        return tuple(view.name for view in self.supervisor.programs() if view.name not in OWN)

    async def start(self, settings: Settings) -> None:
        """Supervisor, edge and controller, and every app that is kept; what runs goes on. Raises Unavailable.

        All records are written before the supervisor starts: it begins with whatever it finds."""
        programs = {**self._edge(settings), CONTROLLER: self._controller()}
        for name, (program, variables) in programs.items():
            await asyncio.to_thread(self._register, name, program, variables)
        if not self.supervisor.is_running():
            await asyncio.to_thread(make_way, self.supervisor.directory / "run")
        await self.supervisor.ensure_running()
        for name in programs:
            await self.supervisor.start_program(name)

    async def remove_edge(self) -> None:
        """Every program of whichever edge there was; apps go on, and nobody reaches them."""
        for name in sorted({name for names in PARTS.values() for name in names}):
            await self.supervisor.remove_program(name, grace=_STOP_GRACE)

    async def restart_controller(self) -> None:
        await self.supervisor.restart_program(CONTROLLER, grace=_STOP_GRACE)

    async def stop_controller(self) -> None:
        """It decides nothing any more; apps and edge go on."""
        await self.supervisor.stop_program(CONTROLLER, grace=_STOP_GRACE)

    async def stop_apps(self) -> int:
        """All at once, each with its grace, while the edge still carries their last answers. How many."""
        names = self.apps()
        results = await asyncio.gather(*(self.supervisor.stop_program(name, grace=_APP_GRACE) for name in names), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return len(names)

    async def shut_down(self) -> None:
        """Everything that is left, the supervisor last."""
        await self.supervisor.shutdown(grace=_STOP_GRACE)

    def _register(self, name: str, program: Program, variables: Mapping[str, str]) -> None:
        directory = self.supervisor.run_directory(name)
        for needed in (directory, self._installation.log):
            needed.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_program(directory, program, variables)

    def _edge(self, settings: Settings) -> dict[str, _Started]:
        found = edge_programs(self._installation, settings)
        return {
            each.name: (
                self._program(
                    each.name,
                    each.argv,
                    directory=str(each.directory),
                    priority=each.priority,
                    stop_signal=each.stop_signal,
                    umask=each.umask,
                ),
                {**passed_variables(os.environ), **each.environment},
            )
            for each in sorted(found, key=lambda program: program.priority)
        }

    def _controller(self) -> _Started:
        """-P: what lies in the working directory is not code of ours."""
        argv = (sys.executable, "-P", "-m", "mooring.server", "serve")
        program = self._program(CONTROLLER, argv, directory=str(self._installation.state), priority=300)
        own = {"MOORING_STATE": str(self._installation.state), **_ONE_HEAP}
        agent = {name: os.environ[name] for name in _FOR_SSH if name in os.environ}
        return program, {**passed_variables(os.environ), **agent, **own}

    def _program(
        self, name: str, argv: tuple[str, ...], *, directory: str, priority: int, stop_signal: str = "TERM", umask: int = 0o077
    ) -> Program:
        log = str(self._installation.log / f"{name}.log")
        return Program(argv=argv, directory=directory, stdout=log, stderr=log, priority=priority, stop_signal=stop_signal, umask=umask)


def passed_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """What the platform's own programs inherit of the shell that started them: no secret that happens to be exported there."""
    return {name: value for name, value in environ.items() if _is_passed(name)}


def _is_passed(name: str) -> bool:
    known = name in _PASSED or name.upper() in _PASSED_NAMES or name.upper().startswith(_PASSED_PREFIXES)
    return known and name not in _WITHHELD
