"""What is kept on the host beside the engine: the highest fencing numbers, and secrets as files in memory. Must not: know containers.

Each is one small script of the host's own /bin/sh, given as a whole and with its words apart: nothing is put into its text.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from pathlib import PurePosixPath

from mooring.drivers.runtime.listeners import LISTEN, address
from mooring.drivers.transport.contract import Completed, Transport
from mooring.errors import StaleFence, StateDamaged, Unavailable
from mooring.model.health import Listening
from mooring.model.lease import Mark

_FENCE = """set -eu
umask 077
mkdir -p "$1"
exec 9>"$1/.lock"
flock 9
seen=0
if [ -e "$1/$2" ]; then read -r seen <"$1/$2" || :; fi
case "$seen" in ''|*[!0-9]*) exit 21;; esac
if [ "$3" -lt "$seen" ]; then echo "$seen"; exit 20; fi
if [ "$3" -gt "$seen" ]; then
  echo "$3" >"$1/.$2.new"
  sync "$1/.$2.new"
  mv "$1/.$2.new" "$1/$2"
fi
"""
_LAY = """set -eu
umask 077
mkdir -p "$1"
case "$(stat -f -c %T "$1")" in tmpfs|ramfs) ;; *) exit 22;; esac
rm -rf "$1/$2"
mkdir "$1/$2"
tar -x -p -C "$1/$2" -f -
"""
_OLDER, _GARBLED, _ON_DISK = 20, 21, 22
_FILES = "files"
_RESOLVER = "127.0.0.11"  # the engine's own, in every container of a network that has names


class HostFiles:
    """`fences` and `secrets` are directories of the host; both are made where they are missing."""

    def __init__(self, transport: Transport, *, fences: PurePosixPath, secrets: PurePosixPath) -> None:
        self._transport = transport
        self._fences = fences
        self._secrets = secrets

    async def check(self, mark: Mark) -> None:
        """Compare and remember this number, in one go on the host. Raises StaleFence when a higher one was seen."""
        argv = ("/bin/sh", "-c", _FENCE, "fence", str(self._fences), mark.environment.slug, str(mark.fence))
        ended = await self._transport.run(argv)
        if ended.code == _OLDER:
            raise StaleFence(
                f"{mark.operation}: number {mark.fence} is older than {ended.out.decode().strip()}",
                hint="another controller has taken over; this one stops here",
                where=f"{mark.environment} on {self._transport.host}",
            )
        if ended.code == _GARBLED:
            path = self._fences / mark.environment.slug
            hint = f"remove {path} there when only one controller runs"
            raise StateDamaged(f"the fencing number in {path} cannot be read", hint=hint, where=self._transport.host)
        self._expect(ended, f"the fencing number of {mark.environment} cannot be kept")

    async def lay(self, name: str, files: Mapping[str, bytes]) -> PurePosixPath:
        """Put files into memory, in the place of those laid under the same name; where they lie now.

        The directory above is closed to every other account of the host; the files themselves are open to whoever the container runs as.
        """
        argv = ("/bin/sh", "-c", _LAY, "lay", str(self._secrets), name)
        ended = await self._transport.run(argv, stdin=_tar(files))
        if ended.code == _ON_DISK:
            hint = "mount a tmpfs there, or name a place in memory"
            raise Unavailable(f"{self._secrets} is on a disk: no secret is written there", hint=hint, where=self._transport.host)
        self._expect(ended, "the secrets cannot be laid out")
        return self._secrets / name / _FILES

    async def remove(self, *names: str) -> None:
        """What was laid under these names."""
        if names:
            paths = [str(self._secrets / name) for name in names]
            self._expect(await self._transport.run(("rm", "-rf", "--", *paths)), "secrets cannot be removed")

    async def listening(self, pid: int) -> tuple[Listening, ...]:
        """Where something listens in the network of that process; nothing where the host does not show it."""
        ended = await self._transport.run(("cat", f"/proc/{pid}/net/tcp", f"/proc/{pid}/net/tcp6"))
        return listeners(ended.out.decode("ascii", "replace"))

    async def free_bytes(self, directory: str) -> int | None:
        """On the disk of that directory; None where the host does not say."""
        ended = await self._transport.run(("stat", "-f", "-c", "%a %S", directory))
        words = ended.out.split()
        return int(words[0]) * int(words[1]) if ended.code == 0 and len(words) == 2 else None

    def _expect(self, ended: Completed, what: str) -> None:
        if ended.code != 0:
            said = ended.err.decode("utf-8", "replace").strip()[-200:]
            raise Unavailable(f"{what}: {said or f'exit code {ended.code}'}", where=self._transport.host)


def listeners(tables: str) -> tuple[Listening, ...]:
    """Of /proc/PID/net/tcp and tcp6, one after the other. Source: proc_net_tcp of the kernel's documentation."""
    rows = [line.split() for line in tables.splitlines()]
    places = [row[1].split(":") for row in rows if len(row) > 3 and row[3] == LISTEN]
    found = {(address(place), int(port, 16)) for place, port in places}
    return tuple(Listening(where, port) for where, port in sorted(found) if where != _RESOLVER)


def _tar(files: Mapping[str, bytes]) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.PAX_FORMAT) as tar:
        folder = tarfile.TarInfo(_FILES)
        folder.type, folder.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(folder)
        for name, content in files.items():
            entry = tarfile.TarInfo(f"{_FILES}/{name}")
            entry.size, entry.mode = len(content), 0o444
            tar.addfile(entry, io.BytesIO(content))
    return archive.getvalue()
