"""Envoy's admin interface over its Unix socket: a question, its answer. Must not: know what the answers mean to a table."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import quote

import msgspec

from mooring.errors import OutcomeUnknown, Unavailable

ANSWER_WITHIN = 5.0  # seconds
HINT = "the supervisor starts it again within seconds; `mooring status` says whether it runs"


class HostStatus(msgspec.Struct, frozen=True):
    """One upstream as Envoy sees it; `is_draining` as its endpoint file said."""

    cluster: str
    address: str
    port: int
    active_requests: int
    is_draining: bool


class _SocketAddress(msgspec.Struct, frozen=True):
    address: str = ""
    port_value: int = 0


class _Address(msgspec.Struct, frozen=True):
    socket_address: _SocketAddress | None = None


class _Statistic(msgspec.Struct, frozen=True):
    name: str = ""
    value: str | int = 0


class _Health(msgspec.Struct, frozen=True):
    eds_health_status: str = ""


class _Host(msgspec.Struct, frozen=True):
    address: _Address = _Address()
    stats: tuple[_Statistic, ...] = ()
    health_status: _Health = _Health()


class _Cluster(msgspec.Struct, frozen=True):
    name: str = ""
    host_statuses: tuple[_Host, ...] = ()


class _Clusters(msgspec.Struct, frozen=True):
    cluster_statuses: tuple[_Cluster, ...] = ()


_clusters = msgspec.json.Decoder(_Clusters)


class Admin:
    """Each call opens its own connection. Raises Unavailable when nobody answers at all, OutcomeUnknown when the answer breaks off."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    async def statistics(self, pattern: str) -> dict[str, str]:
        """Those whose names match the regular expression; texts without their quotes."""
        text = (await self._ask("GET", f"/stats?filter={quote(pattern, safe='')}")).decode()
        pairs = (line.partition(": ") for line in text.splitlines())
        return {name: value.strip('"') for name, _, value in pairs}

    async def hosts(self, clusters: tuple[str, ...] = ()) -> list[HostStatus]:
        """Upstreams with an address of their own, of these clusters or of all."""
        names = "|".join(clusters)
        wanted = f"&filter={quote(f'^({names})$', safe='')}" if clusters else ""
        try:
            answer = _clusters.decode(await self._ask("GET", f"/clusters?format=json{wanted}"))
        except msgspec.DecodeError as error:
            raise OutcomeUnknown("Envoy's list of upstreams cannot be read") from error
        return [_status(cluster.name, host) for cluster in answer.cluster_statuses for host in cluster.host_statuses if _is_instance(host)]

    async def reopen_logs(self) -> None:
        await self._ask("POST", "/reopen_logs")

    async def _ask(self, method: str, target: str) -> bytes:
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                return await self._exchange(method, target)
        except TimeoutError as error:
            raise OutcomeUnknown(f"the edge did not answer within {ANSWER_WITHIN:.0f} seconds", hint=HINT) from error

    async def _exchange(self, method: str, target: str) -> bytes:
        try:
            reader, writer = await asyncio.open_unix_connection(str(self._socket))
        except OSError as error:
            raise Unavailable("the edge (Envoy) does not run", hint=HINT) from error
        try:
            writer.write(f"{method} {target} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n".encode())
            head, _, body = (await reader.read(-1)).partition(b"\r\n\r\n")
        except OSError as error:
            raise OutcomeUnknown("the edge (Envoy) closed its admin socket in the middle", hint=HINT) from error
        finally:
            writer.close()
        if b" 200 " not in head.split(b"\r\n")[0]:
            raise OutcomeUnknown(f"the edge's admin interface refused {target.partition('?')[0]}", hint=HINT)
        return _joined(body) if b"transfer-encoding: chunked" in head.lower() else body


def _joined(body: bytes) -> bytes:
    parts = []
    while body:
        size, _, rest = body.partition(b"\r\n")
        length = int(size or b"0", 16)
        parts.append(rest[:length])
        body = rest[length + 2 :] if length else b""
    return b"".join(parts)


def _is_instance(host: _Host) -> bool:
    return host.address.socket_address is not None


def _status(cluster: str, host: _Host) -> HostStatus:
    address = host.address.socket_address or _SocketAddress()
    active = next((int(each.value) for each in host.stats if each.name == "rq_active"), 0)
    is_draining = host.health_status.eds_health_status == "DRAINING"
    return HostStatus(cluster, address.address, address.port_value, active, is_draining)
