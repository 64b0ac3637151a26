"""Whether a host can be used, and what has to be done there first: from what was found. Must not: look, or act."""

from __future__ import annotations

import ipaddress

from mooring.model.host import (
    INSTANCE_PORTS,
    EdgePorts,
    Facts,
    Finding,
    Host,
    HostRuntime,
    HostStep,
    PlannedStep,
    Preparation,
    Weight,
    closed_to_all_but,
)
from mooring.model.quantity import format_size

SKEW = 5.0  # seconds by which a host's clock may differ: certificates, logs and tokens count on it
LEAST_DISK = 1_000_000_000  # bytes
LEAST_SYSTEMD = 247  # LoadCredential. Source: systemd's NEWS
LEAST_HAPROXY = (2, 6)
LEAST_ENGINE = (1, 41)  # Docker 20.10
TESTED = ("debian 12", "debian 13", "ubuntu 22.04", "ubuntu 24.04")
_SHARE = 0.8  # of a host's memory that may be declared; the rest is the system's
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def prepare(host: Host, facts: Facts, *, controller: str) -> Preparation:
    """All findings, faults included, and the steps that are left; doing them twice has the effect of once."""
    findings = [_system(facts), _clock(facts), _disk(facts), _memory(host, facts), _bind(host, facts), _owner(facts, controller)]
    steps: list[PlannedStep] = []
    if facts.owner != controller:
        steps.append(PlannedStep(step=HostStep.CLAIM, what="write down whose it is", reason="no other controller is to use it by mistake"))
    if host.runtime is HostRuntime.SYSTEMD:
        findings.append(_systemd(facts))
        steps += _lingering(facts, "its units run without a login", reason="else every app would end with the last SSH session")
    elif host.runtime is HostRuntime.DOCKER:
        findings.append(_engine(host, facts))
        if facts.engine:
            steps += _lingering(facts, "its memory last without a login", reason="secrets of containers lie there")
        if not facts.engine and facts.is_root and not host.engine_socket:
            what = "install the distribution's container engine (docker.io)"
            steps.append(PlannedStep(step=HostStep.ENGINE, what=what, reason="there is none, and it is to run containers"))
    else:
        hint = "use --runtime systemd or --runtime docker"
        findings.append(
            Finding(subject="runtime", weight=Weight.FAULT, said="processes run on the controller's own machine only", hint=hint)
        )
    if host.has_firewall:
        findings.append(_firewall(host, facts))
        steps += _closing(host, facts)
    if host.edge is not None:
        findings.append(_edge(host.edge, facts))
        if not facts.is_edge_up or facts.owner != controller:
            what = "let HAProxy run there as an edge, in a unit and under an account of its own" + ("" if facts.haproxy else "; install it")
            steps.append(PlannedStep(step=HostStep.EDGE, what=what, reason=f"it is to serve region {host.region} itself"))
    return Preparation(findings=tuple(findings), steps=tuple(steps))


def _lingering(facts: Facts, what: str, *, reason: str) -> list[PlannedStep]:
    """What root has without being asked."""
    if facts.is_root or facts.is_lingering or not facts.systemd:
        return []
    return [PlannedStep(step=HostStep.LINGER, what=f"let {what}: {facts.user} (loginctl enable-linger)", reason=reason)]


def _firewall(host: Host, facts: Facts) -> Finding:
    if not facts.is_root or not facts.systemd:
        said = "only root can close ports" if not facts.is_root else "without systemd it would be open after the host has booted"
        return Finding(subject="firewall", weight=Weight.FAULT, said=said, hint="add it as root@…, on systemd; or leave --firewall out")
    if facts.firewall:
        if not _closing(host, facts):
            return Finding(subject="firewall", weight=Weight.GOOD, said=f"closes {facts.firewall}")
        hint = f"`mooring host add {host.address}` again lets in who comes now, from {facts.edge}"
        return Finding(subject="firewall", weight=Weight.WARNING, said=f"closes {facts.firewall}", hint=hint)
    hint = "they are closed when the host is added"
    return Finding(subject="firewall", weight=Weight.WARNING, said="ports of instances are open to whoever reaches the host", hint=hint)


def _closing(host: Host, facts: Facts) -> list[PlannedStep]:
    wanted = closed_to_all_but(facts.edge, host.runtime) if host.runtime in INSTANCE_PORTS else ""
    if not wanted or facts.firewall == wanted or not facts.is_root:
        return []
    what = f"close ports {wanted} (nftables, a table of Mooring's own; every other port stays as it is)"
    return [PlannedStep(step=HostStep.FIREWALL, what=what, reason="apps are reached through the edge alone")]


def budget(facts: Facts) -> int:
    """Bytes that declared memory may add up to, unless somebody says otherwise."""
    return int(facts.memory * _SHARE)


def architecture(facts: Facts) -> str:
    """As images name it: amd64, arm64."""
    return _ARCHITECTURES.get(facts.architecture, facts.architecture)


def _system(facts: Facts) -> Finding:
    said = f"{facts.system or 'unknown'}, {architecture(facts) or 'unknown'}, {facts.processors} processors"
    if any(facts.system == each or facts.system.startswith(f"{each}.") for each in TESTED):
        return Finding(subject="system", weight=Weight.GOOD, said=said)
    return Finding(subject="system", weight=Weight.WARNING, said=said, hint=f"tested are {', '.join(TESTED)}")


def _clock(facts: Facts) -> Finding:
    skew = facts.clock - facts.asked_at
    said = f"{abs(skew):.1f} s {'ahead of' if skew > 0 else 'behind'} the controller's"
    if abs(skew) <= SKEW:
        return Finding(subject="clock", weight=Weight.GOOD, said=said)
    return Finding(subject="clock", weight=Weight.WARNING, said=said, hint="let it be set by NTP: timedatectl set-ntp true")


def _disk(facts: Facts) -> Finding:
    said = f"{format_size(facts.disk_free)} free"
    if facts.disk_free >= LEAST_DISK:
        return Finding(subject="disk", weight=Weight.GOOD, said=said)
    return Finding(subject="disk", weight=Weight.FAULT, said=said, hint=f"make room: at least {format_size(LEAST_DISK)} are needed")


def _memory(host: Host, facts: Facts) -> Finding:
    said = f"{format_size(facts.memory)}, {format_size(host.memory or budget(facts))} of which may be declared"
    if host.memory <= facts.memory:
        return Finding(subject="memory", weight=Weight.GOOD, said=said)
    return Finding(subject="memory", weight=Weight.FAULT, said=said, hint="name no more with --memory than the host has")


def _bind(host: Host, facts: Facts) -> Finding:
    """A public address would let anybody reach the apps around the edge."""
    try:
        address = ipaddress.ip_address(host.bind)
    except ValueError:
        hint = "name an address of the host with --bind, such as 10.0.0.5"
        return Finding(subject="address", weight=Weight.FAULT, said=f"{host.bind!r} is no address", hint=hint)
    if address.is_unspecified or (address.is_global and not address.is_private):
        hint = "name a private address of the host with --bind, such as 10.0.0.5; or keep its ports closed with a firewall"
        return Finding(subject="address", weight=Weight.WARNING, said=f"apps would listen on {address}, for everybody", hint=hint)
    note = " (the edge on another machine cannot reach that)" if address.is_loopback and facts.address != host.bind else ""
    return Finding(subject="address", weight=Weight.GOOD, said=f"apps listen on {address}{note}")


def _owner(facts: Facts, controller: str) -> Finding:
    if facts.owner in ("", controller):
        return Finding(subject="owner", weight=Weight.GOOD, said="it serves this controller" if facts.owner else "it serves nobody yet")
    hint = "take it from the other one first with `mooring host rm`; if that one is gone for good, add it with --take-over"
    return Finding(subject="owner", weight=Weight.FAULT, said=f"it serves another controller, {facts.owner}", hint=hint)


def _systemd(facts: Facts) -> Finding:
    if facts.systemd >= LEAST_SYSTEMD:
        return Finding(subject="systemd", weight=Weight.GOOD, said=f"version {facts.systemd}")
    said = f"version {facts.systemd}" if facts.systemd else "it does not run there"
    return Finding(subject="systemd", weight=Weight.FAULT, said=said, hint=f"systemd {LEAST_SYSTEMD} or newer is needed")


def _edge(ports: EdgePorts, facts: Facts) -> Finding:
    """HAProxy's account must not be the one that apps run as, and low ports are root's to give."""
    fault = _edge_fault(ports, facts)
    if fault is not None:
        said, hint = fault
        return Finding(subject="edge", weight=Weight.FAULT, said=said, hint=hint)
    where = f"ports {ports.http} and {ports.https}" if ports.https else f"port {ports.http}"
    installed = f"HAProxy {facts.haproxy}" if facts.haproxy else "HAProxy is installed when the host is added"
    return Finding(subject="edge", weight=Weight.GOOD, said=f"{where} for everybody; {installed}")


def _edge_fault(ports: EdgePorts, facts: Facts) -> tuple[str, str] | None:
    if not facts.is_root:
        return f"{facts.user} may not make a unit of the system", "add it as root@…, or without --edge"
    if not facts.systemd or not facts.has_python:
        missing = "python3" if facts.systemd else "systemd"
        return f"there is no {missing}, which an edge needs", "install it, or add the host without --edge"
    version = tuple(int(word) for word in facts.haproxy.split(".")[:2] if word.isdigit())
    if version and version < LEAST_HAPROXY:
        return f"HAProxy {facts.haproxy} is too old", "install 2.6 or newer, as Debian 12 has"
    taken = [port for port in (ports.http, ports.https) if port and port in facts.listening and not facts.is_edge_up]
    if taken:
        return f"somebody listens on port {taken[0]} already", "`ss -ltnp` there says who; stop that, or choose others with --edge-ports"
    return None


def _engine(host: Host, facts: Facts) -> Finding:
    if not facts.engine:
        if host.engine_socket:
            said = f"none answers {facts.user} at {host.engine_socket}"
            hint = "start it there (Podman's: systemctl enable --now podman.socket), or add the host again without --engine"
            return Finding(subject="engine", weight=Weight.FAULT, said=said, hint=hint)
        if facts.is_root:
            return Finding(subject="engine", weight=Weight.WARNING, said="there is none yet", hint="it is installed when the host is added")
        hint = f"install one as root, and let {facts.user} use it: usermod -aG docker {facts.user}"
        return Finding(subject="engine", weight=Weight.FAULT, said=f"there is none that {facts.user} may use", hint=hint)
    if not facts.is_root and not facts.systemd:
        hint = "add it as root@…"
        said = f"secrets of containers lie in memory, and without systemd {facts.user} has no place there"
        return Finding(subject="engine", weight=Weight.FAULT, said=said, hint=hint)
    major, _, minor = facts.engine.partition(".")
    if major.isdigit() and minor.isdigit() and (int(major), int(minor)) >= LEAST_ENGINE:
        return Finding(subject="engine", weight=Weight.GOOD, said=f"API {facts.engine}{_where(facts)}")
    return Finding(subject="engine", weight=Weight.FAULT, said=f"API {facts.engine}", hint="Docker 20.10 or newer is needed")


def _where(facts: Facts) -> str:
    return f", at {facts.engine_socket}" if facts.engine_socket else ""
