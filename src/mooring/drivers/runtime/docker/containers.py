"""What the engine is asked to make: pure bodies of its API. Must not: connect, or put a secret into one.

Whatever a container could do beyond what an app needs is taken away: no capability, no new privilege, nothing writable but /tmp (in
memory) and what the image itself calls a volume. The engine's own init is the first process: it reaps what an app leaves behind.
Source of the fields: Docker Engine API 1.41, ContainerCreate.
"""

from __future__ import annotations

from pathlib import PurePosixPath

import msgspec

from mooring.drivers.runtime.docker import carried
from mooring.drivers.runtime.docker.settings import DockerSettings

_LOG_FILES = 2


class Container(msgspec.Struct, frozen=True, kw_only=True):
    """`ports` are the published one and the one inside; `secrets` is where the files for it lie on the host.

    `volume` is the name of one and where it stands inside. `is_writable`: its own root too, for a container that is never started.
    `terminal`: somebody is attached, with a terminal or with three pipes; None: nobody is.
    """

    image: str
    argv: tuple[str, ...]
    environment: dict[str, str]
    labels: dict[str, str]
    user: str = ""  # empty: as the image says
    ports: tuple[int, int] | None = None
    secrets: PurePosixPath | None = None
    volume: tuple[str, str] | None = None
    is_writable: bool = False
    memory: int = 0
    cpus: float = 0.0
    log_bytes: int = 10_000_000
    stop_signal: str = "SIGTERM"
    is_kept: bool = False
    terminal: bool | None = None


def body(container: Container, settings: DockerSettings) -> dict[str, object]:
    is_attached = container.terminal is not None
    return {
        "Image": container.image,
        "Entrypoint": list(container.argv),
        "Env": [f"{name}={value}" for name, value in container.environment.items()],
        "Labels": container.labels,
        "StopSignal": container.stop_signal,
        "Healthcheck": {"Test": ["NONE"]},  # the edge's side asks; the image needs no program for it
        **({"User": container.user} if container.user else {}),
        **({"ExposedPorts": {f"{container.ports[1]}/tcp": {}}} if container.ports else {}),
        "Tty": container.terminal is True,
        "OpenStdin": is_attached,
        "StdinOnce": is_attached,
        "AttachStdin": is_attached,
        "AttachStdout": is_attached,
        "AttachStderr": is_attached,
        "HostConfig": _host(container, settings),
    }


def _host(container: Container, settings: DockerSettings) -> dict[str, object]:
    return {
        "Init": True,
        "RestartPolicy": {"Name": "unless-stopped" if container.is_kept else "no"},
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges"],
        "ReadonlyRootfs": not container.is_writable,
        "Tmpfs": {"/tmp": f"rw,nosuid,nodev,mode=1777,size={settings.temporary_bytes}"},  # noqa: S108 - inside the container
        "PidsLimit": settings.processes,
        **({"Memory": container.memory, "MemorySwap": container.memory} if container.memory else {}),
        **({"NanoCpus": round(container.cpus * 1e9)} if container.cpus else {}),
        **({"PortBindings": _bindings(container.ports, settings.bind)} if container.ports else {}),
        "Mounts": [
            *([_mount(container.secrets)] if container.secrets else []),
            *([{"Type": "volume", "Source": container.volume[0], "Target": container.volume[1]}] if container.volume else []),
        ],
        "LogConfig": {
            "Type": "json-file",
            "Config": {"max-size": str(max(container.log_bytes // _LOG_FILES, 1)), "max-file": str(_LOG_FILES)},
        },
    }


def _bindings(ports: tuple[int, int], address: str) -> dict[str, object]:
    published, inside = ports
    return {f"{inside}/tcp": [{"HostIp": address, "HostPort": str(published)}]}


def _mount(secrets: PurePosixPath) -> dict[str, object]:
    """A directory that is gone, as after the host began anew, keeps the container from starting: nothing makes an empty one."""
    return {"Type": "bind", "Source": str(secrets), "Target": carried.PLACE, "ReadOnly": True}
