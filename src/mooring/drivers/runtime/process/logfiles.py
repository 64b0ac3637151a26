"""Where output is kept, and whose a file is: LOGS/<environment>/v<release>/<process>.<slot>.<generation>.<stream>.log.

One file per stream, appended to by the program itself; the log keeper (logkeeper.py) bounds it by giving the disk space of its
beginning back, so a file is never renamed and a place in it never moves. Must not: read what it holds.
"""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from mooring.drivers.runtime.contract import LogQuery
from mooring.drivers.runtime.process import record, times
from mooring.errors import Unavailable
from mooring.model.environment import EnvironmentId
from mooring.model.instance import InstanceKey

STREAMS = ("stdout", "stderr")
_INSTANCE = re.compile(r"\A(?P<process>[A-Za-z0-9_-]+)\.(?P<slot>\d+)\.\d+\.(?P<stream>stdout|stderr)\.log\Z")
_TASK = re.compile(r"\Atask@(?P<name>[A-Za-z0-9_.-]+)\.(?P<stream>stdout|stderr)\.log\Z")
_RELEASE = re.compile(r"\Av(\d+)\Z")


class LogFile(msgspec.Struct, frozen=True, order=True):
    path: Path
    release: int
    source: str
    stream: str


class LogFiles:
    """Below `directory`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def prepare_instance(self, key: InstanceKey, *, limit: int) -> tuple[str, str]:
        """The two files of an instance (stdout, stderr), which may grow to `limit` bytes each; their directory exists then."""
        return self._prepare(key.environment, key.release, f"{key.process}.{key.slot}.{key.generation}", limit=limit)

    def prepare_task(self, environment: EnvironmentId, name: str, release: int, *, limit: int) -> tuple[str, str]:
        return self._prepare(environment, release, f"task@{name}", limit=limit)

    def of_instance(self, key: InstanceKey) -> list[LogFile]:
        found = self._in_release(key.environment, key.release)
        return [file for file in found if file.path.name.startswith(f"{key.process}.{key.slot}.{key.generation}.")]

    def of_task(self, environment: EnvironmentId, name: str, release: int) -> list[LogFile]:
        return [file for file in self._in_release(environment, release) if file.path.name.startswith(f"task@{name}.std")]

    def asked(self, query: LogQuery) -> list[LogFile]:
        """Those that the query is about, as they are now."""
        releases = self.releases(query.environment) if query.release is None else [query.release]
        files = [file for release in releases for file in self._in_release(query.environment, release)]
        return sorted(file for file in files if _is_asked(file, query))

    def releases(self, environment: EnvironmentId) -> list[int]:
        place = self.directory / environment.slug
        names = [path.name for path in place.iterdir()] if place.is_dir() else []
        return sorted(int(match[1]) for name in names if (match := _RELEASE.match(name)))

    def release_directory(self, environment: EnvironmentId, release: int) -> Path:
        return self.directory / environment.slug / f"v{release}"

    def _prepare(self, environment: EnvironmentId, release: int, stem: str, *, limit: int) -> tuple[str, str]:
        place = self.release_directory(environment, release)
        try:
            record.make_directory(str(place))
            paths = [place / f"{stem}.{stream}.log" for stream in STREAMS]
            for path in paths:
                times.begin(path, limit=limit)
        except OSError as error:
            raise Unavailable(f"the log of {stem} cannot be kept: {error.strerror}", where=str(place)) from error
        return str(paths[0]), str(paths[1])

    def _in_release(self, environment: EnvironmentId, release: int) -> list[LogFile]:
        place = self.release_directory(environment, release)
        paths = list(place.iterdir()) if place.is_dir() else []
        return sorted(file for path in paths if (file := _log_file(path, release)) is not None)


def _log_file(path: Path, release: int) -> LogFile | None:
    if match := _INSTANCE.match(path.name):
        return LogFile(path, release, f"{match['process']}.{match['slot']}", match["stream"])
    if match := _TASK.match(path.name):
        return LogFile(path, release, match["name"], match["stream"])
    return None


def _is_asked(file: LogFile, query: LogQuery) -> bool:
    match = _INSTANCE.match(file.path.name)
    if match is None:  # a task: only where no process type is named
        return query.process is None and query.slot is None
    return query.process in (None, match["process"]) and query.slot in (None, int(match["slot"]))
