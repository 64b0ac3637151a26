"""Builders as they come with Mooring, on caches that the whole session shares, and a log that can be read afterwards."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from mooring.drivers.builder.confines import LandlockConfines
from mooring.drivers.builder.contract import Builder, BuildRequest, Confined
from mooring.drivers.builder.sandbox import Sandbox
from mooring.drivers.builder.standard import standard_builders
from mooring.drivers.builder.surroundings import Surroundings
from mooring.drivers.builder.tree import tree_digest
from mooring.drivers.runtime.process import landlock
from mooring.model.build import BuildLimits, BuildSettings

APPS = Path(__file__).parents[2] / "apps"


@pytest.fixture(scope="session")
def session_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What uv and npm download is downloaded once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def cache(tmp_path: Path, session_cache: Path) -> Path:
    """A cache without any finished dependencies, over the downloads that the session shares."""
    place = tmp_path / "cache"
    place.mkdir()
    for name in ("uv", "npm", "pip"):
        (session_cache / name).mkdir(exist_ok=True)
        (place / name).symlink_to(session_cache / name)
    return place


@pytest.fixture(scope="session")
def builders() -> dict[str, Builder]:
    return {builder.name: builder for builder in standard_builders(os.environ)}


@pytest.fixture
def apps() -> Path:
    return APPS


@pytest.fixture
def write_tree(tmp_path: Path) -> Callable[..., Path]:
    """A source tree out of file names and contents."""

    def write(files: dict[str, str], *, name: str = "source") -> Path:
        for path, content in files.items():
            place = tmp_path / name / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(content)
        return tmp_path / name

    return write


@pytest.fixture
def request_for(tmp_path: Path, cache: Path) -> Callable[..., BuildRequest]:
    """A request for a tree, each with an output of its own; with an `owner` one that is confined, and the whole test is the platform's."""
    outputs = iter(range(1000))

    def confined(owner: str) -> Confined:
        assert landlock.version(), "this kernel confines nothing: Linux 5.13 or newer, with landlock among its `lsm=`"
        downloads = cache / "own" / owner
        downloads.mkdir(parents=True, exist_ok=True)
        return Confined(owner=owner, downloads=downloads, by=LandlockConfines((str(tmp_path),)))

    def make(source: Path, *, owner: str = "", **settings: object) -> BuildRequest:
        output = tmp_path / "artifacts" / f"a{next(outputs)}"
        chosen = BuildSettings(**settings)  # type: ignore[arg-type]  # passed through
        return BuildRequest(
            source=source,
            output=output,
            cache=cache,
            digest=tree_digest(source),
            settings=chosen,
            confined=confined(owner) if owner else None,
        )

    return make


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def sandbox(tmp_path: Path, lines: list[str]) -> Callable[..., Sandbox]:
    """A sandbox with these limits (and whatever else it takes), logging into `lines`."""

    def make(*, environ: dict[str, str] | None = None, reserve: int = 0, **limits: object) -> Sandbox:
        surroundings = Surroundings.of(os.environ if environ is None else environ)
        home = tmp_path / "home"
        if not home.exists():
            surroundings.furnish(home)
        environment = surroundings.environment(home, cache=tmp_path, variables={})
        chosen = BuildLimits(**limits)  # type: ignore[arg-type]  # passed through
        return Sandbox(chosen, lines.append, environment=environment, disk=tmp_path, reserve=reserve)

    return make


@pytest.fixture(autouse=True)
def no_process_is_left() -> Iterator[None]:
    """Every test here starts processes; none may outlive it. What others keep for a whole session, and what comes of that, is theirs."""
    before = set(psutil.Process().children(recursive=True))
    yield
    present = [process for process in psutil.Process().children(recursive=True) if process.is_running() and process not in before]
    left = [process for process in present if not before.intersection(process.parents())]
    names = [process.name() for process in left]
    for process in left:
        process.kill()
    assert names == []
