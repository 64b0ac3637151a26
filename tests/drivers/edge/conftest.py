"""A real Envoy with its attendant, started once per module."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from mooring.testing.envoy import EnvoyPlatform, EnvoyRig


@pytest.fixture(scope="module")
def platform() -> Iterator[EnvoyPlatform]:
    directory = Path(tempfile.mkdtemp(prefix="mooring-edge-"))  # short: a socket's path has 107 bytes at most
    platform = EnvoyPlatform(directory)
    try:
        platform.start()
        yield platform
    finally:
        platform.stop()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
async def rig(platform: EnvoyPlatform) -> AsyncIterator[EnvoyRig]:
    rig = EnvoyRig(platform)
    yield rig
    await rig.close()
