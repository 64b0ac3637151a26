"""One server of each kind for all tests of this folder that run in one process. Each test finds it as new."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from services.mariadb import MariadbRig, mariadb
from services.postgres import PostgresRig, postgres
from services.redis import RedisRig, redis
from services.seaweed import SeaweedRig, seaweed

from mooring.model.secret import Secret


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[tuple[int, Path]]:
    with postgres() as found:
        yield found


@pytest.fixture(params=["superuser", "maker"])
async def postgres_rig(request: pytest.FixtureRequest, postgres_server: tuple[int, Path]) -> AsyncIterator[PostgresRig]:
    """As a superuser, and as one who may only make databases and roles."""
    port, log = postgres_server
    root = f"postgresql://postgres:root@127.0.0.1:{port}/postgres"
    admin = root if request.param == "superuser" else f"postgresql://maker:maker@127.0.0.1:{port}/postgres"
    rig = PostgresRig(Secret(admin), Secret(root), log)
    yield rig
    await rig.clear()


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[tuple[int, Path]]:
    with mariadb() as found:
        yield found


@pytest.fixture(params=["all rights", "maker"])
def mariadb_rig(request: pytest.FixtureRequest, mariadb_server: tuple[int, Path]) -> Iterator[MariadbRig]:
    """As one who may do everything, and as one who has just the rights that are asked for."""
    port, log = mariadb_server
    everything = f"mysql://chief:chief@127.0.0.1:{port}/"
    admin = everything if request.param == "all rights" else f"mysql://maker:maker@127.0.0.1:{port}/"
    rig = MariadbRig(Secret(admin), Secret(everything), log)
    yield rig
    rig.clear()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[tuple[int, Path]]:
    with redis() as found:
        yield found


@pytest.fixture
def redis_rig(redis_server: tuple[int, Path]) -> Iterator[RedisRig]:
    port, place = redis_server
    rig = RedisRig(Secret(f"redis://chief:chief@127.0.0.1:{port}"), place)
    yield rig
    rig.clear()


@pytest.fixture(scope="session")
def seaweed_server() -> Iterator[Secret]:
    with seaweed() as found:
        yield found


@pytest.fixture
def seaweed_rig(seaweed_server: Secret) -> Iterator[SeaweedRig]:
    rig = SeaweedRig(seaweed_server)
    yield rig
    rig.clear()
