"""What the API can do about data services: the part of the client that speaks of them. Must not: show an address or a password."""

from __future__ import annotations

from typing import IO

from mooring.client.asking import Asking
from mooring.client.paths import path_of, segment
from mooring.model.deployment import Deployment
from mooring.model.environment import EnvironmentId
from mooring.model.secret import Secret
from mooring.model.service import ServiceKind, ServiceRecord, ServiceServer
from mooring.usecases.answers import ServerStatus, ServiceStatus

_CARRYING = 6 * 3600.0  # seconds that a dump may take until its first byte comes


class ServiceCalls:
    """The part of the client that speaks of data services."""

    _ask: Asking

    def servers(self) -> tuple[ServerStatus, ...]:
        return self._ask.get("/v1/service-servers", tuple[ServerStatus, ...])

    def add_server(
        self,
        name: str,
        kind: ServiceKind,
        address: Secret | None,
        *,
        accept_open: bool = False,
        accessory: EnvironmentId | None = None,
    ) -> ServerStatus:
        """Sent as the raw body: never in an address or an argument. `accessory`: it has an address that nobody has to know."""
        query: dict[str, str | bool] = {"type": kind.value, "accept_open": accept_open}
        if accessory is not None:
            query["accessory"] = str(accessory)
        headers = {"Content-Type": "application/octet-stream"}
        path = f"/v1/service-servers/{segment(name)}"
        body = address.reveal().encode() if address is not None else b""
        return self._ask.exchange("PUT", path, ServerStatus, query=query, body=body, headers=headers)

    def remove_server(self, name: str) -> ServiceServer:
        return self._ask.send("DELETE", f"/v1/service-servers/{segment(name)}", ServiceServer)

    def services(self, environment: EnvironmentId) -> tuple[ServiceStatus, ...]:
        return self._ask.get(path_of(environment, "services"), tuple[ServiceStatus, ...])

    def rotate_service(self, environment: EnvironmentId, name: str, *, key: str = "") -> Deployment:
        return self._ask.order("POST", path_of(environment, "services", name, "rotation"), None, key=key)

    def dump_service(self, environment: EnvironmentId, name: str, into: IO[bytes]) -> int:
        """All that is in it, into an open file; the bytes written."""
        with self._ask.opened("GET", path_of(environment, "services", name, "dump"), timeout=_CARRYING) as answer:
            return sum(into.write(chunk) for chunk in iter(lambda: answer.read(1 << 20), b""))

    def restore_service(self, environment: EnvironmentId, name: str, dump: IO[bytes]) -> None:
        self._ask.tell("PUT", path_of(environment, "services", name, "dump"), body=dump, timeout=_CARRYING)

    def remove_service(self, environment: EnvironmentId, name: str, *, confirm: str) -> ServiceRecord:
        """`confirm` must be `app/environment/service`, typed by who wants it."""
        return self._ask.exchange(
            "DELETE", path_of(environment, "services", name), ServiceRecord, query={"confirm": confirm}, timeout=_CARRYING
        )
