"""The `docker` program as the builders use it: its words, and what it says of images. Must not: know what is built.

Podman's program of that name takes the same words. Images made here are tagged with their artifact's id: what has no such tag is not ours.
"""

from __future__ import annotations

import csv
import io
import json
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from mooring.errors import BuildFailed
from mooring.model.build import BuildSettings

_PATIENCE = 60.0  # seconds
SOCKET = Path("/var/run/docker.sock")
_FIELDS = ("{{.Id}}", "{{.Os}}/{{.Architecture}}", "{{.Size}}", "{{json .Config.Entrypoint}}", "{{json .Config.Cmd}}")
_BUILDKIT_INSIDE = (18, 23)  # majors of the client: from the first it can, from the second on only with its component buildx


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """`path` of the program, and the engine's `socket`; the path is empty where there is no program.

    `repository` is the name that this installation's images have in the engine, which others may use as well.
    """

    path: str
    socket: Path
    repository: str

    @classmethod
    def of(cls, environ: Mapping[str, str], *, installation: str) -> Program:
        """As a person's own settings have it, where they name a socket of this machine. `installation` is unique on it."""
        named = environ.get("DOCKER_HOST", "")
        socket = Path(named.removeprefix("unix://")) if named.startswith("unix://") else SOCKET
        return cls(path=shutil.which("docker", path=environ.get("PATH")) or "", socket=socket, repository=f"mooring-{installation}")

    @property
    def is_there(self) -> bool:
        return bool(self.path) and self.socket.is_socket()

    @property
    def variables(self) -> dict[str, str]:
        return {"DOCKER_HOST": f"unix://{self.socket}"}

    def check(self) -> None:
        """Raises BuildFailed where no image can be made on this machine."""
        if not self.path:
            raise BuildFailed(
                "there is no program docker, which images are built with", hint="install it; Debian: apt-get install docker.io"
            )
        if not self.socket.is_socket():
            raise BuildFailed(f"no container engine listens at {self.socket}", hint="start it, or name its socket in DOCKER_HOST")

    def ask(self, *words: str) -> list[str]:
        """Its lines; none when it refuses or does not answer."""
        try:
            ended = subprocess.run(  # noqa: S603 - its own words and names of ours
                [self.path, *words], env=self.variables, capture_output=True, timeout=_PATIENCE, text=True, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return []
        return ended.stdout.splitlines() if ended.returncode == 0 else []

    def tag(self, artifact: str) -> str:
        return f"{self.repository}:{artifact}"

    def asks_machine(self) -> tuple[str, ...]:
        return (self.path, "version", "--format", "{{.Client.Version}} {{.Server.Os}}/{{.Server.Arch}}")

    def asks_image(self, name: str) -> tuple[str, ...]:
        return (self.path, "image", "inspect", "--format", "\n".join(_FIELDS), "--", name)

    def builds(
        self, settings: BuildSettings, *, artifact: str, result: Path, secrets: Mapping[str, Path], has_buildkit: bool
    ) -> tuple[str, ...]:
        """Variables go by their names: their values stand in the program's environment. `secrets` are files; they need BuildKit."""
        return (
            self.path,
            "build",
            *(("--progress", "plain") if has_buildkit else ()),
            *("--iidfile", str(result), "--tag", self.tag(artifact), "--file", f"./{settings.dockerfile or 'Dockerfile'}"),
            *(("--target", settings.target) if settings.target else ()),
            *(word for name in sorted(settings.variables) for word in ("--build-arg", name)),
            *(word for name, path in sorted(secrets.items()) for word in ("--secret", _row(f"id={name}", f"src={path}"))),
            *("--", "."),
        )


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """An image in the engine: `command` is its own as a line for a shell, empty where it has none."""

    id: str
    platform: str
    size: int
    command: str


def made(lines: Sequence[str]) -> Made:
    """Of what `asks_image` answers. Raises BuildFailed when it is something else."""
    try:
        identity, platform, size, entrypoint, command = lines
        argv = [*(json.loads(entrypoint) or ()), *(json.loads(command) or ())]
        return Made(id=identity, platform=platform, size=int(size), command=shlex.join(argv))
    except ValueError as error:
        raise BuildFailed(f"what the program docker says of the image cannot be read: {error}") from error


def machine(lines: Sequence[str]) -> tuple[int, str]:
    """The client's major version, and the engine's platform. Raises BuildFailed."""
    try:
        version, platform = lines[0].split()
        return int(version.partition(".")[0]), platform
    except (IndexError, ValueError) as error:
        raise BuildFailed("what the program docker says of its engine cannot be read") from error


def _row(*fields: str) -> str:
    """As the program docker reads an option of several fields: comma-separated values."""
    row = io.StringIO()
    csv.writer(row, lineterminator="").writerow(fields)
    return row.getvalue()


def has_buildkit_inside(major: int) -> bool:
    return _BUILDKIT_INSIDE[0] <= major < _BUILDKIT_INSIDE[1]


def check_platform(wanted: str, engine: str) -> None:
    """Raises BuildFailed where what this engine makes could not run on the hosts: said before anything is built."""
    if wanted and wanted != engine:
        hint = "build it on such a machine, push it, and name it in build.image"
        raise BuildFailed(f"the hosts are {wanted}, and the container engine here builds for {engine}", hint=hint)
