"""One method for each thing that the API can do, in the words of the model. Must not: render, retry what may act twice, or know the server.

Every method raises the errors of `mooring.errors` that the server raised; PlatformNotRunning when nobody answers.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

import msgspec

from mooring.client.accessories import Accessories
from mooring.client.asking import Asking, new_key, told_of, told_of_promotion
from mooring.client.location import controller_socket, state_directory
from mooring.client.one_offs import OneOffs
from mooring.client.paths import path_of, segment
from mooring.client.services import ServiceCalls
from mooring.client.ways import LocalWay, Way
from mooring.client.wire import Wire
from mooring.engine.orders import Preview
from mooring.model.access import Role, TokenRecord
from mooring.model.certificate import CertificateView
from mooring.model.deployment import Deployment
from mooring.model.environment import EnvironmentId
from mooring.model.events import Event
from mooring.model.forge import ForgeLink
from mooring.model.host import Host
from mooring.model.instance import LogLine
from mooring.model.lease import Lock
from mooring.model.names import AppName, DeploymentId, Hostname
from mooring.model.promotion import Promotion
from mooring.model.push_key import PushKey
from mooring.model.records import JournalEntry
from mooring.model.registry import Registry
from mooring.model.release import Release, Source
from mooring.model.secret import Secret
from mooring.model.trace import Trace
from mooring.usecases.answers import (
    CertificateAdded,
    ConfigChange,
    EnvironmentDetail,
    EnvironmentSummary,
    ForgeChecked,
    ForgeStatus,
    Health,
    HostAdded,
    HostKey,
    HostPlan,
    HostStatus,
    KeyRotation,
    PlatformStatus,
    ReviewAppStatus,
    ReviewLogin,
    TokenCreated,
    Variable,
)
from mooring.usecases.requests import (
    ConfigRequest,
    DrainRequest,
    ForgeRequest,
    HostRequest,
    LockRequest,
    MaintenanceRequest,
    PlanRequest,
    PushKeyRequest,
    RegistryRequest,
    RestartRequest,
    RollbackRequest,
    ScaleRequest,
    TokenRequest,
)

_PREPARING = 900.0  # seconds
_LOOKING = 120.0  # seconds in which a forge may answer


class Client(OneOffs, ServiceCalls):
    """`Client()` speaks to this machine's platform, or to `$MOORING_URL` with `$MOORING_TOKEN`. Thread-safe: nothing is kept open.

    `way` leads to a platform elsewhere; with `push_key` it is the holder of that key who asks, on this machine's socket.
    """

    def __init__(
        self,
        socket_path: Path | None = None,
        *,
        way: Way | None = None,
        url: str = "",
        token: Secret | None = None,
        push_key: str = "",
    ) -> None:
        if socket_path is None and way is None and not url:
            url = os.environ.get("MOORING_URL", "")
            given = os.environ.get("MOORING_TOKEN", "")
            token = Secret(given) if url and given else token
        if way is None and not url:
            way = LocalWay(socket_path or controller_socket(state_directory()))
        self._wire = Wire(way=way, url=url, token=token, push_key=push_key)
        self._ask = Asking(self._wire)

    # the platform

    def health(self) -> Health:
        return self._ask.get("/health", Health, timeout=5.0)

    def metrics(self) -> str:
        """Prometheus' text format."""
        return self._ask.text("/metrics")

    def status(self) -> PlatformStatus:
        return self._ask.get("/v1/status", PlatformStatus)

    def backup(self, into: IO[bytes], passphrase: Secret | None = None) -> tuple[int, str]:
        """The whole memory, encrypted values still encrypted, into an open file.

        Gives the bytes written and, without a passphrase, the files that are kept apart from it.
        """
        body = passphrase.reveal().encode() if passphrase else b""
        with self._ask.opened("POST", "/v1/state/backup", body=body) as answer:
            written = sum(into.write(chunk) for chunk in iter(lambda: answer.read(1 << 20), b""))
            return written, answer.getheader("Mooring-Kept-Apart") or ""

    def rotate_keys(self) -> KeyRotation:
        return self._ask.send("POST", "/v1/keys/rotate", KeyRotation)

    # environments

    def environments(self) -> tuple[EnvironmentSummary, ...]:
        return self._ask.get("/v1/environments", tuple[EnvironmentSummary, ...])

    def environment(self, environment: EnvironmentId) -> EnvironmentDetail:
        return self._ask.get(path_of(environment), EnvironmentDetail)

    def releases(self, environment: EnvironmentId) -> tuple[Release, ...]:
        """Newest first."""
        return self._ask.get(path_of(environment, "releases"), tuple[Release, ...])

    def set_maintenance(self, environment: EnvironmentId, *, on: bool) -> EnvironmentDetail:
        """Returns when the edge shows it."""
        return self._ask.send("PUT", path_of(environment, "maintenance"), EnvironmentDetail, MaintenanceRequest(on=on))

    def lock(self, environment: EnvironmentId, *, reason: str = "") -> Lock:
        return self._ask.send("PUT", path_of(environment, "lock"), Lock, LockRequest(reason=reason))

    def unlock(self, environment: EnvironmentId) -> None:
        self._ask.tell("DELETE", path_of(environment, "lock"))

    # deployments

    def deploy(self, environment: EnvironmentId, archive: Path, origin: Source, *, key: str = "") -> Deployment:
        """Upload the tar of a source tree. `key` makes asking twice the same as asking once."""
        return self._ask.upload(path_of(environment, "deployments"), archive, told_of(origin), Deployment, key=key)

    def plan_deploy(self, environment: EnvironmentId, archive: Path, origin: Source) -> Preview:
        """What deploying it would do."""
        return self._ask.upload(path_of(environment, "plan"), archive, told_of(origin), Preview, key="")

    def promote(self, environment: EnvironmentId, archive: Path, promotion: Promotion, *, key: str = "") -> Deployment:
        """The tar is of the source that the promoted release was deployed from."""
        return self._ask.upload(path_of(environment, "promotion"), archive, told_of_promotion(promotion), Deployment, key=key)

    def plan_promotion(self, environment: EnvironmentId, archive: Path, promotion: Promotion) -> Preview:
        """What promoting it would do."""
        return self._ask.upload(path_of(environment, "promotion", "plan"), archive, told_of_promotion(promotion), Preview, key="")

    def plan(self, environment: EnvironmentId, order: PlanRequest) -> Preview:
        """What another order would do."""
        return self._ask.send("POST", path_of(environment, "plan"), Preview, order)

    def rollback(self, environment: EnvironmentId, *, release: int | None = None, key: str = "") -> Deployment:
        return self._ask.order("POST", path_of(environment, "rollback"), RollbackRequest(release=release), key=key)

    def scale(self, environment: EnvironmentId, counts: Mapping[str, int], *, key: str = "") -> Deployment:
        return self._ask.order("POST", path_of(environment, "scale"), ScaleRequest(counts=dict(counts)), key=key)

    def restart(self, environment: EnvironmentId, *, key: str = "") -> Deployment:
        return self._ask.order("POST", path_of(environment, "restart"), RestartRequest(), key=key)

    def destroy(self, environment: EnvironmentId, *, confirm: str, services: bool = False, key: str = "") -> Deployment:
        """`confirm` must be `app/environment`, typed by who wants it. Its services stay, unless it is said."""
        return self._ask.order("DELETE", path_of(environment), None, key=key, query={"confirm": confirm, "services": services})

    def deployments(self, environment: EnvironmentId | None = None, *, limit: int = 50) -> tuple[Deployment, ...]:
        """Newest first."""
        return self._ask.get("/v1/deployments", tuple[Deployment, ...], query={**_filter(environment), "limit": limit})

    def deployment(self, deployment: str) -> Deployment:
        return self._ask.get(f"/v1/deployments/{segment(deployment)}", Deployment)

    def abort(self, deployment: str) -> Deployment:
        return self._ask.send("POST", f"/v1/deployments/{segment(deployment)}/abort", Deployment)

    def journal(self, deployment: str) -> tuple[JournalEntry, ...]:
        return self._ask.get(f"/v1/deployments/{segment(deployment)}/journal", tuple[JournalEntry, ...])

    def deployment_events(self, deployment: str, *, after: int = 0) -> Iterator[Event]:
        """From the first (or behind `after`) to `deployment.ended`, over restarts of the controller; waits for those to come."""
        path = f"/v1/deployments/{segment(deployment)}/events"
        return self._ask.follow_events(path, {}, after=after, until_ended=True)

    # review apps

    def reviews(self, app: AppName) -> tuple[ReviewAppStatus, ...]:
        """By branch."""
        return self._ask.get(_reviews(app), tuple[ReviewAppStatus, ...])

    def review_up(self, app: AppName, archive: Path, origin: Source, *, key: str = "") -> Deployment:
        """`origin.branch` is the branch that it is for."""
        return self._ask.upload(_reviews(app), archive, told_of(origin), Deployment, key=key)

    def review_down(self, app: AppName, branch: str, *, key: str = "") -> Deployment:
        headers = {"Idempotency-Key": key or new_key()}
        return self._ask.exchange("DELETE", _reviews(app), Deployment, query={"branch": branch}, headers=headers)

    def review_traces(self, app: AppName, branch: str, deployment: DeploymentId) -> tuple[Trace, ...]:
        """What was left of it when this deployment had taken it down; none before that."""
        return self._ask.get(f"{_reviews(app)}/traces", tuple[Trace, ...], query={"branch": branch, "deployment": deployment})

    def review_login(self, app: AppName, branch: str) -> ReviewLogin:
        return self._ask.get(f"{_reviews(app)}/login", ReviewLogin, query={"branch": branch})

    def extend_review(self, app: AppName, branch: str) -> ReviewAppStatus:
        return self._ask.exchange("PUT", f"{_reviews(app)}/expiry", ReviewAppStatus, query={"branch": branch})

    def reseed_review(self, app: AppName, branch: str, *, key: str = "") -> Deployment:
        return self._ask.order("POST", f"{_reviews(app)}/seeding", None, key=key, query={"branch": branch})

    # config and secrets

    def config(self, environment: EnvironmentId, *, origin: bool = False) -> tuple[Variable, ...]:
        return self._ask.get(path_of(environment, "config"), tuple[Variable, ...], query={"origin": origin})

    def change_config(
        self, environment: EnvironmentId, *, set: Mapping[str, str] | None = None, unset: Sequence[str] = (), key: str = ""
    ) -> ConfigChange:
        body = ConfigRequest(set=dict(set or {}), unset=tuple(unset))
        return self._ask.send("PATCH", path_of(environment, "config"), ConfigChange, body, key=key)

    def set_secret(self, environment: EnvironmentId, name: str, value: Secret, *, key: str = "") -> ConfigChange:
        """Sent as the raw body: never in an address or an argument."""
        path = path_of(environment, "secrets", name)
        headers = {"Content-Type": "application/octet-stream", "Idempotency-Key": key or new_key()}
        return self._ask.exchange("PUT", path, ConfigChange, body=value.reveal().encode("utf-8", "surrogateescape"), headers=headers)

    def unset_secret(self, environment: EnvironmentId, name: str, *, key: str = "") -> ConfigChange:
        return self._ask.send("DELETE", path_of(environment, "secrets", name), ConfigChange, key=key)

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
        """History first; with `follow` until the iterator is closed."""
        query: dict[str, str | int | None] = {"process": process, "slot": slot, "release": release}
        return self._ask.log_lines(path_of(environment, "logs"), query, lines=lines, follow=follow)

    def events(self, *, after: int = 0, environment: EnvironmentId | None = None, limit: int = 1000) -> tuple[Event, ...]:
        """Those that are stored, oldest first. `after` negative: the newest that many."""
        query: dict[str, str | int] = {"after": after, "limit": limit, **_filter(environment)}
        return self._ask.get("/v1/events", tuple[Event, ...], query=query)

    def follow_events(self, *, after: int = 0, environment: EnvironmentId | None = None) -> Iterator[Event]:
        """Stored ones after `after`, then new ones as they come, until the iterator is closed."""
        return self._ask.follow_events("/v1/events", _filter(environment), after=after, until_ended=False)

    def accessories(self, environment: EnvironmentId) -> Accessories:
        return Accessories(self._ask, path_of(environment, "accessories"))

    # certificates

    def certificates(self) -> tuple[CertificateView, ...]:
        return self._ask.get("/v1/certificates", tuple[CertificateView, ...])

    def add_certificate(self, pem: bytes, *, for_hostname: Hostname | None = None) -> CertificateAdded:
        """A chain with its key, PEM, in one."""
        headers = {"Content-Type": "application/octet-stream"}
        query = {"hostname": for_hostname} if for_hostname else {}
        return self._ask.exchange("POST", "/v1/certificates", CertificateAdded, query=query, body=pem, headers=headers)

    def renew_certificate(self, hostname: Hostname) -> CertificateView:
        return self._ask.send("POST", f"/v1/certificates/{segment(hostname)}/renewal", CertificateView)

    def remove_certificate(self, hostname: Hostname) -> None:
        """One of a person's own."""
        self._ask.tell("DELETE", f"/v1/certificates/{segment(hostname)}")

    # hosts

    def hosts(self) -> tuple[HostStatus, ...]:
        return self._ask.get("/v1/hosts", tuple[HostStatus, ...])

    def plan_host(self, request: HostRequest) -> HostPlan:
        return self._ask.send("POST", "/v1/hosts/plan", HostPlan, request)

    def add_host(self, request: HostRequest) -> HostAdded:
        """Preparing one may take minutes."""
        body = msgspec.json.encode(request)
        return self._ask.exchange(
            "POST", "/v1/hosts", HostAdded, body=body, headers={"Content-Type": "application/json"}, timeout=_PREPARING
        )

    def check_host(self, name: str) -> HostPlan:
        return self._ask.get(f"/v1/hosts/{segment(name)}/check", HostPlan)

    def drain_host(self, name: str, *, is_draining: bool) -> Host:
        return self._ask.send("PUT", f"/v1/hosts/{segment(name)}/drain", Host, DrainRequest(on=is_draining))

    def remove_host(self, name: str, *, is_lost: bool = False) -> Host:
        return self._ask.exchange("DELETE", f"/v1/hosts/{segment(name)}", Host, query={"lost": is_lost})

    def host_key(self) -> HostKey:
        return self._ask.get("/v1/host-key", HostKey)

    # forges

    def forges(self) -> tuple[ForgeStatus, ...]:
        return self._ask.get("/v1/forges", tuple[ForgeStatus, ...])

    def add_forge(self, request: ForgeRequest) -> ForgeChecked:
        body = msgspec.json.encode(request)
        headers = {"Content-Type": "application/json"}
        return self._ask.exchange("POST", "/v1/forges", ForgeChecked, body=body, headers=headers, timeout=_LOOKING)

    def check_forge(self, app: str) -> ForgeChecked:
        return self._ask.exchange("POST", f"/v1/forges/{segment(app)}/check", ForgeChecked, headers={}, timeout=_LOOKING)

    def remove_forge(self, app: str) -> ForgeLink:
        return self._ask.send("DELETE", f"/v1/forges/{segment(app)}", ForgeLink)

    # keys that may push

    def push_keys(self) -> tuple[PushKey, ...]:
        return self._ask.get("/v1/push-keys", tuple[PushKey, ...])

    def add_push_key(self, name: str, public_key: str, *, apps: Sequence[str] = ()) -> PushKey:
        """`apps` empty: every app."""
        return self._ask.send("POST", "/v1/push-keys", PushKey, PushKeyRequest(name=name, public_key=public_key, apps=tuple(apps)))

    def remove_push_key(self, name: str) -> PushKey:
        return self._ask.send("DELETE", f"/v1/push-keys/{segment(name)}", PushKey)

    # registries

    def registries(self) -> tuple[Registry, ...]:
        return self._ask.get("/v1/registries", tuple[Registry, ...])

    def add_registry(self, request: RegistryRequest) -> Registry:
        return self._ask.send("POST", "/v1/registries", Registry, request)

    def remove_registry(self, host: str) -> Registry:
        return self._ask.send("DELETE", f"/v1/registries/{segment(host)}", Registry)

    # tokens

    def tokens(self) -> tuple[TokenRecord, ...]:
        return self._ask.get("/v1/tokens", tuple[TokenRecord, ...])

    def create_token(self, name: str, role: Role, *, expires_in: float | None = None) -> TokenCreated:
        return self._ask.send("POST", "/v1/tokens", TokenCreated, TokenRequest(name=name, role=role, expires_in=expires_in))

    def revoke_token(self, name: str) -> TokenRecord:
        return self._ask.send("DELETE", f"/v1/tokens/{segment(name)}", TokenRecord)


def _reviews(app: AppName) -> str:
    return f"/v1/apps/{segment(app)}/reviews"


def _filter(environment: EnvironmentId | None) -> dict[str, str]:
    return {"app": environment.app, "environment": environment.environment} if environment else {}
