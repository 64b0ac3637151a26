"""The option `--long`: what takes minutes and repeats itself for certainty's sake is marked `long` and runs only with it.

A test of another length without a marker of its own asks the fixture `is_long`.
"""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="also run what is marked `long`, and campaigns at their full length")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "docker: starts a container engine of its own, for which it has to be root")
    config.addinivalue_line("markers", "long: runs only with --long, and is deselected otherwise")
    config.addinivalue_line("markers", "fleet: runs on real hosts; what that means stands in tests/fleet/conftest.py")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--long"):
        return
    left_out = [item for item in items if item.get_closest_marker("long")]
    items[:] = [item for item in items if item not in left_out]
    if left_out:
        config.hook.pytest_deselected(items=left_out)


@pytest.fixture(scope="session")
def is_long(request: pytest.FixtureRequest) -> bool:
    """Whether campaigns run at their full length."""
    return bool(request.config.getoption("--long"))
