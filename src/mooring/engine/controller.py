"""The engine's face: takes orders, tells what goes on. (Under construction: signatures first.)"""

from __future__ import annotations

from collections.abc import AsyncIterator

from mooring.engine.orders import Order, Preview, Snapshot
from mooring.model.deployment import Deployment
from mooring.model.environment import EnvironmentId
from mooring.model.events import Event
from mooring.model.names import DeploymentId


class Controller:
    async def start(self) -> None:
        """Take up what an earlier controller left unfinished, then keep every environment as it is desired."""
        raise NotImplementedError

    async def stop(self) -> None:
        """Stop deciding; instances and edge go on."""
        raise NotImplementedError

    def submit(self, environment: EnvironmentId, order: Order, *, by: str) -> Deployment:
        """Queue it, superseding one that waits. Raises LeaseHeld when a person has locked the environment, NotFound."""
        raise NotImplementedError

    async def preview(self, environment: EnvironmentId, order: Order) -> Preview:
        """Raises ManifestInvalid, NotFound, CapacityExceeded."""
        raise NotImplementedError

    def abort(self, deployment: DeploymentId, *, by: str) -> Deployment:
        """Ask for it to turn round; it ends by itself soon after. Raises NotFound, Refused when it has ended."""
        raise NotImplementedError

    def set_maintenance(self, environment: EnvironmentId, *, on: bool) -> None:
        raise NotImplementedError

    def snapshot(self, environment: EnvironmentId) -> Snapshot:
        """Raises NotFound."""
        raise NotImplementedError

    def follow(
        self, *, after: int = 0, environment: EnvironmentId | None = None, deployment: DeploymentId | None = None
    ) -> AsyncIterator[Event]:
        """Stored events after `after`, then new ones as they come; of a deployment: until it has ended."""
        raise NotImplementedError
