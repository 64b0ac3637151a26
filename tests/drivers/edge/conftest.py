"""A real proxy, started once per module: every test is done with each of them, unless its module names in PROXIES those it is about."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from mooring.testing.envoy import EnvoyPlatform, EnvoyRig
from mooring.testing.haproxy import HaproxyPlatform, HaproxyRig

BOTH = ("envoy", "haproxy")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "proxy" in metafunc.fixturenames:
        metafunc.parametrize("proxy", getattr(metafunc.module, "PROXIES", BOTH), scope="module")


@pytest.fixture(scope="module")
def platform(proxy: str) -> Iterator[EnvoyPlatform | HaproxyPlatform]:
    directory = Path(tempfile.mkdtemp(prefix="mooring-edge-"))  # short: a socket's path has 107 bytes at most
    platform = EnvoyPlatform(directory) if proxy == "envoy" else HaproxyPlatform(directory)
    try:
        platform.start()
        yield platform
    finally:
        platform.stop()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
async def rig(platform: EnvoyPlatform | HaproxyPlatform) -> AsyncIterator[EnvoyRig | HaproxyRig]:
    rig = EnvoyRig(platform) if isinstance(platform, EnvoyPlatform) else HaproxyRig(platform)
    yield rig
    await rig.close()
