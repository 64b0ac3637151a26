"""One engine for all tests of this folder that run in one process, and a second that images are sent from. Each test finds them empty."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path, PurePosixPath

import pytest
from docker.engine import ContainerEngine, DockerEngine, missing, serving

from mooring.drivers.runtime.docker.runtime import DockerRuntime
from mooring.drivers.runtime.docker.settings import DockerSettings
from mooring.drivers.transport.local import LocalTransport


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A developer without root or an engine is told that these tests did not run; in CI they run, or fail."""
    reason = missing()
    if not reason or os.environ.get("CI"):
        return
    left_out = [item for item in items if item.get_closest_marker("docker")]
    if left_out:
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)
        config.stash.setdefault(_LEFT_OUT, f"{len(left_out)} tests with a real container engine did not run: {reason}")


_LEFT_OUT = pytest.StashKey[str]()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if _LEFT_OUT in config.stash:
        terminalreporter.write_line(config.stash[_LEFT_OUT])


@pytest.fixture(scope="session")
def engines() -> Iterator[tuple[ContainerEngine, ContainerEngine]]:
    """The host's, and the controller's own."""
    reason = missing()
    assert not reason, reason
    number = os.getpid()
    with tempfile.TemporaryDirectory(prefix="mooring-", ignore_cleanup_errors=True) as directory:
        network = f"10.{200 + number % 50}.{number // 50 % 250}"
        host = DockerEngine(Path(directory) / "host", bridge=f"mrgh{number}", subnet=f"{network}.1/25")
        own = DockerEngine(Path(directory) / "own", bridge=f"mrgo{number}", subnet=f"{network}.129/25")
        with serving(host):
            try:
                own.start()
                yield host, own
            finally:
                own.stop()


@pytest.fixture
def host_engine(engines: tuple[ContainerEngine, ContainerEngine]) -> ContainerEngine:
    engines[0].clear()
    return engines[0]


@pytest.fixture
def own_engine(engines: tuple[ContainerEngine, ContainerEngine]) -> ContainerEngine:
    engines[1].clear()
    return engines[1]


@pytest.fixture(scope="session")
def memory_place() -> Iterator[Path]:
    """A directory in memory, as /run is on a host."""
    with tempfile.TemporaryDirectory(prefix="mooring-run-") as directory:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", directory], check=True)
        try:
            yield Path(directory)
        finally:
            subprocess.run(["umount", "-l", directory], check=True)


@pytest.fixture
def settings(host_engine: ContainerEngine, own_engine: ContainerEngine, memory_place: Path, tmp_path: Path) -> DockerSettings:
    first = 30_000 + os.getpid() % 20 * 100
    return DockerSettings(
        controller="tests",
        memory_budget=4_000_000_000,
        socket=PurePosixPath(host_engine.socket),
        directory=PurePosixPath(tmp_path / "kept"),
        secrets=PurePosixPath(memory_place),
        ports=(first, first + 99),
        bind=host_engine.address,
        source=own_engine.socket,
        spool=tmp_path,
    )


@pytest.fixture
async def runtime(settings: DockerSettings) -> AsyncIterator[DockerRuntime]:
    runtime = DockerRuntime(LocalTransport(), settings)
    try:
        yield runtime
    finally:
        await runtime.close()
