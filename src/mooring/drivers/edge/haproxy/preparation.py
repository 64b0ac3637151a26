"""Gets a host ready to carry an edge, and leaves it as it was: Debian's HAProxy in a unit of its own, under an account of its own.

The unit starts when the edge has its first files. Must not: touch the HAProxy that a person runs there.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from mooring.drivers.transport.contract import Transport
from mooring.errors import Unavailable

UNIT = "mooring-edge.service"
ACCOUNT = "mooring-edge"
DIRECTORY = "/var/lib/mooring-edge"
RUN_DIRECTORY = "/run/mooring-edge"
_UNIT_FILE = PurePosixPath("/etc/systemd/system") / UNIT
_INSTALL_WITHIN = 600.0  # seconds
_EXISTS = 9  # useradd(8): the name is taken already
_OWN_UNIT = "haproxy.service"  # the one that Debian's package brings


def unit_text() -> str:
    """HAProxy may bind low ports and nothing else that its account may not; what it says of requests goes to the access log."""
    return f"""\
[Unit]
Description=Mooring's edge (HAProxy)
After=network-online.target
Wants=network-online.target
StartLimitIntervalSec=0

[Service]
ExecStart=/usr/sbin/haproxy -W -db -S {RUN_DIRECTORY}/edge-master.sock,mode,600 -f {DIRECTORY}/haproxy.cfg -f {DIRECTORY}/backends.cfg
User={ACCOUNT}
Group={ACCOUNT}
WorkingDirectory={DIRECTORY}
RuntimeDirectory=mooring-edge
RuntimeDirectoryMode=0700
StandardOutput=append:{DIRECTORY}/log/access.log
StandardError=journal
UMask=0077
Restart=always
RestartSec=200ms
LimitNOFILE=65536
AmbientCapabilities=CAP_NET_BIND_SERVICE
CapabilityBoundingSet=CAP_NET_BIND_SERVICE
NoNewPrivileges=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectSystem=strict
ProtectHome=yes
ReadWritePaths={DIRECTORY}
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK

[Install]
WantedBy=multi-user.target
"""


async def install(transport: Transport) -> None:
    """Raises Unavailable, OutcomeUnknown."""
    if (await transport.run(["test", "-x", "/usr/sbin/haproxy"])).code:
        await _done(transport, ["apt-get", "update", "-qq"], within=_INSTALL_WITHIN)
        packages = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", "-qq", "--no-install-recommends", "haproxy"]
        await _done(transport, packages, within=_INSTALL_WITHIN)
        await _done(transport, ["systemctl", "disable", "--now", _OWN_UNIT])
    made = await transport.run(["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", ACCOUNT])
    if made.code not in (0, _EXISTS):
        raise _failed(transport, "useradd", made.code, made.err)
    await _done(transport, ["rm", "-rf", "--", f"{DIRECTORY}/fences"])  # of a controller that has it no more
    for directory in (DIRECTORY, f"{DIRECTORY}/log", f"{DIRECTORY}/waited-for"):
        await _done(transport, ["install", "-d", "-m", "700", "-o", ACCOUNT, "-g", ACCOUNT, "--", directory])
    await transport.write(_UNIT_FILE, unit_text().encode(), mode=0o644)
    await _done(transport, ["systemctl", "daemon-reload"])


async def uninstall(transport: Transport) -> None:
    """Its routes, certificates and log go too; the package stays. Raises Unavailable, OutcomeUnknown."""
    if not (await transport.run(["test", "-e", str(_UNIT_FILE)])).code:
        await _done(transport, ["systemctl", "disable", "--now", UNIT])
    await _done(transport, ["rm", "-rf", "--", str(_UNIT_FILE), DIRECTORY])
    await _done(transport, ["systemctl", "daemon-reload"])
    await transport.run(["userdel", ACCOUNT])


async def _done(transport: Transport, argv: list[str], *, within: float = 60.0) -> None:
    done = await transport.run(argv, within=within)
    if done.code:
        raise _failed(transport, argv[0], done.code, done.err)


def _failed(transport: Transport, program: str, code: int, said: bytes) -> Unavailable:
    lines = said.decode("utf-8", "replace").strip().splitlines()
    return Unavailable(f"{program} ended with {code}: {lines[-1] if lines else 'it said nothing'}", where=transport.host)
