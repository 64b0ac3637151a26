"""What every builder starts from: a HOME that lasts as long as the build, and a sandbox with the build's limits and variables.

Must not: know what kind of app is built.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

from mooring.drivers.builder.contract import BuildLog, BuildRequest, Command, Confined
from mooring.drivers.builder.sandbox import Confine, Sandbox
from mooring.drivers.builder.surroundings import Surroundings
from mooring.drivers.builder.tree import remove_tree, to_completion

TEMPORARY = "tmp"
"""The folder of the cache that holds the HOME of each build going on; whatever is in it when nothing is built is left over."""


@contextlib.asynccontextmanager
async def workbench(
    request: BuildRequest,
    log: BuildLog,
    *,
    surroundings: Surroundings,
    variables: Mapping[str, str] | None = None,
    place: Path | None = None,
) -> AsyncIterator[Sandbox]:
    """A sandbox for this request. `variables` are the builder's own and give way to those of the manifest.

    `place`: all of the output that its commands write to, if not the whole: what is beside it they cannot touch where they are confined."""
    home = _new_home(request.cache)
    downloads = request.confined.downloads if request.confined is not None else request.cache
    record = home.with_name(f"{home.name}.bounds")  # beside it: nothing that is confined may touch it
    confine = _confine(request.confined, record, (place or request.output, home)) if request.confined is not None else None
    try:
        surroundings.furnish(home)
        environment = surroundings.environment(home, cache=downloads, variables={**(variables or {}), **request.settings.variables})
        yield Sandbox(request.settings.limits, log, environment=environment, disk=request.cache, confine=confine)
    finally:
        await to_completion(remove_tree, home)
        record.unlink(missing_ok=True)


def shell_line(command: str) -> tuple[str, ...]:
    """The app's own command line, for the shell it was written for. Nothing of Mooring's is ever put into it."""
    return ("sh", "-c", command)


def _confine(confined: Confined, record: Path, own: tuple[Path, ...]) -> Confine:
    def confine(command: Command, writes: Sequence[Path], reads: Sequence[Path]) -> Command:
        return confined.by.confined(command, record=record, writes=(*own, confined.downloads, *writes), reads=reads)

    return confine


def _new_home(cache: Path) -> Path:
    shelf = cache / TEMPORARY
    shelf.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix="home-", dir=shelf))
