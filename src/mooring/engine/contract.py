"""What the engine needs besides drivers: time, memory, builds. The store and the server fulfil these without the engine knowing them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO, Protocol

import msgspec

from mooring.drivers.builder.contract import BuildLog
from mooring.errors import StateDamaged
from mooring.model.assets import AssetFile
from mooring.model.build import BuildConfinement, BuildSettings
from mooring.model.capacity import Loan
from mooring.model.certificate import Attempt, AttemptOutcome, Certificate, CertificateSource
from mooring.model.config import ConfigVersion
from mooring.model.deployment import Deployment
from mooring.model.environment import EnvironmentId
from mooring.model.events import Event, EventKind
from mooring.model.host import Host
from mooring.model.lease import Lease, Lock
from mooring.model.names import DeploymentId, HostId, Hostname, ServerName, ServiceName
from mooring.model.records import Answer
from mooring.model.records import EnvironmentRecord as EnvironmentRecord
from mooring.model.records import JournalEntry as JournalEntry
from mooring.model.release import Artifact, Release, Source
from mooring.model.review import ReviewSettings
from mooring.model.secret import Secret
from mooring.model.service import Passwords, ServiceRecord, ServiceServer
from mooring.model.steps import Step


class Clock(Protocol):
    """`wall` for people and records, `monotonic` for every duration; `sleep` may wake early but never late by its own fault."""

    def wall(self) -> float: ...

    def monotonic(self) -> float: ...

    async def sleep(self, seconds: float) -> None: ...


class Memory(Protocol):
    """All that must survive the controller's death. Every write is on disk when the call returns. Raises Unavailable on a full disk."""

    # environments
    def environments(self) -> tuple[EnvironmentRecord, ...]: ...
    def environment(self, environment: EnvironmentId) -> EnvironmentRecord | None: ...
    def save_environment(self, record: EnvironmentRecord) -> None: ...
    def forget_environment(self, environment: EnvironmentId) -> None:
        """Remove the environment with releases, config, deployments, journal; events stay."""

    # releases and config
    def next_release_number(self, environment: EnvironmentId) -> int: ...
    def add_release(self, release: Release) -> None: ...
    def release(self, environment: EnvironmentId, number: int) -> Release | None: ...
    def releases(self, environment: EnvironmentId) -> tuple[Release, ...]: ...
    def config(self, environment: EnvironmentId, version: int) -> Mapping[str, str | Secret]:
        """The variables of one immutable snapshot; version 0 is empty."""

    def put_config(
        self, environment: EnvironmentId, *, changes: Mapping[str, str | Secret], unset: frozenset[str] = ..., by: str, at: float
    ) -> int:
        """A new snapshot from the newest; its version. The newest's own when nothing differs."""

    def config_versions(self, environment: EnvironmentId) -> tuple[ConfigVersion, ...]:
        """Oldest first."""

    # deployments, journal, events
    def add_deployment(self, deployment: Deployment, *, answer: Answer | None = None) -> None:
        """With the answer to the request that ordered it: both or neither, so that no crash lets the same request order it twice."""

    def save_deployment(self, deployment: Deployment) -> None: ...
    def deployment(self, deployment: DeploymentId) -> Deployment | None: ...
    def deployments(self, environment: EnvironmentId | None = None, *, limit: int = 50) -> tuple[Deployment, ...]:
        """Newest first."""

    def unfinished_deployments(self) -> tuple[Deployment, ...]:
        """Those without an outcome, oldest first."""

    def write_intent(self, *, deployment: DeploymentId | None, environment: EnvironmentId, step: Step, fence: int, at: float) -> int:
        """Synced before it returns; gives the entry's sequence."""

    def write_outcome(self, sequence: int, *, outcome: str, at: float, detail: str = "") -> None: ...
    def journal(self, deployment: DeploymentId) -> tuple[JournalEntry, ...]: ...
    def open_intents(self) -> tuple[JournalEntry, ...]:
        """All entries without an outcome, oldest first, those that belong to no deployment included."""

    def append_event(self, event: Event) -> Event:
        """Stored, with its sequence."""

    def events(
        self,
        *,
        after: int = 0,
        environment: EnvironmentId | None = None,
        deployment: DeploymentId | None = None,
        limit: int = 1000,
    ) -> tuple[Event, ...]:
        """In order of sequence; the oldest `limit` after `after`."""

    def newest_event(self, environment: EnvironmentId, kind: EventKind) -> Event | None:
        """The last of that kind."""

    # hosts
    def hosts(self) -> tuple[Host, ...]:
        """All that were added, by name; the local one is not among them."""

    def save_host(self, host: Host) -> None: ...
    def forget_host(self, name: HostId) -> None: ...
    def loans(self) -> tuple[Loan, ...]:
        """Of hosts that are borrowed or asked for, by key."""

    def save_loan(self, loan: Loan) -> None: ...
    def forget_loan(self, key: str) -> None: ...

    # services
    def service_servers(self) -> tuple[ServiceServer, ...]:
        """By name."""

    def service_address(self, name: ServerName) -> Secret | None:
        """None without such a server."""

    def services(self, environment: EnvironmentId | None = None) -> tuple[ServiceRecord, ...]:
        """Of one environment, or of all; they outlive it."""

    def service_passwords(self, environment: EnvironmentId, name: ServiceName) -> Passwords:
        """By login; empty without such a service."""

    def save_service(self, record: ServiceRecord, passwords: Passwords) -> None: ...
    def forget_service(self, environment: EnvironmentId, name: ServiceName) -> None: ...

    # leases and locks
    def take_lease(self, environment: EnvironmentId, *, holder: str, now: float, dead_after: float) -> Lease:
        """Raises LeaseHeld while another's heartbeat is younger than `dead_after` seconds.

        The fence grows with every taking, and is no less than `now`, wall seconds: a memory that was restored from an older backup does
        not know which were given since.
        """

    def renew_lease(self, lease: Lease, *, now: float) -> Lease:
        """Raises StaleFence when somebody else took it since."""

    def release_lease(self, lease: Lease) -> None: ...
    def lease(self, environment: EnvironmentId) -> Lease | None: ...
    def lock(self, environment: EnvironmentId) -> Lock | None: ...
    def save_lock(self, lock: Lock) -> None: ...
    def remove_lock(self, environment: EnvironmentId) -> None: ...


class CertificateMemory(Protocol):
    """Certificates and the orders placed for them: on disk when a call returns. Raises Unavailable on a full disk."""

    def save_certificate(self, source: CertificateSource, name: Hostname, certificate: Certificate) -> None:
        """In the place of an older one of that name."""

    def certificates(self, source: CertificateSource) -> dict[Hostname, Certificate]: ...
    def damaged_certificates(self) -> tuple[StateDamaged, ...]: ...
    def remove_certificate(self, source: CertificateSource, name: Hostname) -> None:
        """Raises NotFound."""

    def begin_attempt(self, hostname: Hostname, *, at: float) -> int:
        """Synced before it returns; gives the attempt's sequence."""

    def end_attempt(self, sequence: int, *, outcome: AttemptOutcome, detail: str = "", retry_at: float = 0.0) -> None: ...
    def attempts(self) -> tuple[Attempt, ...]:
        """All that are remembered, oldest first."""


class ReleasePlan(msgspec.Struct, frozen=True, kw_only=True):
    """What a source tree asks to run once it is built: a Release without its number, artifact and config; from the manifest.

    `template` has `number` 0 and a placeholder artifact; `counts` the formation the manifest wishes for process types
    that have never been scaled. `notes` are sentences for the person who deploys; `required_variables` are names that the app
    says it cannot run without and its files do not set; `generated_variables` those that are made up where nobody has.
    `review`: how review apps of this app are to be. Not `is_complete`: only the builder's offer can say what processes there are.
    """

    template: Release
    counts: dict[str, int]
    build: BuildSettings
    is_complete: bool = True
    review: ReviewSettings = ReviewSettings()
    notes: tuple[str, ...] = ()
    required_variables: tuple[str, ...] = ()
    generated_variables: tuple[str, ...] = ()


class Workshop(Protocol):
    """Turns an uploaded source archive into an artifact."""

    def unpack(self, archive: Path) -> Path:
        """Extract safely; the directory lives until `discard`, and is the same until then. Raises SourceInvalid."""

    def blank(self) -> Path:
        """An empty source tree, for what runs without one; until `discard`."""

    def plan(self, source: Path, environment: EnvironmentId, origin: Source, *, offered: Mapping[str, str] | None = None) -> ReleasePlan:
        """Read manifest, Procfile, app.json. Raises ManifestInvalid with all problems.

        `offered` are the commands the builder offers, known once it has built; before that, process types may be missing.
        """

    async def build(
        self,
        source: Path,
        settings: BuildSettings,
        origin: Source,
        *,
        secrets: Mapping[str, Secret],
        log: BuildLog,
        chosen: Callable[[str, str], None],
        owner: str = "",
        confinement: BuildConfinement | None = None,
    ) -> Artifact:
        """Build, or find it built already; `chosen(builder, reason)` is told first. `secrets`: those that `settings` names.

        `owner`: whose it is alone; empty: everybody's who builds the same. `confinement`: where this machine can, and nothing that it
        installs is taken for a build without.

        Raises BuildFailed.
        """

    async def reused(self, source: Path, origin: Source, artifact: Artifact) -> Artifact:
        """What was built of this very source before, as it is; it stays for as long as one that was just built. No builder runs.

        Raises NotFound where it is not there, or not whole, any more; SourceInvalid where the source is another.
        """

    def assets(self, artifact: Artifact, path: str) -> tuple[AssetFile, ...]:
        """The files below a folder of it, by path; takes as long as reading them all. Raises InvalidInput for what is no plain file."""

    def opened(self, artifact: Artifact, path: str, name: str) -> BinaryIO:
        """One of them. Raises InvalidInput, Unavailable where it is gone."""

    def discard(self, source: Path) -> None: ...

    def drop(self, archive: Path) -> None:
        """Discard what was unpacked of it, if that still lies there."""

    def artifacts(self) -> frozenset[str]:
        """The ids of all that are there."""

    def images(self) -> frozenset[str]:
        """The ids of those of which a builder has something besides, such as an image in an engine, by its own list. Raises Unavailable."""

    def spares(self, artifact: str) -> bool:
        """Whether `prune` leaves it alone for now, though nobody keeps it: it was handed out a moment ago, or something is being built."""

    def prune(self, keep: frozenset[str]) -> int:
        """Remove artifacts whose ids are not kept and that are not being built; bytes freed."""
