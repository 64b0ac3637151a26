"""Hosts reached by SSH, with a key of the controller's own. Must not: change a host beyond the step that is asked for.
asyncssh is imported where it is first needed: a platform without other hosts does without it in memory.

DIRECTORY/key, key.pub    the controller's own key pair, made once
DIRECTORY/controller      its name on hosts, made once
"""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from mooring.drivers.edge.contract import HostEdge
from mooring.drivers.host.contract import HostKeeper
from mooring.drivers.runtime.contract import Runtime
from mooring.drivers.transport.contract import Completed, Transport
from mooring.errors import Unavailable
from mooring.model.host import INSTANCE_PORTS, Bastion, Facts, Host, HostAddress, HostStep
from mooring.model.names import HostId

if TYPE_CHECKING:
    import asyncssh

    from mooring.drivers.transport.ssh import SshHost, SshTransport

_SURVEY = Path(__file__).with_name("survey.sh")
_FIREWALL, _FIREWALL_OFF = (Path(__file__).with_name(f"{name}.sh") for name in ("firewall", "firewall-off"))
_MARK = "/var/lib/mooring/controller"  # for root; others keep it in their home directory
_HOME_MARK = ".local/share/mooring/controller"
_HEXADECIMAL = re.compile(r"\A[0-9A-F]{1,4}\Z")
_CONNECT_WITHIN = 15.0  # seconds
_INSTALL_WITHIN = 600.0
_HUNG_UP = (
    "is it sshd that answers there? Since OpenSSH 9.8 it sends an address away for a while after logins that failed: try again in a minute"
)

MakeRuntime = Callable[[Host, Transport], Runtime]


@dataclass(frozen=True)
class EdgeKit:
    """How a host is prepared to carry an edge, how that is undone, and how the edge of a host is made, over the transport to it."""

    install: Callable[[Host, Transport], Awaitable[None]]
    uninstall: Callable[[Host, Transport], Awaitable[None]]
    make: Callable[[Host, Transport], HostEdge]


class SshHosts:
    """`make_runtime` gives the runtime of a host over the transport to it."""

    def __init__(self, directory: Path, make_runtime: MakeRuntime, edges: EdgeKit) -> None:
        self._directory = directory
        self._make_runtime = make_runtime
        self._edges = edges
        self._transports: dict[HostId, tuple[Host, SshTransport]] = {}

    @property
    def controller(self) -> str:
        return _once(self._directory / "controller", lambda: f"c{secrets.token_hex(4)}").strip()

    @property
    def public_key(self) -> str:
        self._key()
        return (self._directory / "key.pub").read_text().strip()

    async def offered_key(self, address: HostAddress, *, bastion: Bastion | None = None) -> str:
        if bastion is None:
            return await _offered(address)
        from mooring.drivers.transport.ssh import SshTransport

        transport = SshTransport(self._reached(str(bastion.address), bastion.address, bastion.host_key))
        try:
            return await _offered(address, through=await transport.connected())
        finally:
            await transport.close()

    async def survey(self, host: Host, *, now: float) -> Facts:
        """`now`: wall seconds of the controller when it is asked."""
        transport, began = self._transport(host), time.monotonic()
        script = await asyncio.to_thread(_SURVEY.read_text)
        done = await transport.run(["sh", "-c", script, "survey", _mark(host), host.engine_socket])
        took = time.monotonic() - began
        return facts_of(done.out.decode("utf-8", "replace"), asked_at=now + took / 2)

    async def perform(self, host: Host, step: HostStep) -> None:
        transport = self._transport(host)
        match step:
            case HostStep.CLAIM:
                mark = _mark(host)
                await _done(
                    transport, ["install", "-d", "-m", "711", "--", str(PurePosixPath(mark).parent)]
                )  # apps of other users pass through
                await transport.write(PurePosixPath(mark), f"{self.controller}\n".encode())
            case HostStep.LINGER:
                await _linger(transport, "enable-linger", host.address.user)
            case HostStep.ENGINE:
                await _install(transport, "docker.io")
            case HostStep.FIREWALL:
                if (await transport.run(["sh", "-c", "PATH=$PATH:/usr/sbin:/sbin command -v nft"])).code:
                    await _install(transport, "nftables")
                script = await asyncio.to_thread(_FIREWALL.read_text)
                await _done(transport, ["sh", "-c", script, "firewall", *map(str, INSTANCE_PORTS[host.runtime])])
            case HostStep.EDGE:
                await self._edges.install(host, transport)

    async def undo(self, host: Host, step: HostStep) -> None:
        """An engine that was installed stays: others may have begun to use it."""
        transport = self._transport(host)
        match step:
            case HostStep.CLAIM:
                await _done(transport, ["rm", "-f", "--", _mark(host)])
            case HostStep.LINGER:
                await _linger(transport, "disable-linger", host.address.user)
            case HostStep.FIREWALL:
                script = await asyncio.to_thread(_FIREWALL_OFF.read_text)
                await _done(transport, ["sh", "-c", script])
            case HostStep.ENGINE:
                pass
            case HostStep.EDGE:
                await self._edges.uninstall(host, transport)

    def runtime(self, host: Host) -> Runtime:
        return self._make_runtime(host, self._transport(host))

    def edge(self, host: Host) -> HostEdge:
        return self._edges.make(host, self._transport(host))

    async def close(self, host: Host) -> None:
        known = self._transports.pop(host.name, None)
        if known is not None:
            await known[1].close()

    def _transport(self, host: Host) -> SshTransport:
        """One connection for all that is done on it, for as long as it is reached in the same way."""
        from mooring.drivers.transport.ssh import SshTransport

        known = self._transports.get(host.name)
        if known is not None and _way(known[0]) == _way(host):
            return known[1]
        transport = SshTransport(self._reached(host.name, *_way(host)))
        self._transports[host.name] = (host, transport)
        return transport

    def _reached(self, name: str, address: HostAddress, host_key: str, bastion: Bastion | None = None) -> SshHost:
        from mooring.drivers.transport.ssh import SshHost

        return SshHost(
            name=name,
            address=address.host,
            user=address.user,
            port=address.port,
            host_key=host_key,
            keys=(self._key(), *_own_keys()),
            bastion=self._reached(str(bastion.address), bastion.address, bastion.host_key) if bastion else None,
        )

    def _key(self) -> Path:
        path = self._directory / "key"
        if not path.exists():
            import asyncssh

            key = asyncssh.generate_private_key("ssh-ed25519", comment=f"mooring {self.controller}")
            _once(path, lambda: key.export_private_key().decode())
            private = asyncssh.read_private_key(path)
            _write(self._directory / "key.pub", private.export_public_key().decode())
        return path


async def _offered(address: HostAddress, *, through: asyncssh.SSHClientConnection | None = None) -> str:
    import asyncssh

    try:
        async with asyncio.timeout(_CONNECT_WITHIN):
            key = await asyncssh.get_server_host_key(address.host, address.port, tunnel=through, config=None)
    except (asyncssh.Error, OSError, TimeoutError) as error:
        said = str(error) or "no answer in time"
        hint = _HUNG_UP if isinstance(error, (asyncssh.ConnectionLost, ConnectionResetError)) else "is it up, and is sshd's port open?"
        raise Unavailable(f"{address} cannot be reached: {said}", hint=hint, where=address.host) from error
    if key is None:
        raise Unavailable(f"{address} shows no host key", where=address.host)
    return " ".join(key.export_public_key().decode().split()[:2])


def facts_of(text: str, *, asked_at: float) -> Facts:
    """From what survey.sh says; what it does not say is not known."""
    said = dict(line.partition("=")[::2] for line in text.splitlines() if "=" in line)
    return Facts(
        system=said.get("system", "").strip().lower(),
        architecture=said.get("architecture", ""),
        processors=_whole(said.get("processors", "")),
        memory=_whole(said.get("memory", "")) * 1024,
        disk_free=_whole(said.get("disk", "")) * 1024,
        clock=_number(said.get("clock", "")),
        asked_at=asked_at,
        user=said.get("user", ""),
        uid=_whole(said.get("uid", "")),
        home=said.get("home", ""),
        is_root=said.get("uid") == "0",
        systemd=_whole(said.get("systemd", "")),
        is_lingering=said.get("linger") == "yes",
        engine=said.get("engine", "").strip(),
        engine_socket=said.get("socket", ""),
        owner=said.get("owner", "").strip(),
        address=said.get("address", ""),
        edge=said.get("edge", ""),
        firewall=said.get("firewall", ""),
        has_python=said.get("python") == "yes",
        haproxy=said.get("haproxy", ""),
        is_edge_up=said.get("carries") == "yes",
        listening=tuple(sorted({int(word, 16) for word in said.get("listening", "").split() if _HEXADECIMAL.match(word)})),
    )


def _mark(host: Host) -> str:
    return _MARK if host.address.user == "root" else _HOME_MARK


def _way(host: Host) -> tuple[HostAddress, str, Bastion | None]:
    """How it is reached."""
    return host.address, host.host_key, host.bastion


def _own_keys() -> tuple[Path, ...]:
    """Those of the account under which the controller runs, as ssh(1) would try them."""
    places = (Path.home() / ".ssh" / name for name in ("id_ed25519", "id_ecdsa", "id_rsa"))
    return tuple(place for place in places if place.is_file())


async def _linger(transport: Transport, verb: str, user: str) -> None:
    """By itself where polkit lets it, else with sudo, without asking for a password. Raises Unavailable with what a person can do."""
    words = ["loginctl", verb, user]
    for argv in (words, ["sudo", "-n", *words]):
        try:
            await _done(transport, argv)
        except Unavailable:
            continue
        return
    hint = f"as root, once: {' '.join(words)}"
    raise Unavailable(f"{user} may not decide whether its units run without a login", hint=hint, where=transport.host)


async def _install(transport: Transport, package: str) -> None:
    """From the distribution's own packages, as root. Raises Unavailable."""
    await _done(transport, ["apt-get", "update", "-qq"], within=_INSTALL_WITHIN)
    words = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", package]
    await _done(transport, ["env", "DEBIAN_FRONTEND=noninteractive", *words], within=_INSTALL_WITHIN)


async def _done(transport: Transport, argv: list[str], *, within: float = 60.0) -> Completed:
    """Raises Unavailable with what the program said where it did not end well."""
    done = await transport.run(argv, within=within)
    if done.code:
        said = done.err.decode("utf-8", "replace").strip().splitlines()
        raise Unavailable(f"{argv[0]} ended with {done.code}: {said[-1] if said else 'it said nothing'}", where=transport.host)
    return done


def _once(path: Path, make: Callable[[], str]) -> str:
    """What the file holds; made if it is not there yet."""
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(path, make())
    return path.read_text()


def _write(path: Path, text: str) -> None:
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    beside.touch(mode=0o600)
    beside.write_text(text if text.endswith("\n") else f"{text}\n")
    beside.replace(path)


def _whole(text: str) -> int:
    return int(text) if text.strip().isdigit() else 0


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


_: type[HostKeeper] = SshHosts
