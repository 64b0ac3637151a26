"""The memory without a disk: whole, stateful, and as strict as the real one. It forgets everything when the program ends.

`memory.faults` makes writes fail. A new controller "after a crash" simply gets the same object again.
Must not: be used where something has to survive.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from mooring.engine.contract import Memory
from mooring.errors import LeaseHeld, NotFound, Refused, StaleFence
from mooring.model.capacity import Loan
from mooring.model.config import ConfigVersion, differences, next_config
from mooring.model.deployment import Deployment
from mooring.model.environment import EnvironmentId
from mooring.model.events import Event, EventKind
from mooring.model.host import Host
from mooring.model.lease import Lease, Lock
from mooring.model.names import DeploymentId, HostId, ServerName, ServiceName
from mooring.model.records import Answer, EnvironmentRecord, JournalEntry
from mooring.model.release import Release
from mooring.model.secret import Secret
from mooring.model.service import Passwords, ServiceRecord, ServiceServer
from mooring.model.steps import Step
from mooring.testing.faults import WriteFaults

Key = TypeVar("Key")
Value = TypeVar("Value")


class FakeMemory:
    """Fulfils engine.contract.Memory, and `put_config`, `answer` and the servers of services as the store has them."""

    def __init__(self) -> None:
        self.faults = WriteFaults()
        self._environments: dict[EnvironmentId, EnvironmentRecord] = {}
        self._releases: dict[EnvironmentId, dict[int, Release]] = {}
        self._config: dict[EnvironmentId, list[tuple[ConfigVersion, dict[str, str | Secret]]]] = {}
        self._deployments: dict[DeploymentId, Deployment] = {}
        self._answers: dict[tuple[str, str], Answer] = {}
        self._journal: dict[int, JournalEntry] = {}
        self._events: list[Event] = []
        self._leases: dict[EnvironmentId, Lease] = {}
        self._fences: dict[EnvironmentId, int] = {}
        self._locks: dict[EnvironmentId, Lock] = {}
        self._hosts: dict[HostId, Host] = {}
        self._loans: dict[str, Loan] = {}
        self._servers: dict[ServerName, tuple[ServiceServer, Secret]] = {}
        self._services: dict[tuple[EnvironmentId, ServiceName], tuple[ServiceRecord, Passwords]] = {}
        self._last_entry = 0

    # environments

    def environments(self) -> tuple[EnvironmentRecord, ...]:
        return tuple(self._environments[key] for key in sorted(self._environments))

    def environment(self, environment: EnvironmentId) -> EnvironmentRecord | None:
        return self._environments.get(environment)

    def save_environment(self, record: EnvironmentRecord) -> None:
        with self.faults.around("save_environment"):
            self._environments[record.environment] = record

    def forget_environment(self, environment: EnvironmentId) -> None:
        with self.faults.around("forget_environment"):
            self._environments.pop(environment, None)
            self._releases.pop(environment, None)
            self._config.pop(environment, None)
            self._locks.pop(environment, None)
            self._deployments = {key: one for key, one in self._deployments.items() if one.environment != environment}
            self._journal = {key: entry for key, entry in self._journal.items() if entry.environment != environment}

    # hosts

    def hosts(self) -> tuple[Host, ...]:
        return tuple(self._hosts[name] for name in sorted(self._hosts))

    def save_host(self, host: Host) -> None:
        with self.faults.around("save_host"):
            self._hosts[host.name] = host

    def forget_host(self, name: HostId) -> None:
        with self.faults.around("forget_host"):
            self._hosts.pop(name, None)

    def loans(self) -> tuple[Loan, ...]:
        """By key."""
        return tuple(loan for _, loan in sorted(self._loans.items()))

    def save_loan(self, loan: Loan) -> None:
        with self.faults.around("save_loan"):
            self._loans[loan.key] = loan

    def forget_loan(self, key: str) -> None:
        with self.faults.around("forget_loan"):
            self._loans.pop(key, None)

    # services

    def service_servers(self) -> tuple[ServiceServer, ...]:
        return tuple(self._servers[name][0] for name in sorted(self._servers))

    def service_address(self, name: ServerName) -> Secret | None:
        known = self._servers.get(name)
        return known[1] if known else None

    def save_service_server(self, server: ServiceServer, address: Secret) -> None:
        with self.faults.around("save_service_server"):
            self._servers[server.name] = (server, address)

    def forget_service_server(self, name: ServerName) -> None:
        with self.faults.around("forget_service_server"):
            self._servers.pop(name, None)

    def services(self, environment: EnvironmentId | None = None) -> tuple[ServiceRecord, ...]:
        return tuple(self._services[key][0] for key in sorted(self._services) if environment in (None, key[0]))

    def service_passwords(self, environment: EnvironmentId, name: ServiceName) -> Passwords:
        known = self._services.get((environment, name))
        return known[1] if known else {}

    def save_service(self, record: ServiceRecord, passwords: Passwords) -> None:
        with self.faults.around("save_service"):
            self._services[record.piece.environment, record.piece.service] = (record, dict(passwords))

    def forget_service(self, environment: EnvironmentId, name: ServiceName) -> None:
        with self.faults.around("forget_service"):
            self._services.pop((environment, name), None)

    # releases and config

    def next_release_number(self, environment: EnvironmentId) -> int:
        return max(self._releases.get(environment, {}), default=0) + 1

    def add_release(self, release: Release) -> None:
        with self.faults.around("add_release"):
            self._must_exist(release.environment)
            releases = self._releases.setdefault(release.environment, {})
            _add(releases, release.number, release, what=f"release {release.version} of {release.environment}")

    def release(self, environment: EnvironmentId, number: int) -> Release | None:
        return self._releases.get(environment, {}).get(number)

    def releases(self, environment: EnvironmentId) -> tuple[Release, ...]:
        """Oldest first."""
        return tuple(release for _, release in sorted(self._releases.get(environment, {}).items()))

    def config(self, environment: EnvironmentId, version: int) -> Mapping[str, str | Secret]:
        snapshots = self._config.get(environment, [])
        if not 0 <= version <= len(snapshots):
            raise NotFound(f"{environment} has no config version {version}", hint="`mooring releases` shows which there are")
        return dict(snapshots[version - 1][1]) if version else {}

    def config_versions(self, environment: EnvironmentId) -> tuple[ConfigVersion, ...]:
        """Oldest first."""
        return tuple(version for version, _ in self._config.get(environment, []))

    def put_config(
        self, environment: EnvironmentId, *, changes: Mapping[str, str | Secret], unset: frozenset[str] = frozenset(), by: str, at: float
    ) -> int:
        """A new snapshot from the latest; its version. The latest's own when nothing differs.

        Raises InvalidName, InvalidInput, NotFound."""
        with self.faults.around("put_config"):
            self._must_exist(environment)
            snapshots = self._config.setdefault(environment, [])
            latest = self.config(environment, len(snapshots))
            values = next_config(latest, changes=changes, unset=unset)
            if values == latest:
                return len(snapshots)
            changed, removed = differences(latest, values)
            version = len(snapshots) + 1
            record = ConfigVersion(environment=environment, version=version, at=at, by=by, changed=changed, removed=removed)
            snapshots.append((record, values))
            return version

    # deployments, journal, events

    def add_deployment(self, deployment: Deployment, *, answer: Answer | None = None) -> None:
        with self.faults.around("add_deployment"):
            self._must_exist(deployment.environment)
            if answer is not None and self.answer(answer.key, scope=answer.scope, digest=answer.digest) not in (None, answer.content):
                raise Refused(f"the request with the key {answer.key!r} was answered already", hint="use a new key for each new request")
            _add(self._deployments, deployment.id, deployment, what=f"deployment {deployment.id}")
            if answer is not None:
                self._answers[answer.scope, answer.key] = answer

    def answer(self, key: str, *, scope: str, digest: str) -> bytes | None:
        known = self._answers.get((scope, key))
        if known is not None and known.digest != digest:
            raise Refused(f"the idempotency key {key!r} was used for another request", hint="use a new key for each new request")
        return known.content if known else None

    def save_deployment(self, deployment: Deployment) -> None:
        with self.faults.around("save_deployment"):
            self._deployment_must_exist(deployment.id)
            self._deployments[deployment.id] = deployment

    def deployment(self, deployment: DeploymentId) -> Deployment | None:
        return self._deployments.get(deployment)

    def deployments(self, environment: EnvironmentId | None = None, *, limit: int = 50) -> tuple[Deployment, ...]:
        newest_first = reversed(self._deployments.values())
        return tuple(one for one in newest_first if environment is None or one.environment == environment)[:limit]

    def unfinished_deployments(self) -> tuple[Deployment, ...]:
        return tuple(deployment for deployment in self._deployments.values() if deployment.outcome is None)

    def write_intent(self, *, deployment: DeploymentId | None, environment: EnvironmentId, step: Step, fence: int, at: float) -> int:
        with self.faults.around("write_intent"):
            if deployment is not None:
                self._deployment_must_exist(deployment)
            self._last_entry += 1
            self._journal[self._last_entry] = JournalEntry(
                sequence=self._last_entry, deployment=deployment, environment=environment, step=step, fence=fence, intent_at=at
            )
            return self._last_entry

    def write_outcome(self, sequence: int, *, outcome: str, at: float, detail: str = "") -> None:
        with self.faults.around("write_outcome"):
            if not 1 <= sequence <= self._last_entry:
                raise NotFound(f"there is no journal entry {sequence}")
            if entry := self._journal.get(sequence):
                self._journal[sequence] = msgspec.structs.replace(entry, outcome=outcome, ended_at=at, detail=detail)

    def journal(self, deployment: DeploymentId) -> tuple[JournalEntry, ...]:
        return tuple(entry for entry in self._journal.values() if entry.deployment == deployment)

    def open_intents(self) -> tuple[JournalEntry, ...]:
        """All entries without an outcome, oldest first, those that belong to no deployment included."""
        return tuple(entry for entry in self._journal.values() if not entry.outcome)

    def append_event(self, event: Event) -> Event:
        with self.faults.around("append_event"):
            stored = msgspec.json.decode(msgspec.json.encode(event), type=Event)
            stored = msgspec.structs.replace(stored, sequence=len(self._events) + 1)
            self._events.append(stored)
            return stored

    def events(
        self,
        *,
        after: int = 0,
        environment: EnvironmentId | None = None,
        deployment: DeploymentId | None = None,
        limit: int = 1000,
    ) -> tuple[Event, ...]:
        found = (
            event
            for event in self._events[max(after, 0) :]
            if (environment is None or event.environment == environment) and (deployment is None or event.deployment == deployment)
        )
        return tuple(event for event, _ in zip(found, range(limit), strict=False))

    def newest_event(self, environment: EnvironmentId, kind: EventKind) -> Event | None:
        return next((event for event in reversed(self._events) if (event.environment, event.kind) == (environment, kind)), None)

    # leases and locks

    def take_lease(self, environment: EnvironmentId, *, holder: str, now: float, dead_after: float) -> Lease:
        with self.faults.around("take_lease"):
            held = self._leases.get(environment)
            if held is not None and held.holder != holder and abs(now - held.heartbeat) < dead_after:
                raise LeaseHeld(f"{environment} is held by {held.holder}", hint="wait until it has ended, or abort it")
            fence = max(self._fences.get(environment, 0) + 1, int(now))
            self._fences[environment] = fence
            self._leases[environment] = Lease(environment=environment, holder=holder, fence=fence, since=now, heartbeat=now)
            return self._leases[environment]

    def renew_lease(self, lease: Lease, *, now: float) -> Lease:
        with self.faults.around("renew_lease"):
            held = self._leases.get(lease.environment)
            if held is None or held.fence != lease.fence:
                raise StaleFence(f"the lease of {lease.environment} under fence {lease.fence} was lost")
            self._leases[lease.environment] = msgspec.structs.replace(held, heartbeat=now)
            return self._leases[lease.environment]

    def release_lease(self, lease: Lease) -> None:
        with self.faults.around("release_lease"):
            held = self._leases.get(lease.environment)
            if held is not None and held.fence == lease.fence:
                del self._leases[lease.environment]

    def lease(self, environment: EnvironmentId) -> Lease | None:
        return self._leases.get(environment)

    def lock(self, environment: EnvironmentId) -> Lock | None:
        return self._locks.get(environment)

    def save_lock(self, lock: Lock) -> None:
        with self.faults.around("save_lock"):
            self._locks[lock.environment] = lock

    def remove_lock(self, environment: EnvironmentId) -> None:
        with self.faults.around("remove_lock"):
            self._locks.pop(environment, None)

    def _must_exist(self, environment: EnvironmentId) -> None:
        if environment not in self._environments:
            raise NotFound(f"there is no environment {environment}", hint="`mooring status` lists what there is")

    def _deployment_must_exist(self, deployment: DeploymentId) -> None:
        if deployment not in self._deployments:
            raise NotFound(f"there is no deployment {deployment}", hint="`mooring releases` shows which there are")


def _add(values: dict[Key, Value], key: Key, value: Value, *, what: str) -> None:
    if values.setdefault(key, value) != value:
        raise Refused(f"{what} exists already, with other content", hint="this is never changed; make a new one")


_: type[Memory] = FakeMemory
