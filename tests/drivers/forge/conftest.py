"""A forge on a port of this machine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from forge.server import FakeForge, forge_running


@pytest.fixture
def server() -> Iterator[FakeForge]:
    with forge_running() as forge:
        yield forge
