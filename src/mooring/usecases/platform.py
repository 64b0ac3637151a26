"""The parts of a running platform that use cases work with, handed to them by the wiring. Must not: name a driver."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mooring.drivers.edge.contract import Edge
from mooring.drivers.forge.contract import Forge, Remote
from mooring.drivers.host.contract import HostKeeper
from mooring.drivers.runtime.contract import Interactive, Runtime
from mooring.engine.capacity import CapacityKeeper
from mooring.engine.certificates import CertificateKeeper
from mooring.engine.contract import Clock
from mooring.engine.controller import Controller
from mooring.engine.hosts import HostDesk
from mooring.engine.lookout import Lookout
from mooring.errors import NotFound
from mooring.model.access import Actor
from mooring.model.environment import EnvironmentId
from mooring.model.forge import ForgeLink, ForgeSecrets
from mooring.model.names import AppName, EnvironmentName, app_name, environment_name
from mooring.model.records import EnvironmentRecord
from mooring.store.authorized_keys import AuthorizedKeys
from mooring.store.memory import SqliteMemory
from mooring.store.redaction import Redactor
from mooring.usecases.answers import ForgeStatus, PartStatus
from mooring.usecases.permission import Permission, require


class Secrets(Protocol):
    """What must not be shown, per environment."""

    def redactor(self, environment: EnvironmentId) -> Redactor: ...

    def changed(self, environment: EnvironmentId | None) -> None:
        """Look again: a secret was set; None: one of the platform's own."""


class Forges(Protocol):
    """The forges that were added, each looked at in its time."""

    def forge(self, link: ForgeLink, secrets: ForgeSecrets) -> Forge: ...

    def remote(self, link: ForgeLink, secrets: ForgeSecrets) -> Remote: ...

    def changed(self, app: AppName) -> None:
        """It was added, added again or removed."""

    def look(self, app: AppName) -> None:
        """Look at it now rather than in its time. Asked often at once, it is looked at once."""

    def checked(self, app: AppName, commit: str) -> None:
        """A check of this commit began or ended, of any where it is empty: those that wait for one are asked about. Looks now."""

    def status(self, link: ForgeLink) -> ForgeStatus: ...


@dataclass(frozen=True)
class Platform:
    """`parts` tells how the supervisor and the edge are; `secrets` gives each environment's redactor and takes note of changes."""

    controller: Controller
    memory: SqliteMemory
    runtime: Runtime
    edge: Edge
    certificates: CertificateKeeper
    hosts: HostKeeper
    desk: HostDesk
    capacity: CapacityKeeper
    lookout: Lookout
    push_keys: AuthorizedKeys
    forges: Forges
    clock: Clock
    secrets: Secrets
    parts: Callable[[], Awaitable[tuple[PartStatus, ...]]]
    interactive: Interactive | None
    directory: Path
    hidden: Mapping[str, Path]  # further secret files a backup may hold, by their names in the state directory
    version: str
    started_at: float

    def allow(self, actor: Actor, permission: Permission, what: str, environment: EnvironmentId | None = None, **detail: str) -> None:
        """Check the permission, then write who asks for what into the audit log: before it is done, since it may end in a crash.

        `detail` holds no secret. Raises Forbidden."""
        require(actor, permission)
        self.memory.append_audit(who=actor.name, what=what, at=self.clock.wall(), environment=environment, detail=detail)

    def existing(self, environment: EnvironmentId) -> EnvironmentRecord:
        """Raises NotFound."""
        record = self.memory.environment(environment)
        if record is None:
            hint = "`mooring status` lists what there is; `mooring deploy` makes it"
            raise NotFound(f"there is no environment {environment}", hint=hint)
        return record


def environment_id(app: str, environment: str) -> EnvironmentId:
    """Both names checked; raises InvalidName."""
    checked: tuple[AppName, EnvironmentName] = (app_name(app), environment_name(environment))
    return EnvironmentId(*checked)
