"""What a runtime must do: keep instances running, without the controller, and say truthfully what runs.

Promises, tested by `mooring.testing.runtime_contract` on every driver and on the fake:
  - `start` of a key that runs already changes nothing; `stop` of a key that is gone changes nothing.
  - An instance outlives the controller, is restarted when it dies, ever more slowly when it dies often.
  - After `stop` returns, no process of the instance is left, children included.
  - An effect whose mark is older than one seen for that environment raises StaleFence and does nothing.
  - `observe` lists all and only what this runtime owns, running or not.
  - What the environment holds arrives in the process byte for byte, and is nowhere readable by other users. A SecretFile arrives as a
    file whose path is in NAME_FILE, and goes with the instance, task or session.
  - `deliver` of what is there already sends nothing; what does not fit is refused with numbers before anything is sent. An instance
    or task may count on what was delivered before it; `reclaim` takes away nothing that runs, and nothing that was not delivered.
  - `holdings` tells all that was delivered, and every volume, until it was taken away, and nothing of another's.
  - What `ask` is given runs where the instance runs, and nowhere else: its files, variables, directory, user and bounds. It is not entered
    by anything else: what has not ended in its time is ended there, with what it started.
  - An instance that is `lasting` has the port that the one before it had, of whatever release, and finds what that one left in its
    volume. Both go with `forget` of the whole environment, where `volumes` is said, and with nothing else.
Raises Unavailable (certainly nothing happened) or OutcomeUnknown (look again), never a foreign error.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Protocol, runtime_checkable

import msgspec

from mooring.model.environment import EnvironmentId
from mooring.model.health import Listening
from mooring.model.instance import InstanceKey, InstanceSpec, InstanceView, LogLine, TaskSpec, TaskView
from mooring.model.lease import Mark
from mooring.model.names import ArtifactId, ProcessName
from mooring.model.release import Artifact
from mooring.model.secret import Secret

Variables = Mapping[str, str | Secret]


class RuntimeCapabilities(msgspec.Struct, frozen=True, kw_only=True):
    """`processors` of this host, which declared ones may add up to; 0: not known. `limits_processors`: none takes more than it declares.

    `takes_strangers`: code that nobody vouches for may run here, since what runs of one environment reaches nothing of another's or of
    the platform's, or because the operator says so. `unconfined`: why review apps are not wholly confined here; empty where they are, or
    need not be.
    """

    limits_memory: bool
    limits_processors: bool
    runs_interactively: bool
    takes_strangers: bool
    memory_budget: int  # bytes that declared memory may add up to on this host
    processors: float
    unconfined: str = ""


class LogQuery(msgspec.Struct, frozen=True, kw_only=True):
    """`lines` of history per instance, newest kept; `follow` goes on until closed. None means every one."""

    environment: EnvironmentId
    lines: int = 100
    follow: bool = False
    process: ProcessName | None = None
    slot: int | None = None
    release: int | None = None


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """What it took to bring an artifact to a host: bytes that were sent, of the bytes it has."""

    sent: int
    total: int


class Holdings(msgspec.Struct, frozen=True, kw_only=True):
    """What lies on a host: `artifacts` that were delivered there, of whatever environment; `volumes` of one environment, by their names."""

    artifacts: frozenset[ArtifactId] = frozenset()
    volumes: tuple[str, ...] = ()


class Inspection(msgspec.Struct, frozen=True, kw_only=True):
    """Raw facts for a diagnosis, taken while the instance still exists.

    `port_holder` names the process of somebody else that listens on the instance's port, where that can be seen.
    """

    view: InstanceView | None
    listening: tuple[Listening, ...] = ()
    is_out_of_memory: bool = False
    last_lines: tuple[str, ...] = ()
    port_holder: str = ""


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """What came of the command of a check. `code` as a shell says it, 128 + the signal's number when killed; None: it did not end in time.

    `said` is the last line of what it said, on whichever output; the rest was read and dropped.
    """

    code: int | None
    said: str = ""


class Runtime(Protocol):
    """How instances run on one host."""

    @property
    def capabilities(self) -> RuntimeCapabilities: ...

    async def deliver(self, mark: Mark, artifact: Artifact) -> Delivery:
        """Bring to this host all that the artifact needs to run. Raises CapacityExceeded, InvalidInput where it could not run here."""

    async def reclaim(self, mark: Mark, *, keep: frozenset[ArtifactId]) -> int:
        """Remove what was delivered and is not among these; bytes freed."""

    async def holdings(self, environment: EnvironmentId) -> Holdings:
        """What was delivered and not reclaimed, and the environment's volumes, those of its accessories too: looked for, not remembered."""

    async def start(self, mark: Mark, spec: InstanceSpec, variables: Variables) -> None:
        """Start it (choosing a free port when routed) and return; being ready is the prober's to find."""

    async def stop(self, mark: Mark, key: InstanceKey, *, grace: float) -> None:
        """Signal, wait up to `grace` seconds, kill the whole group, forget the registration. Its logs stay."""

    async def restart(self, mark: Mark, key: InstanceKey, *, grace: float) -> None:
        """The same instance again on the same port with the same variables."""

    async def observe(self) -> tuple[InstanceView, ...]:
        """Every instance that this runtime owns, over all environments."""

    async def inspect(self, key: InstanceKey, *, lines: int = 50) -> Inspection:
        """What is needed to explain why it is not well."""

    async def ask(self, key: InstanceKey, command: str, *, within: float) -> Heard:
        """Run the app's own shell line where that instance runs, without input, for at most `within` seconds.

        Raises Unavailable where the instance does not run, or has no shell.
        """

    async def run_task(self, mark: Mark, spec: TaskSpec, variables: Variables) -> None:
        """Start a one-off unless one of that name was ever started for the environment; return at once."""

    async def observe_task(self, environment: EnvironmentId, name: str) -> TaskView: ...

    async def stop_task(self, mark: Mark, environment: EnvironmentId, name: str) -> None: ...

    def logs(self, query: LogQuery) -> AsyncIterator[LogLine]:
        """Lines of instances and tasks, history first. Not redacted here: the caller knows the secrets."""

    async def forget(self, mark: Mark, environment: EnvironmentId, *, releases: frozenset[int] | None, volumes: bool = False) -> int:
        """Remove the logs and leftovers of these releases (None: of the whole environment); bytes freed.

        `volumes`, with None: its own volume too, and those of its accessories that are not there any more.
        """


class Terminal(Protocol):
    """A process with its input and output attached. `is_terminal` sessions have one merged output."""

    async def write(self, chunk: bytes) -> None: ...

    async def close_input(self) -> None: ...

    async def resize(self, *, rows: int, columns: int) -> None: ...

    def output(self) -> AsyncIterator[tuple[str, bytes]]:
        """Pairs of stream name (`stdout`, `stderr`) and bytes until the process ends."""

    async def wait(self) -> int:
        """The exit code, 128 + signal number when killed."""

    async def close(self) -> None:
        """Hang up: the whole process group is ended."""


class Interactive(Protocol):
    """The optional power to run a command with somebody attached. After `close` no process of it is left, children included.

    Promises, tested by `mooring.testing.interactive_contract` on every driver.
    """

    async def attach(self, spec: TaskSpec, variables: Variables, *, terminal: bool, rows: int = 24, columns: int = 80) -> Terminal:
        """In a fresh place with a release's code and variables (`mooring run`)."""

    async def enter(self, key: InstanceKey, argv: Sequence[str], *, terminal: bool, rows: int = 24, columns: int = 80) -> Terminal:
        """Where that instance runs (`mooring exec`): its variables, directory, user and bounds; the instance itself is not touched.

        `argv` reaches the program word for word; one that is not there ends with 127. Raises Unavailable where the instance does not run.
        """


@runtime_checkable
class Connected(Protocol):
    """The optional power of a runtime that holds a connection of its own to its host."""

    async def close(self) -> None:
        """Let go of it, and of whatever listens to it; what runs on the host goes on."""
