"""The client loads what it needs and nothing of the server: a command has 0.3 s for everything."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = [
    "fastapi",
    "starlette",
    "uvicorn",
    "pydantic",
    "sqlalchemy",
    "httpx",
    "cryptography",
    "ahocorasick",
    "alembic",
    "rich",
    "websockets",
]


@pytest.mark.parametrize("module", ["mooring.client.client", "mooring.client.platform"])
def test_nothing_heavy_comes_with_the_client(module: str) -> None:
    script = f"import {module}, sys; print(' '.join(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert [name for name in HEAVY if name in loaded] == []
    assert [name for name in loaded if name.startswith(("mooring.server", "mooring.store", "mooring.engine.controller"))] == []
