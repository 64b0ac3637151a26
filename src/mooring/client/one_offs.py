"""Commands with somebody attached, and copies: each to be used as a context. Must not: know a terminal, or a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mooring.client.paths import path_of
from mooring.client.wire import Wire
from mooring.model.environment import EnvironmentId
from mooring.usecases.requests import CopyRequest, ExecRequest, RunRequest

if TYPE_CHECKING:
    from mooring.client.attached import Attached


class OneOffs:
    """The part of the client that holds a connection open."""

    _wire: Wire

    def run(self, environment: EnvironmentId, request: RunRequest) -> Attached:
        """Start a command of the present release, attached."""
        return self._attached(path_of(environment, "run"), request)

    def enter(self, environment: EnvironmentId, request: ExecRequest) -> Attached:
        """Start a command where an instance runs, attached."""
        return self._attached(path_of(environment, "exec"), request)

    def copy(self, environment: EnvironmentId, request: CopyRequest) -> Attached:
        """Begin a copy into an instance or out of it; client/copies.py speaks with it."""
        return self._attached(path_of(environment, "copy"), request)

    def _attached(self, path: str, request: RunRequest | ExecRequest | CopyRequest) -> Attached:
        from mooring.client.attached import Attached

        return Attached.open(self._wire, path, request)
