"""Fixtures: the real API on real sockets, with the real engine and memory; only the world below is in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from forge.origin import Origin
from forge.server import FakeForge, forge_running
from server.forged import Add, asked_for
from server.serving import Served, serving

from mooring.usecases.requests import ForgeRequest


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server for the tests of a module: each uses apps of its own."""
    with serving(tmp_path_factory.mktemp("state")) as here:
        yield here


@pytest.fixture
def forge() -> Iterator[FakeForge]:
    with forge_running() as here:
        here.answers["/repos/acme/shop"] = {"full_name": "acme/shop", "permissions": {"push": True}}
        yield here


@pytest.fixture
def origin(tmp_path: Path) -> Origin:
    return Origin(tmp_path / "origin")


@pytest.fixture
def add(served: Served, forge: FakeForge, origin: Origin) -> Iterator[Add]:
    """`add("shop")` adds the forge's repository for that app; all are forgotten in the end."""

    def added(app: str, **changes: object) -> ForgeRequest:
        request = asked_for(app, forge, origin, **changes)
        served.client.add_forge(request)
        return request

    yield added
    for status in served.client.forges():
        served.client.remove_forge(status.link.app)
