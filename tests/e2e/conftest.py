"""Fixtures of the end-to-end tests: a running platform, shared by the tests of a module."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e.platform import Platform, short_directory


@pytest.fixture(scope="session")
def build_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Package downloads shared by every platform of the session."""
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    with short_directory() as directory:
        yield directory


@pytest.fixture(scope="module")
def platform(directory: Path, build_cache: Path) -> Iterator[Platform]:
    here = Platform(directory)
    here.variables |= {"UV_CACHE_DIR": str(build_cache / "uv"), "npm_config_cache": str(build_cache / "npm")}
    try:
        here.up()
        yield here
        here.down()
        assert here.pids() == [], "down leaves nothing running"
    finally:
        here.kill_all()
