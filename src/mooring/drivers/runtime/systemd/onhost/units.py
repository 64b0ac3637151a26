"""The text of unit files: pure. Must not: put anything of the app's into one but its directory.

A unit is Mooring's when its file says so, with the directory that it belongs to: two platforms on one host leave each other alone.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

from mooring.drivers.runtime.systemd.onhost import record
from mooring.drivers.runtime.systemd.onhost.launch import CREDENTIAL

_PATH = re.compile(r"\A/[A-Za-z0-9_@.+=,~/-]*\Z")
_A_DAY = 86_400  # seconds
_TO_THE_JOURNAL = ("StandardInput=null", "StandardOutput=journal", "StandardError=journal")
_SANDBOX = (
    "NoNewPrivileges=yes",
    "RestrictSUIDSGID=yes",
    "RestrictRealtime=yes",
    "LockPersonality=yes",
    "SystemCallArchitectures=native",
)
_SANDBOX_OF_THE_SYSTEM = (
    "DynamicUser=yes",
    "ProtectSystem=strict",
    "ProtectHome=tmpfs",
    "PrivateTmp=yes",
    "PrivateDevices=yes",
    "ProtectKernelTunables=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelLogs=yes",
    "ProtectControlGroups=yes",
    "ProtectClock=yes",
    "CapabilityBoundingSet=",
    "StateDirectoryMode=0700",
)


def is_owned(text: str, directory: str) -> bool:
    return f"\n[X-Mooring]\nDirectory={directory}\n" in text


def instance_unit(spec: dict[str, Any], *, directory: str, run: str, program: str, python: str, is_root: bool, target: str) -> str:
    """`spec` as the controller sends it; `run` is the instance's own folder."""
    here = f"{python} -I -S -E {program}"
    rights = "+" if is_root else ""
    lines = (
        f"ExecStartPre={rights}{here} before {run}",
        f"ExecStart={here} become",
        f"ExecStop={rights}{here} ending {run}",
        f"ExecStopPost={rights}{here} after {run}",
        "Restart=always",
        "RestartSec=100ms",
        f"KillSignal=SIG{spec['stop_signal']}",
        "TimeoutStartSec=infinity",
        f"TimeoutStopSec={spec['grace'] + 15:g}",
    )
    install = f"\n[Install]\nWantedBy={target}\n"
    return _unit(spec, lines, directory=directory, run=run, is_root=is_root, says=spec["title"]) + install


def task_unit(spec: dict[str, Any], *, directory: str, run: str, program: str, python: str, is_root: bool) -> str:
    here = f"{python} -I -S -E {program}"
    lines = (
        f"ExecStart={here} become",
        f"ExecStopPost={'+' if is_root else ''}{here} after-task {run}",
        "Restart=no",
        f"RuntimeMaxSec={spec['timeout']:g}",
        "TimeoutStopSec=5",
    )
    return _unit(spec, lines, directory=directory, run=run, is_root=is_root, says=spec["title"])


def session_unit(spec: dict[str, Any], *, directory: str, run: str, program: str, python: str, is_root: bool, tty: str) -> str:
    """`tty` empty: three pipes that lie in `run`. `spec["within"]` is the unit whose place it shares, and with which it ends."""
    lines = (
        f"ExecStart={python} -I -S -E {program} become attached",
        "Restart=no",
        f"RuntimeMaxSec={_A_DAY}",
        "TimeoutStopSec=2",
        "SendSIGHUP=yes",
    )
    streams = (
        (f"TTYPath={tty}", "StandardInput=tty-force", "StandardOutput=tty", "StandardError=tty")
        if tty
        else (f"StandardInput=file:{run}/stdin", f"StandardOutput=file:{run}/stdout", f"StandardError=file:{run}/stderr")
    )
    return _unit(spec, lines, directory=directory, run=run, is_root=is_root, says=spec["title"], streams=streams, bonds=_bonds(spec))


def check_unit(spec: dict[str, Any], *, directory: str, run: str, program: str, python: str, is_root: bool, seconds: float) -> str:
    """What it says goes to a pipe that lies in `run`; the journal hears of it only that it could not begin: it runs again and again."""
    lines = (
        f"ExecStart={python} -I -S -E {program} become attached",
        "Restart=no",
        f"RuntimeMaxSec={seconds:g}",
        "TimeoutStopSec=2",
        "LogLevelMax=err",
    )
    streams = ("StandardInput=null", f"StandardOutput=file:{run}/output", "StandardError=inherit")
    return _unit(spec, lines, directory=directory, run=run, is_root=is_root, says=spec["title"], streams=streams, bonds=_bonds(spec))


def _bonds(spec: dict[str, Any]) -> tuple[str, ...]:
    """To the unit whose place it shares, and with which it ends; to none where it is in a fresh place."""
    within = spec.get("within", "")
    return (f"JoinsNamespaceOf={within}", f"BindsTo={within}", f"After={within}") if within else ()


def user_name(environment: str) -> str:
    """Of an environment's processes: made by systemd while one runs, the same for all of them. 31 characters are allowed."""
    return f"moor-{hashlib.sha256(environment.encode()).hexdigest()[:20]}"


def _unit(
    spec: dict[str, Any],
    lines: tuple[str, ...],
    *,
    directory: str,
    run: str,
    is_root: bool,
    says: str,
    streams: tuple[str, ...] = _TO_THE_JOURNAL,
    bonds: tuple[str, ...] = (),
) -> str:
    service = [
        "Type=exec",
        *lines,
        "KillMode=control-group",
        "SendSIGKILL=yes",
        f"LoadCredential={CREDENTIAL}:{run}/launch",
        *(f"LoadCredential={name}:{run}/secrets/{name}" for name in spec["files"]),
        *streams,
        "SyslogIdentifier=mooring",
        "SyslogLevel=info",
        "SyslogLevelPrefix=no",
        "LogRateLimitIntervalSec=0",
        "LimitNOFILE=65536",
        "MemoryAccounting=yes",
        *([f"MemoryMax={spec['memory']}", "MemorySwapMax=0"] if spec.get("memory") else []),
        *([f"CPUQuota={max(round(spec['cpus'] * 100), 1)}%"] if spec.get("cpus") else []),
        *_SANDBOX,
    ]
    if is_root:
        service += [f"User={user_name(spec['environment_slug'])}", *_SANDBOX_OF_THE_SYSTEM]
        service += [f"StateDirectory=mooring-apps/{spec['environment_slug']}"]
        service += [f"BindReadOnlyPaths={_checked(source)}:{_checked(shown)}" for source, shown in spec["shown"]]
    heading = "\n".join(("[Unit]", f"Description=Mooring: {says}", "After=network.target", "StartLimitIntervalSec=0", *bonds, ""))
    return f"{heading}\n[X-Mooring]\nDirectory={directory}\n\n[Service]\n" + "\n".join(service) + "\n"


def _checked(path: str) -> str:
    if not _PATH.match(path):
        raise record.Failed("invalid-input", f"the path {path!r} cannot stand in a unit file", "use letters, digits and _ @ . + = , ~ -")
    return path
