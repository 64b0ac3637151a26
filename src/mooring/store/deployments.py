"""Deployments: each one's record as it was saved last. Must not: end one."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, insert, select, update

from mooring.errors import NotFound, Refused
from mooring.model.deployment import Deployment
from mooring.model.environment import EnvironmentId
from mooring.model.names import DeploymentId
from mooring.model.records import Answer
from mooring.store import schema
from mooring.store.answers import remembered
from mooring.store.shelf import Shelf, decode, encode, environment_must_exist

_table = schema.deployments


class DeploymentShelf(Shelf):
    def add_deployment(self, deployment: Deployment, *, answer: Answer | None = None) -> None:
        """Adding the same once more changes nothing. Raises Refused when the id stands for something else, NotFound.

        The answer to the request that ordered it is stored in the same transaction. Raises Refused when that was answered before."""
        with self._database.write() as connection:
            environment_must_exist(connection, deployment.environment)
            stored = connection.scalar(_one(deployment.id))
            if stored is None:
                row = {"id": deployment.id, "environment": str(deployment.environment), **_columns(deployment)}
                connection.execute(insert(_table).values(row))
            elif decode(stored, Deployment) != deployment:
                message = f"deployment {deployment.id} exists already, with other content"
                raise Refused(message, hint="this is never changed; make a new one")
            if answer is not None and remembered(connection, answer) != answer.content:
                raise Refused(f"the request with the key {answer.key!r} was answered already", hint="use a new key for each new request")

    def save_deployment(self, deployment: Deployment) -> None:
        """Raises NotFound when it was never added, or was forgotten with its environment."""
        with self._database.write() as connection:
            changed = connection.execute(update(_table).where(_table.c.id == deployment.id).values(_columns(deployment)))
            if changed.rowcount == 0:
                raise NotFound(f"there is no deployment {deployment.id}", hint="`mooring releases` shows which there are")

    def deployment(self, deployment: DeploymentId) -> Deployment | None:
        with self._database.read() as connection:
            record = connection.scalar(_one(deployment))
            return None if record is None else decode(record, Deployment)

    def deployments(self, environment: EnvironmentId | None = None, *, limit: int = 50) -> tuple[Deployment, ...]:
        """Newest first, in the order of adding."""
        found = select(_table.c.record).order_by(_table.c.position.desc()).limit(limit)
        if environment is not None:
            found = found.where(_table.c.environment == str(environment))
        with self._database.read() as connection:
            return tuple(decode(record, Deployment) for record in connection.scalars(found))

    def unfinished_deployments(self) -> tuple[Deployment, ...]:
        """Oldest first."""
        found = select(_table.c.record).where(_table.c.outcome.is_(None)).order_by(_table.c.position)
        with self._database.read() as connection:
            return tuple(decode(record, Deployment) for record in connection.scalars(found))


def _one(deployment: DeploymentId) -> Select[Any]:
    return select(_table.c.record).where(_table.c.id == deployment)


def _columns(deployment: Deployment) -> dict[str, object]:
    outcome = deployment.outcome.value if deployment.outcome is not None else None
    return {"outcome": outcome, "ended_at": deployment.ended_at, "record": encode(deployment)}
