"""Fixtures: the real API on real sockets, with the real engine and memory; only the world below is in memory."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from server.serving import Served, serving


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server for the tests of a module: each uses apps of its own."""
    with serving(tmp_path_factory.mktemp("state")) as here:
        yield here
