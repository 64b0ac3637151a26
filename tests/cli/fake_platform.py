"""A whole platform in memory, answering like `mooring.client.Client`: it keeps environments, releases, config, deployments, events.

A test compares its methods with the real client's, so that neither can drift from the other.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

import msgspec
from fake_forges import FakeForges
from fake_hosts import FakeHostDesk
from fake_push_keys import FakePushKeys
from fake_services import FakeServiceDesk

from mooring.engine.orders import Preview, Snapshot
from mooring.errors import LeaseHeld, NotFound, Refused
from mooring.model.access import Role, TokenRecord
from mooring.model.certificate import CertificateView
from mooring.model.deployment import Deployment, Outcome, Phase, Revision, Trigger
from mooring.model.environment import EnvironmentId
from mooring.model.events import Event, EventKind
from mooring.model.health import Check, CheckKind, Checks, Health
from mooring.model.host import Sight
from mooring.model.instance import InstanceKey, InstanceView, LogLine, ProcessState
from mooring.model.lease import Lock
from mooring.model.names import AppName, Hostname
from mooring.model.policy import Policy
from mooring.model.promotion import Promotion
from mooring.model.receipt import PhaseTime, ProbeStream, Receipt
from mooring.model.records import EnvironmentRecord, Unowned
from mooring.model.release import Artifact, ProcessType, Release, Source
from mooring.model.routing import Traffic
from mooring.model.secret import Secret
from mooring.model.steps import StartInstance
from mooring.model.trouble import Trouble
from mooring.usecases.answers import (
    CertificateAdded,
    ConfigChange,
    EnvironmentDetail,
    EnvironmentSummary,
    KeyRotation,
    PartStatus,
    PlatformStatus,
    ReviewAppStatus,
    TokenCreated,
    Variable,
    VariableKind,
)
from mooring.usecases.answers import Health as PlatformHealth

NOW = 1_800_000_000.0
SHOP = EnvironmentId("shop", "production")


class FakePlatform(FakeHostDesk, FakePushKeys, FakeForges, FakeServiceDesk):
    """`outcome` is how the next deployments end; `interrupt` breaks following off, as Ctrl-C does; `failure` answers every question."""

    def __init__(self) -> None:
        FakeHostDesk.__init__(self)
        FakePushKeys.__init__(self)
        FakeForges.__init__(self)
        FakeServiceDesk.__init__(self)
        self.is_destroyed_with_services = False
        self.releases_of: dict[EnvironmentId, list[Release]] = {}
        self.counts: dict[EnvironmentId, dict[str, int]] = {}
        self.revision_of: dict[EnvironmentId, int] = {}
        self.variables: dict[EnvironmentId, dict[str, str | Secret]] = {}
        self.locks: dict[EnvironmentId, Lock] = {}
        self.maintenance: set[EnvironmentId] = set()
        self.deployed: dict[str, Deployment] = {}
        self.told: list[Event] = []
        self.token_records: dict[str, TokenRecord] = {}
        self.views: dict[str, CertificateView] = {}
        self.brought: dict[str, bytes] = {}
        self.lines: list[LogLine] = []
        self.review_apps: tuple[ReviewAppStatus, ...] = ()
        self.unowned: tuple[Unowned, ...] = ()
        self.troubles: tuple[Trouble, ...] = ()
        self.backed_up_at = 0.0
        self.away: tuple[Sight, ...] = ()
        self.uploads: list[tuple[bytes, Source, str]] = []
        self.outcome = Outcome.SUCCEEDED
        self.failed_requests = 0
        self.interrupts = False
        self.is_pruned = False
        self.failure: BaseException | None = None
        self._ids = (f"d-{number:04}" for number in itertools.count(1))

    # the platform

    def health(self) -> PlatformHealth:
        self._answer()
        return PlatformHealth(status="ok", version="0.1.0")

    def status(self) -> PlatformStatus:
        self._answer()
        return PlatformStatus(
            version="0.1.0",
            state_directory="/home/ada/.local/state/mooring",
            started_at=NOW,
            http_port=8080,
            https_port=8443,
            parts=(PartStatus(name="controller", is_up=True), PartStatus(name="edge", is_up=False, said="it does not answer")),
            environments=tuple(self._summary(environment) for environment in sorted(self.releases_of)),
            unowned=self.unowned,
            troubles=self.troubles,
            backed_up_at=self.backed_up_at,
        )

    def rotate_keys(self) -> KeyRotation:
        self._answer()
        return KeyRotation(resealed=2)

    def backup(self, into: IO[bytes], passphrase: Secret | None = None) -> tuple[int, str]:
        self._answer()
        return into.write(b"everything" + (b" and the key" if passphrase else b"")), "" if passphrase else "/state/key"

    # environments

    def environment(self, environment: EnvironmentId) -> EnvironmentDetail:
        self._known(environment)
        newest = self.revision_of[environment]
        record = EnvironmentRecord(
            environment=environment,
            created_at=NOW,
            revision=Revision(release=newest, counts=self.counts[environment]),
            is_maintenance=environment in self.maintenance,
        )
        return EnvironmentDetail(
            record=record,
            release=self.releases_of[environment][newest - 1],
            snapshot=Snapshot(environment=environment, age=0.4, instances=self._instances(environment), routes=None, away=self.away),
            urls=(f"http://{environment.label}.localhost:8080",),
            lock=self.locks.get(environment),
        )

    def releases(self, environment: EnvironmentId) -> tuple[Release, ...]:
        return tuple(reversed(self._known(environment)))

    def set_maintenance(self, environment: EnvironmentId, *, on: bool) -> EnvironmentDetail:
        self._known(environment)
        (self.maintenance.add if on else self.maintenance.discard)(environment)
        return self.environment(environment)

    def lock(self, environment: EnvironmentId, *, reason: str = "") -> Lock:
        self._known(environment)
        self.locks[environment] = Lock(environment=environment, by="ada", reason=reason, since=NOW)
        return self.locks[environment]

    def unlock(self, environment: EnvironmentId) -> None:
        self._known(environment)
        self.locks.pop(environment, None)

    # deployments

    def deploy(self, environment: EnvironmentId, archive: Path, origin: Source, *, key: str = "") -> Deployment:
        self._answer()
        self.uploads.append((archive.read_bytes(), origin, key))
        return self._deployed(environment, Trigger.DEPLOY, f"deploy {origin.commit[:7]}", origin=origin)

    def plan_deploy(self, environment: EnvironmentId, archive: Path, origin: Source) -> Preview:
        self._answer()
        self.uploads.append((archive.read_bytes(), origin, ""))
        step = StartInstance(
            instance=InstanceKey(environment=environment, process="web", slot=1, release=1), reason="v1 wants 1 web, none runs"
        )
        return Preview(environment=environment, description=f"deploy {origin.commit[:7]}", steps=(step,), notes=("nothing serves yet",))

    def promote(self, environment: EnvironmentId, archive: Path, promotion: Promotion, *, key: str = "") -> Deployment:
        release = self._promoted(environment, promotion)
        self.uploads.append((archive.read_bytes(), release.source, key))
        deployment = self._deployed(environment, Trigger.DEPLOY, f"promote {promotion.origin}", origin=release.source)
        newest = self.releases_of[environment].pop()
        self.releases_of[environment].append(msgspec.structs.replace(newest, artifact=release.artifact, promotion=promotion))
        return deployment

    def plan_promotion(self, environment: EnvironmentId, archive: Path, promotion: Promotion) -> Preview:
        release = self._promoted(environment, promotion)
        return self.plan_deploy(environment, archive, release.source)

    def rollback(self, environment: EnvironmentId, *, release: int | None = None, key: str = "") -> Deployment:
        releases = self._known(environment)
        number = release or len(releases) - 1
        if not 1 <= number <= len(releases):
            raise NotFound(f"{environment} has no release v{number}", hint="`mooring releases` lists them")
        return self._deployed(environment, Trigger.ROLLBACK, f"rollback to v{number}")

    def scale(self, environment: EnvironmentId, counts: Mapping[str, int], *, key: str = "") -> Deployment:
        self._known(environment)
        self.counts[environment].update(counts)
        return self._deployed(environment, Trigger.SCALE, "scale", is_new=False)

    def restart(self, environment: EnvironmentId, *, key: str = "") -> Deployment:
        self._known(environment)
        return self._deployed(environment, Trigger.RESTART, "restart", is_new=False)

    def rotate_service(self, environment: EnvironmentId, name: str, *, key: str = "") -> Deployment:
        self._owned(environment, name)
        return self._deployed(environment, Trigger.ROTATE, f"service rotate {name}", is_new=False)

    def destroy(self, environment: EnvironmentId, *, confirm: str, services: bool = False, key: str = "") -> Deployment:
        self._known(environment)
        self.is_destroyed_with_services = services
        if confirm != str(environment):
            raise Refused(f"{confirm} is not {environment}")
        deployment = self._deployed(environment, Trigger.DESTROY, "destroy", is_new=False)
        del self.releases_of[environment], self.deployed[deployment.id]
        return deployment

    def deployments(self, environment: EnvironmentId | None = None, *, limit: int = 50) -> tuple[Deployment, ...]:
        self._answer()
        found = [deployment for deployment in self.deployed.values() if environment in (None, deployment.environment)]
        return tuple(reversed(found))[:limit]

    def deployment(self, deployment: str) -> Deployment:
        self._answer()
        if deployment not in self.deployed:
            raise NotFound(f"there is no deployment {deployment!r}", hint="`mooring events` names them")
        return self.deployed[deployment]

    def abort(self, deployment: str) -> Deployment:
        found = self.deployment(deployment)
        if found.outcome is not None:
            raise Refused(f"deployment {deployment} has ended already", hint="`mooring rollback` goes back to the release before")
        return found

    def deployment_events(self, deployment: str, *, after: int = 0) -> Iterator[Event]:
        self._answer()
        if self.interrupts:
            raise KeyboardInterrupt
        yield from [event for event in self.told if event.deployment == deployment and event.sequence > after]

    # config and secrets

    def config(self, environment: EnvironmentId, *, origin: bool = False) -> tuple[Variable, ...]:
        self._known(environment)
        return tuple(
            Variable(
                name=name,
                value=None if isinstance(value, Secret) else value,
                kind=VariableKind.SECRET if isinstance(value, Secret) else VariableKind.PLAIN,
                origin="config v1 (ada)" if origin else "",
            )
            for name, value in self.variables.get(environment, {}).items()
        )

    def change_config(
        self, environment: EnvironmentId, *, set: Mapping[str, str] | None = None, unset: Sequence[str] = (), key: str = ""
    ) -> ConfigChange:
        return self._config_changed(environment, {**(set or {})}, unset)

    def set_secret(self, environment: EnvironmentId, name: str, value: Secret, *, key: str = "") -> ConfigChange:
        return self._config_changed(environment, {name: value}, ())

    # what is said and what happens

    def logs(
        self,
        environment: EnvironmentId,
        *,
        lines: int = 100,
        follow: bool = False,
        process: str | None = None,
        slot: int | None = None,
        release: int | None = None,
    ) -> Iterator[LogLine]:
        self._known(environment)
        yield from [line for line in self.lines if process is None or line.source.startswith(f"{process}.")][-lines:]
        if follow and self.interrupts:
            raise KeyboardInterrupt

    def reviews(self, app: AppName) -> tuple[ReviewAppStatus, ...]:
        self._answer()
        return self.review_apps

    def events(self, *, after: int = 0, environment: EnvironmentId | None = None, limit: int = 1000) -> tuple[Event, ...]:
        self._answer()
        found = [event for event in self.told if environment in (None, event.environment)]
        return tuple(found[after:] if after < 0 else [event for event in found if event.sequence > after][:limit])

    def follow_events(self, *, after: int = 0, environment: EnvironmentId | None = None) -> Iterator[Event]:
        yield from self.events(after=after, environment=environment)
        raise KeyboardInterrupt

    # certificates

    def certificates(self) -> tuple[CertificateView, ...]:
        self._answer()
        return tuple(self.views.values())

    def add_certificate(self, pem: bytes, *, for_hostname: Hostname | None = None) -> CertificateAdded:
        """All that are routed take it."""
        self._answer()
        name = for_hostname or next(view.hostname for view in self.views.values())
        self.brought[name] = pem
        shown_for = tuple(view.hostname for view in self.views.values())
        return CertificateAdded(name=name, hostnames=(name,), issuer="Corporate", expires_at=NOW, shown_for=shown_for)

    def renew_certificate(self, hostname: Hostname) -> CertificateView:
        self._answer()
        if hostname not in self.views:
            raise NotFound(f"no app is reached under {hostname}", hint="`mooring certs` lists the hostnames that are")
        self.views[hostname] = msgspec.structs.replace(self.views[hostname], is_under_way=True)
        return self.views[hostname]

    def remove_certificate(self, hostname: Hostname) -> None:
        self._answer()
        if self.brought.pop(hostname, None) is None:
            raise NotFound(f"there is no certificate named {hostname}", hint="`mooring certs` lists them")

    # tokens

    def tokens(self) -> tuple[TokenRecord, ...]:
        self._answer()
        return tuple(self.token_records.values())

    def create_token(self, name: str, role: Role, *, expires_in: float | None = None) -> TokenCreated:
        self._answer()
        record = TokenRecord(id=f"t{len(self.token_records)}", name=name, role=role, created_at=NOW)
        self.token_records[name] = record
        return TokenCreated(record=record, token="mooring_secret-token")

    def revoke_token(self, name: str) -> TokenRecord:
        self._answer()
        if name not in self.token_records:
            raise NotFound(f"there is no token {name!r}", hint="`mooring token ls` lists them")
        self.token_records[name] = msgspec.structs.replace(self.token_records[name], revoked_at=NOW)
        return self.token_records[name]

    # its inner life

    def _answer(self) -> None:
        if self.failure is not None:
            raise self.failure

    def _promoted(self, environment: EnvironmentId, promotion: Promotion) -> Release:
        release = self._known(EnvironmentId(environment.app, promotion.environment))[promotion.number - 1]
        if self.is_pruned:
            raise NotFound(f"the artifact of {promotion.origin} is not there any more", hint="`mooring deploy` builds it")
        return release

    def _known(self, environment: EnvironmentId) -> list[Release]:
        self._answer()
        if environment not in self.releases_of:
            raise NotFound(f"there is no {environment}", hint="`mooring status` lists what there is; `mooring deploy` makes it")
        return self.releases_of[environment]

    def _config_changed(self, environment: EnvironmentId, changes: dict[str, str | Secret], unset: Sequence[str]) -> ConfigChange:
        self._answer()
        before = self.variables.get(environment, {})
        self.variables[environment] = {name: value for name, value in {**before, **changes}.items() if name not in unset}
        if environment not in self.releases_of:
            return ConfigChange(version=1, deployment=None)
        return ConfigChange(version=1, deployment=self._deployed(environment, Trigger.CONFIG, f"config set {', '.join(changes)}"))

    def _deployed(
        self, environment: EnvironmentId, trigger: Trigger, description: str, *, is_new: bool = True, origin: Source | None = None
    ) -> Deployment:
        if environment in self.locks:
            lock = self.locks[environment]
            raise LeaseHeld(f"{environment} was locked by {lock.by}: {lock.reason}", hint="`mooring unlock` takes it off")
        before = self.revision_of.get(environment, 0)
        releases = self.releases_of.setdefault(environment, [])
        self.counts.setdefault(environment, {"web": 1})
        if is_new:
            releases.append(_release(environment, len(releases) + 1, description, origin))
        if self.outcome is Outcome.SUCCEEDED and releases:
            self.revision_of[environment] = len(releases) if is_new else before
        requested = Deployment(
            id=next(self._ids),
            environment=environment,
            number=1,
            trigger=trigger,
            requested_at=NOW,
            requested_by="ada",
            description=description,
            baseline=Revision(release=before) if before else None,
        )
        return self._ended(requested, before, self.revision_of.get(environment, 0))

    def _ended(self, requested: Deployment, before: int, after: int) -> Deployment:
        receipt = Receipt(
            environment=str(requested.environment),
            deployment=requested.id,
            outcome=self.outcome.value,
            from_release=before,
            to_release=after,
            serving_release=after,
            seconds=1.5,
            phases=(PhaseTime("build", 0.5), PhaseTime("prepare", 1.0)),
            traffic=Traffic(requests=120, edge_errors=self.failed_requests, slowest=0.02, slowest_path="/"),
            probes=ProbeStream(rate=20.0, sent=30, answered=30, failed=0, slowest=0.01),
            instances_started=1,
            urls=(f"http://{requested.environment.label}.localhost:8080",),
        )
        is_good = self.outcome is Outcome.SUCCEEDED
        ended = msgspec.structs.replace(
            requested,
            phase=Phase.ENDED,
            started_at=NOW,
            ended_at=NOW + 1.5,
            outcome=self.outcome,
            error_code="" if is_good else "not-healthy",
            error="" if is_good else "v2 web.1 was not ready within 60s",
            hint="" if is_good else "`mooring logs` shows more",
            receipt=receipt,
        )
        self.deployed[ended.id] = ended
        self._tell(requested, EventKind.PHASE_STARTED, 0.1, phase="build")
        self._tell(requested, EventKind.BUILD_OUTPUT, 0.2, line="installing things")
        self._tell(requested, EventKind.RECEIPT, 1.4, receipt=msgspec.to_builtins(receipt))
        self._tell(requested, EventKind.DEPLOYMENT_ENDED, 1.5, outcome=ended.outcome.value, exit_code=ended.exit_code)
        return requested

    def _tell(self, deployment: Deployment, kind: EventKind, after: float, **fields: object) -> None:
        event = Event(
            sequence=len(self.told) + 1,
            at=NOW + after,
            kind=kind,
            environment=deployment.environment,
            deployment=deployment.id,
            fields=fields,
        )
        self.told.append(event)

    def _instances(self, environment: EnvironmentId) -> tuple[InstanceView, ...]:
        release = self.revision_of[environment]
        return tuple(
            InstanceView(
                key=InstanceKey(environment=environment, process=process, slot=slot, release=release),
                state=ProcessState.RUNNING,
                port=20000 + slot,
                started_at=NOW,
                health=Health.READY,
                memory=48_000_000,
            )
            for process, count in self.counts[environment].items()
            for slot in range(1, count + 1)
        )

    def _summary(self, environment: EnvironmentId) -> EnvironmentSummary:
        count = sum(self.counts[environment].values())
        return EnvironmentSummary(
            environment=environment,
            release=self.revision_of.get(environment, 0),
            ready=count,
            desired=count,
            is_serving=environment in self.revision_of,
            is_locked=environment in self.locks,
            is_maintenance=environment in self.maintenance,
            age=0.4,
            urls=(f"http://{environment.label}.localhost:8080",),
        )


def _release(environment: EnvironmentId, number: int, description: str, origin: Source | None) -> Release:
    alive = Check(kind=CheckKind.ALIVE)
    web = ProcessType(name="web", command="python app.py", is_routed=True, checks=Checks(startup=alive, readiness=alive))
    return Release(
        environment=environment,
        number=number,
        artifact=Artifact(id="a1", builder="python", reason="requirements.txt is present", directory="/artifacts/a1", size=1000),
        source=origin or Source(digest="d1"),
        config_version=0,
        processes=(web,),
        hostnames=(f"{environment.label}.localhost",),
        policy=Policy(),
        created_at=NOW,
        created_by="ada",
        description=description,
    )


def review(branch: str, **changes: object) -> ReviewAppStatus:
    """As `review ls` has it."""
    summary = EnvironmentSummary(
        environment=SHOP, release=1, ready=1, desired=1, is_serving=True, urls=(f"http://shop--{branch}.localhost:8080",)
    )
    given = {"created_at": NOW - 20, "used_at": NOW - 20, "expires_at": NOW + 72 * 3600 - 20, "leaving": "", "error": "", **changes}
    return ReviewAppStatus(branch=branch, head="3f2a91c0d", summary=summary, **given)
